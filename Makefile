# `make help` lists the targets. Everything needed beyond the prerequisites is installed inside the project.

PORT ?= 4566
ARCH ?= arm64
PYTHON ?= python3
EMULATOR ?= ministack
FROM ?= 0
SEEDS ?= 10000
KILLS ?= 10000
TIME ?= 600
RUNS ?= -1
BUYERS ?= 1000
PARITY_BUYERS ?= 10000
MINUTES ?= 30
SEED ?= 1
SHARD ?= 0/1
# One by one, because the shell of Debian looks only for the first name of a list.
CHROMIUM ?= $(firstword $(foreach name,chromium chromium-browser google-chrome,$(shell command -v $(name) 2>/dev/null)))
MUTATED ?= domain event-store leads-store effects contract recorder reactor sweeper receipts

NEXTEST_VERSION := 0.9.143
DENY_VERSION := 0.20.2
MUTANTS_VERSION := 27.1.0

# Where cargo builds, and where the functions for the local AWS are placed.
BUILT := $(or $(CARGO_TARGET_DIR),target)
LOCAL := $(BUILT)/local
LOCAL_FUNCTIONS := $(LOCAL)/lambda
FUNCTIONS := recorder reactor sweeper receipts
PEERS := $(BUILT)/peers
LOCAL_STACK := .venv/bin/python infra/local/stack.py
# What the local AWS needs (docs/localstack.md), and how it is chosen. A LocalStack that is already running needs nothing.
ifdef LOCALSTACK_ENDPOINT
override EMULATOR := localstack
export LOCALSTACK_ENDPOINT
endif
ENGINE := .venv/ready $(if $(filter localstack,$(EMULATOR)),$(if $(LOCALSTACK_ENDPOINT),,.venv-localstack/ready))
ON_A_STACK = $(LOCAL_STACK) run --emulator $(EMULATOR) --artifacts $(LOCAL_FUNCTIONS) --wire $(LOCAL)/strict-wire

export PATH := $(CURDIR)/.tools/bin:$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help prerequisites setup demo test test-rules test-local test-localstack test-python test-console chromium test-examples migration soak drill check lint-infra build-local build-demo sim sim-pairs sim-compare kills fuzz clauses mutants bench baseline up down package archive reproducible preflight deploy rollback destroy acceptance clean
.DELETE_ON_ERROR:

help: ## Lists the targets
	@awk -F ':.*## ' '/^##@ / { print substr($$0, 5) ":" } /^[a-z-]+:.*## / { printf "  %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##@ On this machine

demo: $(ENGINE) build-demo ## Runs a demonstration of the whole system on its own local AWS (VERBOSE=1 EMULATOR=ministack)
	@$(ON_A_STACK) --needs email,bodies -- $(LOCAL)/demo $(if $(VERBOSE),--verbose)

test: test-python test-rules test-local test-console ## Runs all tests, including those of the deployed stack, except those that need LocalStack

test-rules: .tools/nextest build-local ## Runs the tests that need no AWS
	cargo nextest run --cargo-profile local --workspace
	cargo test --profile local --workspace --doc --quiet

# The consumers empty the sales team's queue, so they run after the tests that read it; the deliberate faults come last.
# Only MiniStack can enforce the roles' policies; only LocalStack has what the tests of `local-aws-localstack` need.
test-local: $(ENGINE) .tools/nextest build-local ## Runs the tests of the deployed stack on its own local AWS (EMULATOR=ministack)
	$(if $(LOCALSTACK_ENDPOINT),,.venv/bin/python -B tests/deploy/life_of_a_stack.py --emulator $(EMULATOR) --artifacts $(LOCAL_FUNCTIONS))
	$(ON_A_STACK) $(if $(filter ministack,$(EMULATOR)),--enforce-iam,$(if $(LOCALSTACK_ENDPOINT),,--all-used)) --needs nothing -- sh -ec '\
		$(if $(LOCALSTACK_ENDPOINT),,$(LOCAL)/acceptance --stack leadstream --yes --report $(LOCAL)/acceptance-$(EMULATOR);) \
		.venv/bin/python -B tests/senders.py --built $(LOCAL) python rust; \
		run() { cargo nextest run --cargo-profile local --workspace --profile $$1 -E "all() - ($$SKIPPED_TESTS)"; }; \
		for part in local-aws local-aws-alone $(if $(filter localstack,$(EMULATOR)),local-aws-localstack) local-aws-after; do \
			run $$part; \
		done; \
		.venv/bin/python -B tests/consumers.py --built $(LOCAL) python rust; \
		run local-aws-faults'

test-localstack: ## Runs the tests of the deployed stack on LocalStack; needs Python 3.13 (PYTHON313=)
	$(MAKE) --no-print-directory test-local EMULATOR=localstack

test-examples: $(ENGINE) build-local ## Runs the example senders and consumers, also in TypeScript; needs npm (EMULATOR=ministack)
	$(ON_A_STACK) --needs nothing -- sh -ec '\
		.venv/bin/python -B tests/senders.py --built $(LOCAL); \
		.venv/bin/python -B tests/consumers.py --built $(LOCAL)'

test-python: .venv/ready ## Tests the deployer, how engines are found, the soak's judge, the drill's reading, and the contract with its example programs
	PYTHONPATH=infra .venv/bin/python -B -m unittest discover --quiet --start-directory tests/deploy
	PYTHONPATH=infra/local .venv/bin/python -B -m unittest discover --quiet --start-directory tests/engines
	cd tests/contract && $(CURDIR)/.venv/bin/python -B -m unittest --quiet
	cd docs/contract/consumer-example/python && $(PYTHON) -B -m unittest --quiet
	cd docs/contract/former-system-example && $(PYTHON) -B -m unittest --quiet
	cd tests/soak && $(PYTHON) -B -m unittest --quiet
	cd tests/drill && $(CURDIR)/.venv/bin/python -B -m unittest --quiet

# Only where there is a browser; PICTURE=1 also renews the README's picture of the console.
BROWSER := $(if $(CHROMIUM),$(shell command -v npm 2>/dev/null))
test-console: $(if $(BROWSER),.tools/console .tools/nextest build-local) ## Tests the pages of `leads console` in Chromium; needs npm (PICTURE=1)
ifeq ($(BROWSER),)
	@echo "Skipped: the pages of leads console are tested in Chromium. To install it: apt-get install chromium npm (or make chromium)."
else
	CHROMIUM="$(CHROMIUM)" PICTURES="$(abspath $(LOCAL))/console" \
		cargo nextest run --cargo-profile local --workspace --profile console --no-capture
	$(if $(PICTURE),cp $(LOCAL)/console/console.png docs/pictures/console.png)
endif

migration: $(ENGINE) build-local ## Rehearses a migration on its own local AWS (BUYERS=1000 PARITY_BUYERS=10000 EMULATOR=ministack)
	$(ON_A_STACK) --needs email,bodies,machine -- .venv/bin/python -B tests/migration/run.py --leads $(LOCAL)/leads --buyers $(BUYERS) \
		--parity-buyers $(PARITY_BUYERS) --report $(LOCAL)/migration.json

soak: EMULATOR = localstack
soak: .venv/ready .venv-localstack/ready build-local ## Runs for MINUTES on LocalStack while functions are killed and calls fail (MINUTES=30 SEED=1)
	$(ON_A_STACK) -- .venv/bin/python -B tests/soak/run.py --minutes $(MINUTES) --seed $(SEED) \
		--report $(LOCAL)/soak.json --evidence $(LOCAL)/soak-evidence.json --page docs/soak.md

drill: EMULATOR = localstack
drill: .venv/ready .venv-localstack/ready build-local ## Makes each alarm ring on LocalStack and follows the runbook; takes 20 minutes
	$(ON_A_STACK) -- .venv/bin/python -B tests/drill/run.py --leads $(LOCAL) --page docs/drill.md

sim: build-local ## Runs the simulator on SEEDS seeds, beginning with FROM (FROM=0 SEEDS=10000)
	@$(LOCAL)/sim --from $(FROM) --seeds $(SEEDS) --sights

sim-pairs: build-local ## Injects every pair of faults at every pair of calls of every simulated scenario
	@$(LOCAL)/sim --pairs --report $(LOCAL)/pairs.json --page docs/simulator.md

sim-compare: build-local ## Compares with alternative designs on the same seeds (FROM=0 SEEDS=10000)
	@$(LOCAL)/sim --compare --from $(FROM) --seeds $(SEEDS) --page docs/simulator.md --picture docs/pictures/ways.svg

kills: build-local ## Kills the built functions at chosen requests and makes SES responses ambiguous (KILLS=10000 FROM=0)
	$(LOCAL)/kills --kills $(KILLS) --from $(FROM) --report $(LOCAL)/kills.json
	$(LOCAL)/kills --ses $(KILLS) --report $(LOCAL)/ses.json
	$(LOCAL)/kills --add $(LOCAL)/kills.json $(LOCAL)/ses.json --page docs/kills.md

# The instrumentation that libFuzzer needs: edges taken, and operands compared.
COVERAGE := -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-pc-table \
	-Cllvm-args=-sanitizer-coverage-inline-8bit-counters
HOST := $(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p')
FUZZER := $(BUILT)/$(HOST)/fuzz/fuzz
FUZZED := incoming batch doorbells receipts email commit snapshot

fuzz: | prerequisites ## Fuzzes untrusted input (TIME=600 seconds or RUNS= inputs for each TARGET=); needs a C++ compiler
	RUSTFLAGS="$(COVERAGE)" cargo build --profile fuzz --target $(HOST) --package fuzz --features libfuzzer --bin fuzz
	@for target in $(or $(TARGET),$(FUZZED)); do \
		FUZZ_TARGET=$$target FUZZ_FOLDER=$(BUILT)/fuzzing/$$target $(FUZZER) $(BUILT)/fuzzing/$$target \
			-max_total_time=$(TIME) -runs=$(RUNS) -max_len=4096 -timeout=10 -close_fd_mask=1 \
			-print_final_stats=1 -artifact_prefix=$(BUILT)/fuzzing/ || exit 1; \
	done

clauses: .tools/nextest build-local ## Removes each clause of each write condition in turn and reports which test fails
	cargo nextest run --cargo-profile local --package event-store --package leads-store --profile clauses --no-capture

# Works on a copy of the sources. Mutants caught before are not tried again, so an interrupted run can be continued; after
# a change of the code, delete $(BUILT)/mutants to start again.
mutants: .tools/nextest .tools/mutants ## Runs mutation tests and lists mutants that no test catches (MUTATED= SHARD=0/1)
	@mkdir -p $(BUILT)/mutants
	-cargo mutants $(MUTATED:%=--package %) --shard $(SHARD) --iterate --output $(BUILT)/mutants
	@cp $(BUILT)/mutants/mutants.out/outcomes.json $(BUILT)/mutants/$$(date +%s).json
	@cargo mutants --list --json | $(PYTHON) -B tests/mutants.py $(BUILT)/mutants/*.json

bench: build-local .tools/castore | prerequisites ## Measures the cost of an event and of peers; needs node and Valgrind, takes half an hour
	@mkdir -p $(BUILT)/bench
	cargo build --release --manifest-path bench/peers/Cargo.toml --target-dir $(PEERS) --package stores
	cargo build --release --manifest-path bench/peers/Cargo.toml --target-dir $(PEERS) --package hello --package usual
	cargo build --release --package recorder --package bench --bin recorder --bin bench --bin work
	$(LOCAL)/cold --hello $(PEERS)/release/hello --usual $(PEERS)/release/usual \
		--recorder $(BUILT)/release/recorder --report $(BUILT)/bench/start.json
	$(BUILT)/release/bench measure --stores $(PEERS)/release/stores --castore bench/castore/main.mjs \
		--work $(BUILT)/release/work --report $(BUILT)/bench/figures.json
	$(BUILT)/release/bench report --figures $(BUILT)/bench/figures.json --start $(BUILT)/bench/start.json --docs docs

baseline: build-local ## Rewrites bench/baseline.json, with which `make test` compares; needs Valgrind
	$(LOCAL)/bench baseline --work $(LOCAL)/work > $(BUILT)/baseline.json
	mv $(BUILT)/baseline.json bench/baseline.json

check: .tools/deny .tools/workflows/ready lint-infra ## Checks formatting, lints, dependencies, the template and the workflows
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo deny --log-level error check bans licenses sources
	$(PYTHON) -B tests/dependencies.py
	.tools/workflows/bin/zizmor --offline --quiet --no-progress .github

lint-infra: .tools/lint/ready ## Checks the template with public rules and our own, with and without its optional protections
	.tools/lint/bin/python -B infra/lint/test_rules.py --quiet
	.tools/lint/bin/python -B infra/lint/lint.py

up: $(ENGINE) build-local ## Starts a local AWS with the stack and keeps it running (PORT=4566 EMULATOR=ministack)
	$(LOCAL_STACK) up --emulator $(EMULATOR) --port $(PORT) --artifacts $(LOCAL_FUNCTIONS)

down: .venv/ready ## Stops the stack that `up` started, or deletes it from LOCALSTACK_ENDPOINT=
	$(LOCAL_STACK) down

# Omits the link-time optimisation of packages, which takes minutes.
define lay-out-functions
@for function in $(FUNCTIONS); do \
	mkdir -p $(LOCAL_FUNCTIONS)/$$function && \
	cp $(LOCAL)/$$function $(LOCAL_FUNCTIONS)/$$function/bootstrap || exit 1; \
done
endef

build-local: | prerequisites ## Builds everything for this machine, and the functions for the local AWS
	cargo build --profile local --workspace --all-targets
	$(lay-out-functions)

# Only what the demo runs. Naming one small test makes cargo choose the features of dependencies that `build-local`
# chooses, so that `make test` builds nothing of this again.
build-demo: | prerequisites ## Builds only what the demo needs
	cargo build --profile local --workspace $(FUNCTIONS:%=--bin %) --bin leads --bin demo --bin strict-wire --test names
	$(lay-out-functions)

##@ On AWS

# Paths of this machine are replaced in the programs, so that two clones give the same bytes.
REMAPPED = CARGO_ENCODED_RUSTFLAGS="$$(printf -- '--remap-path-prefix=%s\037--remap-path-prefix=%s' \
	'$(or $(CARGO_HOME),$(HOME)/.cargo)=cargo' '$(CURDIR)=.')"
RUST_TARGET = $(if $(filter x86_64,$(ARCH)),x86_64,aarch64)-unknown-linux-gnu

package: .tools/package/ready ## Builds and zips the functions for Lambda, with bills of materials (ARCH=arm64 or x86_64)
	@ls "$$(rustc --print sysroot)/lib/rustlib/$(RUST_TARGET)" >/dev/null 2>&1 || \
		{ echo "Rust cannot build for $(ARCH) yet; run: rustup target add $(RUST_TARGET)" >&2; exit 1; }
	PATH="$(CURDIR)/.tools/package/bin:$$PATH" $(REMAPPED) cargo lambda build --locked --release \
		--$(subst _,-,$(ARCH)) --lambda-dir target/lambda $(FUNCTIONS:%=--package %)
	$(PYTHON) -B infra/package.py --target $(RUST_TARGET) --folder target/lambda $(FUNCTIONS)

archive: | prerequisites ## Packs `leads` for machines without Rust, with man pages and completions (target/leads-*.tar.gz)
	$(REMAPPED) cargo build --locked --release --package cli --bin leads
	$(PYTHON) -B infra/archive.py --program $(BUILT)/release/leads --target $(HOST) --folder $(BUILT)

# `--old-file` keeps the clone from installing the tools again.
reproducible: package ## Packages a second clone at another path and compares every byte (ARCH=arm64 or x86_64)
	@git diff --quiet HEAD || { echo "Commit your changes first: the second clone would not contain them." >&2; exit 1; }
	@home=$$(mktemp -d) && trap 'rm -rf "$$home"' EXIT && clone="$$home/a path of another length/clone" && \
	git clone --quiet . "$$clone" && ln -s "$(abspath .tools)" "$$clone/.tools" && \
	env -u CARGO_TARGET_DIR $(MAKE) --no-print-directory -C "$$clone" --old-file .tools/package/ready package >/dev/null && \
	diff target/lambda/SHA256SUMS "$$clone/target/lambda/SHA256SUMS" && echo "Both clones give the same bytes."

# What the deployer does is described in infra/deploy/__main__.py.
DEPLOYER = PYTHONPATH=infra .tools/deploy/bin/python -B -m deploy
STAGE_FILE = $(if $(STAGE),infra/stages/$(STAGE).toml,$(error Name a stage, for example STAGE=dev for infra/stages/dev.toml))

preflight: package-for-stage ## Reports what stands against a deployment, and changes nothing (STAGE=dev)
	@$(DEPLOYER) check $(STAGE_FILE)

deploy: package-for-stage ## Deploys infra/stages/STAGE.toml (STAGE=dev YES=1 ALLOW=ids NEW_TABLES=1)
	@$(DEPLOYER) deploy $(STAGE_FILE) $(if $(YES),--yes) $(if $(ALLOW),--allow $(ALLOW)) $(if $(NEW_TABLES),--new-tables)

rollback: .tools/deploy/ready ## Takes functions back to the versions before, or with WHOLE=1 the stack (STAGE=dev YES=1)
	@$(DEPLOYER) rollback $(STAGE_FILE) $(if $(WHOLE),--whole) $(if $(YES),--yes)

destroy: .tools/deploy/ready ## Deletes a stage's stack; tables and the SES identity stay (STAGE=dev YES=1)
	@$(DEPLOYER) destroy $(STAGE_FILE) $(if $(YES),--yes)

# For the architecture that the stage's file names, else the deployed one, else the template's default.
.PHONY: package-for-stage
package-for-stage: .tools/deploy/ready
	@architecture=$$($(DEPLOYER) architecture $(STAGE_FILE)) && $(MAKE) --no-print-directory package ARCH=$$architecture

acceptance: | prerequisites ## Checks that STACK= keeps its promises, with messages for buyers of its own (under a dollar; YES=1)
	@test -n "$(STACK)" || { echo "Name the stack: make acceptance STACK=leadstream" >&2; exit 1; }
	cargo build --profile local --package tests --bin acceptance
	$(LOCAL)/acceptance --stack $(STACK) $(if $(YES),--yes) $(ACCEPTANCE_ARGS)

##@ Preparation

setup: .venv/ready .tools/nextest .tools/deny ## Installs the tools inside the project

prerequisites: ## Checks the prerequisites
	@missing=; \
	command -v cargo >/dev/null || missing="$$missing\n  Rust with cargo (https://rustup.rs)"; \
	command -v cc >/dev/null || missing="$$missing\n  a C compiler, as cc"; \
	$(PYTHON) -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || \
		missing="$$missing\n  Python 3.10 or later with venv, as $(PYTHON) (PYTHON= names another one)"; \
	if [ -n "$$missing" ]; then printf "Missing:$$missing\n" >&2; exit 1; fi

chromium: ## Installs what `make test-console` needs, on Debian as root; elsewhere it says what is missing
	@if [ -n "$(BROWSER)" ]; then exit 0; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		{ apt-get update -qq && apt-get install -qq --yes --no-install-recommends \
			$(if $(CHROMIUM),,chromium) $(if $(shell command -v npm 2>/dev/null),,npm) >/dev/null; } || \
			echo "Chromium or npm could not be installed, so make test-console will be skipped." >&2; \
	else echo "Chromium or npm is missing, so make test-console will be skipped: apt-get install chromium npm" >&2; fi

clean: ## Removes builds, installed tools and files of runs; stops a running stack
	if [ -e .venv/ready ]; then env -u LOCALSTACK_ENDPOINT $(LOCAL_STACK) down; fi
	rm -rf .local .tools .venv .venv-localstack bench/peers/target bench/castore/node_modules tests/console/node_modules infra/local/__pycache__ infra/deploy/__pycache__
	rm -rf docs/contract/*-example/typescript/node_modules docs/contract/*-example/typescript/built
	cargo clean

.tools/castore: bench/castore/package-lock.json | prerequisites
	npm ci --silent --prefix bench/castore
	mkdir -p .tools && touch $@

.tools/console: tests/console/package-lock.json | prerequisites
	npm ci --silent --prefix tests/console
	mkdir -p .tools && touch $@

# An environment is recreated whenever its list changes, so that it contains nothing of an older one.
.venv/ready: infra/local/requirements.txt | prerequisites
.tools/package/ready: infra/requirements-package.txt | prerequisites
.tools/deploy/ready: infra/requirements-deploy.txt | prerequisites
.tools/workflows/ready: infra/requirements-workflows.txt | prerequisites
.venv/ready .tools/package/ready .tools/deploy/ready .tools/workflows/ready:
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/pip install --quiet $(addprefix --requirement ,$^)
	touch $@

# The wheel of cfn-guard is made for the CDK: program and rules are in an archive inside it.
.tools/lint/ready: infra/lint/requirements.txt | prerequisites
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/pip install --quiet --no-deps --requirement $<
	mkdir -p $(@D)/cfn-guard
	tar -xzf $(@D)/lib/python3*/site-packages/cdklabs/cdk_validator_cfnguard/_jsii/*.tgz -C $(@D)/cfn-guard --strip-components 1 \
		package/bin package/rules
	touch $@

# The interpreter that LocalStack needs. The shims of pyenv do not run unless the version is selected.
.venv-localstack/ready: infra/local/localstack/requirements.txt
	@for python in $(if $(PYTHON313),"$(PYTHON313)",python3.13 "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.13*/bin/python3.13); do \
		if "$$python" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null; then break; fi; \
		python=; \
	done; \
	if [ -z "$$python" ]; then \
		echo "LocalStack needs Python 3.13 with venv: install it (for example with pyenv) or set PYTHON313= to its path." \
			"The default engine, EMULATOR=ministack, needs none of this." >&2; \
		exit 1; \
	fi; \
	"$$python" -m venv --clear $(@D)
	$(@D)/bin/pip install --quiet --requirement $<
	touch $@

# Built with little optimisation: nextest mostly waits for tests, and the first `make test` waits for this build.
.tools/nextest: | prerequisites
	cargo nextest --version >/dev/null 2>&1 || \
		env CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
		cargo install --root .tools --locked cargo-nextest --version $(NEXTEST_VERSION) \
			--no-default-features --features default-no-update
	mkdir -p .tools && touch $@

.tools/mutants: | prerequisites
	cargo mutants --version 2>/dev/null | grep -qx 'cargo-mutants $(MUTANTS_VERSION)' || \
		env CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
		cargo install --root .tools --locked cargo-mutants --version $(MUTANTS_VERSION)
	mkdir -p .tools && touch $@

.tools/deny: | prerequisites
	cargo deny --version 2>/dev/null | grep -qx 'cargo-deny $(DENY_VERSION)' || \
		cargo install --root .tools --locked cargo-deny --version $(DENY_VERSION)
	mkdir -p .tools && touch $@

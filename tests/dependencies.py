#!/usr/bin/env python3
"""Checks that docs/dependencies.md lists every direct dependency, with the version and licence that are locked.

    dependencies.py            reports every difference; the exit code is 1 if there are any
    dependencies.py --write    first writes versions and licences into the rows that exist

Cargo's and npm's lists come from manifests and lock files. A list of pins for Python names indirect packages too, and no
licences: there, DIRECT says which ones this project uses itself, and licences are kept by hand.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/dependencies.md"
CARGO = ["Cargo.toml", "bench/peers/Cargo.toml"]
NPM = [
    "bench/castore", "docs/contract/consumer-example/typescript", "docs/contract/sender-example/typescript", "tests/console",
]
PIP = {
    # All that a list names, where it names only what is used directly.
    "infra/requirements-package.txt": None,
    "infra/requirements-workflows.txt": None,
    "infra/local/requirements.txt": {"PyYAML", "aws-sam-translator", "boto3", "botocore", "jsonschema", "ministack"},
    "infra/requirements-deploy.txt": {"boto3", "botocore", "PyYAML", "tomli"},
    "infra/lint/requirements.txt": {
        "aws-sam-translator", "cdklabs.cdk-validator-cfnguard", "cfn-lint", "cfn_lint_serverless", "checkov", "cloudsplaining",
        "parliament",
    },
    "infra/local/localstack/requirements.txt": {"localstack-core"},
}


# A registry and a package's name there: `jsonschema` is one package on crates.io and another on PyPI.
Package = tuple[str, str]
# The registry of the rows below a heading; below all others it is crates.io.
HEADINGS = {"## Python": "PyPI", "## npm": "npm"}


def main() -> int:
    found = {"crates.io": cargo(), "npm": npm(), "PyPI": pip()}
    locked = {(registry, name): package for registry, packages in found.items() for name, package in packages.items()}
    page = PAGE.read_text()
    if "--write" in sys.argv[1:]:
        page = written(page, locked)
        PAGE.write_text(page)
    wrong = differences(rows(page), locked)
    for line in wrong:
        print(f"docs/dependencies.md: {line}", file=sys.stderr)
    return 1 if wrong else 0


def differences(listed: dict[Package, tuple[str, str]], locked: dict[Package, tuple[str, str]]) -> list[str]:
    """Everything wrong with the page. Both arguments map packages to versions and licences; an empty licence is unknown."""
    wrong = [
        f"{name} of {registry} has no row: add what it is for, who keeps it, what would replace it"
        for registry, name in locked.keys() - listed
    ]
    wrong += [f"{name} of {registry} is no direct dependency: remove its row" for registry, name in listed.keys() - locked]
    for package in listed.keys() & locked:
        (version, licence), row, name = locked[package], listed[package], package[1]
        if row[0] != version or licence not in ("", row[1]):
            wrong.append(f"{name} is {' '.join(locked[package]).strip()}, not {' '.join(row).strip()}: run with --write")
        if not row[1]:
            wrong.append(f"{name} has no licence: write it by hand")
    return sorted(wrong)


ROW = re.compile(r"^\|`(?P<name>[^`]+)`\|(?P<version>[^|]*)\|(?P<licence>[^|]*)\|(?P<rest>.*)$", re.MULTILINE)


def sections(page: str) -> list[tuple[str, str]]:
    """The parts of the page, each with the registry of its rows."""
    parts = re.split("^(?=## )", page, flags=re.MULTILINE)
    return [(HEADINGS.get(part.partition("\n")[0], "crates.io"), part) for part in parts]


def rows(page: str) -> dict[Package, tuple[str, str]]:
    """The version and licence of each row. A row with an empty further cell counts as missing."""
    return {
        (registry, row["name"]): (row["version"], row["licence"])
        for registry, part in sections(page)
        for row in ROW.finditer(part)
        if len(cells := row["rest"].strip("|").split("|")) == 3 and all(map(str.strip, cells))
    }


def written(page: str, locked: dict[Package, tuple[str, str]]) -> str:
    def update(registry: str, row: re.Match) -> str:
        version, licence = locked.get((registry, row["name"]), (row["version"], row["licence"]))
        return f"|`{row['name']}`|{version}|{licence or row['licence']}|{row['rest']}"

    return "".join(ROW.sub(lambda row: update(registry, row), part) for registry, part in sections(page))


def cargo() -> dict[str, tuple[str, str]]:
    """The crates that our crates name. If two workspaces lock different versions, both are given."""
    found: dict[str, tuple[set[str], str]] = {}
    for manifest in CARGO:
        words = ["cargo", "metadata", "--format-version", "1", "--locked", "--all-features", "--manifest-path", manifest]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"`cargo metadata` failed for {manifest}: {done.stderr.strip()}")
        metadata = json.loads(done.stdout)
        packages = {package["id"]: package for package in metadata["packages"]}
        for node in metadata["resolve"]["nodes"]:
            if node["id"] not in metadata["workspace_members"]:
                continue
            for dependency in (packages[one["pkg"]] for one in node["deps"]):
                if dependency["source"]:
                    versions, _ = found.setdefault(dependency["name"], (set(), ""))
                    found[dependency["name"]] = (versions | {dependency["version"]}, dependency["license"] or "")
    return {
        name: (", ".join(sorted(versions)), licence.replace("/", " OR ")) for name, (versions, licence) in found.items()
    }


def npm() -> dict[str, tuple[str, str]]:
    found = {}
    for folder in NPM:
        manifest = json.loads((ROOT / folder / "package.json").read_text())
        lock = json.loads((ROOT / folder / "package-lock.json").read_text())["packages"]
        for name in (manifest.get("dependencies", {}) | manifest.get("devDependencies", {})):
            package = lock[f"node_modules/{name}"]
            found[name] = (package["version"], package.get("license", ""))
    return found


def pip() -> dict[str, tuple[str, str]]:
    found = {}
    for path, direct in PIP.items():
        lines = (line.split(";")[0].strip() for line in (ROOT / path).read_text().splitlines())
        pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
        pins = {name.split("[")[0]: version for name, version in pins.items()}
        if direct is not None and (gone := direct - pins.keys()):
            sys.exit(f"{path} no longer names {sorted(gone)}: correct the list in tests/dependencies.py")
        found |= {name: (version, "") for name, version in pins.items() if direct is None or name in direct}
    return found


if __name__ == "__main__":
    sys.exit(main())

//! The architecture's rules, checked over `cargo metadata` and the sources. Dependencies point in one direction:
//! `functions, cli → effects → event-store, leads-store → contract → domain`, all on `platform`.
#![expect(clippy::unwrap_used, reason = "test code")]

mod documents;
mod modules;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The crates of this workspace that each crate may depend on, apart from dev-dependencies.
const MAY_DEPEND_ON: [(&str, &[&str]); 21] = [
    ("domain", &[]),
    ("contract", &["domain"]),
    ("platform", &[]),
    ("event-store", &["contract", "domain", "platform"]),
    ("leads-store", &["contract", "domain"]),
    ("effects", &["contract", "domain", "event-store", "leads-store", "platform"]),
    ("legacy", &["contract", "domain", "platform"]),
    ("recorder", &["contract", "domain", "event-store", "legacy", "platform"]),
    ("reactor", &["domain", "effects", "event-store", "leads-store", "platform"]),
    ("sweeper", &["contract", "effects", "event-store", "leads-store", "platform"]),
    ("receipts", &["contract", "leads-store", "platform"]),
    ("cli", &["contract", "domain", "event-store", "leads-store", "legacy", "platform"]),
    ("testkit", &["contract", "domain", "effects", "event-store", "leads-store", "platform"]),
    (
        "simulator",
        &[
            "contract",
            "domain",
            "effects",
            "event-store",
            "leads-store",
            "legacy",
            "platform",
            "reactor",
            "receipts",
            "recorder",
            "sweeper",
            "testkit",
        ],
    ),
    (
        "fuzz",
        &[
            "contract",
            "domain",
            "effects",
            "event-store",
            "leads-store",
            "platform",
            "reactor",
            "receipts",
            "recorder",
            "testkit",
        ],
    ),
    ("binaries", &["contract", "domain", "simulator", "testkit"]),
    ("cold-start", &["binaries", "testkit"]),
    ("consumer-example", &[]),
    ("sender-example", &[]),
    ("tests", &["cli", "contract", "domain", "event-store", "leads-store", "platform", "testkit"]),
    (
        "bench",
        &[
            "binaries",
            "contract",
            "domain",
            "effects",
            "event-store",
            "leads-store",
            "platform",
            "reactor",
            "recorder",
            "simulator",
            "testkit",
        ],
    ),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The parts of a line that are enclosed in backticks.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// The crates of this workspace, as `cargo metadata` describes them.
fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

/// The dependencies of each crate of this workspace, its own and third-party ones, without dev-dependencies.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let name = |json: &Value| json["name"].as_str().unwrap().to_owned();
    packages()
        .iter()
        .map(|package| {
            let shipped =
                package["dependencies"].as_array().unwrap().iter().filter(|one| one["kind"].is_null());
            (name(package), shipped.map(name).collect())
        })
        .collect()
}

/// The Rust sources under a folder, each with its text up to the tests at the end.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let shipped = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
                found.push((path, shipped));
            }
        }
    }
    assert!(!found.is_empty(), "{folder} contains no Rust sources");
    found
}

/// The folders whose code is deployed or given to operators.
const SHIPPED: [&str; 12] = [
    "shared/domain/src",
    "shared/contract/src",
    "shared/event-store/src",
    "shared/leads-store/src",
    "shared/effects/src",
    "shared/platform/src",
    "shared/legacy/src",
    "functions/recorder/src",
    "functions/reactor/src",
    "functions/sweeper/src",
    "functions/receipts/src",
    "cli/src",
];

#[test]
fn each_crate_depends_only_on_crates_below_it() {
    let dependencies = dependencies();
    let allowed: BTreeMap<&str, &[&str]> = MAY_DEPEND_ON.into();
    assert_eq!(
        dependencies.keys().map(String::as_str).collect::<BTreeSet<_>>(),
        allowed.keys().copied().collect()
    );
    for (name, known) in &dependencies {
        let ours: BTreeSet<&str> =
            known.iter().map(String::as_str).filter(|known| allowed.contains_key(known)).collect();
        let permitted: BTreeSet<&str> = allowed[name.as_str()].iter().copied().collect();
        assert!(ours.is_subset(&permitted), "{name} must not depend on {:?}", ours.difference(&permitted));
    }
}

#[test]
fn the_domain_depends_on_thiserror_only() {
    assert_eq!(dependencies()["domain"], BTreeSet::from(["thiserror".to_owned()]));
}

#[test]
fn the_platform_knows_nothing_of_buyers() {
    for (path, text) in sources("shared/platform/src") {
        let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        for word in ["Buyer", "Offer", "Lead", "Effect", "Sequence"] {
            let names = |line: &&str| line.replace("Leadstream", "").contains(word);
            assert!(!code.iter().any(names), "{} contains {word}", path.display());
        }
    }
}

#[test]
fn only_the_contract_derives_serialize_and_deserialize() {
    for folder in SHIPPED.iter().filter(|folder| **folder != "shared/contract/src") {
        for (path, text) in sources(folder) {
            assert!(
                !text.contains("Serialize") && !text.contains("Deserialize"),
                "{} derives them",
                path.display()
            );
        }
    }
    let with_serde: Vec<String> = dependencies()
        .into_iter()
        .filter(|(_, known)| known.contains("serde"))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(with_serde, ["contract"]);
}

#[test]
fn exactly_the_crates_of_the_functions_log_below_warnings() {
    let code = fs::read_to_string(root().join("shared/platform/src/telemetry/mod.rs")).unwrap();
    let list = code.split("const OURS").nth(1).unwrap().split(';').nth(1).unwrap();
    let listed: BTreeSet<String> = list.split('"').skip(1).step_by(2).map(str::to_owned).collect();
    let folders = SHIPPED.iter().filter(|folder| **folder != "cli/src");
    let crates = folders.map(|folder| folder.split('/').nth(1).unwrap().replace('-', "_"));
    assert_eq!(listed, crates.collect());
}

#[test]
fn each_crate_defines_the_limits_that_the_documentation_names() {
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let section = page.split("\n## ").find(|section| section.starts_with("Limits and time-outs")).unwrap();
    let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
    let mut count = 0;
    for row in rows {
        let cells: Vec<&str> = row.split('|').collect();
        let name = quoted(cells[3]).next().unwrap();
        let folder = SHIPPED.iter().find(|folder| folder.split('/').nth(1) == Some(name)).unwrap();
        let code = sources(folder).into_iter().map(|(_, text)| text).collect::<String>();
        for limit in quoted(cells[2]) {
            assert!(code.contains(&format!("const {limit}:")), "{name} defines no {limit}");
            count += 1;
        }
    }
    assert!(count > 20, "the table lists only {count} limits");
}

#[test]
fn the_environment_is_read_in_config_files_only() {
    for folder in SHIPPED {
        for (path, text) in sources(folder) {
            let is_allowed = path.ends_with("src/config.rs") || path.ends_with("cli/src/main.rs");
            assert!(is_allowed || !text.contains("env::"), "{} reads the environment", path.display());
        }
    }
}

#[test]
fn the_domain_has_no_clock_no_randomness_and_no_async() {
    for (path, text) in sources("shared/domain/src") {
        for word in ["async ", "std::time", "jiff", "rand::", "HashMap", "std::io", "serde"] {
            assert!(!text.contains(word), "{} contains {word}", path.display());
        }
    }
}

#[test]
fn the_clock_is_read_in_one_place() {
    for folder in SHIPPED {
        for (path, text) in sources(folder) {
            // The progress bar measures its own pace.
            let is_allowed = path.ends_with("platform/src/clock.rs") || path.ends_with("cli/src/output.rs");
            let reads = text.contains("Timestamp::now")
                || text.contains("SystemTime")
                || text.contains("Instant::now");
            assert!(is_allowed || !reads, "{} reads the clock", path.display());
        }
    }
}

#[test]
fn only_the_recorder_can_append_and_it_cannot_see_leads() {
    for (path, text) in sources("functions/reactor/src")
        .into_iter()
        .chain(sources("functions/sweeper/src"))
        .chain(sources("functions/receipts/src"))
        .chain(sources("shared/effects/src"))
    {
        // Appending to a stream or emptying one needs one of these traits.
        for by in ["EventStore", "Appending", "Clearing"] {
            assert!(!text.contains(by), "{} contains {by}", path.display());
        }
    }
    assert!(!dependencies()["recorder"].contains("effects"));
}

#[test]
fn no_code_deletes_the_key_of_a_commit() {
    for folder in SHIPPED {
        for (path, text) in sources(folder) {
            assert!(
                !text.contains("delete_item") && !text.contains("Delete::builder"),
                "{} deletes items",
                path.display()
            );
        }
    }
}

#[test]
fn main_wires_and_does_nothing_else() {
    for function in ["recorder", "reactor", "sweeper", "receipts"] {
        let text = fs::read_to_string(root().join(format!("functions/{function}/src/main.rs"))).unwrap();
        assert!(text.lines().count() <= 45, "the main.rs of {function} is too long");
        assert!(text.contains("flavor = \"current_thread\""), "{function} has several threads");
    }
}

#[test]
fn shipped_sources_contain_no_unfinished_code_and_no_unwrap() {
    for folder in SHIPPED {
        for (path, text) in sources(folder) {
            for word in ["todo!", "unimplemented!", "FIXME", "TODO", "dbg!", ".unwrap()"] {
                assert!(!text.contains(word), "{} contains {word}", path.display());
            }
        }
    }
}

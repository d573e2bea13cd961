//! Runs the target that `FUZZ_TARGET` names under `libFuzzer`. First writes its corpus into the folder `FUZZ_FOLDER`.
#![no_main]

use std::env;
use std::path::Path;
use std::sync::LazyLock;

use fuzz::{Target, target, unpack};
use libfuzzer_sys::fuzz_target;

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = env::var("FUZZ_TARGET").unwrap_or_default();
    target(&name).unwrap_or_else(|| panic!("FUZZ_TARGET must name a target, but is {name:?}"))
});

/// Writes the corpus before `libFuzzer` reads the folder.
fn prepare() {
    let folder = env::var("FUZZ_FOLDER").unwrap_or_default();
    unpack(TARGET.name, Path::new(&folder))
        .unwrap_or_else(|error| panic!("FUZZ_FOLDER must be a folder, but is {folder:?}: {error}"));
}

fuzz_target!(init: prepare(), |bytes: &[u8]| (TARGET.take)(bytes));

//! Runs the target that `FUZZ_TARGET` names under `libFuzzer`.
#![no_main]

use std::env;
use std::sync::LazyLock;

use fuzz::{Target, target};
use libfuzzer_sys::fuzz_target;

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = env::var("FUZZ_TARGET").unwrap_or_default();
    target(&name).unwrap_or_else(|| panic!("FUZZ_TARGET must name a target, but is {name:?}"))
});

fuzz_target!(|bytes: &[u8]| (TARGET.take)(bytes));

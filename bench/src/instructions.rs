//! Processor instructions, counted by Valgrind: the same number whatever else the machine does.

use std::path::Path;
use std::process::Command;

/// Whether there is a Valgrind to count with.
#[must_use]
pub fn can_count() -> bool {
    Command::new("valgrind").arg("--version").output().is_ok_and(|output| output.status.success())
}

/// How many instructions this program takes with these arguments, from its start to its end.
///
/// # Panics
/// It fails, or Valgrind is not there.
#[must_use]
pub fn of(program: &Path, arguments: &[&str]) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("valgrind: {error} (on Debian: apt-get install valgrind)"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{} {arguments:?}: {said}", program.display());
    total(&said).unwrap_or_else(|| panic!("no total in what Valgrind said: {said}"))
}

/// `==17== Collected : 1234`
fn total(said: &str) -> Option<u64> {
    said.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok())
}

/// How many each of the later ones takes, when so many more are done: what starting takes falls out.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
pub fn each(program: &Path, work: &[&str], few: usize, many: usize) -> f64 {
    let with = |times: usize| {
        let times = times.to_string();
        of(program, &[work, &[times.as_str()]].concat())
    };
    (with(many) - with(few)) as f64 / (many - few) as f64
}

#[cfg(test)]
mod tests {
    use super::total;

    #[test]
    fn the_total_is_what_callgrind_says_it_collected() {
        assert_eq!(total("==7== Events    : Ir\n==7== Collected : 123456\n==7== \n"), Some(123_456));
        assert_eq!(total("==7== nothing"), None);
    }
}

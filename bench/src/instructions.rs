//! Counts processor instructions with Valgrind. The counts do not depend on the load of the machine.

use std::path::Path;
use std::process::Command;

/// Whether Valgrind is installed.
#[must_use]
pub fn can_count() -> bool {
    Command::new("valgrind").arg("--version").output().is_ok_and(|output| output.status.success())
}

/// The instructions of a program with these arguments, from its start to its end.
///
/// # Panics
/// The program fails, or Valgrind is not installed.
#[must_use]
pub fn of(program: &Path, arguments: &[&str]) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("valgrind: {error} (on Debian: apt-get install valgrind)"));
    let printed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{} {arguments:?}: {printed}", program.display());
    total(&printed).unwrap_or_else(|| panic!("Valgrind printed no total: {printed}"))
}

/// The total in Valgrind's output, as in `==17== Collected : 1234`.
fn total(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok())
}

/// The instructions per repetition of a piece of work: the difference between `many` and `few` repetitions, so that the
/// start of the program does not count.
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
    fn the_total_is_the_number_that_callgrind_collected() {
        assert_eq!(total("==7== Events    : Ir\n==7== Collected : 123456\n==7== \n"), Some(123_456));
        assert_eq!(total("==7== nothing"), None);
    }
}

//! The memory of a test's own process.

/// A figure of this process in bytes, for example `VmRSS`, its resident memory now, or `VmHWM`, the peak of it.
/// Source: proc(5), `/proc/pid/status`.
#[must_use]
pub fn memory(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let figure = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
    figure.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

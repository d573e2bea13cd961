use std::error::Error;
use std::fmt::Write as _;

/// An error with everything that caused it, outermost first, parted by `: `.
///
/// `Display` of our errors never prints the cause, so nothing is said twice.
#[must_use]
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a String cannot fail.
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::chain;

    #[test]
    fn a_chain_names_every_cause_once() {
        let inner = io::Error::other("connection reset");
        let outer = io::Error::other(inner);
        assert_eq!(chain(&outer), "connection reset");
        assert_eq!(chain(&io::Error::new(io::ErrorKind::TimedOut, "slow")), "slow");
    }
}

use std::error::Error;
use std::fmt::Write as _;

/// An error with everything that caused it, outermost first, parted by `: `.
///
/// `Display` of our errors never prints the cause; where others' does, it is said once.
#[must_use]
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.ends_with(&more) {
            // Writing to a String cannot fail.
            let _ = write!(text, ": {more}");
        }
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
        let outer = io::Error::other(io::Error::other("connection reset"));
        assert_eq!(chain(&outer), "connection reset", "said by both");
        assert_eq!(chain(&io::Error::new(io::ErrorKind::TimedOut, "slow")), "slow");
    }
}

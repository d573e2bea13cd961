use std::error::Error;
use std::fmt::Write as _;

/// The text of an error and all its causes, outermost first, separated by `: `.
///
/// `Display` of our own errors never prints the cause. If another crate's does, the cause is not repeated.
#[must_use]
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let cause_text = error.to_string();
        if !text.ends_with(&cause_text) {
            // Writing to a String cannot fail.
            let _ = write!(text, ": {cause_text}");
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
        assert_eq!(chain(&outer), "connection reset", "both errors print it");
        assert_eq!(chain(&io::Error::new(io::ErrorKind::TimedOut, "slow")), "slow");
    }
}

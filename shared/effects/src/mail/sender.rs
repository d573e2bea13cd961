//! The sender as it stands in the header `From`: the display name quoted or encoded, so that SES takes whatever name an
//! operator configures.
//!
//! SES refuses every mail of a sender whose display name holds a comma outside quotes (opengovsg/plumber#1777). Sources:
//! RFC 5322, section 3.4, for the forms; Amazon SES API v2 Reference, `SendEmail`, `FromEmailAddress`: ASCII, a name in other
//! characters as encoded words (RFC 2047).

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use contract::address;

/// The longest header that is made: a line has at most 998 characters (RFC 5322, section 2.1.1).
const LONGEST: usize = 998 - "From: ".len();

/// How many bytes of a name fit into one encoded word of 75 characters. Source: RFC 2047, section 2.
const ENCODED_AT_ONCE: usize = (75 - "=?UTF-8?B?".len() - "?=".len()) / 4 * 3;

/// `address`, `name <address>` or `"name" <address>` as SES takes it; `None` if SES never would.
pub(crate) fn header(sender: &str) -> Option<String> {
    let sender = sender.trim_matches(' ');
    if sender.chars().any(|character| character.is_control() || matches!(character, '\u{2028}' | '\u{2029}'))
    {
        return None;
    }
    let Some((name, address)) = sender.strip_suffix('>').and_then(|rest| rest.rsplit_once('<')) else {
        return address::checked(sender);
    };
    let (name, address) = (name.trim_matches(' '), address::checked(address)?);
    let name = match name.strip_prefix('"') {
        Some(rest) => quoted(&unquoted(rest)?),
        None if name.is_empty() => return Some(address),
        None if name.bytes().all(is_plain) => name.to_owned(),
        None => quoted(name),
    };
    let header = format!("{name} <{address}>");
    (header.len() <= LONGEST).then_some(header)
}

/// What needs no quotes: atoms and the blanks between them. Encoded words are of these, and stay as they are.
///
/// Source: RFC 5322, section 3.2.3.
const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b' ' | b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'/' | b'=' | b'?' | b'^'..=b'`' | b'{'..=b'~'
        )
}

/// The content of a quoted string, of which `rest` is all but the first quote.
fn unquoted(rest: &str) -> Option<String> {
    let mut name = String::new();
    let mut characters = rest.strip_suffix('"')?.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => return None,
            '\\' => name.push(characters.next()?),
            other => name.push(other),
        }
    }
    Some(name)
}

/// A name in quotes, or in encoded words if it is not ASCII.
fn quoted(name: &str) -> String {
    if name.is_ascii() {
        return format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""));
    }
    let mut words = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let (word, after) = rest.split_at(rest.floor_char_boundary(ENCODED_AT_ONCE));
        words.push(format!("=?UTF-8?B?{}?=", BASE64_STANDARD.encode(word)));
        rest = after;
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use mail_parser::MessageParser;
    use proptest::prelude::*;

    use super::header;

    #[test]
    fn a_display_name_is_quoted_or_encoded_as_needed() {
        for (given, taken) in [
            ("offers@example.com", "offers@example.com"),
            ("<offers@example.com>", "offers@example.com"),
            ("Cars <offers@example.com>", "Cars <offers@example.com>"),
            (" Cars & Co  < offers@example.com > ", "Cars & Co <offers@example.com>"),
            ("Cars, Inc. <offers@example.com>", "\"Cars, Inc.\" <offers@example.com>"),
            ("\"Cars, Inc.\" <offers@example.com>", "\"Cars, Inc.\" <offers@example.com>"),
            ("\"Cars\"<offers@example.com>", "\"Cars\" <offers@example.com>"),
            (r#"Cars "R" Us <offers@example.com>"#, r#""Cars \"R\" Us" <offers@example.com>"#),
            (r#""Cars \"R\" Us" <offers@example.com>"#, r#""Cars \"R\" Us" <offers@example.com>"#),
            (r"Cars\Vans <offers@example.com>", r#""Cars\\Vans" <offers@example.com>"#),
            ("a@b.example <offers@example.com>", "\"a@b.example\" <offers@example.com>"),
            ("Cars <cars> <offers@example.com>", "\"Cars <cars>\" <offers@example.com>"),
            ("Käfer <offers@example.com>", "=?UTF-8?B?S8OkZmVy?= <offers@example.com>"),
            ("\"Käfer\" <offers@example.com>", "=?UTF-8?B?S8OkZmVy?= <offers@example.com>"),
            ("=?UTF-8?Q?K=C3=A4fer?= <offers@example.com>", "=?UTF-8?Q?K=C3=A4fer?= <offers@example.com>"),
            ("Cars <offers@bücher.example>", "Cars <offers@xn--bcher-kva.example>"),
        ] {
            assert_eq!(header(given).as_deref(), Some(taken), "{given}");
        }
    }

    #[test]
    fn what_ses_would_refuse_is_no_sender() {
        for given in [
            "",
            "<>",
            "Cars",
            "Cars <>",
            "Cars <offers>",
            "Cars <offers@localhost>",
            "Cars offers@example.com",
            "Cars <offers@example.com",
            "Cars <offers@example.com> x",
            "\"Cars <offers@example.com>",
            "\"Cars\" Inc. <offers@example.com>",
            "\"Ca\"rs\" <offers@example.com>",
            "\"Cars\\\" <offers@example.com>",
            "Cars\r\nBcc: eve@example.com <offers@example.com>",
            "Cars\t <offers@example.com>",
            "Cars\u{85}<offers@example.com>",
            "Cars\u{2028}<offers@example.com>",
            "Cars <offers@example.com>\n",
            "a@example.com, b@example.com",
            "a@example.com <a@example.com>, <b@example.com",
            &format!("{} <offers@example.com>", "C".repeat(1000)),
        ] {
            assert_eq!(header(given), None, "{given:?}");
        }
    }

    /// Name and address as an independent parser reads them.
    fn read(header: &str) -> (Option<String>, String) {
        let mail = format!("From: {header}\r\n\r\n");
        let mail = MessageParser::default().parse(mail.as_bytes()).expect("a mail");
        let from = mail.from().expect("a sender");
        let [only] = from.as_list().expect("a list") else { panic!("{from:?}") };
        (only.name().map(str::to_owned), only.address().unwrap_or_default().to_owned())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_mail_program_reads_the_name_that_was_configured(
            name in "[!-~]([ -~äß€😀\u{301}]{0,120}[!-~😀])?",
        ) {
            // Quotes at its beginning would be taken as quotes, encoded words as such.
            prop_assume!(!name.starts_with('"') && !name.contains("=?"));
            let made = header(&format!("{name} <offers@example.com>")).expect("taken");
            prop_assert!(made.is_ascii());
            prop_assert!(made.split(' ').all(|word| !word.starts_with("=?") || word.len() <= 75), "{}", made);
            let (read_name, address) = read(&made);
            prop_assert_eq!(address, "offers@example.com");
            let blanks_once = |text: &str| text.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
            prop_assert_eq!(read_name.as_deref().map(blanks_once), Some(blanks_once(&name)));
        }
    }
}

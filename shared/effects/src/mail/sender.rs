//! Builds the value of the header `From`, with the display name quoted or encoded, so that SES accepts any name an
//! operator configures.
//!
//! SES refuses every e-mail whose sender has a comma outside quotes in its display name (opengovsg/plumber#1777).
//! Sources: RFC 5322, section 3.4, for the forms; Amazon SES API v2 Reference, `SendEmail`, `FromEmailAddress`: the
//! value is ASCII, and a name with other characters consists of encoded words (RFC 2047).

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use contract::address;

/// The greatest length of the header's value: a line has at most 998 characters (RFC 5322, section 2.1.1).
const LONGEST: usize = 998 - "From: ".len();

/// The number of bytes of a name that fit into one encoded word of 75 characters. Source: RFC 2047, section 2.
const ENCODED_AT_ONCE: usize = (75 - "=?UTF-8?B?".len() - "?=".len()) / 4 * 3;

/// Converts `address`, `name <address>` or `"name" <address>` to the form that SES accepts; `None` if there is none.
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

/// Whether a byte needs no quotes: the characters of atoms and the spaces between them. Encoded words consist of these
/// characters and are left unchanged.
///
/// Source: RFC 5322, section 3.2.3.
const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b' ' | b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'/' | b'=' | b'?' | b'^'..=b'`' | b'{'..=b'~'
        )
}

/// The content of a quoted string; `rest` is the string without its first quote. `None` if it is malformed.
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

/// A name in quotes, or as encoded words if it is not ASCII.
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
        for (given, expected) in [
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
            assert_eq!(header(given).as_deref(), Some(expected), "{given}");
        }
    }

    #[test]
    fn a_sender_that_ses_would_refuse_is_refused() {
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

    /// The display name and address of a header, read by an independent parser.
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
        fn a_mail_parser_reads_back_the_configured_name(
            name in "[!-~]([ -~äß€😀\u{301}]{0,120}[!-~😀])?",
        ) {
            // A name that begins with a quote or contains an encoded word is not taken literally.
            prop_assume!(!name.starts_with('"') && !name.contains("=?"));
            let header = header(&format!("{name} <offers@example.com>")).expect("accepted");
            prop_assert!(header.is_ascii());
            prop_assert!(header.split(' ').all(|word| !word.starts_with("=?") || word.len() <= 75), "{}", header);
            let (read_name, address) = read(&header);
            prop_assert_eq!(address, "offers@example.com");
            let single_spaces = |text: &str| text.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
            prop_assert_eq!(read_name.as_deref().map(single_spaces), Some(single_spaces(&name)));
        }
    }
}

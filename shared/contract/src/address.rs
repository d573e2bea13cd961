//! E-mail addresses in the form that SES accepts.

/// The address in the form that SES accepts, or `None` if SES would never accept it.
///
/// A valid address has an ASCII local part of dot-separated atoms and an IDNA-encoded domain of at least two labels.
/// Quoted local parts and address literals are refused, as are local parts that a mail program may decode as an encoded
/// word (RFC 2047) into another address. White space and zero-width characters, which come with text pasted into a
/// form, are trimmed at both ends and refused within the address.
///
/// Sources: Amazon SES Developer Guide, "Email format and character encoding" (no SMTPUTF8); RFC 5321, section 4.5.3.1.
#[must_use]
pub fn checked(address: &str) -> Option<String> {
    let (local, domain) = address.trim_matches(is_blank).rsplit_once('@')?;
    let is_atom = |atom: &str| {
        !atom.is_empty()
            && atom.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte))
    };
    // `idna` would drop some of these characters, and the e-mail would go to another domain than the one typed.
    if domain.contains(|character| is_blank(character) && !matches!(character, '\u{200c}' | '\u{200d}')) {
        return None;
    }
    if local.len() > 64 || local.contains("=?") || !local.split('.').all(is_atom) {
        return None;
    }
    let domain = idna::domain_to_ascii_strict(domain).ok()?;
    let is_name =
        domain.contains('.') && !domain.ends_with('.') && domain.parse::<std::net::Ipv4Addr>().is_err();
    let address = format!("{local}@{domain}");
    (is_name && address.len() <= 254).then_some(address)
}

/// Whether a character is white space of any kind or has no width: zero-width space, non-joiner and joiner, word
/// joiner, byte order mark. The joiners are valid in some domains; `idna` implements those rules (RFC 5892, appendix
/// A).
fn is_blank(character: char) -> bool {
    character.is_whitespace()
        || matches!(character, '\u{200b}' | '\u{200c}' | '\u{200d}' | '\u{2060}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::checked;

    #[test]
    fn blank_characters_are_trimmed_at_the_ends_and_refused_within() {
        let blanks = (0..=0x10_ffff).filter_map(char::from_u32).filter(|character| character.is_whitespace());
        let blanks: Vec<char> =
            blanks.chain(['\u{200b}', '\u{200c}', '\u{200d}', '\u{2060}', '\u{feff}']).collect();
        assert!(blanks.len() > 25);
        for blank in blanks {
            for given in [
                format!("{blank}ada@example.com"),
                format!("ada@example.com{blank}"),
                format!("{blank}{blank}\tada@example.com\r\n{blank}"),
            ] {
                assert_eq!(checked(&given).as_deref(), Some("ada@example.com"), "{given:?}");
            }
            for given in [
                format!("a{blank}da@example.com"),
                format!("ada{blank}@example.com"),
                format!("ada@{blank}example.com"),
                format!("ada@exam{blank}ple.com"),
                format!("ada@example{blank}.com"),
                format!("ada@example.com{blank}, eve@example.com"),
                format!("{blank}"),
            ] {
                assert_eq!(checked(&given), None, "{given:?}");
            }
        }
    }

    #[test]
    fn valid_addresses_are_normalized_for_ses() {
        for (given, taken) in [
            ("ada@example.com", "ada@example.com"),
            (" ada@example.com ", "ada@example.com"),
            ("ada@example.com\n", "ada@example.com"),
            ("\u{a0}ada@example.com", "ada@example.com"),
            ("\u{200b}ada@example.com", "ada@example.com"),
            ("ada@example.com\t", "ada@example.com"),
            ("ada.byron+cars@sub.example.com", "ada.byron+cars@sub.example.com"),
            ("ada@bücher.example", "ada@xn--bcher-kva.example"),
            ("o'neil@example.com", "o'neil@example.com"),
        ] {
            assert_eq!(checked(given).as_deref(), Some(taken));
        }
    }

    #[test]
    fn an_address_has_at_most_64_and_254_characters() {
        let domain = |last: usize| format!("{0}.{0}.{1}", "d".repeat(62), "e".repeat(last));
        let longest = format!("{}@{}", "a".repeat(64), domain(63));
        assert_eq!((longest.len(), checked(&longest)), (254, Some(longest.clone())));
        assert_eq!(checked(&format!("{}@d.{}", "a".repeat(64), domain(62))), None, "255");
    }

    #[test]
    fn undeliverable_and_header_injecting_addresses_are_refused() {
        for given in [
            "",
            "ada",
            "@example.com",
            "ada@",
            "ada@localhost",
            "ada@example.com.",
            "ada@127.0.0.1",
            "ada@[127.0.0.1]",
            "ädä@example.com",
            "ada byron@example.com",
            "ada@example.com\r\nBcc: eve@example.com",
            "ada\r\n@example.com",
            "ada\0@example.com",
            "ada@exam ple.com",
            "\"ada byron\"@example.com",
            "ada..byron@example.com",
            ".ada@example.com",
            "=?UTF-8?Q?eve=40example.net?=@example.com",
            "Ada <ada@example.com>",
            "ada@example.com, eve@example.com",
            "ada@eve@example.com",
            "ada@-example.com",
            &format!("{}@example.com", "a".repeat(65)),
            &format!("ada@{}.com", "a".repeat(64)),
        ] {
            assert_eq!(checked(given), None, "{given:?}");
        }
    }
}

/// The address as SES takes it, or `None` if it never will: an ASCII local part of dot-separated atoms, an IDNA-encoded
/// domain of at least two labels. Quoted local parts and address literals are not taken, nor is what a mail program may
/// take for an encoded word (RFC 2047) and read as another address.
///
/// Sources: Amazon SES Developer Guide, "Email format and character encoding" (no SMTPUTF8); RFC 5321, section 4.5.3.1.
pub(crate) fn checked(address: &str) -> Option<String> {
    let (local, domain) = address.trim_matches(' ').rsplit_once('@')?;
    let is_atom = |atom: &str| {
        !atom.is_empty()
            && atom.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte))
    };
    if local.len() > 64 || local.contains("=?") || !local.split('.').all(is_atom) {
        return None;
    }
    let domain = idna::domain_to_ascii_strict(domain).ok()?;
    let is_name =
        domain.contains('.') && !domain.ends_with('.') && domain.parse::<std::net::Ipv4Addr>().is_err();
    let address = format!("{local}@{domain}");
    (is_name && address.len() <= 254).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::checked;

    #[test]
    fn an_address_is_taken_as_ses_wants_it() {
        for (given, taken) in [
            ("ada@example.com", "ada@example.com"),
            (" ada@example.com ", "ada@example.com"),
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
    fn what_could_never_be_sent_or_could_leave_its_field_is_refused() {
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

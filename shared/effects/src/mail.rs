//! Renders e-mails, checks their addresses and writes their sender, before anything is claimed and without I/O.

use askama::Template;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use contract::address;
use domain::{CarId, Contact, EffectKind, State};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// An e-mail that is ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email {
    /// The recipient's address without a display name, so that a header contains nothing a buyer typed except a checked
    /// address.
    pub to: String,
    /// The subject, one of two fixed texts.
    pub subject: &'static str,
    /// The plain text part.
    pub text: String,
    /// The HTML part.
    pub html: String,
    /// Names and values that SES returns with every event about this e-mail; they are encoded when sent.
    pub tags: Vec<(&'static str, String)>,
}

/// The site's name and URL, which every e-mail shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letterhead {
    /// The site's name.
    pub site: String,
    /// The site's URL without a slash at the end; links begin with it.
    pub site_url: String,
}

/// Why an e-mail can never be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsendable {
    /// SES would not accept the address. The message omits it.
    #[error("the address is unusable")]
    Address,
    /// A template could not be rendered.
    #[error("the e-mail cannot be rendered")]
    Template,
}

impl Unsendable {
    /// The reason that the ledger records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Address => "address-unusable",
            Self::Template => "not-rendered",
        }
    }
}

#[derive(Template)]
#[template(path = "offer_accepted.html")]
struct AcceptedHtml<'a> {
    name: &'a str,
    car: &'a str,
    link: &'a str,
    site: &'a str,
}

#[derive(Template)]
#[template(path = "offer_accepted.txt")]
struct AcceptedText<'a> {
    name: &'a str,
    car: &'a str,
    link: &'a str,
    site: &'a str,
}

#[derive(Template)]
#[template(path = "quote_invitation.html")]
struct InvitationHtml<'a> {
    name: &'a str,
    car: &'a str,
    link: &'a str,
    site: &'a str,
}

#[derive(Template)]
#[template(path = "quote_invitation.txt")]
struct InvitationText<'a> {
    name: &'a str,
    car: &'a str,
    link: &'a str,
    site: &'a str,
}

/// The recipient of an e-mail: the contact in the buyer's state for the effect's offer. `None` if the effect is no
/// e-mail or the contact is gone.
#[must_use]
pub fn addressee<'a>(kind: &EffectKind, head: &'a State) -> Option<&'a Contact> {
    match kind {
        EffectKind::AcceptedEmail { offer, .. } | EffectKind::QuoteInvitation { offer } => {
            head.offers.get(offer)?.contact.as_ref()
        }
        EffectKind::QuoteRequest { .. } | EffectKind::LeadOpened { .. } | EffectKind::LeadClosed { .. } => {
            None
        }
    }
}

/// Renders the e-mail of an effect, addressed to the contact in the buyer's state for its offer.
///
/// Returns `None` if the effect is no e-mail or the contact is gone.
///
/// # Errors
/// [`Unsendable`] if the e-mail can never be sent.
pub fn render(kind: &EffectKind, head: &State, letterhead: &Letterhead) -> Result<Option<Email>, Unsendable> {
    let (EffectKind::AcceptedEmail { offer: id, .. } | EffectKind::QuoteInvitation { offer: id }) = kind
    else {
        return Ok(None);
    };
    let Some(offer) = head.offers.get(id) else { return Ok(None) };
    let Some(contact) = addressee(kind, head) else { return Ok(None) };
    let to = address::checked(&contact.email).ok_or(Unsendable::Address)?;
    let name = &shown(&contact.name);
    // The offer that opened the low lead may be closed by now; the e-mail then mentions one that is pending.
    let mentioned = match kind {
        EffectKind::QuoteInvitation { .. } if !offer.is_pending() => {
            head.offers.values().find(|other| other.is_pending()).unwrap_or(offer)
        }
        EffectKind::QuoteInvitation { .. }
        | EffectKind::AcceptedEmail { .. }
        | EffectKind::QuoteRequest { .. }
        | EffectKind::LeadOpened { .. }
        | EffectKind::LeadClosed { .. } => offer,
    };
    let car = mentioned.car.as_ref().map_or("your next car", CarId::as_str);
    let Letterhead { site, site_url } = letterhead;
    let failed = |_| Unsendable::Template;
    let (subject, text, html) = if matches!(kind, EffectKind::AcceptedEmail { .. }) {
        let link = &format!("{site_url}/offers/{}", utf8_percent_encode(id.as_str(), UNSAFE));
        (
            "Your offer was accepted",
            AcceptedText { name, car, link, site }.render().map_err(failed)?,
            AcceptedHtml { name, car, link, site }.render().map_err(failed)?,
        )
    } else {
        let link = &format!("{site_url}/insurance-quote");
        (
            "An insurance quote for your next car",
            InvitationText { name, car, link, site }.render().map_err(failed)?,
            InvitationHtml { name, car, link, site }.render().map_err(failed)?,
        )
    };
    Ok(Some(Email { to, subject, text, html, tags: Vec::new() }))
}

/// The characters that are percent-encoded in a path segment. Source: RFC 3986, section 2.3.
const UNSAFE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A buyer's name as the e-mail shows it: on one line and without characters that change the direction of the text
/// around it. Text that cannot be a name is replaced, so that the greeting still reads well.
fn shown(name: &str) -> String {
    let changes_direction = |character| matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}');
    let cleaned: String = name
        .chars()
        .map(|character| if character.is_control() || changes_direction(character) { ' ' } else { character })
        .collect();
    let name = cleaned.split_whitespace().collect::<Vec<_>>().join(" ");
    // Anyone can enter any address and name in an offer; our sender must not deliver advertisements to strangers.
    let is_a_name =
        !name.is_empty() && name.chars().count() <= 70 && !name.contains("://") && !name.contains("www.");
    if is_a_name { name } else { "there".to_owned() }
}

/// The greatest length of the value of the header `From`: a line has at most 998 characters (RFC 5322, section 2.1.1).
const LONGEST_SENDER: usize = 998 - "From: ".len();

/// The number of bytes of a name that fit into one encoded word of 75 characters. Source: RFC 2047, section 2.
const ENCODED_AT_ONCE: usize = (75 - "=?UTF-8?B?".len() - "?=".len()) / 4 * 3;

/// The value of the header `From`: `address`, `name <address>` or `"name" <address>` in the form that SES accepts, with
/// the display name quoted or encoded. `None` if there is none.
///
/// SES refuses every e-mail whose sender has a comma outside quotes in its display name (opengovsg/plumber#1777).
/// Sources: RFC 5322, section 3.4, for the forms; Amazon SES API v2 Reference, `SendEmail`, `FromEmailAddress`: the
/// value is ASCII, and a name with other characters consists of encoded words (RFC 2047).
pub(crate) fn sender_header(sender: &str) -> Option<String> {
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
    (header.len() <= LONGEST_SENDER).then_some(header)
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

    use super::sender_header;

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
            assert_eq!(sender_header(given).as_deref(), Some(expected), "{given}");
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
            assert_eq!(sender_header(given), None, "{given:?}");
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
            // Skips names that a mail parser decodes: quoted strings and encoded words (RFC 2047).
            prop_assume!(!name.starts_with('"') && !name.contains("=?"));
            let header = sender_header(&format!("{name} <offers@example.com>")).expect("accepted");
            prop_assert!(header.is_ascii());
            prop_assert!(header.split(' ').all(|word| !word.starts_with("=?") || word.len() <= 75), "{}", header);
            let (read_name, address) = read(&header);
            prop_assert_eq!(address, "offers@example.com");
            let single_spaces = |text: &str| text.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
            prop_assert_eq!(read_name.as_deref().map(single_spaces), Some(single_spaces(&name)));
        }
    }
}

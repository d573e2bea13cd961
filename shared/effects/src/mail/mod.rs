//! Renders e-mails and checks their addresses, before anything is claimed and without I/O.

mod sender;

pub(crate) use sender::header as sender_header;

use askama::Template;
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

//! E-mails as they are sent: rendered and checked before anything is claimed, without any I/O.

mod sender;

pub(crate) use sender::header as sender_header;

use askama::Template;
use contract::address;
use domain::{CarId, Contact, EffectKind, State};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// An e-mail, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email {
    /// The bare address: no display name, so nothing that a buyer typed stands in a header but a checked address.
    pub to: String,
    /// One of two fixed texts.
    pub subject: &'static str,
    /// The plain text part.
    pub text: String,
    /// The HTML part.
    pub html: String,
    /// Names and values that come back with every event about this mail; encoded when sent.
    pub tags: Vec<(&'static str, String)>,
}

/// What every e-mail needs besides the buyer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letterhead {
    /// The site's name.
    pub site: String,
    /// The site's address without a slash at the end; links are made from it.
    pub site_url: String,
}

/// Why an e-mail can never be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsendable {
    /// The address is none that SES takes. It is not repeated here.
    #[error("not an address that can be written to")]
    Address,
    /// A template could not be filled in.
    #[error("the e-mail cannot be rendered")]
    Template,
}

impl Unsendable {
    /// The word for it in the ledger.
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

/// Whom an e-mail is for: the contact that the buyer's state has for its offer; `None` if it is no e-mail, or there is no
/// contact any more.
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

/// The e-mail that an effect calls for, to the contact that the buyer's state has for its offer.
///
/// `Ok(None)`: it is no e-mail, or there is nobody to write to any more.
///
/// # Errors
/// [`Unsendable`]: it can never be sent.
pub fn render(kind: &EffectKind, head: &State, letterhead: &Letterhead) -> Result<Option<Email>, Unsendable> {
    let (EffectKind::AcceptedEmail { offer: id, .. } | EffectKind::QuoteInvitation { offer: id }) = kind
    else {
        return Ok(None);
    };
    let Some(offer) = head.offers.get(id) else { return Ok(None) };
    let Some(contact) = addressee(kind, head) else { return Ok(None) };
    let to = address::checked(&contact.email).ok_or(Unsendable::Address)?;
    let name = &shown(&contact.name);
    // The low lead may have been opened by an offer that is over by now: the mail speaks of one that is not.
    let spoken_of = match kind {
        EffectKind::QuoteInvitation { .. } if !offer.is_pending() => {
            head.offers.values().find(|other| other.is_pending()).unwrap_or(offer)
        }
        EffectKind::QuoteInvitation { .. }
        | EffectKind::AcceptedEmail { .. }
        | EffectKind::QuoteRequest { .. }
        | EffectKind::LeadOpened { .. }
        | EffectKind::LeadClosed { .. } => offer,
    };
    let car = spoken_of.car.as_ref().map_or("your next car", CarId::as_str);
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

/// What must be encoded in one segment of a path. Source: RFC 3986, section 2.3.
const UNSAFE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A name as it is shown: on one line, without characters that turn the text around it. What is no name becomes a
/// greeting.
fn shown(name: &str) -> String {
    let is_turning = |character| matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}');
    let calm: String = name
        .chars()
        .map(|character| if character.is_control() || is_turning(character) { ' ' } else { character })
        .collect();
    let name = calm.split_whitespace().collect::<Vec<_>>().join(" ");
    // Anybody can type any address and any name into an offer: no advertisement goes out under our sender.
    let is_a_name =
        !name.is_empty() && name.chars().count() <= 70 && !name.contains("://") && !name.contains("www.");
    if is_a_name { name } else { "there".to_owned() }
}

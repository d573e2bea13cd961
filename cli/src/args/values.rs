//! The parsers of single values.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use domain::{BuyerId, OfferId, OfferVersion, Priority};
use jiff::{SignedDuration, Span, SpanRelativeTo};
use leads_store::Status as EmailStatus;

use crate::emails::EmailId;

pub(super) fn age(text: &str) -> Result<SignedDuration, &'static str> {
    let span: Result<Span, _> = text.parse();
    let age = span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()));
    age.ok().filter(|age| !age.is_negative()).ok_or("an age is a number and a unit, as in 90m, 12h or 2d")
}

/// An operator's reason: short enough for an item, and in one line.
pub(super) fn words(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    let is_short = (1..=300).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if is_short { Ok(text.to_owned()) } else { Err("a reason is one line of 1 to 300 characters") }
}

pub(super) fn priority() -> impl TypedValueParser<Value = Priority> {
    PossibleValuesParser::new(["high", "low"])
        .map(|name| if name == Priority::High.name() { Priority::High } else { Priority::Low })
}

pub(super) fn status() -> impl TypedValueParser<Value = EmailStatus> {
    PossibleValuesParser::new([
        "sending",
        "unknown",
        "retry",
        "sent",
        "rejected",
        "abandoned",
        "superseded",
        "suppressed",
    ])
    .try_map(|name| EmailStatus::parse(&name).ok_or("unknown status"))
}

pub(super) fn email_id(text: &str) -> Result<EmailId, &'static str> {
    let parts = text.split_once('/').filter(|(_, key)| !key.is_empty());
    let (buyer, key) = parts.ok_or("an e-mail's id is BUYER/KEY, as in buyer-7/quote-email")?;
    Ok(EmailId { buyer: buyer_id(buyer)?, key: key.to_owned() })
}

pub(super) fn offer_id(text: &str) -> Result<OfferId, &'static str> {
    OfferId::parse(text).map_err(|_| "an offer's id is 1 to 128 visible ASCII characters without '/'")
}

pub(super) fn version(text: &str) -> Result<OfferVersion, &'static str> {
    text.parse().ok().and_then(OfferVersion::new).ok_or("a version is a whole number from 1")
}

pub(crate) fn buyer_id(text: &str) -> Result<BuyerId, &'static str> {
    BuyerId::parse(text).map_err(|_| "a buyer's id is 1 to 128 visible ASCII characters without '/'")
}

//! The announcements of both systems to the sales team and the buyers, in order.

use std::collections::BTreeSet;

use super::Platform;

/// One announcement: a sales message or an e-mail.
#[derive(Debug, Clone)]
pub(crate) struct Announced {
    pub(crate) is_former: bool,
    pub(crate) buyer: String,
    pub(crate) content: Content,
}

/// The content of an announcement. `about` is an offer and the version of its acceptance, or `None` for the low lead.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Content {
    Quoted { offer: String },
    Opened { lead: String, about: Option<(String, u32)> },
    Closed { lead: String },
    Mailed { about: Option<(String, u32)> },
}

impl Announced {
    pub(crate) fn by_former(buyer: &str, content: Content) -> Self {
        Self { is_former: true, buyer: buyer.to_owned(), content }
    }
}

/// The content that one of our effect keys announces.
fn content_of(key: &str) -> Option<Content> {
    let about = |text: &str| {
        let (offer, version) = text.split_once('/')?;
        Some((offer.to_owned(), version.parse::<u32>().ok()?))
    };
    Some(match key.split_once('/') {
        Some(("quote", offer)) => Content::Quoted { offer: offer.to_owned() },
        Some(("opened", lead)) => {
            Content::Opened { lead: lead.to_owned(), about: lead.strip_prefix("high/").and_then(about) }
        }
        Some(("closed", lead)) => Content::Closed { lead: lead.to_owned() },
        Some(("accepted-email", acceptance)) => Content::Mailed { about: Some(about(acceptance)?) },
        Some(_) => return None,
        None => Content::Mailed { about: None },
    })
}

impl Platform {
    /// Records an announcement of Leadstream. A repeated sales message counts once; a mail that is sent again is
    /// another mail.
    pub(crate) fn announce_ours(&mut self, buyer: &str, key: &str) {
        let Some(content) = content_of(key) else { return };
        let is_mail = matches!(content, Content::Mailed { .. });
        if is_mail || self.sales_keys.insert((buyer.to_owned(), key.to_owned())) {
            self.announced.push(Announced { is_former: false, buyer: buyer.to_owned(), content });
        }
    }

    /// Records announcements of the former system.
    pub(crate) fn announce_theirs(&mut self, announced: impl IntoIterator<Item = Announced>) {
        for announced in announced {
            self.log(format_args!("the former system: {}: {:?}", announced.buyer, announced.content));
            self.announced.push(announced);
        }
    }
}

/// Our effect keys that the sales team was sent, each with its buyer.
pub(crate) type SalesKeys = BTreeSet<(String, String)>;

//! What the sales team and the buyers heard of both systems, in order.

use std::collections::BTreeSet;

use super::Platform;

/// One announcement.
#[derive(Debug, Clone)]
pub(crate) struct Announced {
    pub(crate) is_former: bool,
    pub(crate) buyer: String,
    pub(crate) what: What,
}

/// What it says. `about`: an offer, and the version of its acceptance; nothing where it is about the low lead.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    Quoted { offer: String },
    Opened { lead: String, about: Option<(String, u32)> },
    Closed { lead: String },
    Mailed { about: Option<(String, u32)> },
}

impl Announced {
    pub(crate) fn by_former(buyer: &str, what: What) -> Self {
        Self { is_former: true, buyer: buyer.to_owned(), what }
    }
}

/// What a key of ours announces.
fn what(key: &str) -> Option<What> {
    let about = |text: &str| {
        let (offer, version) = text.split_once('/')?;
        Some((offer.to_owned(), version.parse::<u32>().ok()?))
    };
    Some(match key.split_once('/') {
        Some(("quote", offer)) => What::Quoted { offer: offer.to_owned() },
        Some(("opened", lead)) => {
            What::Opened { lead: lead.to_owned(), about: lead.strip_prefix("high/").and_then(about) }
        }
        Some(("closed", lead)) => What::Closed { lead: lead.to_owned() },
        Some(("accepted-email", acceptance)) => What::Mailed { about: Some(about(acceptance)?) },
        Some(_) => return None,
        None => What::Mailed { about: None },
    })
}

impl Platform {
    /// Something of ours went out. To the sales team the same may be said again; a mail that is sent again is another mail.
    pub(crate) fn announce_ours(&mut self, buyer: &str, key: &str) {
        let Some(what) = what(key) else { return };
        let is_mail = matches!(what, What::Mailed { .. });
        if is_mail || self.said.insert((buyer.to_owned(), key.to_owned())) {
            self.announced.push(Announced { is_former: false, buyer: buyer.to_owned(), what });
        }
    }

    pub(crate) fn announce_theirs(&mut self, announced: impl IntoIterator<Item = Announced>) {
        for announced in announced {
            self.log(format_args!("the former system: {}: {:?}", announced.buyer, announced.what));
            self.announced.push(announced);
        }
    }
}

/// Keys of ours that were said to the sales team, by buyer.
pub(crate) type Said = BTreeSet<(String, String)>;

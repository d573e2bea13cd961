//! The pages, by their URLs below the token. Pure.

use std::collections::BTreeMap;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// What a URL asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Page {
    /// What `leads status` shows.
    Status,
    /// One buyer; `id` is as it was typed, and `number` counts pages of its history from the newest one, 1.
    Buyer { id: String, number: usize },
    /// The oldest open leads.
    Leads,
    /// Some dead letters.
    DeadLetters,
    /// Buyers with gaps.
    Gaps,
    /// E-mails in doubt and to be retried.
    Emails,
    /// The runbook of this version.
    Runbook,
}

impl Page {
    /// The pages in the navigation, with their names.
    pub(super) const ALL: [(Self, &'static str); 6] = [
        (Self::Status, "Status"),
        (Self::Leads, "Open leads"),
        (Self::DeadLetters, "Dead letters"),
        (Self::Gaps, "Gaps"),
        (Self::Emails, "E-mails"),
        (Self::Runbook, "Runbook"),
    ];

    /// The last part of the page's path.
    pub(super) const fn path(&self) -> &'static str {
        match self {
            Self::Status => "",
            Self::Buyer { .. } => "buyer",
            Self::Leads => "leads",
            Self::DeadLetters => "dead-letters",
            Self::Gaps => "gaps",
            Self::Emails => "emails",
            Self::Runbook => "runbook",
        }
    }

    /// The page of a buyer that a query names.
    pub(super) fn buyer(query: &BTreeMap<String, String>) -> Self {
        let text = |name: &str| query.get(name).map(|text| text.trim()).unwrap_or_default();
        Self::Buyer { id: text("id").to_owned(), number: text("page").parse().unwrap_or(1).max(1) }
    }
}

/// The relative URL of a page of a buyer.
pub(super) fn buyer_url(id: &str, number: usize) -> String {
    let id = utf8_percent_encode(id, NON_ALPHANUMERIC);
    if number > 1 { format!("buyer?id={id}&page={number}") } else { format!("buyer?id={id}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(pairs: &[(&str, &str)]) -> Page {
        Page::buyer(&pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn a_query_without_a_sensible_number_means_the_newest_page() {
        let newest = Page::Buyer { id: "ada".to_owned(), number: 1 };
        assert_eq!(asked(&[("id", " ada ")]), newest);
        assert_eq!(asked(&[("id", "ada"), ("page", "0")]), newest);
        assert_eq!(asked(&[("id", "ada"), ("page", "-1")]), newest);
        assert_eq!(asked(&[("page", "2")]), Page::Buyer { id: String::new(), number: 2 });
    }

    #[test]
    fn ids_cannot_leave_their_place_in_a_url() {
        assert_eq!(buyer_url("a&page=2#\"<", 1), "buyer?id=a%26page%3D2%23%22%3C");
        assert_eq!(buyer_url("ada", 2), "buyer?id=ada&page=2");
    }
}

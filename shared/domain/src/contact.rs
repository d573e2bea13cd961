use std::fmt;

/// How a buyer can be reached, as given with an offer. The one place where personal data lives.
///
/// `Debug` shows nothing of it, so that no log line or error text can.
#[derive(Clone, PartialEq, Eq)]
pub struct Contact {
    /// As the buyer typed it: any text.
    pub name: String,
    /// As the buyer typed it: validated only when a mail is to be sent.
    pub email: String,
    /// As the buyer typed it.
    pub phone: Option<String>,
}

impl fmt::Debug for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Contact(…)")
    }
}

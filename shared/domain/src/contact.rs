use std::fmt;

/// A buyer's contact details, as given with an offer. Apart from the reasons of rejections, they are the only personal
/// data in the domain.
///
/// `Debug` prints none of it, so that log lines and error texts cannot leak it.
#[derive(Clone, PartialEq, Eq)]
pub struct Contact {
    /// The name as the buyer typed it: any text.
    pub name: String,
    /// The e-mail address as the buyer typed it. It is validated only before an e-mail is sent.
    pub email: String,
    /// The phone number as the buyer typed it.
    pub phone: Option<String>,
}

impl fmt::Debug for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Contact(…)")
    }
}

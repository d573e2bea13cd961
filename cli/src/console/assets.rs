//! The one stylesheet and the one script, which are part of every page, and the policy that allows nothing else.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest as _, Sha256};

/// The stylesheet.
pub(super) const STYLE: &str = include_str!("../../templates/console/style.css");

/// The script, for going live and for copying commands. Pages work without it.
pub(super) const SCRIPT: &str = include_str!("../../templates/console/live.js");

/// The content security policy: only our stylesheet and script, by their hashes, and requests to this console only.
///
/// Source: W3C, Content Security Policy Level 3.
pub(super) static POLICY: LazyLock<String> = LazyLock::new(|| {
    format!(
        "default-src 'none'; script-src {}; style-src {}; img-src data:; connect-src 'self'; form-action 'self'; \
         base-uri 'none'; frame-ancestors 'none'",
        hash(SCRIPT),
        hash(STYLE)
    )
});

fn hash(text: &str) -> String {
    format!("'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(text)))
}

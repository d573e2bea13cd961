//! The picture of a buyer's history: every event of one page of it, with what it did to offers and leads and what was
//! sent because of it. Pure.

mod lanes;
mod layout;
mod window;

pub(super) use lanes::look;
pub(super) use layout::Picture;
pub(super) use window::{Step, Window};

/// Draws a window.
pub(super) fn picture(window: &Window) -> Picture {
    layout::layout(window, &lanes::groups(window))
}

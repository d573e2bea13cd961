//! The pages as HTML: view models made from what was read, and templates that escape every value. Pure.

mod around;
mod buyer;
mod lists;
mod runbook;
mod status;

pub(super) use around::{Around, Failed};
pub(super) use buyer::BuyerPage;
pub(super) use lists::{EmailsPage, GapsPage, LeadsPage, LettersPage};
pub(super) use runbook::RunbookPage;
pub(super) use status::StatusPage;

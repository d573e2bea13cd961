use clap::Args;
use domain::BuyerId;
use jiff::SignedDuration;
use leads_store::Status;

use super::values::{age, buyer_id, email_id, status};
use crate::Failure;
use crate::emails::{EmailId, Selection, Wanted};

pub(super) const EMAILS_EXAMPLES: &str = "\
Example:
  leads emails --status unknown
  leads emails --status rejected --newer-than 2h
  leads emails --resend buyer-7/quote-email --yes
  leads emails --resend --status rejected --reason BadRequest --newer-than 2d
  leads emails --allow buyer-7";

/// Arguments of `leads emails`.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("what").args(["status", "resend", "allow"]).required(true).multiple(true)))]
pub(crate) struct Emails {
    /// Select e-mails with this status.
    #[arg(long, value_parser = status())]
    pub(crate) status: Option<Status>,

    /// Select e-mails that have had this status for at most this long, as in `90m` or `2d`.
    #[arg(long, value_name = "AGE", value_parser = age, requires = "status")]
    pub(crate) newer_than: Option<SignedDuration>,

    /// Select e-mails whose reason begins with this text. May be repeated; any match counts.
    #[arg(long, requires = "status")]
    pub(crate) reason: Vec<String>,

    /// Send e-mails again: the one with this id or, without an id, all that are selected. Only `unknown`, `abandoned`
    /// and `rejected` e-mails can be sent again.
    ///
    /// Without --yes they are only listed and counted. With --yes each becomes `retry` and due, unless it changed
    /// meanwhile; the next sweeps send it if its premise still holds. An `unknown` or `abandoned` e-mail may reach the
    /// buyer twice.
    #[arg(long, value_name = "BUYER/KEY", value_parser = email_id, num_args = 0..=1)]
    #[expect(clippy::option_option, reason = "absent, given without an id, or given with one")]
    pub(crate) resend: Option<Option<EmailId>>,

    /// Lift the stop on this buyer's addresses, so that addresses stopped by a permanent bounce or a complaint get
    /// e-mails again.
    ///
    /// E-mails that were rejected because of the stop stay rejected; send them again with --resend.
    #[arg(long, value_name = "BUYER", value_parser = buyer_id, conflicts_with_all = ["status", "resend"])]
    pub(crate) allow: Option<BuyerId>,

    /// Confirm --resend.
    #[arg(long, requires = "resend")]
    pub(crate) yes: bool,
}

impl Emails {
    /// What the combination of options asks for.
    pub(crate) fn wanted(&self) -> Result<Wanted, Failure> {
        let selection =
            |status| Selection { status, newer_than: self.newer_than, reasons: self.reason.clone() };
        let is_confirmed = self.yes;
        match (&self.allow, &self.resend, self.status) {
            (Some(buyer), ..) => Ok(Wanted::Allow(buyer.clone())),
            (None, Some(Some(id)), None) => Ok(Wanted::ResendOne { id: id.clone(), is_confirmed }),
            (None, Some(Some(_)), Some(_)) => Err(Failure::Usage(
                "--resend BUYER/KEY names one e-mail and --status selects many: use one of them".to_owned(),
            )),
            (None, Some(None), Some(status)) if !status.is_resendable() => Err(Failure::Usage(format!(
                "`{}` e-mails cannot be sent again: use --status unknown, abandoned or rejected",
                status.name()
            ))),
            (None, Some(None), Some(status)) => {
                Ok(Wanted::ResendMany { selection: selection(status), is_confirmed })
            }
            (None, None, Some(status)) => Ok(Wanted::List(selection(status))),
            (None, Some(None) | None, None) => Err(Failure::Usage(
                "no e-mail is selected: use --resend BUYER/KEY for one, or --status for all with a status"
                    .to_owned(),
            )),
        }
    }
}

//! The commands of `leads`, with their help.

use std::path::PathBuf;

use clap::Subcommand;
use clap_complete::Shell;
use domain::{BuyerId, OfferId, OfferVersion, Priority};

use super::commands::{
    Console, DeadLetters, EMAILS_EXAMPLES, Emails, GoLive, Parity, Paused, Reset, Status, Why,
};
use super::copies::{Export, Import, Resync, Tail};
use super::values::{buyer_id, offer_id, priority, version, words};

/// A command and its arguments.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check a file of events against the contract; needs no AWS.
    ///
    /// Prints every fault with its line number, including contradictions between lines: two changes with the same offer
    /// version, or two events with the same id. Gaps and lines out of order are only warnings, because Leadstream puts
    /// events in order itself.
    #[command(after_help = "Example:\n  leads check offers.jsonl\n  my-export | leads check --json -")]
    Check {
        /// A file of events, one per line; `-` is standard input.
        #[arg(value_name = "FILE.jsonl")]
        file: PathBuf,
    },

    /// Check a file of events and post them, in order within each buyer.
    ///
    /// Posts nothing if a line is invalid. Sending a file twice is safe: events already recorded are recognised. Ctrl-C
    /// prints what was posted and exits with 130.
    #[command(after_help = "Example:\n  leads send offers.jsonl")]
    Send {
        /// A file of events, one per line. It is read twice, so it cannot be standard input.
        #[arg(value_name = "FILE.jsonl")]
        file: PathBuf,

        /// Post with new deduplication ids. Otherwise SQS drops events that it received within the last five minutes.
        #[arg(long)]
        repeat: bool,
    },

    /// Print what a shell needs to complete this command's words.
    #[command(
        after_help = "Example:\n  leads completions bash > ~/.local/share/bash-completion/completions/leads"
    )]
    Completions {
        /// The shell.
        #[arg(value_name = "SHELL", value_enum)]
        shell: Shell,
    },

    /// Write the man pages of this command, one for each subcommand.
    #[command(after_help = "Example:\n  leads man ~/.local/share/man/man1")]
    Man {
        /// An existing folder.
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
    },

    /// Show on one screen whether the stack is well, and what to do if it is not.
    ///
    /// Reads what the stack measures, in a bounded number of requests and without a scan. Exits with 1 if a line is
    /// red: its alarm rings, or its value is above the alarm's threshold now. Exits with 2 if nothing is red, but
    /// something could not be read.
    #[command(after_help = "Example:\n  leads status --stack prod\n  leads status --stack prod --watch 60")]
    Status(Status),

    /// Serve a read-only page about the stack on this machine: its status, buyers with their history as a picture, open
    /// leads, dead letters, gaps and e-mails.
    ///
    /// Prints the page's address, which contains a random token, and serves it on 127.0.0.1 until Ctrl-C. Only a browser
    /// on this machine can open it. The page needs the permissions of the read-only role.
    #[command(
        after_help = "Example:\n  leads console --stack prod\n  leads console --stack prod --port 8080 --contact"
    )]
    Console(Console),

    /// Show a buyer's current state: shadow or live, offers, open leads, held events, cursor and e-mails.
    #[command(after_help = "Example:\n  leads show buyer-7")]
    Show {
        /// The buyer's id.
        #[arg(value_name = "BUYER", value_parser = buyer_id)]
        buyer: BuyerId,

        /// Also show names, e-mail addresses and phone numbers.
        #[arg(long)]
        contact: bool,
    },

    /// List the open leads that were announced to the sales team, oldest first.
    #[command(after_help = "Example:\n  leads list --priority high")]
    List {
        /// List only leads of this priority.
        #[arg(long, value_parser = priority())]
        priority: Option<Priority>,

        /// Also show names, e-mail addresses and phone numbers.
        #[arg(long)]
        contact: bool,
    },

    /// List gaps: held events and the missing version each offer waits for, longest waiting first.
    ///
    /// Exits with 1 if any event is held.
    #[command(after_help = "Example:\n  leads held\n  leads held --buyer buyer-7")]
    Held {
        /// List only the gaps of this buyer, read from its stream instead of the index of open work.
        #[arg(long, value_parser = buyer_id)]
        buyer: Option<BuyerId>,
    },

    /// List e-mails by status, send some again, or lift the stop on a buyer's addresses.
    ///
    /// `sending`, `unknown` and `retry` are indexed; other statuses scan the whole leads table and print the cost. While
    /// e-mails are sent again, Ctrl-C prints which and exits with 130; run the command again to continue.
    #[command(after_help = EMAILS_EXAMPLES)]
    Emails(Emails),

    /// Let e-mails, sales messages or both wait. Events are recorded as before, and nothing is lost.
    ///
    /// Holds within 40 seconds. What is overtaken meanwhile is not sent later, except closings of leads. The time limits
    /// of retried and doubtful e-mails stand still. Exits with 1 if all of it is paused already.
    #[command(after_help = "Example:\n  leads pause emails --because \"wrong template\"")]
    Pause {
        /// What to pause.
        #[arg(value_name = "WHAT", value_enum)]
        what: Paused,

        /// Why you do it. `leads status` shows it, with your identity at AWS.
        #[arg(long, value_name = "TEXT", value_parser = words)]
        because: String,
    },

    /// End pauses: the next sweeps perform what waits, in order for each buyer.
    ///
    /// Without --yes it only shows what is paused and how much waits. Exits with 1 if nothing is paused.
    #[command(after_help = "Example:\n  leads resume\n  leads resume emails --yes")]
    Resume {
        /// What to resume.
        #[arg(value_name = "WHAT", value_enum, default_value_t)]
        what: Paused,

        /// Confirm. What was sent cannot be called back.
        #[arg(long)]
        yes: bool,
    },

    /// List, show, redrive or drop dead letters: offer events that were set aside.
    #[command(subcommand)]
    DeadLetters(DeadLetters),

    /// Compare every stream with its cursor: find pending effects that nothing will retry, buyers behind, and missing
    /// commits.
    ///
    /// Reads the keys of the whole streams table, which costs as much as reading all its data, and one cursor for each
    /// stream. Exits with 1 if there are findings. Ctrl-C prints the findings so far, marked as incomplete, and exits
    /// with 130.
    ///
    /// Uses about 250 bytes of memory for each stream of any length, as long as the table returns the commits of a
    /// stream in order.
    #[command(after_help = "Example:\n  leads audit --rate 500\n  leads audit --repair")]
    Audit {
        /// Read at most this many read units per second from the streams table.
        #[arg(long, default_value_t = 200, value_name = "UNITS")]
        rate: u32,

        /// Mark buyers whose pending effects nothing will retry as behind and due, so that the next sweep retries them.
        #[arg(long)]
        repair: bool,
    },

    /// Declare missing versions of an offer void, so that the events held behind them are applied.
    ///
    /// An event with a void version that arrives later becomes a dead letter. A buyer in shadow stays in shadow.
    #[command(
        after_help = "Example:\n  leads void buyer-7 offer-1 --through 3 --because \"lost by the sender\" --yes\n\n`leads held` lists the missing versions."
    )]
    Void {
        /// The buyer's id.
        #[arg(value_name = "BUYER", value_parser = buyer_id)]
        buyer: BuyerId,

        /// The offer's id.
        #[arg(value_name = "OFFER", value_parser = offer_id)]
        offer: OfferId,

        /// The last version to declare void; it must be lower than the first held version.
        #[arg(long, value_name = "VERSION", value_parser = version)]
        through: OfferVersion,

        /// Confirm that these versions will never arrive.
        #[arg(long)]
        yes: bool,

        #[command(flatten)]
        why: Why,
    },

    /// Discard the recorded state of buyers in shadow; their next event looks them up in the former system again.
    ///
    /// Only for buyers in shadow. A buyer is refused if the former system has handed it over, or does not know every
    /// event recorded here, held events included. Nothing is deleted: `leads history` still shows all facts. Without
    /// --yes they are only checked, also against the former system, and counted.
    ///
    /// Costs one Query and one GET for each buyer in shadow, and one write for each reset. Ctrl-C prints what was done
    /// and exits with 130; run the command again to continue. It skips buyers that are already reset.
    #[command(
        after_help = "Example:\n  leads reset buyer-7 --yes\n  leads reset --file wrong.txt\n  leads reset --all --yes"
    )]
    Reset(Reset),

    /// Make buyers in shadow live now, without waiting for their next event.
    ///
    /// Asks the former system to hand each buyer over (POST); afterwards it announces nothing about that buyer. This
    /// cannot be undone: a live buyer stays live. Without --yes the buyers are only counted and the former system gets
    /// no request.
    ///
    /// Costs two Queries, one POST and one write for each buyer. Ctrl-C prints what was done and exits with 130; run
    /// the command again to continue. It skips buyers that are already live.
    #[command(
        after_help = "Example:\n  leads go-live buyer-7 buyer-8\n  leads go-live --file canary.txt --yes\n  leads go-live --all-asked --yes"
    )]
    GoLive(GoLive),

    /// Erase a buyer's personal data from both tables and close all its leads.
    ///
    /// A buyer in shadow stays in shadow. Exits with 1 if the buyer is unknown, and until the sales team has been
    /// notified of the closings; run it again then. Ctrl-C exits with 130; run the command again to continue. At the end it lists every copy that
    /// remains elsewhere.
    #[command(after_help = "Example:\n  leads erase buyer-7 --yes")]
    Erase {
        /// The buyer's id.
        #[arg(value_name = "BUYER", value_parser = buyer_id)]
        buyer: BuyerId,

        /// Confirm. Erasing cannot be undone.
        #[arg(long)]
        yes: bool,

        #[command(flatten)]
        why: Why,
    },

    /// Fold all facts of a buyer again and compare every snapshot with the result. Performs no effects.
    #[command(after_help = "Example:\n  leads replay buyer-7")]
    Replay {
        /// The buyer's id.
        #[arg(value_name = "BUYER", value_parser = buyer_id)]
        buyer: BuyerId,
    },

    /// Compare the recorded state of buyers with the former system's current answers.
    ///
    /// Only looks buyers up in the former system (GET); no buyer is handed over. Each buyer costs one GET and one Query
    /// of the streams table, plus one Query for every further page of a long stream without a usable snapshot, for
    /// example after a change of the rules.
    ///
    /// Classes of differences: `lag` (one side knows later versions, or events are held here), `missing-here` and
    /// `missing-there` (only the other side knows the offer), `other-stage`, `other-contact` (contact or car),
    /// `handed-over-there` (still in shadow here; `leads go-live` resolves it), `other-lead` (in shadow, only one side
    /// has the lead), and `explained`. For live buyers only offers are compared.
    ///
    /// Exits with 1 if more differences than --allow are unexplained; `lag` and `explained` are not counted. Ctrl-C
    /// prints the differences so far and exits with 130.
    #[command(after_help = "Example:\n  leads parity buyer-7\n  leads parity --sample 1000\n  \
leads parity --all --state parity.jsonl --explained known.jsonl --report parity.html")]
    Parity(Parity),

    /// Send the sales team's messages again, for a consumer that lost its data.
    ///
    /// Repeats quote requests, openings and closings, each with the id and the bytes with which it was sent, in order
    /// within each buyer. Left out are effects that are pending, were overtaken, or were decided in shadow, and quote
    /// requests and openings of buyers erased since. Without --yes the messages are only counted.
    ///
    /// Each gets a new deduplication id, because SQS would drop a repeat within five minutes. A consumer that keeps the
    /// contract applies each id once, so running it twice is harmless. It never sends e-mails.
    ///
    /// Costs a scan of the streams table unless --buyer is used, and two Queries for each buyer. Ctrl-C (130)
    /// and a failure name the buyer from which to go on. Buyers that cannot be read are left out and listed (2).
    #[command(after_help = "Example:\n  leads resync --since 2h\n  leads resync --to-queue --yes\n  \
leads resync --buyer buyer-7 --to-file messages.jsonl --yes")]
    Resync(Resync),

    /// Show what is being recorded and performed, as it happens, until Ctrl-C.
    ///
    /// One row for each fact, and one for each effect once it is settled: sent, rejected or overtaken. It cannot show
    /// every commit: those without effects after which no events are held are not in the index that it reads. With
    /// --buyer it reads that buyer's stream and shows all of them. With --json, each row is one line.
    #[command(after_help = "Example:\n  leads tail\n  leads tail --buyer buyer-7 --since 1h")]
    Tail(Tail),

    /// Write streams to a file as JSON Lines, for an access request, a backup or an analysis.
    ///
    /// Each commit is written as it is stored, with how far the buyer's effects are settled; each buyer is consistent,
    /// all of them together are not. Without --contact, names, addresses, phone numbers, free text and snapshots are
    /// removed, and the file cannot be imported. The leads table's e-mails are not exported.
    ///
    /// Costs a scan of the streams table, and two Queries for each buyer. Ctrl-C exits with 130; with --to, run it again
    /// to go on.
    #[command(after_help = "Example:\n  leads export buyer-7 --contact > buyer-7.jsonl\n  \
leads export --contact --to backup.jsonl")]
    Export(Export),

    /// Import an export into an empty stack in shadow.
    ///
    /// Every commit is written exactly as it was stored, and nothing is performed for it: all effects in the file count
    /// as settled. Those that were pending at the export are counted; the stack that the file comes from performs them.
    /// Buyers keep their mode: the next event of one who is live has effects.
    ///
    /// Refuses a stack that is not in shadow, that has buyers whom the file does not contain, or that has another
    /// commit at the same place. Without --yes the file and the stack are only checked. Ctrl-C exits with 130; run it
    /// again to go on.
    #[command(after_help = "Example:\n  leads import backup.jsonl --stack copy\n  \
leads import backup.jsonl --stack copy --yes")]
    Import(Import),

    /// Show a buyer's history: each fact, the leads open after it, its effects, and how each effect was settled.
    ///
    /// Effects decided in shadow are `suppressed`, because the former system performed them. For `migrated` and
    /// `handed-over` the history also shows the former system's answer.
    #[command(after_help = "Example:\n  leads history buyer-7")]
    History {
        /// The buyer's id.
        #[arg(value_name = "BUYER", value_parser = buyer_id)]
        buyer: BuyerId,
    },
}

impl Command {
    /// Whether the command reads or writes anything of a stack.
    pub(crate) const fn needs_aws(&self) -> bool {
        !matches!(self, Self::Check { .. } | Self::Completions { .. } | Self::Man { .. })
    }

    /// Whether the command changes nothing.
    pub(crate) const fn only_reads(&self) -> bool {
        match self {
            Self::Check { .. }
            | Self::Completions { .. }
            | Self::Man { .. }
            | Self::Status(_)
            | Self::Console(_)
            | Self::Show { .. }
            | Self::List { .. }
            | Self::Held { .. }
            | Self::Replay { .. }
            | Self::Parity(_)
            | Self::Tail(_)
            | Self::Export(_)
            | Self::History { .. }
            | Self::DeadLetters(
                DeadLetters::List { .. }
                | DeadLetters::Show { .. }
                | DeadLetters::Redrive { yes: false, .. }
                | DeadLetters::Drop { yes: false, .. },
            ) => true,
            Self::Emails(emails) => emails.allow.is_none() && !emails.yes,
            Self::Audit { repair, .. } => !*repair,
            Self::Resync(Resync { yes, .. }) | Self::Import(Import { yes, .. }) => !*yes,
            Self::Reset(Reset { yes, .. }) | Self::GoLive(GoLive { yes, .. }) | Self::Resume { yes, .. } => {
                !*yes
            }
            Self::Send { .. }
            | Self::Pause { .. }
            | Self::Void { .. }
            | Self::Erase { .. }
            | Self::DeadLetters(
                DeadLetters::Redrive { yes: true, .. } | DeadLetters::Drop { yes: true, .. },
            ) => false,
        }
    }
}

//! `leads tail`: rows of what is recorded and performed, until Ctrl-C.

use std::time::{Duration, Instant};

use cli::Exit;
use domain::Event;
use effects::outside::MemoryOutside;
use event_store::{Appended, Appending, EventStore as _, load};
use jiff::{SignedDuration, Timestamp};
use testkit::wire::{Answer, Wire};
use testkit::{accepted, buyer, made, rejected, withdrawn};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout};

use crate::all_buyers::World;
use crate::crowd::advance;
use crate::schemas::assert_answer;
use crate::takeover::ClosedPipe;
use crate::world::{aws_at, press_ctrl_c, process};

/// Records events of a live buyer so many seconds ago.
async fn record(world: &World, name: &str, events: &[Event], seconds_ago: i64) {
    let (streams, buyer) = (&world.tables.streams, buyer(name));
    let mut appending = Appending::onto(load(streams, &buyer).await.unwrap()).live();
    for event in events {
        appending.take(event.clone().into());
    }
    let at = Timestamp::now() - SignedDuration::from_secs(seconds_ago);
    let (commit, _) = appending.commit(&buyer, at).unwrap();
    assert_eq!(streams.append(&commit).await.unwrap(), Appended::Written);
}

/// A running `leads tail`.
struct Tailed<'a> {
    words: Vec<&'a str>,
    leads: Child,
    rows: Lines<BufReader<ChildStdout>>,
}

impl<'a> Tailed<'a> {
    fn start(world: &World, words: &[&'a str]) -> Self {
        let words: Vec<&str> = ["tail", "--rate", "1000"].iter().chain(words).copied().collect();
        let mut leads = process(&world.url, &words).spawn().unwrap();
        let rows = BufReader::new(leads.stdout.take().unwrap()).lines();
        Self { words, leads, rows }
    }

    async fn row(&mut self) -> String {
        let row = tokio::time::timeout(Duration::from_secs(50), self.rows.next_line()).await;
        let row = row.unwrap().unwrap().unwrap();
        assert_answer(&self.words, &row);
        row
    }

    async fn rows(&mut self, number: usize) -> Vec<String> {
        let mut rows = Vec::new();
        while rows.len() < number {
            rows.push(self.row().await);
        }
        rows
    }

    /// Sends SIGINT and returns the exit code and the rows that were left.
    async fn interrupt(mut self) -> (Option<i32>, Vec<String>) {
        press_ctrl_c(&self.leads).await;
        let mut rows = Vec::new();
        while let Some(row) = self.rows.next_line().await.unwrap() {
            rows.push(row);
        }
        (self.leads.wait().await.unwrap().code(), rows)
    }
}

/// The row without its time.
fn timeless(row: &str) -> &str {
    row.split_once("  ").unwrap().1
}

#[tokio::test]
async fn rows_appear_for_facts_and_for_effects_once_they_are_settled() {
    let (world, outside) = (World::start().await, MemoryOutside::default());
    record(&world, "ada", &[made("car-1")], 10).await;
    let mut tailed = Tailed::start(&world, &["--since", "5m"]);
    assert_eq!(timeless(&tailed.row().await), "ada  1  made car-1 v1");
    advance(&world, &outside, &buyer("ada")).await;
    let rows = tailed.rows(3).await;
    let expected = ["ada  1  quote/car-1: sent", "ada  1  opened/low/1: sent", "ada  1  quote-email: sent"];
    assert_eq!(rows.iter().map(|row| timeless(row)).collect::<Vec<_>>(), expected);
    // An entry that arrives in the index late, within half a minute.
    record(&world, "bob", &[made("car-1"), withdrawn("car-1").v(2)], 20).await;
    advance(&world, &outside, &buyer("bob")).await;
    let rows = tailed.rows(2).await;
    assert_eq!(
        rows.iter().map(|row| timeless(row)).collect::<Vec<_>>(),
        ["bob  1  made car-1 v1", "bob  2  withdrawn car-1 v2"]
    );
    let (code, rest) = tailed.interrupt().await;
    assert_eq!(code, Some(0));
    let all = [rows, rest].concat();
    assert!(all.iter().all(|row| timeless(row).starts_with("bob")), "ada's rows are not repeated: {all:?}");
    assert!(!all.concat().to_lowercase().contains("canary"));
}

#[tokio::test]
async fn of_one_buyer_every_commit_is_shown_also_without_effects() {
    let (world, outside) = (World::start().await, MemoryOutside::default());
    record(&world, "ada", &[made("car-1"), withdrawn("car-1").v(2)], 30).await;
    advance(&world, &outside, &buyer("ada")).await;
    // A closed offer that is rejected changes nothing.
    record(&world, "ada", &[rejected("car-1").v(3)], 0).await;
    let mut tailed = Tailed::start(&world, &["--buyer", "ada", "--since", "20s"]);
    assert_eq!(timeless(&tailed.row().await), "ada  3  rejected car-1 v3");
    record(&world, "ada", &[made("car-2")], 0).await;
    assert_eq!(timeless(&tailed.row().await), "ada  4  made car-2 v1");
    assert_eq!(tailed.interrupt().await.0, Some(0));
}

#[tokio::test]
async fn with_json_each_row_is_a_document_and_contacts_are_shown_only_on_request() {
    let (world, outside) = (World::start().await, MemoryOutside::default());
    record(&world, "ada", &[made("car-1"), accepted("car-1").v(2)], 10).await;
    advance(&world, &outside, &buyer("ada")).await;
    for (words, is_shown) in [(&["--contact"][..], true), (&[], false)] {
        let words: Vec<&str> = ["--json", "--since", "5m"].iter().chain(words).copied().collect();
        let mut tailed = Tailed::start(&world, &words);
        let rows = tailed.rows(5).await;
        assert_eq!(rows[0].contains("ada.canary@example.com"), is_shown, "{}", rows[0]);
        assert_eq!(rows.concat().to_lowercase().contains("canary"), is_shown);
        assert_eq!(tailed.interrupt().await.0, Some(0));
    }
}

#[tokio::test]
async fn requests_keep_to_the_rate() {
    let world = World::start().await;
    for number in 0..30 {
        record(&world, &format!("buyer-{number}"), &[made("car-1")], 10).await;
    }
    let url = world.url.clone();
    let wire = Wire::start(move |_| Answer::Forward(url.clone())).await;
    let begun = Instant::now();
    let words = ["tail", "--since", "1m", "--rate", "20"];
    let mut leads = process(wire.url(), &words).spawn().unwrap();
    let mut rows = BufReader::new(leads.stdout.take().unwrap()).lines();
    for _ in 0..30 {
        // The rows of a round are written together.
        rows.next_line().await.unwrap().unwrap();
    }
    // It rests after its requests, of which it makes eight at once.
    let requests = u32::try_from(wire.exchanges().len()).unwrap();
    let seconds = begun.elapsed().as_secs_f64();
    assert!(requests >= 60, "{requests}");
    assert!(f64::from(requests) <= 8.0 + 20.0 * seconds, "{requests} in {seconds} seconds");
}

#[tokio::test]
async fn a_closed_pipe_ends_it_and_a_table_of_something_else_is_named() {
    let world = World::start().await;
    record(&world, "ada", &[made("car-1")], 10).await;
    for (streams, exit, expected) in [
        ("streams", Exit::Good, ""),
        ("leads", Exit::Failed, "hint: this is the table of something else"),
        ("nothing", Exit::Failed, "hint: no such table"),
    ] {
        let words = [
            "leads",
            "tail",
            "--since",
            "1m",
            "--rate",
            "1000",
            "--streams-table",
            streams,
            "--leads-table",
            "leads",
        ];
        let mut err = Vec::new();
        let url = world.url.clone();
        let connect = async |_| Ok(aws_at(&url));
        let ended = cli::run_on(words.map(Into::into), connect, &mut ClosedPipe, &mut err).await;
        let err = String::from_utf8(err).unwrap();
        assert_eq!(ended, exit, "{err}");
        assert!(err.contains(expected), "{err}");
    }
}

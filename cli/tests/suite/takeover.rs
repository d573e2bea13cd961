//! What is decided about one buyer. With a former system it is tried on a whole stack (`tests/local`).

use std::io::{self, Write};

use cli::Exit;
use domain::Sequence;
use effects::leads::Cursors as _;
use testkit::{accepted, buyer, made};

use crate::everybody::World;
use crate::world::{TestFile, examples_folder, offline};

#[tokio::test]
async fn nothing_is_appended_before_it_is_said_whether_effects_are_performed() {
    let world = World::start().await;
    world.record("ada", &[accepted("car-1").v(2)], "10:00:00").await;
    for words in [&["void", "ada", "car-1", "--through", "1", "--yes"][..], &["erase", "ada", "--yes"]] {
        let ended = world.leads(words).await;
        assert_eq!((ended.exit, ended.out.as_str()), (Exit::Failed, ""), "{words:?}");
        assert!(
            ended.err.contains("whether effects are performed is not given: use --effects or set EFFECTS")
        );
        assert!(ended.err.contains("It is the stack's output Effects"), "{}", ended.err);
    }
    assert_eq!(event_store::history(&world.tables.streams, &buyer("ada")).await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_erased_buyer_whom_nobody_settles_is_left_to_the_next_sweep_and_then_forgotten() {
    let world = World::start().await;
    world.record("ada", &[made("car-1")], "10:00:00").await;
    world.settle("ada", 1).await;
    let erase = ["erase", "ada", "--yes", "--effects", "live"];
    let ended = world.leads(&erase).await;
    assert_eq!(ended.exit, Exit::Findings, "{}", ended.err);
    assert!(ended.err.contains("say it again in a while"), "{}", ended.err);
    let cursor = world.tables.leads.cursor(&buyer("ada")).await.unwrap();
    let behind = cursor.behind.unwrap();
    assert_eq!((cursor.through, behind.reason.as_str()), (Sequence::new(1), "somebody waits for it"));
    assert!(behind.not_before <= jiff::Timestamp::now());

    world.settle("ada", 2).await;
    let ended = world.leads(&erase).await;
    assert_eq!(ended.exit, Exit::Good, "{}", ended.err);
}

#[tokio::test]
async fn a_buyer_nobody_heard_of_is_told_by_the_exit_code() {
    let world = World::start().await;
    for words in [&["held", "--buyer", "nobody"][..], &["erase", "nobody", "--yes", "--effects", "live"]] {
        let ended = world.leads(words).await;
        assert_eq!((ended.exit, ended.out.as_str()), (Exit::Findings, ""), "{words:?}");
        assert!(ended.err.starts_with("nobody is unknown"), "{}", ended.err);
    }
    world.record("ada", &[made("car-1")], "10:00:00").await;
    let ended = world.leads(&["held", "--buyer", "ada"]).await;
    assert_eq!((ended.exit, ended.out.as_str()), (Exit::Good, "No events are held.\n"));
}

/// Whoever read us is gone.
struct Gone;

impl Write for Gone {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_reader_who_has_seen_enough_is_no_failure_unless_something_was_to_be_changed() {
    let bad = TestFile::of("{}\n");
    let good = examples_folder().join("offers.jsonl").display().to_string();
    for (words, exit) in [
        (&["check", good.as_str()][..], Exit::Good),
        (&["check", bad.name()], Exit::Good),
        (&["send", bad.name(), "--queue-url", "https://sqs/1/q.fifo"], Exit::Failed),
    ] {
        let mut err = Vec::new();
        let arguments = std::iter::once("leads").chain(words.iter().copied()).map(std::ffi::OsString::from);
        let ended = cli::run_on(arguments, async || panic!("asked for AWS"), &mut Gone, &mut err).await;
        assert_eq!(ended, exit, "{words:?}");
    }
    assert_eq!(offline(&["check", &good]).await.exit, Exit::Good);
}

use cli::Exit;
use serde_json::json;
use testkit::wire::{Answer, Reply, Wire};

use crate::world::{TestFile, TestFolder, offline, process, run};

#[tokio::test]
async fn help_succeeds_and_gives_an_example_of_each_command() {
    for command in [
        "check",
        "send",
        "status",
        "console",
        "show",
        "history",
        "list",
        "held",
        "emails",
        "pause",
        "resume",
        "audit",
        "void",
        "reset",
        "go-live",
        "erase",
        "replay",
        "parity",
        "resync",
        "tail",
        "export",
        "import",
        "dead-letters list",
        "dead-letters show",
        "dead-letters redrive",
        "dead-letters drop",
    ] {
        let arguments: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let ended = offline(&arguments).await;
        assert_eq!((ended.exit, ended.err.as_str()), (Exit::Good, ""));
        assert!(ended.out.contains(&format!("Example:\n  leads {command}")), "{}", ended.out);
    }
    assert!(offline(&["--help"]).await.out.contains("Exit codes: 0 success"));
}

#[tokio::test]
async fn connection_options_are_shown_last_and_only_where_they_are_used() {
    let all = [
        "--stack",
        "--profiles",
        "--queue-url",
        "--dead-letters-url",
        "--sales-team-url",
        "--streams-table",
        "--leads-table",
        "--legacy-url",
    ];
    for (command, used) in [
        ("", &[][..]),
        ("check", &[]),
        ("send", &["--stack", "--profiles", "--queue-url"]),
        ("status", &["--stack", "--profiles"]),
        ("console", &["--stack", "--profiles", "--dead-letters-url", "--streams-table", "--leads-table"]),
        ("show", &["--stack", "--profiles", "--streams-table", "--leads-table"]),
        ("dead-letters", &["--stack", "--profiles", "--queue-url", "--dead-letters-url"]),
        ("dead-letters redrive", &["--stack", "--profiles", "--queue-url", "--dead-letters-url"]),
        ("tail", &["--stack", "--profiles", "--streams-table", "--leads-table"]),
        ("resync", &["--stack", "--profiles", "--sales-team-url", "--streams-table", "--leads-table"]),
        ("parity", &["--stack", "--profiles", "--streams-table", "--leads-table", "--legacy-url"]),
    ] {
        let words: Vec<&str> = command.split_whitespace().collect();
        let help = offline(&[&words[..], &["--help"]].concat()).await.out;
        let (own, connection) = help.split_once("Connection options:").unwrap_or((&help, ""));
        let shown =
            |text: &str| all.into_iter().filter(|one| text.contains(&format!("{one} <"))).collect::<Vec<_>>();
        assert_eq!((shown(own), shown(connection)), (vec![], used.to_vec()), "{command}");
        assert!(own.contains("-h, --help"), "{help}");
        let short = offline(&[&words[..], &["-h"]].concat()).await.out;
        assert_eq!(shown(&short), [""; 0], "{command}");
    }
}

#[tokio::test]
async fn wrong_usage_exits_with_2_and_explains_the_right_usage() {
    let empty = TestFile::of("");
    let file = empty.name();
    for (arguments, expected) in [
        (&[][..], "Usage: leads"),
        (&["chck"], "unrecognized subcommand"),
        (&["check"], "FILE.jsonl"),
        (&["show", "a/b"], "1 to 128 visible ASCII characters without '/'"),
        (&["check", "/does/not/exist.jsonl"], "error: cannot read /does/not/exist.jsonl: No such file"),
        (&["send", "--queue-url", "https://sqs/1/q.fifo", "/does/not/exist"], "error: cannot read"),
        (&["send", "--queue-url", "https://sqs/1/q.fifo", "/"], "error: / is not a plain file"),
        (&["send", "--queue-url", "https://sqs/1/q", file], "must be the URL of an SQS FIFO queue"),
        (&["dead-letters", "list", "--dead-letters-url", ""], "set OFFER_EVENTS_DEAD_LETTERS_QUEUE_URL"),
        (&["dead-letters", "list", "--older-than", "soon"], "a number and a unit"),
        (&["dead-letters", "drop", "--yes"], "--all"),
        (&["emails"], "--status"),
        (&["emails", "--status", "lost"], "possible values: sending, unknown, retry"),
        (&["emails", "--resend", "ada"], "BUYER/KEY"),
        (&["emails", "--resend"], "use --resend BUYER/KEY for one, or --status for all with a status"),
        (&["emails", "--resend", "--status", "sent"], "use --status unknown, abandoned or rejected"),
        (&["emails", "--resend", "ada/quote-email", "--status", "unknown"], "use one of them"),
        (&["emails", "--resend", "ada/quote-email", "--newer-than", "2h"], "--status <STATUS>"),
        (&["emails", "--status", "rejected", "--newer-than", "soon"], "a number and a unit"),
        (&["emails", "--reason", "BadRequest"], "--status <STATUS>"),
        (&["emails", "--status", "rejected", "--yes"], "--resend"),
        (&["emails", "--allow", "a/b"], "1 to 128 visible ASCII characters without '/'"),
        (&["emails", "--allow", "ada", "--status", "sent"], "cannot be used with '--status <STATUS>'"),
        (&["emails", "--allow", "ada", "--resend", "ada/quote-email"], "cannot be used with '--resend"),
        (&["pause"], "<WHAT>"),
        (&["pause", "emails"], "--because <TEXT>"),
        (&["pause", "mails", "--because", "why"], "possible values: emails, sales, all"),
        (&["pause", "all", "--because", " "], "a reason is one line of 1 to 300 characters"),
        (&["void", "ada", "car-1", "--through", "0"], "a whole number from 1"),
        (&["reset"], "<BUYER|--file <FILE>|--all>"),
        (&["reset", "ada", "--all"], "cannot be used with"),
        (&["reset", "a/b"], "1 to 128 visible ASCII characters without '/'"),
        (&["go-live"], "<BUYER|--file <FILE>|--all-asked>"),
        (&["go-live", "ada", "--all-asked"], "cannot be used with"),
        (&["go-live", "--all-asked", "--at-once", "0"], "0 is not in 1..=256"),
        (&["go-live", "ada"], "no former system is configured"),
        (&["parity"], "--sample <N>"),
        (&["parity", "--sample", "0"], "0 is not in 1.."),
        (&["parity", "--sample", "5", "--all"], "cannot be used with"),
        (&["parity", "ada"], "use --stack or --legacy-url, or set LEGACY_URL"),
        (&["parity", "ada", "--legacy-url", "http://example.com"], "an https URL"),
        (&["erase", "ada", "--effects", "live"], "unexpected argument '--effects'"),
        (&["status"], "`leads status` needs a stack: use --stack or set LEADS_STACK"),
        (&["status", "--stack", ""], "needs a stack"),
        (&["status", "--stack", "s", "--watch", "0"], "0 is not in 1..=3600"),
        (&["console"], "`leads console` needs a stack: use --stack or set LEADS_STACK"),
        (&["console", "--stack", "s", "--port", "0"], "0 is not in 1.."),
        (&["console", "--stack", "s", "--every", "0"], "0 is not in 1..=3600"),
        (&["list", "--priority", "middle"], "possible values: high, low"),
        (&["send", "--queue-url", "", file], "use --stack or --queue-url, or set OFFER_EVENTS_QUEUE_URL"),
        (
            &["show", "--streams-table", "", "ada"],
            "It is the stack's output StreamsTableName; for the stack of `make up` use `--stack local`",
        ),
        (
            &["history", "--streams-table", "s", "--leads-table", "", "ada"],
            "use --stack or --leads-table, or set LEADS_TABLE",
        ),
    ] {
        let ended = offline(arguments).await;
        assert_eq!((ended.exit, ended.out.as_str()), (Exit::Failed, ""), "{arguments:?}");
        assert!(ended.err.contains(expected), "{arguments:?}: {}", ended.err);
    }
}

#[tokio::test]
async fn a_missing_region_is_reported_with_its_remedy() {
    let arguments = ["show", "--streams-table", "s", "--leads-table", "l", "ada"];
    let ended = run(&arguments, async || Err(cli::Failure::NoRegion)).await;
    assert_eq!(ended.exit, Exit::Failed);
    assert!(ended.err.contains("set AWS_REGION"), "{}", ended.err);
}

/// As with every AWS SDK, one service can be at another endpoint than the others.
#[tokio::test]
async fn the_endpoint_of_one_service_has_precedence_over_the_common_one() {
    let answer = |_: &mut _| Answer::Reply(Reply::json(200, &json!({ "Items": [] })));
    let (common, tables) = (Wire::start(answer).await, Wire::start(answer).await);
    let unknown = ["history", "nobody"];
    let mut leads = process(common.url(), &unknown);
    let ended = leads.env("AWS_ENDPOINT_URL_DYNAMODB", tables.url()).output().await.unwrap();
    assert_eq!((ended.status.code(), common.operations().len()), (Some(1), 0), "{ended:?}");
    assert!(!tables.operations().is_empty());
}

#[tokio::test]
async fn each_shell_gets_completions_that_name_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let ended = offline(&["completions", shell]).await;
        assert_eq!((ended.exit, ended.err.as_str()), (Exit::Good, ""), "{shell}");
        for command in ["status", "dead-letters", "resync", "history"] {
            assert!(ended.out.contains(command), "{shell} lacks {command}");
        }
    }
}

#[tokio::test]
async fn every_command_has_a_man_page_with_its_example() {
    let folder = TestFolder::new();
    let path = |inside| folder.path(inside).to_str().unwrap().to_owned();
    let name = path("missing");
    let missing = offline(&["man", &name]).await;
    assert!(missing.exit == Exit::Failed && missing.err.contains(&name), "{}", missing.err);
    assert_eq!(offline(&["man", &path("")]).await.exit, Exit::Good);
    for (page, example) in
        [("leads-history.1", "leads history buyer"), ("leads-dead-letters-drop.1", "leads dead")]
    {
        let text = std::fs::read_to_string(folder.path(page)).unwrap().replace("\\-", "-");
        assert!(text.contains(example), "{page}: {text}");
    }
}

//! `leads status`: what is red when, what it costs, and how it looks.

use std::collections::BTreeSet;

use cli::Exit;
use jiff::{SignedDuration, Timestamp};
use leads_store::{Behind, LeadsStore as _, Pausable, Pause, Pauses, Status};
use serde_json::Value;
use testkit::buyer;

use crate::all_buyers::at;
use crate::cloud::{Cloud, alarms_of_the_template};
use crate::takeover::ClosedPipe;
use crate::world::{Ended, aws_at, interrupted, run};

impl Cloud {
    /// The lines of a look by their names, after checking the exit code against them.
    async fn lines(&self) -> Vec<Value> {
        let ended = self.status(&["--json"]).await;
        assert_eq!(ended.err, "");
        let document = ended.json();
        let lines = document["lines"].as_array().unwrap().clone();
        let has = |state: &str| lines.iter().any(|line| line["state"] == state);
        let exit = if has("red") {
            Exit::Findings
        } else if has("unknown") {
            Exit::Failed
        } else {
            Exit::Good
        };
        assert_eq!(ended.exit, exit);
        lines
    }

    async fn in_state(&self, state: &str) -> Vec<String> {
        let lines = self.lines().await.into_iter().filter(|line| line["state"] == state);
        lines.map(|line| line["name"].as_str().unwrap().to_owned()).collect()
    }

    async fn line(&self, name: &str) -> Value {
        self.lines().await.into_iter().find(|line| line["name"] == name).unwrap()
    }
}

type Provoke = Box<dyn Fn(&Cloud)>;

async fn mark(cloud: &Cloud, name: &str, attempts: u32, reason: &str) {
    let behind = Behind {
        mark: format!("mark-{name}"),
        reason: reason.to_owned(),
        attempts,
        not_before: Timestamp::now() + SignedDuration::from_secs(100),
    };
    cloud.world.tables.leads.mark_behind(&buyer(name), &behind).await.unwrap();
}

#[tokio::test]
async fn a_stack_that_is_well_has_no_red_line() {
    let cloud = Cloud::start().await;
    let ended = cloud.status(&[]).await;
    assert_eq!((ended.exit, ended.err.as_str()), (Exit::Good, ""), "{}", ended.out);
    assert!(ended.out.starts_with("stack cars, account 123456789012, us-east-1, 20"), "{}", ended.out);
    for expected in [
        "\nok   mode              live; the stack is UPDATE_COMPLETE\n",
        "\nok   alarms            21 alarms, none rings\n",
        "\nok   paused            nothing (PausedForLongAlarm)\n",
        "\nok   offer events      0 waiting, 0 in flight (OfferEventsWaitAlarm, MessagesReturnedAlarm)\n",
        "\nok   last sweep        has seen all commits up to 3 min ago (SweeperNotCalledAlarm,\n",
        "\nok   buyers behind     0 buyers (BuyersBehindAlarm)\n",
        "\nok   e-mails rejected  0 in 24 h (EmailsRejectedAlarm)\n",
        "\n0 of 19 lines are red. 25 requests.\n",
    ] {
        assert!(ended.out.contains(expected), "{expected}{}", ended.out);
    }
}

#[tokio::test]
async fn a_look_at_a_hundred_thousand_buyers_behind_needs_few_requests_and_no_scan() {
    let cloud = Cloud::start().await;
    cloud.script().letters = vec!["not-json"; 100];
    mark(&cloud, "ada", 1, "the sales team's queue did not answer").await;
    cloud.world.put_behind_like("ada", 100_000);
    let document = cloud.status(&["--json"]).await.json();
    let operations = cloud.operations();
    let number = |name: &str| operations.iter().filter(|operation| *operation == name).count();
    assert_eq!(
        [
            number("DescribeStacks"),
            number("DescribeAlarms"),
            number("GetMetricData"),
            number("GetQueueAttributes"),
            number("ReceiveMessage"),
            number("ChangeMessageVisibilityBatch"),
            number("Query"),
            number("GetItem"),
        ],
        [1, 2, 2, 6, 3, 3, 12, 2]
    );
    assert_eq!((operations.len(), &document["requests"]), (31, &Value::from(31)));
    let line = document["lines"].as_array().unwrap().iter().find(|line| line["name"] == "buyers behind");
    let line = line.unwrap();
    assert!(
        line["values"]["isCut"] == true && line["now"].as_str().unwrap().starts_with("at least 4"),
        "{line}"
    );
    let letters = cloud.line("dead letters").await;
    assert_eq!(
        letters["now"],
        "100 waiting, 0 in flight, age not measured yet; of 30 looked at, 30 not-json"
    );
}

#[tokio::test]
async fn every_alarm_of_the_template_has_a_line_that_turns_red_when_it_rings() {
    let cloud = Cloud::start().await;
    let quiet = cloud.lines().await;
    let named: BTreeSet<String> = quiet
        .iter()
        .flat_map(|line| line["alarms"].as_array().unwrap())
        .map(|alarm| alarm["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(named, alarms_of_the_template());
    for alarm in named {
        let cloud = Cloud::start().await;
        cloud.ring(&alarm);
        let red: Vec<Value> = cloud.lines().await.into_iter().filter(|line| line["state"] == "red").collect();
        assert_eq!(red.len(), 2, "{alarm}: {red:#?}");
        assert_eq!(
            (&red[0]["name"], &red[0]["values"]["ringing"][0]),
            (&"alarms".into(), &Value::from(&*alarm))
        );
        assert!(red[1]["alarms"].as_array().unwrap().iter().any(|one| one["state"] == "ALARM"));
        assert!(!red[1]["do"].as_str().unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_value_above_its_threshold_is_red_before_the_alarm_rings() {
    let waits = |queue: &'static str, metric: &'static str, seconds: f64| {
        move |cloud: &Cloud| {
            cloud.script().waiting.insert(queue, 3);
            cloud.script().metrics.insert(metric, vec![seconds, 1.0]);
        }
    };
    let letters = |queue: &'static str| move |cloud: &Cloud| cloud.script().waiting.extend([(queue, 1)]);
    let cases: [(Provoke, &str, &str); 10] = [
        (
            Box::new(|cloud| cloud.script().status = "UPDATE_ROLLBACK_FAILED"),
            "mode",
            "UPDATE_ROLLBACK_FAILED",
        ),
        (Box::new(waits("OfferEvents", "ageOfferEvents", 301.0)), "offer events", "oldest 5 min"),
        (Box::new(|cloud| cloud.script().letters.push("")), "dead letters", "1 too-many-receives"),
        (
            Box::new(|cloud| cloud.script().metrics.extend([("feed", vec![301_000.0])])),
            "change feed",
            "5 min behind",
        ),
        (Box::new(letters("ReactorFailures")), "feed given up", "1 waiting"),
        (Box::new(waits("SalesTeam", "ageSalesTeam", 3601.0)), "sales team", "oldest 60 min"),
        (Box::new(letters("EmailReceiptsDeadLetters")), "SES events aside", "1 waiting"),
        (Box::new(waits("OfferEvents", "ageOfferEvents", 300.0)), "", ""),
        (Box::new(waits("SalesTeam", "ageSalesTeam", 3600.0)), "", ""),
        (Box::new(letters("EmailReceipts")), "", ""),
    ];
    for (provoke, name, now) in cases {
        let cloud = Cloud::start().await;
        provoke(&cloud);
        let red = cloud.in_state("red").await;
        assert_eq!(red, if name.is_empty() { vec![] } else { vec![name.to_owned()] });
        if !name.is_empty() {
            let said = cloud.line(name).await["now"].as_str().unwrap().to_owned();
            assert!(said.contains(now), "{said}");
        }
    }
}

#[tokio::test]
async fn buyers_behind_are_shown_with_reason_and_next_attempt_and_red_once_they_stay_behind() {
    let cloud = Cloud::start().await;
    mark(&cloud, "ada", 1, "the sales team's queue did not answer").await;
    mark(&cloud, "bob", 5, "the sales team's queue did not answer").await;
    let line = cloud.line("buyers behind").await;
    let now = line["now"].as_str().unwrap();
    assert!(now.starts_with("2 buyers: 2 the sales team's queue did not answer; next attempt in "), "{now}");
    assert_eq!((&line["state"], &line["values"]["count"]), (&"ok".into(), &2.into()));
    assert_eq!(line["values"]["buyers"][0]["reason"], "the sales team's queue did not answer");
    mark(&cloud, "cem", 6, "a newer format").await;
    assert_eq!(cloud.in_state("red").await, ["buyers behind"]);
}

#[tokio::test]
async fn e_mails_are_counted_by_status_and_red_once_the_sweeper_is_late() {
    let cloud = Cloud::start().await;
    let now = Timestamp::now();
    cloud.world.email_since("ada", "quote-email", Status::Unknown, Some("timeout"), now).await;
    cloud.script().metrics.extend([("abandoned", vec![1.0, 2.0]), ("rejected", vec![4.0])]);
    let line = cloud.line("e-mails in doubt").await;
    assert!(line["state"] == "ok", "{line}");
    assert!(line["now"].as_str().unwrap().ends_with("; 3 abandoned in 24 h"), "{line}");
    assert_eq!(cloud.line("e-mails rejected").await["now"], "4 in 24 h");
    // First tried in 2020, longer ago than EmailsTriedForHours; in doubt since 2020.
    cloud.world.email("bob", "quote-email", Status::Retry, Some("TooManyRequestsException")).await;
    cloud.world.email("cem", "quote-email", Status::Unknown, Some("timeout")).await;
    let retry = cloud.line("e-mails to retry").await;
    assert_eq!(retry["now"], "1 e-mail: 1 TooManyRequestsException; next attempt is due");
    assert_eq!(cloud.in_state("red").await, ["e-mails to retry", "e-mails in doubt"]);
}

#[tokio::test]
async fn a_pause_is_shown_with_its_reason_and_red_after_two_hours() {
    let cloud = Cloud::start().await;
    let now = Timestamp::now();
    let pause = |minutes, reason: &str| Pause {
        since: now - SignedDuration::from_mins(minutes),
        by: "ada".to_owned(),
        reason: reason.to_owned(),
    };
    let leads = &cloud.world.tables.leads;
    let none = Pauses::default();
    let emails = none.paused(&[Pausable::Emails], &pause(100, "wrong template"));
    assert!(leads.change_pauses(&none, &emails).await.unwrap());
    let line = cloud.line("paused").await;
    assert_eq!(
        (&line["state"], &line["now"]),
        (&"ok".into(), &"emails for 100 min by ada: wrong template".into())
    );
    assert_eq!(line["values"]["sales"], Value::Null);
    assert_eq!(line["values"]["emails"]["reason"], "wrong template");
    let both = none.paused(&[Pausable::Emails], &pause(121, "wrong template"));
    let both = both.paused(&[Pausable::Sales], &pause(3, "maintenance"));
    assert!(leads.change_pauses(&emails, &both).await.unwrap());
    let line = cloud.line("paused").await;
    assert_eq!(line["now"], "emails for 2 h by ada: wrong template; sales for 3 min by ada: maintenance");
    assert_eq!(cloud.in_state("red").await, ["paused"]);
}

#[tokio::test]
async fn the_time_of_a_pause_does_not_make_an_e_mail_late() {
    let cloud = Cloud::start().await;
    cloud.world.email("bob", "quote-email", Status::Retry, Some("TooManyRequestsException")).await;
    cloud.world.email("cem", "quote-email", Status::Unknown, Some("timeout")).await;
    assert_eq!(cloud.in_state("red").await, ["e-mails to retry", "e-mails in doubt"]);
    let since = at("10:00:00");
    let pause = Pause { since, by: "ada".to_owned(), reason: "wrong template".to_owned() };
    let paused = Pauses::default().paused(&[Pausable::Emails], &pause);
    assert!(cloud.world.tables.leads.change_pauses(&Pauses::default(), &paused).await.unwrap());
    assert_eq!(cloud.in_state("red").await, ["paused"]);
}

#[tokio::test]
async fn the_oldest_gap_is_red_after_the_stacks_own_limit() {
    let cloud = Cloud::start().await;
    cloud.world.holds("ada", 1, 1).await;
    let line = cloud.line("oldest gap").await;
    assert_eq!((&line["state"], &line["values"]["oldestBuyerId"]), (&"red".into(), &"ada".into()));
    cloud.script().parameters.insert("HeldForLong", "9999999999");
    assert_eq!(cloud.in_state("red").await, [""; 0]);
}

#[tokio::test]
async fn a_stack_without_sweeps_or_with_unreadable_work_is_red() {
    let cloud = Cloud::start().await;
    cloud.world.forget_sweeps();
    let line = cloud.line("last sweep").await;
    assert_eq!((&line["state"], &line["now"]), (&"red".into(), &"never".into()));
    let cloud = Cloud::start().await;
    cloud.world.put_unreadable_work();
    assert_eq!(cloud.in_state("red").await, ["unreadable work"]);
}

#[tokio::test]
async fn a_stack_in_shadow_shows_how_many_buyers_go_live() {
    let cloud = Cloud::start().await;
    cloud.script().parameters.extend([("Effects", "shadow"), ("LivePercent", "25")]);
    let now = cloud.line("mode").await["now"].clone();
    assert_eq!(now, "shadow, 25 % of buyers go live; the stack is UPDATE_COMPLETE");
}

#[tokio::test]
async fn what_a_role_may_not_read_is_named_and_everything_else_is_shown() {
    let cloud = Cloud::start().await;
    for (action, unknown) in [
        ("cloudwatch:DescribeAlarms", &["alarms"][..]),
        ("cloudwatch:GetMetricData", &["functions", "change feed", "e-mails rejected", "reputation"]),
        (
            "dynamodb:Query",
            &["buyers behind", "unreadable work", "oldest gap", "e-mails to retry", "e-mails in doubt"],
        ),
        ("dynamodb:GetItem", &["paused", "last sweep"]),
        (
            "sqs:GetQueueAttributes",
            &[
                "offer events",
                "dead letters",
                "feed given up",
                "sales team",
                "SES events",
                "SES events aside",
            ],
        ),
    ] {
        cloud.script().denied = [action].into();
        assert_eq!(cloud.in_state("unknown").await, unknown, "{action}");
        assert_eq!(cloud.line(unknown[0]).await["now"], format!("not read: {action} is not allowed"));
    }
    cloud.script().denied = ["sqs:ReceiveMessage"].into();
    cloud.script().letters.push("not-json");
    let line = cloud.line("dead letters").await;
    assert_eq!(
        (&line["state"], &line["now"]),
        (&"red".into(), &"1 waiting, 0 in flight, age not measured yet; reasons not read: sqs:ReceiveMessage is not allowed".into())
    );
}

#[tokio::test]
async fn a_stack_without_alarms_is_not_well() {
    let cloud = Cloud::start().await;
    cloud.script().alarms.retain(|name, _| name.contains("dev"));
    assert_eq!(cloud.in_state("unknown").await, ["alarms"]);
}

#[tokio::test]
async fn the_table_of_another_stack_is_named_as_such() {
    let cloud = Cloud::start().await;
    let line = cloud.leads(&["status", "--json", "--leads-table", "streams"]).await;
    assert_eq!(line.exit, Exit::Failed, "{}", line.err);
    let lines = line.json()["lines"].clone();
    let line = lines.as_array().unwrap().iter().find(|line| line["name"] == "buyers behind").unwrap();
    assert_eq!(
        (&line["state"], &line["now"]),
        (&"unknown".into(), &"not read: this is the table of something else".into())
    );
}

#[tokio::test]
async fn a_stack_of_an_older_version_lacks_only_the_queues_that_it_does_not_name() {
    let cloud = Cloud::start().await;
    cloud.script().outputs.remove("ReactorFailuresQueueUrl");
    let line = cloud.line("feed given up").await;
    assert_eq!(line["now"], "not read: the stack has no output ReactorFailuresQueueUrl: deploy this version");
}

#[tokio::test]
async fn a_narrow_screen_has_no_longer_rows() {
    let cloud = Cloud::start().await;
    mark(&cloud, "ada", 6, "the sales team's queue did not answer").await;
    cloud.ring("BuyersBehindAlarm");
    for columns in [40, 60, 80] {
        let ended = cloud.leads(&["status", "--columns", &columns.to_string()]).await;
        let long: Vec<&str> = ended.out.lines().filter(|line| line.chars().count() > columns).collect();
        assert_eq!(long, [""; 0]);
    }
    let narrow = cloud.leads(&["status", "--columns", "40"]).await.out;
    let expected =
        "\nRED  buyers behind\n     1 buyer: 1 the sales team's queue\n     did not answer; next attempt in";
    assert!(narrow.contains(expected), "{narrow}");
    assert!(narrow.contains("\n     BuyersBehindAlarm rings\n     → fix the cause;"), "{narrow}");
}

#[tokio::test]
async fn a_closed_pipe_is_no_failure() {
    let cloud = Cloud::start().await;
    let words = ["leads", "status", "--stack", "cars", "--profiles", "/no/profiles", "--watch", "3600"];
    let arguments = words.map(std::ffi::OsString::from);
    let url = cloud.wire.url().to_owned();
    let connect = async |_| Ok(aws_at(&url));
    assert_eq!(cli::run_on(arguments, connect, &mut ClosedPipe, &mut Vec::new()).await, Exit::Good);
}

#[tokio::test]
async fn watching_looks_again_until_ctrl_c_and_ends_with_the_last_looks_code() {
    let cloud = Cloud::start().await;
    cloud.ring("DeadLettersAlarm");
    let arguments = ["status", "--stack", "cars", "--profiles", "/no/profiles", "--json", "--watch", "1"];
    let looks = || cloud.operations().iter().filter(|operation| *operation == "DescribeStacks").count();
    // The third look is under way then.
    let (code, out) = interrupted(cloud.wire.url(), "", &arguments, || looks() >= 3).await;
    assert!(out.lines().count() >= 2, "{out}");
    assert_eq!(code, Some(1));
}

#[tokio::test]
async fn a_wrong_stack_fails_without_a_screen() {
    let cloud = Cloud::start().await;
    let Ended { exit, out, err } = {
        let arguments = ["status", "--stack", "vans", "--profiles", "/no/profiles"];
        run(&arguments, async || Ok(aws_at(cloud.wire.url()))).await
    };
    assert_eq!((exit, out.as_str()), (Exit::Failed, ""));
    assert!(err.contains("no stack `vans`"), "{err}");
}

use std::collections::BTreeSet;

use crate::{Place, file, properties, template};

/// What Lambda itself sets, and what only local stacks have.
const NOT_OURS: [&str; 5] =
    ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_ENDPOINT_URL"];

/// Every environment variable that a `config.rs` names before its tests.
fn read_by(function: &str) -> BTreeSet<String> {
    let mut code = file(&format!("functions/{function}/src/config.rs"));
    if code.contains("Worker::from_settings") {
        code =
            format!("{}{code}", file("shared/effects/src/worker.rs").split("#[cfg(test)]").next().unwrap());
    }
    for (call, variables) in [
        ("settings.log_level()", "\"LOG_LEVEL\""),
        ("HttpLegacy::from_settings(", "\"LEGACY_URL\" \"LEGACY_AUTHORIZATION\""),
    ] {
        code = code.replace(call, variables);
    }
    let shipped = code.split("#[cfg(test)]").next().unwrap();
    shipped
        .split('"')
        .skip(1)
        .step_by(2)
        .filter(|word| word.len() > 3 && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'))
        .filter(|word| !NOT_OURS.contains(word))
        .map(str::to_owned)
        .collect()
}

fn given_to(resource: &str) -> BTreeSet<String> {
    properties(resource).at("Environment").at("Variables").names().into_iter().collect()
}

/// The actions that a role allows on a resource, by the resource's name.
fn allowed(role: &str, resource: &str) -> BTreeSet<String> {
    let mut actions = BTreeSet::new();
    for policy in properties(role).at("Policies").list() {
        for statement in policy.at("PolicyDocument").at("Statement").list() {
            assert_eq!(statement.at("Effect").text(), "Allow");
            if statement.at("Resource").texts().iter().any(|named| named == &format!("{resource}.Arn")) {
                actions.extend(statement.at("Action").texts());
            }
        }
    }
    actions
}

fn all_resources(role: &str) -> Vec<String> {
    let policies = properties(role).at("Policies").list();
    let statements = policies.iter().flat_map(|policy| policy.at("PolicyDocument").at("Statement").list());
    statements.flat_map(|statement| statement.at("Resource").texts()).collect()
}

fn set(actions: &[&str]) -> BTreeSet<String> {
    actions.iter().map(|action| (*action).to_owned()).collect()
}

#[test]
fn each_function_is_given_exactly_the_variables_that_it_reads() {
    assert_eq!(given_to("Recorder"), read_by("recorder"));
    assert_eq!(given_to("Reactor"), read_by("reactor"));
    assert_eq!(given_to("Sweeper"), read_by("sweeper"));
    assert_eq!(given_to("Receipts"), read_by("receipts"));
}

#[test]
fn the_recorder_can_append_and_load_and_nothing_else_to_streams_and_nothing_to_leads() {
    assert_eq!(allowed("RecorderRole", "StreamsTable"), set(&["dynamodb:PutItem", "dynamodb:Query"]));
    assert_eq!(allowed("RecorderRole", "OfferEventsDeadLetters"), set(&["sqs:SendMessage"]));
    assert_eq!(
        allowed("RecorderRole", "OfferEvents"),
        set(&[
            "sqs:ReceiveMessage",
            "sqs:DeleteMessage",
            "sqs:ChangeMessageVisibility",
            "sqs:GetQueueAttributes"
        ])
    );
    assert!(!all_resources("RecorderRole").iter().any(|resource| resource.contains("LeadsTable")));
}

#[test]
fn the_reactor_cannot_write_streams_and_only_reads_and_updates_leads() {
    assert_eq!(
        allowed("ReactorRole", "StreamsTable"),
        set(&["dynamodb:ConditionCheckItem", "dynamodb:Query"])
    );
    assert_eq!(
        allowed("ReactorRole", "LeadsTable"),
        set(&["dynamodb:ConditionCheckItem", "dynamodb:GetItem", "dynamodb:UpdateItem"]),
        "a move that takes several transactions checks the cursor"
    );
    assert_eq!(allowed("ReactorRole", "SalesTeam"), set(&["sqs:SendMessage"]));
    let hears = statement("ReactorRole", "HearTheDoorbell");
    assert_eq!(hears.at("Resource").text(), "StreamsTable.StreamArn");
    let actions = set(&["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"]);
    assert_eq!(hears.at("Action").texts().into_iter().collect::<BTreeSet<_>>(), actions);
}

#[test]
fn the_sweeper_may_what_the_reactor_may_ask_two_indexes_and_read_in_bulk() {
    for table in ["StreamsTable", "SalesTeam"] {
        assert_eq!(allowed("SweeperRole", table), allowed("ReactorRole", table));
    }
    let in_bulk = set(&["dynamodb:BatchGetItem"]);
    assert_eq!(allowed("SweeperRole", "LeadsTable"), &allowed("ReactorRole", "LeadsTable") | &in_bulk);
    for (sid, index) in [
        ("WalkTheFeed", "${StreamsTable.Arn}/index/feed"),
        ("FindOpenWork", "${LeadsTable.Arn}/index/open-work"),
    ] {
        let statement = statement("SweeperRole", sid);
        assert_eq!(statement.at("Resource").text(), index);
        assert_eq!(statement.at("Action").text(), "dynamodb:Query");
    }
}

#[test]
fn receipts_may_read_and_update_leads_and_take_from_their_queue_and_nothing_else() {
    assert_eq!(allowed("ReceiptsRole", "LeadsTable"), set(&["dynamodb:GetItem", "dynamodb:UpdateItem"]));
    assert_eq!(allowed("ReceiptsRole", "EmailReceipts"), allowed("RecorderRole", "OfferEvents"));
    let all = set(&["LeadsTable.Arn", "EmailReceipts.Arn", "ReceiptsLogs.Arn"]);
    assert_eq!(all_resources("ReceiptsRole").into_iter().collect::<BTreeSet<_>>(), all);
}

#[test]
fn what_ses_tells_of_mails_comes_to_the_receipts_function_and_nobody_else_can_post_it() {
    let destination = properties("EmailEventDestination");
    assert_eq!(destination.at("ConfigurationSetName").text(), "Emails");
    let event = destination.at("EventDestination");
    assert!(event.at("Enabled").is_true());
    assert_eq!(
        event.at("MatchingEventTypes").texts(),
        ["send", "delivery", "bounce", "complaint", "reject", "renderingFailure", "deliveryDelay"]
    );
    assert_eq!(event.at("SnsDestination").at("TopicARN").text(), "EmailEvents");
    let subscription = properties("EmailEventsToQueue");
    assert_eq!(subscription.at("TopicArn").text(), "EmailEvents");
    assert_eq!(subscription.at("Endpoint").text(), "EmailReceipts.Arn");
    assert!(
        subscription.at("RawMessageDelivery").is_true(),
        "the body is what SES says, without an envelope"
    );
    let mapping = properties("EmailReceiptsToReceipts");
    assert_eq!(mapping.at("EventSourceArn").text(), "EmailReceipts.Arn");
    assert_eq!(mapping.at("FunctionResponseTypes").texts(), ["ReportBatchItemFailures"]);
    let policy = properties("EmailReceiptsOverTlsFromTheTopic").at("PolicyDocument").at("Statement").list();
    let allows: Vec<_> = policy.iter().filter(|statement| statement.at("Effect").text() == "Allow").collect();
    assert_eq!(allows.len(), 1);
    assert_eq!(allows[0].at("Condition").at("ArnEquals").at("aws:SourceArn").text(), "EmailEvents");
    let topic = properties("EmailEventsFromSes").at("PolicyDocument").at("Statement").list();
    assert_eq!(topic.len(), 1);
    let only_ours = topic[0].at("Condition").at("StringEquals").at("AWS:SourceArn").text();
    assert!(only_ours.ends_with(":configuration-set/${Emails}"), "{only_ours}");
}

#[test]
fn mails_may_be_sent_as_the_sender_with_our_configuration_set_only() {
    for role in ["ReactorRole", "SweeperRole"] {
        let sends: Vec<Place> = properties(role)
            .at("Policies")
            .list()
            .iter()
            .flat_map(|policy| policy.at("PolicyDocument").at("Statement").list())
            .filter(|statement| {
                statement.at("Action").texts().iter().any(|action| action.starts_with("ses:"))
            })
            .collect();
        let sids: Vec<String> = sends.iter().map(|statement| statement.at("Sid").text()).collect();
        assert_eq!(sids, ["SendEmailsAsTheSender", "SendEmailsWithTheConfigurationSet"]);
        for statement in &sends {
            assert_eq!(statement.at("Action").texts(), ["ses:SendEmail"]);
        }
        // The sandbox authorises the recipient's identity too, and SES that of the sender's address beside its domain's.
        assert!(sends[0].at("Resource").text().ends_with(":identity/*"));
        let as_whom = sends[0].at("Condition");
        assert_eq!(as_whom.names(), ["StringLike"]);
        assert_eq!(as_whom.at("StringLike").names(), ["ses:FromAddress"]);
        let forms = as_whom.at("StringLike").at("ses:FromAddress").list();
        assert_eq!(forms.len(), 2);
        let with_name = forms[1].list();
        assert_eq!(with_name[0].text(), "*<${Address}>");
        for sender in
            ["offers@example.com", "Leadstream <offers@example.com>", "\"Cars, Inc.\" <offers@example.com>"]
        {
            assert_eq!(forms[0].evaluated(sender), "offers@example.com");
            assert_eq!(with_name[1].at("Address").evaluated(sender), "offers@example.com");
        }
        assert!(sends[1].at("Resource").text().ends_with(":configuration-set/${Emails}"));
    }
}

impl Place {
    /// What `!Select`, `!Split` and `!Sub` make of the parameter `EmailSender`.
    #[track_caller]
    fn evaluated(&self, sender: &str) -> String {
        let parts = self.list();
        match parts.as_slice() {
            [text] => text.text().replace("${EmailSender}", sender),
            [index, split] => {
                let split = split.list();
                let text = split[1].evaluated(sender);
                let index = usize::try_from(index.number()).unwrap();
                text.split(&split[0].text()).nth(index).unwrap().to_owned()
            }
            _ => panic!("{} is neither a choice nor a text", self.path),
        }
    }
}

#[test]
fn the_schedule_calls_the_sweeper() {
    let rule = properties("SweeperSchedule");
    assert_eq!(rule.at("ScheduleExpression").text(), "SweepEvery");
    assert_eq!(template().at("Parameters").at("SweepEvery").at("Default").text(), "rate(5 minutes)");
    assert_eq!(rule.at("Targets").list()[0].at("Arn").text(), "Sweeper.Arn");
    assert_eq!(properties("ScheduleMayCallSweeper").at("FunctionName").text(), "Sweeper");
    assert!(properties("Sweeper").at("Timeout").number() < 5 * 60, "one run ends before the next begins");
}

/// The statement of this name in a role's policies.
#[track_caller]
fn statement(role: &str, sid: &str) -> Place {
    let policies = properties(role).at("Policies").list();
    let mut statements =
        policies.iter().flat_map(|policy| policy.at("PolicyDocument").at("Statement").list());
    statements.find(|statement| statement.at("Sid").text() == sid).unwrap()
}

#[test]
fn no_role_is_allowed_anything_on_everything() {
    for role in ["RecorderRole", "ReactorRole", "SweeperRole", "ReceiptsRole"] {
        assert!(!all_resources(role).iter().any(|resource| resource == "*"), "{role}");
        assert!(properties(role).find("ManagedPolicyArns").is_none(), "{role}");
    }
}

#[test]
fn the_queue_s_mapping_reports_single_failures_and_filters_nothing() {
    let mapping = properties("OfferEventsToRecorder");
    assert_eq!(mapping.at("FunctionResponseTypes").texts(), ["ReportBatchItemFailures"]);
    assert_eq!(mapping.at("BatchSize").number(), 10);
    assert!(mapping.find("FilterCriteria").is_none(), "on a queue it deletes what does not match");
}

#[test]
fn the_change_feed_s_mapping_misses_nothing_and_never_blocks_for_ever() {
    let mapping = properties("ChangeFeedToReactor");
    assert_eq!(mapping.at("StartingPosition").text(), "TRIM_HORIZON");
    assert!(mapping.at("BisectBatchOnFunctionError").is_true());
    assert!((1..=100).contains(&mapping.at("MaximumRetryAttempts").number()));
    assert!(mapping.at("MaximumRecordAgeInSeconds").number() <= 24 * 60 * 60);
    let filters = mapping.at("FilterCriteria").at("Filters").list();
    let patterns: Vec<String> = filters.iter().map(|filter| filter.at("Pattern").text()).collect();
    assert_eq!(patterns, [r#"{"eventName":["INSERT"]}"#]);
    assert_eq!(
        mapping.at("DestinationConfig").at("OnFailure").at("Destination").text(),
        "ReactorFailures.Arn"
    );
}

#[test]
fn logs_do_not_pile_up() {
    for function in ["Recorder", "Reactor", "Sweeper", "Receipts"] {
        let logs = format!("{function}Logs");
        assert_eq!(properties(function).at("LoggingConfig").at("LogGroup").text(), logs.as_str());
        assert_eq!(properties(&logs).at("RetentionInDays").text(), "LogRetention");
    }
}

#[test]
fn functions_have_time_for_what_they_begin() {
    // The code begins a call only with 6 s left, an e-mail only with 25 s.
    let seconds = |function: &str| -> i64 { properties(function).at("Timeout").number() };
    assert!(seconds("Recorder") >= 4 * 6);
    assert!(seconds("Reactor") >= 2 * 25);
    let globals: Place = template().at("Globals").at("Function");
    assert_eq!(globals.at("Runtime").text(), "provided.al2023");
}

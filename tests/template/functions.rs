use std::collections::BTreeSet;

use crate::{Place, file, properties, sweep_every, template};

/// Variables that Lambda sets itself, or that only local stacks have.
const NOT_OURS: [&str; 5] =
    ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_ENDPOINT_URL"];

/// The files from which each function reads its settings.
const SETTINGS: [(&str, &[&str]); 4] = [
    ("recorder", &["functions/recorder/src/config.rs"]),
    ("reactor", &["shared/effects/src/config.rs"]),
    ("sweeper", &["shared/effects/src/config.rs", "functions/sweeper/src/config.rs"]),
    ("receipts", &["functions/receipts/src/config.rs"]),
];

/// Every environment variable that a function's settings name, outside of their tests.
fn read_by(function: &str) -> BTreeSet<String> {
    let (_, files) = SETTINGS.iter().find(|(name, _)| *name == function).unwrap();
    let shipped = |name: &&str| file(name).split("#[cfg(test)]").next().unwrap().to_owned();
    let mut code: String = files.iter().map(shipped).collect();
    for (call, variables) in
        [("settings.log_level()", "\"LOG_LEVEL\""), ("Traces::from_settings(", "\"TRACES_URL\"")]
    {
        code = code.replace(call, variables);
    }
    code.split('"')
        .skip(1)
        .step_by(2)
        .filter(|word| word.len() > 3 && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'))
        .filter(|word| !NOT_OURS.contains(word))
        .map(str::to_owned)
        .collect()
}

/// Every environment variable that the template sets for a function.
fn given_to(resource: &str) -> BTreeSet<String> {
    properties(resource).at("Environment").at("Variables").names().into_iter().collect()
}

/// All statements of a role's policies, except those that exist only with a customer-managed key or a secret.
pub(crate) fn statements(role: &str) -> Vec<Place> {
    let inline = properties(role).find("Policies").map(|policies| policies.list()).unwrap_or_default();
    let resources = template().at("Resources");
    let shared = resources.names().into_iter().map(|name| resources.at(&name));
    let shared = shared.filter(|resource| {
        resource.at("Type").text() == "AWS::IAM::Policy"
            && resource.find("Condition").is_none()
            && resource.at("Properties").at("Roles").texts().iter().any(|name| name == role)
    });
    let policies = inline.into_iter().chain(shared.map(|resource| resource.at("Properties")));
    policies.flat_map(|policy| policy.at("PolicyDocument").at("Statement").list()).collect()
}

/// The actions that a role allows on a resource, by the resource's name.
fn allowed(role: &str, resource: &str) -> BTreeSet<String> {
    let mut actions = BTreeSet::new();
    for statement in statements(role) {
        assert_eq!(statement.at("Effect").text(), "Allow");
        if resources(&statement).contains(&format!("{resource}.Arn")) {
            actions.extend(statement.at("Action").texts());
        }
    }
    actions
}

/// The resources that a statement names. A table stands for the existing one too, which [`crate::storage`] checks.
pub(crate) fn resources(statement: &Place) -> Vec<String> {
    let named = statement.at("Resource").list();
    match named.as_slice() {
        // `!Sub [arn, { Table: !If [OwnsTable, own, existing] }]`
        [arn, variables] if variables.find("Table").is_some() => {
            let table = variables.at("Table").list()[1].text();
            let arn = arn.text();
            let (_, part) = arn.split_once(":table/${Table}").unwrap();
            vec![if part.is_empty() { format!("{table}.Arn") } else { format!("${{{table}.Arn}}{part}") }]
        }
        // `!If [OwnsTable, own, existing]`
        [condition, own, _] if condition.text().starts_with("Owns") => vec![own.text()],
        _ => named.iter().map(Place::text).collect(),
    }
}

/// Every resource that any of a role's statements names.
fn all_resources(role: &str) -> Vec<String> {
    statements(role).iter().flat_map(resources).collect()
}

fn set(actions: &[&str]) -> BTreeSet<String> {
    actions.iter().map(|action| (*action).to_owned()).collect()
}

#[test]
fn each_function_gets_exactly_the_variables_that_it_reads() {
    assert_eq!(given_to("Recorder"), read_by("recorder"));
    assert_eq!(given_to("Reactor"), read_by("reactor"));
    assert_eq!(given_to("Sweeper"), read_by("sweeper"));
    assert_eq!(given_to("Receipts"), read_by("receipts"));
}

#[test]
fn the_recorder_can_only_append_and_load_and_has_no_access_to_leads() {
    assert_eq!(allowed("RecorderRole", "StreamsTable"), set(&["dynamodb:PutItem", "dynamodb:Query"]));
    assert_eq!(allowed("RecorderRole", "OfferEventsDeadLetters"), set(&["sqs:SendMessage"]));
    assert_eq!(
        allowed("RecorderRole", "OfferEvents"),
        set(&["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]),
        "those of AWS's managed policy AWSLambdaSQSQueueExecutionRole, without logs"
    );
    assert!(!all_resources("RecorderRole").iter().any(|resource| resource.contains("LeadsTable")));
}

#[test]
fn the_recorder_reads_one_secret_if_there_is_one_and_no_parameter_holds_a_secret() {
    let policy = properties("RecorderReadsTheSecret");
    assert_eq!(
        template().at("Resources").at("RecorderReadsTheSecret").at("Condition").text(),
        "HasLegacySecret"
    );
    assert_eq!(policy.at("Roles").texts(), ["RecorderRole"]);
    let statements = policy.at("PolicyDocument").at("Statement").list();
    assert_eq!(statements.len(), 1);
    assert_eq!(statements[0].at("Action").texts(), ["secretsmanager:GetSecretValue"]);
    assert_eq!(statements[0].at("Resource").texts(), ["LegacyAuthorizationSecret"]);
    let parameters = template().at("Parameters");
    for name in parameters.names() {
        assert!(
            parameters.at(&name).find("NoEcho").is_none(),
            "{name} would be plain text in an environment"
        );
    }
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
        "moving the cursor in several transactions needs a condition check on it"
    );
    assert_eq!(allowed("ReactorRole", "SalesTeam"), set(&["sqs:SendMessage"]));
    let feed = statement("ReactorRole", "HearTheDoorbell");
    assert_eq!(resources(&feed), ["StreamsTable.StreamArn"]);
    let actions = set(&["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"]);
    assert_eq!(feed.at("Action").texts().into_iter().collect::<BTreeSet<_>>(), actions);
}

#[test]
fn the_sweeper_has_the_reactor_s_rights_two_indexes_and_bulk_reads() {
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
        assert_eq!(resources(&statement), [index]);
        assert_eq!(statement.at("Action").text(), "dynamodb:Query");
    }
}

#[test]
fn receipts_may_only_read_and_update_leads_and_consume_its_queue() {
    assert_eq!(allowed("ReceiptsRole", "LeadsTable"), set(&["dynamodb:GetItem", "dynamodb:UpdateItem"]));
    assert_eq!(allowed("ReceiptsRole", "EmailReceipts"), allowed("RecorderRole", "OfferEvents"));
    let all = set(&["LeadsTable.Arn", "EmailReceipts.Arn", "ReceiptsLogs.Arn"]);
    assert_eq!(all_resources("ReceiptsRole").into_iter().collect::<BTreeSet<_>>(), all);
}

#[test]
fn only_events_of_our_configuration_set_reach_the_receipts_queue() {
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
        "the body is the SES event itself, without an SNS envelope"
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
fn mails_are_allowed_only_from_the_sender_with_our_configuration_set() {
    for role in ["ReactorRole", "SweeperRole"] {
        let sends: Vec<Place> = statements(role)
            .into_iter()
            .filter(|statement| {
                statement.at("Action").texts().iter().any(|action| action.starts_with("ses:"))
            })
            .collect();
        let sids: Vec<String> = sends.iter().map(|statement| statement.at("Sid").text()).collect();
        assert_eq!(sids, ["SendEmailsAsTheSender", "SendEmailsWithTheConfigurationSet"]);
        for statement in &sends {
            assert_eq!(statement.at("Action").texts(), ["ses:SendEmail"]);
        }
        // `identity/*`: in the sandbox SES also authorises the recipient's identity, and it authorises the identity of
        // the sender's address in addition to its domain's.
        assert!(sends[0].at("Resource").text().ends_with(":identity/*"));
        let condition = sends[0].at("Condition");
        assert_eq!(condition.names(), ["StringLike"]);
        assert_eq!(condition.at("StringLike").names(), ["ses:FromAddress"]);
        let forms = condition.at("StringLike").at("ses:FromAddress").list();
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
    /// Evaluates `!Select`, `!Split` and `!Sub` for a value of the parameter `EmailSender`.
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
            _ => panic!("{} is neither a `!Select` nor a string", self.path),
        }
    }
}

#[test]
fn the_schedule_calls_the_sweeper_every_five_minutes() {
    let rule = properties("SweeperSchedule");
    assert_eq!(rule.at("ScheduleExpression").text(), "SweepEvery");
    assert_eq!(sweep_every(), 5 * 60);
    assert_eq!(rule.at("Targets").list()[0].at("Arn").text(), "Sweeper.Alias");
    assert_eq!(properties("ScheduleMayCallSweeper").at("FunctionName").text(), "Sweeper.Alias");
    assert!(
        properties("Sweeper").at("Timeout").number() < sweep_every(),
        "a sweep ends before the next begins"
    );
}

/// The statement with this `Sid` in a role's policies.
#[track_caller]
fn statement(role: &str, sid: &str) -> Place {
    statements(role).into_iter().find(|statement| statement.at("Sid").text() == sid).unwrap()
}

#[test]
fn only_listing_streams_is_allowed_on_all_resources() {
    let find = statement("ReactorRole", "FindTheDoorbell");
    assert_eq!(
        (find.at("Action").texts(), find.at("Resource").texts()),
        (texts("dynamodb:ListStreams"), texts("*"))
    );
    for (role, wildcards) in
        [("RecorderRole", 0), ("ReactorRole", 1), ("SweeperRole", 0), ("ReceiptsRole", 0)]
    {
        assert_eq!(
            all_resources(role).iter().filter(|&resource| resource == "*").count(),
            wildcards,
            "{role}"
        );
        assert!(properties(role).find("ManagedPolicyArns").is_none(), "{role}");
    }
}

fn texts(text: &str) -> Vec<String> {
    vec![text.to_owned()]
}

#[test]
fn every_caller_calls_the_alias() {
    for (caller, function) in [
        ("OfferEventsToRecorder", "Recorder"),
        ("ChangeFeedToReactor", "Reactor"),
        ("EmailReceiptsToReceipts", "Receipts"),
    ] {
        assert_eq!(properties(caller).at("FunctionName").text(), format!("{function}.Alias"));
    }
    assert_eq!(template().at("Globals").at("Function").at("AutoPublishAlias").text(), "live");
    assert_eq!(properties("SweeperCalls").at("Qualifier").text(), "live");
    for function in ["Recorder", "Reactor", "Sweeper", "Receipts"] {
        let function = properties(function);
        assert!(function.at("AutoPublishAliasAllProperties").is_true());
        // The deployer recognises a function by these two lines (infra/deploy/versions.py).
        let lines = format!(
            "      Description: {}\n      CodeUri: {}\n",
            function.at("Description").text(),
            function.at("CodeUri").text()
        );
        assert!(file("infra/template.yaml").contains(&lines), "{lines}");
    }
}

#[test]
fn every_rollout_is_known_to_be_gradual_or_not() {
    let rollouts = template().at("Mappings").at("Rollouts");
    let allowed = template().at("Parameters").at("Rollout").at("AllowedValues").texts();
    assert_eq!(rollouts.names(), allowed);
    for name in allowed {
        let is_gradual = rollouts.at(&name).at("IsGradual").text();
        assert_eq!(is_gradual, (name != "AllAtOnce").to_string(), "{name}");
    }
}

#[test]
fn the_queue_mapping_reports_single_failures_and_filters_nothing() {
    let mapping = properties("OfferEventsToRecorder");
    assert_eq!(mapping.at("FunctionResponseTypes").texts(), ["ReportBatchItemFailures"]);
    assert_eq!(mapping.at("BatchSize").number(), 10);
    assert!(
        mapping.find("FilterCriteria").is_none(),
        "a filter on a queue deletes the messages that do not match"
    );
}

#[test]
fn the_change_feed_mapping_misses_no_insert_and_has_bounded_retries() {
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
fn time_outs_exceed_the_time_that_calls_need() {
    // The functions begin a call only with 6 s of the invocation left, and an e-mail only with 25 s.
    let seconds = |function: &str| -> i64 { properties(function).at("Timeout").number() };
    assert!(seconds("Recorder") >= 4 * 6);
    assert!(seconds("Reactor") >= 2 * 25);
    // The tests in simulated and in real processes use the same time-outs, in milliseconds.
    let simulator = file("tests/simulator/src/worker.rs");
    let binaries = file("tests/binaries/src/process.rs");
    for function in ["Recorder", "Reactor", "Sweeper", "Receipts"] {
        let name = function.to_uppercase();
        let stated = format!("const {name}_TIME_OUT: i64 = {}_000;", seconds(function));
        assert!(simulator.contains(&stated), "{stated}");
        let stated = format!("Self::{function} => {}_000,", seconds(function));
        assert!(function == "Receipts" || binaries.contains(&stated), "{stated}");
    }
    let globals: Place = template().at("Globals").at("Function");
    assert_eq!(globals.at("Runtime").text(), "provided.al2023");
}

//! Queues and tables.

use crate::{Place, file, properties, template};

#[test]
fn event_queues_are_high_throughput_fifo_and_retain_for_two_weeks() {
    for queue in ["OfferEvents", "OfferEventsDeadLetters", "SalesTeam"] {
        let queue = properties(queue);
        assert!(queue.at("FifoQueue").is_true());
        assert!(queue.at("QueueName").text().strip_suffix(".fifo").is_some());
        assert_eq!(queue.at("DeduplicationScope").text(), "messageGroup");
        assert_eq!(queue.at("FifoThroughputLimit").text(), "perMessageGroupId");
        assert!(!queue.at("ContentBasedDeduplication").is_true(), "senders set the deduplication id");
        assert_eq!(queue.at("MessageRetentionPeriod").number(), 14 * 24 * 60 * 60);
    }
}

#[test]
fn sqs_dead_letters_a_message_only_after_many_receives() {
    // SQS counts receives, not failures of that message. The dead-letter queue of a FIFO queue must be FIFO too.
    let redrive = properties("OfferEvents").at("RedrivePolicy");
    assert!(redrive.at("maxReceiveCount").number() >= 20);
    assert_eq!(redrive.at("deadLetterTargetArn").text(), "OfferEventsDeadLetters.Arn");
}

#[test]
fn the_visibility_time_out_is_six_times_the_recorder_s_time_out() {
    let parameter = template().at("Parameters").at("OfferEventsVisibilityTimeout");
    assert_eq!(properties("OfferEvents").at("VisibilityTimeout").text(), "OfferEventsVisibilityTimeout");
    assert!(parameter.at("Default").number() >= 6 * properties("Recorder").at("Timeout").number());
}

#[test]
fn the_template_has_exactly_the_outputs_that_tools_read() {
    assert_eq!(
        template().at("Outputs").names(),
        [
            "OfferEventsQueueUrl",
            "OfferEventsDeadLettersQueueUrl",
            "SalesTeamQueueUrl",
            "ReactorFailuresQueueUrl",
            "EmailReceiptsQueueUrl",
            "EmailReceiptsDeadLettersQueueUrl",
            "StreamsTableName",
            "LeadsTableName",
            "OperatorRoleArn",
            "ReadOnlyRoleArn",
            "Effects",
            "DkimRecords",
            "MailFromRecords",
            "DmarcRecord"
        ]
    );
}

#[test]
fn every_reference_to_a_table_gives_way_to_the_existing_one() {
    let text = file("infra/template.yaml");
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let mut references = 0;
    for table in ["StreamsTable", "LeadsTable"] {
        let in_one_line = format!("!If [Owns{table}, !Ref {table}, !Ref Existing{table}]");
        for (index, line) in lines.iter().enumerate() {
            let names_it = line.contains(&format!("!Ref {table}")) || line.contains(&format!("{table}."));
            if line.starts_with('#') || !names_it {
                continue;
            }
            references += 1;
            let condition = format!("- Owns{table}");
            let gives_way =
                index > 0 && lines[index - 1] == condition && lines[index + 1].contains("Existing");
            assert!(line.contains(&in_one_line) || gives_way, "{line}");
        }
        let own = template().at("Resources").at(table);
        assert_eq!(own.at("Condition").text(), format!("Owns{table}"));
        assert!(!text.contains(&format!("DependsOn: {table}")));
    }
    assert!(references > 15, "only {references} references were recognised");
}

#[test]
fn the_sender_s_identity_survives_its_stack_and_is_created_only_if_asked_for() {
    let identity = template().at("Resources").at("SenderIdentity");
    assert_eq!(identity.at("DeletionPolicy").text(), "RetainExceptOnCreate");
    assert_eq!(identity.at("UpdateReplacePolicy").text(), "Retain");
    assert_eq!(identity.at("Condition").text(), "OwnsEmailIdentity");
    assert_eq!(template().at("Parameters").at("CreateEmailIdentity").at("Default").text(), "false");
}

type Key = Vec<(String, String)>;

/// The attribute names and types of a key: partition key, then sort key.
fn key(place: &Place) -> Key {
    let schema = place.at("KeySchema").list();
    schema.iter().map(|part| (part.at("AttributeName").text(), part.at("KeyType").text())).collect()
}

/// The key with these attribute names.
fn named(partition: &str, sort: &str) -> Key {
    vec![(partition.to_owned(), "HASH".to_owned()), (sort.to_owned(), "RANGE".to_owned())]
}

/// The name, key and projection of each index of a table.
fn indexes(table: &str) -> Vec<(String, Key, String)> {
    properties(table)
        .at("GlobalSecondaryIndexes")
        .list()
        .iter()
        .map(|index| {
            let projection = index.at("Projection").at("ProjectionType").text();
            (index.at("IndexName").text(), key(index), projection)
        })
        .collect()
}

#[test]
fn the_streams_table_has_the_keys_that_the_code_writes() {
    assert_eq!(key(&properties("StreamsTable")), named("buyer", "sequence"));
    let feed = ("feed".to_owned(), named("feed", "recordedAt"), "KEYS_ONLY".to_owned());
    assert_eq!(indexes("StreamsTable"), [feed]);
    let code = file("shared/event-store/src/dynamo/mod.rs");
    for attribute in ["buyer", "sequence", "feed", "recordedAt"] {
        assert!(code.contains(&format!("\"{attribute}\"")), "{attribute}");
    }
}

#[test]
fn the_leads_table_has_the_keys_that_the_code_writes() {
    assert_eq!(key(&properties("LeadsTable")), named("buyer", "kind"));
    let all = "ALL".to_owned();
    assert_eq!(
        indexes("LeadsTable"),
        [
            ("open-leads".to_owned(), named("openLeads", "openedAt"), all.clone()),
            ("open-work".to_owned(), named("openWork", "due"), all),
        ]
    );
    let code =
        file("shared/leads-store/src/dynamo/cursor.rs") + &file("shared/leads-store/src/dynamo/claim.rs");
    for attribute in ["openLeads", "openedAt", "openWork", "due"] {
        assert!(code.contains(attribute), "{attribute}");
    }
}

#[test]
fn the_change_feed_contains_keys_only_and_the_leads_table_has_none() {
    let stream = properties("StreamsTable").at("StreamSpecification");
    assert_eq!(stream.at("StreamViewType").text(), "KEYS_ONLY");
    assert!(properties("LeadsTable").find("StreamSpecification").is_none());
}

use crate::{properties, template};

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
        assert!(queue.at("SqsManagedSseEnabled").is_true());
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
            "EmailReceiptsQueueUrl",
            "StreamsTableName",
            "LeadsTableName",
            "Effects"
        ]
    );
}

use crate::{properties, template};

#[test]
fn every_queue_of_events_is_fifo_with_high_throughput_and_keeps_what_it_has_for_two_weeks() {
    for queue in ["OfferEvents", "OfferEventsDeadLetters", "SalesTeam"] {
        let queue = properties(queue);
        assert!(queue.at("FifoQueue").is_true());
        assert!(queue.at("QueueName").text().strip_suffix(".fifo").is_some());
        assert_eq!(queue.at("DeduplicationScope").text(), "messageGroup");
        assert_eq!(queue.at("FifoThroughputLimit").text(), "perMessageGroupId");
        assert!(!queue.at("ContentBasedDeduplication").is_true(), "deduplication ids are given");
        assert_eq!(queue.at("MessageRetentionPeriod").number(), 14 * 24 * 60 * 60);
        assert!(queue.at("SqsManagedSseEnabled").is_true());
    }
}

#[test]
fn innocents_are_received_often_before_they_count_as_dead() {
    // Receives are counted, not failures; a dead-letter queue of a FIFO queue is FIFO.
    let redrive = properties("OfferEvents").at("RedrivePolicy");
    assert!(redrive.at("maxReceiveCount").number() >= 20);
    assert_eq!(redrive.at("deadLetterTargetArn").text(), "OfferEventsDeadLetters.Arn");
}

#[test]
fn a_message_stays_hidden_for_six_times_the_recorder_s_time_out() {
    let parameter = template().at("Parameters").at("OfferEventsVisibilityTimeout");
    assert_eq!(properties("OfferEvents").at("VisibilityTimeout").text(), "OfferEventsVisibilityTimeout");
    assert!(parameter.at("Default").number() >= 6 * properties("Recorder").at("Timeout").number());
}

#[test]
fn the_outputs_are_those_that_everybody_reads() {
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

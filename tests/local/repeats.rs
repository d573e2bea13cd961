use tests::Person;

use crate::on_the_stack;

#[test]
fn a_batch_sent_twice_writes_nothing_the_second_time_and_the_recorder_saw_it() {
    on_the_stack(async |stack| {
        let person = Person::called("twice").unwrap();
        let group = person.buyer.as_str();
        let events = [("offer.made.v1", 1), ("offer.accepted.v1", 2), ("offer.acceptance-withdrawn.v1", 3)];
        for (kind, version) in events {
            let (id, body) = person.event(kind, "car-1", version);
            stack.post(group, &id, &body).await.unwrap();
        }
        stack.settled(&person.buyer, 3).await.unwrap();
        let before = stack.explained(&person.buyer).await.unwrap();
        let mails = stack.emails_to(&person.email()).await.unwrap();
        let sales = stack.sales_bodies(&person.buyer).await.unwrap();

        // As an operator would: SQS itself would swallow the same deduplication ids within five minutes.
        let bodies = events.map(|(kind, version)| person.event(kind, "car-1", version).1);
        let posted = stack.send_again(&bodies.join("\n")).await;
        assert!(posted.failure.is_none(), "{:?}", posted.failure);
        assert_eq!(posted.posted, 3);
        let seen = stack
            .until("the recorder to see the repeats", async || {
                let lines = stack.log_lines().await?;
                let is_ours = |line: &&String| line.contains("\"duplicate\"") && line.contains("\"twice\"");
                let count = lines.iter().filter(is_ours).count();
                Ok((count >= 3).then_some((count, lines)))
            })
            .await
            .unwrap();
        assert_eq!(seen.0, 3);
        assert!(
            seen.1.iter().any(|line| line.contains("CloudWatchMetrics") && line.contains("\"Duplicates\"")),
            "the metric tells it too"
        );
        assert_eq!(
            stack.explained(&person.buyer).await.unwrap(),
            before,
            "nothing is recorded or settled anew"
        );
        assert_eq!(stack.emails_to(&person.email()).await.unwrap(), mails);
        assert_eq!(stack.sales_bodies(&person.buyer).await.unwrap(), sales);
    });
}

use tests::Person;

use crate::on_the_stack;

#[test]
fn a_repeated_batch_is_counted_and_writes_nothing() {
    on_the_stack(async |stack| {
        let person = Person::called("twice").unwrap();
        let group = person.buyer.as_str();
        let events = [("offer.made.v1", 1), ("offer.accepted.v1", 2), ("offer.acceptance-withdrawn.v1", 3)];
        for (kind, version) in events {
            let (id, body) = person.event(kind, "car-1", version);
            stack.post(group, &id, &body).await.unwrap();
        }
        stack.wait_settled(&person.buyer, 3).await.unwrap();
        let before = stack.history(&person.buyer).await.unwrap();
        let mails = stack.emails_to(&person.email()).await.unwrap();
        let sales = stack.sales_bodies(&person.buyer).await.unwrap();

        // Sent as an operator would send them: SQS drops messages with the same deduplication id within five minutes.
        let bodies = events.map(|(kind, version)| person.event(kind, "car-1", version).1);
        let posted = stack.send_again(&bodies.join("\n")).await;
        assert!(posted.failure.is_none(), "{:?}", posted.failure);
        assert_eq!(posted.posted, 3);
        let seen = stack
            .until("the recorder to log the repeats", async || {
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
            "the metric counts them too"
        );
        assert_eq!(
            stack.history(&person.buyer).await.unwrap(),
            before,
            "nothing is recorded or settled again"
        );
        assert_eq!(stack.emails_to(&person.email()).await.unwrap(), mails);
        assert_eq!(stack.sales_bodies(&person.buyer).await.unwrap(), sales);
    });
}

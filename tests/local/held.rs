use tests::Person;

use crate::on_the_stack;

#[test]
fn a_gap_is_listed_and_measured_until_it_is_filled() {
    on_the_stack(async |stack| {
        let person = Person::called("gap").unwrap();
        let post = async |kind: &str, version| {
            let (id, body) = person.event(kind, "car-1", version);
            stack.post(person.buyer.as_str(), &id, &body).await.unwrap();
        };
        post("offer.accepted.v1", 2).await;
        let gap = stack
            .until("the gap to be listed", async || {
                let gaps = stack.gaps().await?;
                Ok(gaps.into_iter().find(|gap| gap.buyer == person.buyer))
            })
            .await
            .unwrap();
        let held: Vec<u32> = gap.held.iter().map(|version| version.get()).collect();
        assert_eq!((held, gap.waits_for.get(), gap.since.is_some()), (vec![2], 1, true));
        stack
            .until("the sweeper to measure it", async || {
                let lines = stack.log_lines().await?;
                let is_logged = |words: &str| lines.iter().any(|line| line.contains(words));
                let is_measured = is_logged("\"HeldOldest\"") && is_logged("waits for an earlier event");
                Ok(is_measured.then_some(()))
            })
            .await
            .unwrap();

        post("offer.made.v1", 1).await;
        stack.wait_settled(&person.buyer, 2).await.unwrap();
        let history = stack.history(&person.buyer).await.unwrap();
        assert_eq!((history.about.held, history.about.cursor.holds), (None, false));
        let gaps = stack.gaps().await.unwrap();
        assert!(!gaps.iter().any(|gap| gap.buyer == person.buyer));
    });
}

//! What operators do: voiding and erasing, listing gaps, redriving dead letters, auditing.

use cli::dead_letters::{Doing, Selection};
use domain::HELD_LIMIT;
use serde_json::{Value, json};
use tests::Person;

use crate::{accept_offers, closed_high, leads, on_the_stack, post, sales_keys, types};

/// The buyer has more leads than fit one transaction, so the cursor is moved by several, each of which checks it.
#[test]
fn an_erased_buyer_with_110_accepted_offers_is_settled() {
    on_the_stack(async |stack| {
        let person = Person::called("manyoffers").unwrap();
        let buyer = person.buyer.as_str();
        accept_offers(&stack, &person, 110).await;
        leads(&["erase", buyer, "--yes"]).await;
        stack.wait_settled(&person.buyer, 221).await.unwrap();
        let (exit, erased) = leads(&["erase", buyer, "--yes"]).await;
        assert_eq!(exit.as_str(), "Good", "{erased}");
        assert_eq!(closed_high(&stack, &person).await, 110);
    });
}

#[test]
fn voiding_a_gap_releases_held_events_and_erasing_removes_contacts() {
    on_the_stack(async |stack| {
        let person = Person::called("voiderased").unwrap();
        let buyer = person.buyer.as_str();
        post(&stack, &person, "offer.made.v1", "car-1", 1).await;
        // Waiting after each event: two events of one batch would be one commit.
        stack.wait_settled(&person.buyer, 1).await.unwrap();
        post(&stack, &person, "offer.accepted.v1", "car-1", 3).await;
        stack.wait_settled(&person.buyer, 2).await.unwrap();
        assert_eq!(
            leads(&["void", buyer, "car-1", "--through", "2"]).await.0,
            "Failed",
            "`--yes` is required"
        );
        let (exit, voided) = leads(&["void", buyer, "car-1", "--through", "2", "--yes"]).await;
        assert_eq!((exit.as_str(), &voided["sequence"]), ("Good", &json!(3)), "{voided}");
        stack.wait_settled(&person.buyer, 3).await.unwrap();
        assert!(sales_keys(&stack, &person).await.contains(&"opened/high/car-1/3".to_owned()));
        post(&stack, &person, "offer.accepted.v1", "car-1", 2).await;
        let letter = stack
            .until("the dead letter of the voided version", async || {
                Ok(stack.dead_letters(buyer).await?.into_iter().next())
            })
            .await
            .unwrap();
        assert_eq!(letter.attribute("reason"), "voided");

        leads(&["erase", buyer, "--yes"]).await;
        stack.wait_settled(&person.buyer, 4).await.unwrap();
        let (exit, erased) = leads(&["erase", buyer, "--yes"]).await;
        assert_eq!((exit.as_str(), &erased["sequence"]), ("Good", &json!(4)), "{erased}");
        assert!(sales_keys(&stack, &person).await.contains(&"closed/high/car-1/3".to_owned()));
        post(&stack, &person, "offer.made.v1", "car-2", 1).await;
        stack.wait_settled(&person.buyer, 5).await.unwrap();
        assert_eq!(types(&stack, &person).await, ["made", "accepted", "voided", "erased", "made"]);
        let everything = format!(
            "{:?} {:?}",
            stack.head(&person.buyer).await.unwrap(),
            leads(&["show", buyer, "--contact"]).await
        );
        assert!(!everything.contains(&person.email()), "{everything}");
    });
}

#[test]
fn the_audit_finds_nothing_in_streams_of_thirty_commits() {
    const COMMITS: u64 = 30;
    on_the_stack(async |stack| {
        let people = [1, 2, 3, 4].map(|number| Person::called(&format!("audited-{number}")).unwrap());
        for version in 1..=COMMITS {
            let kind = match version {
                1 => "offer.made.v1",
                even if even % 2 == 0 => "offer.accepted.v1",
                _ => "offer.acceptance-withdrawn.v1",
            };
            for person in &people {
                post(&stack, person, kind, "car-1", version).await;
            }
            // Waiting after each event makes every event a commit of its own.
            for person in &people {
                stack.wait_settled(&person.buyer, version).await.unwrap();
            }
        }
        let (_, audit) = leads(&["audit", "--rate", "10000"]).await;
        assert_eq!(audit["isComplete"], true);
        assert!(audit["commits"].as_u64().unwrap() >= 4 * COMMITS, "{audit:#}");
        // Buyers of other tests may be behind at this moment, but no stream may have a gap in its sequence.
        let findings = audit["findings"].as_array().unwrap();
        let is_ours = |finding: &&Value| finding["buyerId"].as_str().unwrap().starts_with("audited-");
        let unexpected: Vec<&Value> =
            findings.iter().filter(|finding| is_ours(finding) || finding["finding"] == "gap").collect();
        assert_eq!(unexpected, Vec::<&Value>::new());
    });
}

#[test]
fn a_gap_is_listed_and_measured_until_it_is_filled() {
    on_the_stack(async |stack| {
        let person = Person::called("gap").unwrap();
        post(&stack, &person, "offer.accepted.v1", "car-1", 2).await;
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

        post(&stack, &person, "offer.made.v1", "car-1", 1).await;
        stack.wait_settled(&person.buyer, 2).await.unwrap();
        let history = stack.history(&person.buyer).await.unwrap();
        assert_eq!((history.about.held, history.about.cursor.holds), (None, false));
        let gaps = stack.gaps().await.unwrap();
        assert!(!gaps.iter().any(|gap| gap.buyer == person.buyer));
    });
}

#[test]
fn late_redrives_are_recorded_and_unrecordable_messages_return() {
    on_the_stack(async |stack| {
        let person = Person::called("redriven").unwrap();
        let group = person.buyer.as_str();
        // As many events as possible are held until the first one comes, two more exceed the limit, and one message is
        // no event.
        let limit = HELD_LIMIT as u64;
        for version in 2..4 + limit {
            post(&stack, &person, "offer.accepted.v1", "car-1", version).await;
        }
        stack.post(group, "poison", "not JSON").await.unwrap();
        let letters = async |count: usize| {
            stack
                .until("the dead letters", async || {
                    let letters = stack.dead_letters(group).await?;
                    Ok((letters.len() == count).then_some(letters))
                })
                .await
                .unwrap()
        };
        letters(3).await;
        post(&stack, &person, "offer.made.v1", "car-1", 1).await;
        stack.wait_settled(&person.buyer, 1 + limit).await.unwrap();

        let buyers = vec![group.to_owned()];
        let late = Selection {
            buyers: buyers.clone(),
            reasons: vec!["too-many-held".to_owned()],
            ..Selection::default()
        };
        let looked = stack.work_dead_letters(&late, Doing::Looking).await.unwrap();
        assert_eq!((looked.letters.len(), looked.others > 0), (2, true));
        let done = stack.work_dead_letters(&late, Doing::Redriving).await.unwrap();
        assert_eq!((done.letters.len(), done.failures.len()), (2, 0));
        stack.wait_settled(&person.buyer, 53).await.unwrap();
        let offer = domain::OfferId::parse("car-1").unwrap();
        let state = stack.head(&person.buyer).await.unwrap().state;
        assert_eq!(
            (state.version_of(&offer).map(domain::OfferVersion::get), state.held_count()),
            (Some(53), 0)
        );
        letters(1).await;

        let poison = Selection { buyers, ..Selection::default() };
        let done = stack.work_dead_letters(&poison, Doing::Redriving).await.unwrap();
        assert_eq!(done.letters.len(), 1);
        let again = letters(1).await;
        assert_eq!((again[0].attribute("reason").as_str(), again[0].body.as_str()), ("not-json", "not JSON"));
        let done = stack.work_dead_letters(&poison, Doing::Dropping).await.unwrap();
        assert_eq!(done.letters.len(), 1);
        letters(0).await;
    });
}

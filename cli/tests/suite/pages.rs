//! What the pages of `leads console` show, and how much they read for it.

use std::collections::BTreeSet;

use domain::Fact;
use testkit::{accepted, contact, made};

use crate::cloud::Cloud;
use crate::site::{Site, console};
use crate::stories::{HOSTILE_PAGE, hostile, play_dealer, play_two_offers};

#[tokio::test]
async fn contacts_are_shown_only_on_request() {
    let cloud = Cloud::start().await;
    cloud.world.record("ada", &[made("car-1"), accepted("car-1").v(2)], "10:00:00").await;
    cloud.world.put_leads(1, Some(&contact()));
    for (options, expected) in [(&[][..], false), (&["--contact"], true)] {
        console(&cloud, options, async |site: Site| {
            for page in ["leads", "buyer?id=ada"] {
                let seen = site.page(page).await;
                assert_eq!(seen.status, 200, "{}", seen.body);
                assert_eq!(seen.body.to_lowercase().contains("canary"), expected, "{page}");
            }
        })
        .await;
    }
}

#[tokio::test]
async fn pages_read_only_and_a_bounded_number_of_times() {
    let cloud = hostile().await;
    let reads = BTreeSet::from([
        "DescribeStacks",
        "DescribeAlarms",
        "GetMetricData",
        "GetQueueAttributes",
        "ReceiveMessage",
        "ChangeMessageVisibilityBatch",
        "Query",
        "GetItem",
    ]);
    console(&cloud, &[], async |site: Site| {
        for (page, most) in
            [("runbook", 0), ("leads", 9), ("dead-letters", 4), ("gaps", 6), ("emails", 5), (HOSTILE_PAGE, 3)]
        {
            let before = cloud.operations().len();
            assert_eq!(site.page(page).await.status, 200, "{page}");
            let operations = cloud.operations().split_off(before);
            assert!(operations.len() <= most, "{page}: {operations:?}");
            assert!(operations.iter().all(|operation| reads.contains(operation.as_str())), "{operations:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn the_status_page_says_what_leads_status_says_with_a_command_and_the_runbook() {
    let cloud = Cloud::start().await;
    cloud.ring("DeadLettersAlarm");
    let lines = cloud.status(&["--json"]).await.json()["lines"].clone();
    console(&cloud, &[], async |site: Site| {
        let seen = site.page("").await;
        let runbook = site.page("runbook").await;
        assert_eq!(seen.status, 200);
        assert!(seen.body.contains("2 of 19 lines are red."), "{}", seen.body);
        for line in lines.as_array().unwrap() {
            let name = line["name"].as_str().unwrap();
            let row = seen
                .body
                .split("<li id=\"line-")
                .find(|row| row.contains(&format!("<h2>{name}</h2>")))
                .unwrap();
            let state = line["state"].as_str().unwrap();
            assert!(row.contains(&format!("class=\"pill {state}\"")), "{row}");
            let section = row.split_once("href=\"runbook#").unwrap().1.split('"').next().unwrap();
            assert!(runbook.body.contains(&format!("id=\"{section}\"")), "{section}");
            let command = row.split_once("<code>").unwrap().1.split_once("</code>").unwrap().0;
            let command = command.replace("<span>", "").replace("</span>", "");
            assert!(command.starts_with("leads ") || command.starts_with("aws "), "{command}");
            assert!(command.contains("cars"), "{command}");
        }
        let row = seen.body.split("<li id=\"").find(|row| row.contains("<h2>dead letters</h2>")).unwrap();
        let row = row.replace("<span>", "").replace("</span>", "");
        for expected in [
            "leads dead-letters list, then act by reason.",
            "DeadLettersAlarm rings",
            "<code>leads dead-letters list --stack cars</code>",
        ] {
            assert!(row.contains(expected), "{expected}: {row}");
        }
    })
    .await;
}

/// The titles of the picture's bars and marks.
fn titles(body: &str) -> Vec<String> {
    let picture = body.split_once("<svg class=\"picture\"").unwrap().1.split_once("</svg>").unwrap().0;
    let titles = picture.split("<title>").skip(1);
    titles.map(|rest| rest.split('<').next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_picture_has_every_event_with_its_offers_leads_messages_and_e_mails() {
    let cloud = Cloud::start().await;
    play_two_offers(&cloud).await;
    let seen = console(&cloud, &[], async |site: Site| site.page("buyer?id=two-offers").await).await;
    assert_eq!(seen.status, 200, "{}", seen.body);
    assert_eq!(
        titles(&seen.body),
        [
            "car-1 is pending",
            "car-1 is accepted",
            "car-1 is pending",
            "car-2 is pending",
            "car-2 is accepted",
            "lead low/1 is open",
            "lead high/car-1/2 is open",
            "lead high/car-2/2 is open",
            "#1 made car-1 v1: applied, recorded 2020-01-01T10:00:00Z",
            "#3 accepted car-1 v2: applied, recorded 2020-01-01T10:21:45Z",
            "#5 acceptance-withdrawn car-1 v3: applied, recorded 2020-01-01T11:02:05Z",
            "#2 made car-2 v1: applied, recorded 2020-01-01T10:04:10Z",
            "#4 accepted car-2 v2: applied, recorded 2020-01-01T10:37:30Z",
            "quote/car-1: sent",
            "opened/low/1: sent",
            "quote/car-2: sent",
            "closed/low/1: sent",
            "opened/high/car-1/2: sent",
            "opened/high/car-2/2: sent",
            "closed/high/car-1/2: sent",
            "quote-email: sent",
            "accepted-email/car-1/2: sent",
            "accepted-email/car-2/2: sent",
        ]
    );
    // The table says the same, one row for each event.
    let table = seen
        .body
        .split_once("aria-label=\"The history as a table\"")
        .unwrap()
        .1
        .split_once("</table>")
        .unwrap()
        .0;
    assert_eq!(table.matches("<th scope=\"row\">").count(), 5);
    for key in ["quote/car-1", "opened/high/car-2/2", "accepted-email/car-2/2", "closed/high/car-1/2"] {
        assert!(table.contains(&format!("<li>{key} <span class=\"tag sent\">sent</span>")), "{key}");
    }
}

#[tokio::test]
async fn what_is_not_well_looks_different() {
    let cloud = hostile().await;
    let seen = console(&cloud, &[], async |site: Site| site.page(HOSTILE_PAGE).await).await;
    for expected in [
        "<g class=\"mark held\">",
        "<g class=\"mark trouble\">",
        "<g class=\"mark waits\">",
        "<span class=\"tag trouble\">unknown</span>",
        "<span class=\"tag trouble\">rejected</span>",
        "failed attempt",
    ] {
        assert!(seen.body.contains(expected), "{expected}: {}", seen.body);
    }
}

#[tokio::test]
async fn a_buyer_with_ten_thousand_events_is_shown_page_by_page() {
    let cloud = Cloud::start().await;
    play_dealer(&cloud, 500, 20).await;
    console(&cloud, &[], async |site: Site| {
        let newest = site.page("buyer?id=dealer").await;
        assert_eq!(newest.status, 200);
        assert!(newest.body.contains("Facts #9951 to #10000 of 10000, page 1 of 200"), "{}", newest.body);
        assert!(newest.body.contains("href=\"buyer?id=dealer&#38;page=2\">Older"), "{}", newest.body);
        let oldest = site.page("buyer?id=dealer&page=9999").await;
        assert!(oldest.body.contains("Facts #1 to #50 of 10000, page 200 of 200"));
        assert!(!oldest.body.contains(">Older<"));
        for seen in [newest, oldest] {
            let table = seen.body.split_once("aria-label=\"The history as a table\"").unwrap().1;
            assert_eq!(table.split("</table>").next().unwrap().matches("<th scope=\"row\">").count(), 50);
            let events = titles(&seen.body).into_iter().filter(|title| title.starts_with('#')).count();
            assert_eq!(events, 50);
            assert!(seen.body.len() < 200_000, "{}", seen.body.len());
        }
    })
    .await;
}

#[tokio::test]
async fn of_twenty_thousand_open_leads_the_oldest_are_listed_and_the_rest_is_at_least() {
    let cloud = Cloud::start().await;
    cloud.world.put_leads(20_000, None);
    console(&cloud, &[], async |site: Site| {
        let before = cloud.operations().len();
        let seen = site.page("leads").await;
        assert_eq!(cloud.operations().len() - before, 9);
        assert!(seen.body.contains("At least 400 open leads; the oldest 100 are listed."), "{}", seen.body);
        assert_eq!(seen.body.matches("<th scope=\"row\">").count(), 100);
        assert!(seen.body.contains(">buyer-0<") && !seen.body.contains(">buyer-100<"), "{}", seen.body);
    })
    .await;
}

#[tokio::test]
async fn facts_about_the_buyer_as_a_whole_and_effects_of_the_former_system_are_shown() {
    let cloud = Cloud::start().await;
    cloud.world.in_shadow("eve", &[made("car-1").into(), Fact::Reset(None), Fact::Erased(None)]).await;
    let seen = console(&cloud, &[], async |site: Site| site.page("buyer?id=eve").await).await;
    assert_eq!(seen.status, 200, "{}", seen.body);
    let titles = titles(&seen.body);
    for expected in [
        "#1 made car-1 v1: applied, recorded 2020-01-01T10:00:00Z",
        "#2 reset: taken, recorded 2020-01-01T10:00:00Z",
        "#3 erased: taken, recorded 2020-01-01T10:00:00Z",
    ] {
        assert!(titles.iter().any(|title| title == expected), "{expected}: {titles:?}");
    }
    assert!(seen.body.contains("In shadow; the former system has not been asked yet"), "{}", seen.body);
}

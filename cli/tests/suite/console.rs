//! `leads console`: who may ask, what its pages show and never show, and how much they read.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use domain::{Contact, Event, OfferChange};
use jiff::{SignedDuration, Timestamp};
use leads_store::{Behind, LeadsStore as _, Status};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use testkit::{acceptance_withdrawn, accepted, buyer, contact, made, made_by, rejected};

use crate::cloud::Cloud;
use crate::site::{Seen, Site, console, console_on};
use crate::world::{aws_at, process};

/// A name that is a script where it is not escaped. As an id it is valid.
pub(crate) const HOSTILE: &str = "<script>alert(1)<\\script>\"'&";

/// The page of that buyer.
pub(crate) const HOSTILE_PAGE: &str = "buyer?id=%3Cscript%3Ealert%281%29%3C%5Cscript%3E%22%27%26";

const PAGES: [&str; 7] = ["", "leads", "dead-letters", "gaps", "emails", "runbook", "buyer?id=two-offers"];

/// The scenario of two interleaved offers, as the reactor has performed it.
pub(crate) async fn play_two_offers(cloud: &Cloud) {
    let scenarios: Value = serde_json::from_str(include_str!("../../../tests/data/scenarios.json")).unwrap();
    let scenarios = scenarios["scenarios"].as_array().unwrap();
    let scenario = scenarios.iter().find(|one| one["name"] == "two offers, interleaved").unwrap();
    let times = ["10:00:00", "10:04:10", "10:21:45", "10:37:30", "11:02:05"];
    let name = "two-offers";
    for (delivery, time) in scenario["deliveries"].as_array().unwrap().iter().zip(times) {
        let event = Event { time: Some(format!("2020-01-01T{time}Z")), ..event_of(delivery) };
        cloud.world.record(name, &[event], time).await;
    }
    cloud.world.announce(name, 5, ("high/car-2/2", "car-2"), "10:37:30").await;
    for (key, sequence, time) in [
        ("quote-email", 1, "10:00:02"),
        ("accepted-email/car-1/2", 3, "10:21:46"),
        ("accepted-email/car-2/2", 4, "10:37:31"),
    ] {
        cloud.world.mailed(name, key, (sequence, 5), Status::Sent, None, time).await;
    }
}

fn event_of(delivery: &Value) -> Event {
    let offer = delivery["offerId"].as_str().unwrap();
    let version = u32::try_from(delivery["offerVersion"].as_u64().unwrap()).unwrap();
    match delivery["type"].as_str().unwrap() {
        "offer.made.v1" => made(offer),
        "offer.accepted.v1" => accepted(offer).v(version),
        "offer.acceptance-withdrawn.v1" => acceptance_withdrawn(offer).v(version),
        other => panic!("{other}"),
    }
}

/// A stack on which every page has something to show, and whose every text is hostile.
pub(crate) async fn hostile() -> Cloud {
    let cloud = Cloud::start().await;
    let who = Contact {
        name: HOSTILE.to_owned(),
        email: format!("{HOSTILE}@example.com"),
        phone: Some(HOSTILE.to_owned()),
    };
    play_two_offers(&cloud).await;
    let world = &cloud.world;
    world.record(HOSTILE, &[made_by(HOSTILE, who.clone())], "10:00:00").await;
    let early = Event {
        change: OfferChange::Rejected { reason: Some(HOSTILE.to_owned()) },
        ..rejected(HOSTILE).v(4)
    };
    world.record(HOSTILE, &[accepted(HOSTILE).v(2), early], "10:05:00").await;
    world.mailed(HOSTILE, "quote-email", (1, 3), Status::Rejected, Some(HOSTILE), "10:00:01").await;
    world
        .mailed(
            HOSTILE,
            &format!("accepted-email/{HOSTILE}/2"),
            (2, 3),
            Status::Unknown,
            Some(HOSTILE),
            "10:05:01",
        )
        .await;
    world.holds(HOSTILE, 3, 3).await;
    world.put_leads(1, Some(&who));
    let behind = Behind {
        mark: "mark".to_owned(),
        reason: HOSTILE.to_owned(),
        attempts: 1,
        not_before: Timestamp::now() + SignedDuration::from_secs(100),
    };
    world.tables.leads.mark_behind(&buyer(HOSTILE), &behind).await.unwrap();
    cloud.script().letters = vec![HOSTILE, "not-json", ""];
    cloud
}

#[tokio::test]
async fn only_the_operators_own_browser_gets_an_answer() {
    let cloud = Cloud::start().await;
    console(&cloud, &[], async |site: Site| {
        let (own, path) = (site.host(), site.path.clone());
        let localhost = format!("localhost:{}", site.port);
        let origin = format!("http://{own}");
        for (headers, status) in [
            (&[("host", &*own)][..], 200),
            (&[("host", &localhost)], 200),
            (&[("host", &own), ("origin", &origin)], 200),
            (&[("host", "rebound.example.com")], 421),
            (&[("host", "127.0.0.1")], 421),
            (&[("host", "127.0.0.1:1")], 421),
            (&[("host", &own), ("host", "example.com")], 421),
            (&[], 421),
            (&[("host", &own), ("origin", "https://example.com")], 403),
            (&[("host", &own), ("origin", "null")], 403),
            (&[("host", &own), ("origin", "")], 403),
            (&[("host", &own), ("origin", "http://127.0.0.1:1")], 403),
        ] {
            let seen = site.ask("GET", &path, headers).await;
            // hyper itself refuses HTTP/1.1 without a host.
            assert!(
                seen.status == status || headers.is_empty() && seen.status == 400,
                "{headers:?}: {}",
                seen.status
            );
            assert_eq!(seen.body.contains("Leadstream"), status == 200, "{headers:?}");
        }
        let own = [("host", &*own)];
        let other = format!("/{}/", "0".repeat(32));
        let longer = format!("{}x", path.trim_end_matches('/'));
        for path in
            ["/", "/leads", "/favicon.ico", &other, &longer, &path[..path.len() - 2], &format!("{path}no")]
        {
            assert_eq!(site.ask("GET", path, &own).await.status, 404, "{path}");
        }
        assert_eq!(site.ask("POST", &path, &own).await.status, 405);
        assert_eq!(site.ask("DELETE", &format!("{path}buyer?id=ada"), &own).await.status, 405);
    })
    .await;
    // What was refused, and what only looked for a page, has asked AWS nothing.
    let looks = cloud.operations().into_iter().filter(|operation| operation == "DescribeStacks").count();
    assert_eq!(looks, 3);
}

#[tokio::test]
async fn two_consoles_have_two_addresses() {
    let cloud = Cloud::start().await;
    let [one, other] = [0, 1].map(|_| console(&cloud, &[], async |site: Site| site.path));
    let (one, other) = (one.await, other.await);
    assert_eq!((one.len(), one == other), (34, false));
}

/// Every page of a stack whose texts are all hostile.
async fn every_page(options: &[&str]) -> Vec<(&'static str, Seen)> {
    let cloud = hostile().await;
    console(&cloud, options, async |site: Site| {
        let mut seen = Vec::new();
        for page in
            PAGES.into_iter().chain([HOSTILE_PAGE, "buyer?id=a%2Fb", "buyer?id=%3Cscript%3E", "buyer?id="])
        {
            seen.push((page, site.page(page).await));
        }
        seen
    })
    .await
}

#[tokio::test]
async fn the_policy_allows_the_pages_one_script_and_one_style_and_nothing_else() {
    let hash = |text: &str| format!("'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(text)));
    for (page, seen) in every_page(&["--contact"]).await {
        let (script, style) = (hash(seen.within("script")), hash(seen.within("style")));
        let expected = format!(
            "default-src 'none'; script-src {script}; style-src {style}; img-src data:; connect-src 'self'; \
             form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        );
        assert_eq!(seen.header("content-security-policy"), expected, "{page}");
        let rest = seen.body.replace(seen.within("script"), "").replace(seen.within("style"), "");
        for forbidden in
            [" style=", " onclick", " src=", "<link rel=\"stylesheet", "javascript:", "href=\"http"]
        {
            assert!(!rest.contains(forbidden), "{page}: {forbidden}");
        }
        assert_eq!(seen.header("cache-control"), "no-store");
        assert_eq!(seen.header("referrer-policy"), "no-referrer");
        assert_eq!(seen.header("x-content-type-options"), "nosniff");
    }
}

#[tokio::test]
async fn hostile_names_are_text_on_every_page() {
    let pages = every_page(&["--contact"]).await;
    for (page, seen) in &pages {
        let rest = seen.body.replacen("<script>", "", 1);
        assert!(!rest.contains("<script>") && !rest.contains("<\\script>"), "{page}");
        for debug in ["Some(", "None", "Error {", "Contact(", "Sequence("] {
            assert!(!rest.replace(seen.within("script"), "").contains(debug), "{page}: {debug}");
        }
    }
    let shows = |page: &str| {
        pages
            .iter()
            .filter(|(one, _)| *one == page)
            .any(|(_, seen)| seen.body.contains("&#60;script&#62;alert(1)"))
    };
    for page in ["", "leads", "dead-letters", "gaps", "emails", HOSTILE_PAGE] {
        assert!(shows(page), "{page}");
    }
}

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
        assert!(seen.body.contains("2 of 18 lines are red."), "{}", seen.body);
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

/// Records events of `dealer`: of each offer as many, made, and then accepted and withdrawn in turn; ten offers in a
/// commit.
pub(crate) async fn play_dealer(cloud: &Cloud, offers: usize, versions: u32) {
    let change = |offer: &str, version| match version {
        1 => made(offer),
        version if version % 2 == 0 => accepted(offer).v(version),
        version => acceptance_withdrawn(offer).v(version),
    };
    let offers: Vec<String> = (0..offers).map(|number| format!("car-{number:03}")).collect();
    for (part, minute) in offers.chunks(10).zip(0..) {
        let events = (1..=versions).flat_map(|version| part.iter().map(move |offer| change(offer, version)));
        cloud.world.record("dealer", &events.collect::<Vec<_>>(), &format!("10:{minute:02}:00")).await;
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
async fn what_may_not_be_read_is_named_in_one_sentence() {
    let cloud = Cloud::start().await;
    for (action, page) in [
        ("cloudformation:DescribeStacks", ""),
        ("cloudformation:DescribeStacks", "gaps"),
        ("dynamodb:Query", "buyer?id=ada"),
        ("dynamodb:Query", "leads"),
        ("dynamodb:Query", "emails"),
        ("sqs:GetQueueAttributes", "dead-letters"),
    ] {
        cloud.script().denied = BTreeSet::from([action]);
        let seen = console(&cloud, &[], async |site: Site| site.page(page).await).await;
        assert_eq!(seen.status, 502, "{page}");
        assert!(seen.body.contains(&format!("<strong>{action} is not allowed.</strong>")), "{}", seen.body);
        assert!(
            seen.body.contains("Your role lacks the permission: try another AWS_PROFILE"),
            "{}",
            seen.body
        );
    }
    // The status page shows everything else.
    cloud.script().denied = BTreeSet::from(["cloudwatch:GetMetricData"]);
    let seen = console(&cloud, &[], async |site: Site| site.page("").await).await;
    assert_eq!(seen.status, 200);
    assert!(seen.body.contains("Not read: cloudwatch:GetMetricData is not allowed."), "{}", seen.body);
}

#[tokio::test]
async fn missing_credentials_do_not_keep_the_console_from_starting() {
    let cloud = Cloud::start().await;
    let mut aws = aws_at(cloud.wire.url()).to_builder();
    aws.set_credentials_provider(None);
    let seen = console_on(aws.build(), &[], async |site: Site| site.page("").await).await;
    assert_eq!(seen.status, 502);
    assert!(seen.body.contains("no AWS credentials are set."), "{}", seen.body);
    assert!(seen.body.contains("Sign in again, for example with `aws sso login`"), "{}", seen.body);
}

#[tokio::test]
async fn unknown_buyers_and_words_that_are_no_ids_are_answered_in_a_sentence() {
    let cloud = Cloud::start().await;
    console(&cloud, &[], async |site: Site| {
        for (page, status, expected) in [
            ("buyer?id=nobody", 404, "Unknown buyer nobody: the streams table has no event of this buyer."),
            ("buyer?id=a%2Fb", 400, "A buyer&#39;s id is 1 to 128 visible ASCII characters without"),
            ("buyer?id=", 400, "Type a buyer&#39;s id."),
            ("buyer", 400, "Type a buyer&#39;s id."),
        ] {
            let seen = site.page(page).await;
            assert_eq!(seen.status, status, "{page}");
            assert!(seen.body.contains(expected), "{page}: {}", seen.body);
        }
    })
    .await;
}

#[tokio::test]
async fn a_live_page_looks_again_and_sends_what_it_sees() {
    let cloud = Cloud::start().await;
    console(&cloud, &["--every", "1"], async |site: Site| {
        let mut live = site.live("").await;
        assert!(live.next().await.contains("All is well: none of 18 lines is red."));
        cloud.ring("DeadLettersAlarm");
        assert!(live.next().await.contains("2 of 18 lines are red."));
        cloud.script().denied.insert("cloudformation:DescribeStacks");
        assert!(live.next().await.contains("cloudformation:DescribeStacks is not allowed."));
    })
    .await;
}

#[tokio::test]
async fn ctrl_c_ends_the_console_with_success_also_while_a_page_is_live() {
    use tokio::io::{AsyncBufReadExt as _, BufReader};
    let cloud = Cloud::start().await;
    let mut leads = process(cloud.wire.url(), &["console", "--stack", "cars", "--profiles", "/no/profiles"]);
    let mut leads = leads.spawn().unwrap();
    let mut lines = BufReader::new(leads.stdout.take().unwrap()).lines();
    let site = Site::at(&lines.next_line().await.unwrap().unwrap());
    assert_eq!(
        lines.next_line().await.unwrap().unwrap(),
        "Open it in a browser on this machine. Ctrl-C ends it."
    );
    let mut live = site.live("").await;
    live.next().await;
    let id = leads.id().unwrap().to_string();
    assert!(tokio::process::Command::new("kill").args(["-INT", &id]).status().await.unwrap().success());
    assert_eq!(leads.wait().await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn a_port_in_use_is_a_failure_with_advice() {
    let cloud = Cloud::start().await;
    console(&cloud, &[], async |site: Site| {
        let ended = cloud.leads(&["console", "--port", &site.port.to_string()]).await;
        assert_eq!(ended.exit, cli::Exit::Failed);
        assert!(ended.err.contains("choose another one with --port"), "{}", ended.err);
    })
    .await;
}

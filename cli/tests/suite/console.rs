//! `leads console`: who may ask, what its pages never contain, its failures, going live, and its end.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest as _, Sha256};
use testkit::wire::{Answer, Reply, Request, Wire};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::cloud::Cloud;
use crate::schemas::assert_answer;
use crate::site::{Seen, Site, console, console_on};
use crate::stories::{HOSTILE_PAGE, hostile};
use crate::world::{aws_at, press_ctrl_c, process};

const PAGES: [&str; 7] = ["", "leads", "dead-letters", "gaps", "emails", "runbook", "buyer?id=two-offers"];

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
    assert!(seen.body.contains("Sign in again, for example with `aws login`"), "{}", seen.body);
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
        assert!(live.next().await.contains("All is well: none of 19 lines is red."));
        cloud.ring("DeadLettersAlarm");
        assert!(live.next().await.contains("2 of 19 lines are red."));
        cloud.script().denied.insert("cloudformation:DescribeStacks");
        assert!(live.next().await.contains("cloudformation:DescribeStacks is not allowed."));
    })
    .await;
}

#[tokio::test]
async fn ctrl_c_ends_the_console_with_success_also_while_a_page_is_live() {
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
    press_ctrl_c(&leads).await;
    assert_eq!(leads.wait().await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn with_json_the_address_is_a_document() {
    let cloud = Cloud::start().await;
    let words = ["console", "--json", "--stack", "cars", "--profiles", "/no/profiles"];
    let mut leads = process(cloud.wire.url(), &words).spawn().unwrap();
    let mut lines = BufReader::new(leads.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().unwrap();
    assert_answer(&words, &line);
    let document: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(Site::at(document["url"].as_str().unwrap()).page("").await.status, 200);
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

#[tokio::test]
async fn expired_credentials_are_reported_with_their_remedy() {
    let expired = |_: &mut Request| {
        let error =
            "<Error><Code>ExpiredToken</Code><Message>The security token is expired</Message></Error>";
        let headers = vec![("content-type".to_owned(), "text/xml".to_owned())];
        let body = format!("<ErrorResponse>{error}</ErrorResponse>").into_bytes();
        Answer::Reply(Reply { status: 403, headers, body })
    };
    let wire = Wire::start(expired).await;
    let seen = console_on(aws_at(wire.url()), &[], async |site: Site| site.page("leads").await).await;
    assert_eq!(seen.status, 502);
    assert!(seen.body.contains("ExpiredToken: The security token is expired."), "{}", seen.body);
    assert!(seen.body.contains("Sign in again, for example with `aws login`"), "{}", seen.body);
}

use cli::Exit;
use leads_store::{About, Cursor};
use serde_json::json;
use testkit::buyer;
use testkit::wire::{Answer, Reply, Request, Wire, in_turn};

use crate::world::{aws_at, online};

fn tables(url: &str) -> cli::Tables {
    cli::Tables::on(&aws_at(url), "streams", "leads")
}

#[tokio::test]
async fn all_pages_of_a_buyer_are_read_and_unknown_kinds_are_skipped() {
    let cursor = json!({ "buyer": { "S": "ada" }, "kind": { "S": "cursor" }, "through": { "N": "7" } });
    let other = json!({ "buyer": { "S": "ada" }, "kind": { "S": "of-a-newer-version/1" } });
    let [first, second] = ["a", "b"].map(|kind| json!({ "buyer": { "S": "ada" }, "kind": { "S": kind } }));
    let page =
        |items, key| Answer::Reply(Reply::json(200, &json!({ "Items": items, "LastEvaluatedKey": key })));
    let wire = Wire::start(in_turn([
        page(json!([]), &first),
        page(json!([other]), &second),
        page(json!([cursor]), &json!({})),
    ]))
    .await;
    let about = tables(wire.url()).leads.about(&buyer("ada")).await.unwrap();
    let through = domain::Sequence::new(7);
    assert_eq!(
        about,
        About { cursor: Cursor { through, behind: None, ..Cursor::default() }, ..About::default() }
    );
    let starts: Vec<_> = wire
        .exchanges()
        .iter()
        .map(|exchange| exchange.request.json()["ExclusiveStartKey"].clone())
        .collect();
    assert_eq!(starts, [json!(null), first, second]);
}

#[tokio::test]
async fn an_unreadable_item_is_an_error_and_is_not_skipped() {
    let broken =
        json!({ "buyer": { "S": "ada" }, "kind": { "S": "email/quote-email" }, "status": { "S": "lost" } });
    let wire =
        Wire::start(move |_: &mut Request| Answer::Reply(Reply::json(200, &json!({ "Items": [broken] }))))
            .await;
    let error = tables(wire.url()).leads.about(&buyer("ada")).await.unwrap_err();
    assert!(platform::telemetry::chain(&error).ends_with("its item email/quote-email cannot be read"));
}

#[tokio::test]
async fn a_missing_table_is_reported_with_a_hint() {
    let wire =
        Wire::start(|_: &mut Request| Answer::Reply(Reply::error(400, "ResourceNotFoundException"))).await;
    for command in ["show", "history"] {
        let ended = online(wire.url(), &[command, "ada"]).await;
        assert_eq!((ended.exit, ended.out.as_str()), (Exit::Failed, ""));
        let expected = "error: cannot access the stream of ada: the streams table did not answer Query for ada: service error: \
                    ResourceNotFoundException";
        assert!(ended.err.starts_with(expected), "{}", ended.err);
        assert!(ended.err.contains("\nhint: no such table or queue"), "{}", ended.err);
    }
}

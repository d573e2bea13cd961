//! Counts what requests cost, by their requests and responses.

use std::ops::{AddAssign, Div};

use serde_json::{Value, json};
use testkit::wire::{Exchange, Reply, Request};

/// A number of requests and their cost.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Count {
    /// HTTP requests.
    pub requests: f64,
    /// Write units of tables.
    pub writes: f64,
    /// Write units of indexes.
    pub index_writes: f64,
    /// Read units.
    pub reads: f64,
    /// Bytes of requests and responses including headers, but without TLS and capacity reports.
    pub wire_bytes: f64,
}

impl Count {
    /// The cost of these exchanges.
    #[must_use]
    pub fn of(exchanges: &[Exchange]) -> Self {
        let mut count = Self::default();
        for exchange in exchanges {
            count += Self::of_one(exchange);
        }
        count
    }

    /// Every figure with its name in reports.
    #[must_use]
    pub const fn figures(&self) -> [(&'static str, f64); 5] {
        [
            ("requests", self.requests),
            ("writes", self.writes),
            ("indexWrites", self.index_writes),
            ("reads", self.reads),
            ("wireBytes", self.wire_bytes),
        ]
    }

    fn of_one(exchange: &Exchange) -> Self {
        let reply = exchange.reply.as_ref().unwrap();
        let mut body = reply.body_json();
        let capacities = match body.as_object_mut().and_then(|body| body.remove("ConsumedCapacity")) {
            Some(Value::Array(capacities)) => capacities,
            Some(capacity) => vec![capacity],
            None => Vec::new(),
        };
        let without_capacity = if capacities.is_empty() { reply.body.len() } else { body.to_string().len() };
        let mut count = Self {
            requests: 1.0,
            wire_bytes: bytes(&exchange.request, reply, without_capacity),
            ..Self::default()
        };
        let is_write = !["GetItem", "BatchGetItem", "Query", "Scan"].contains(&exchange.request.operation());
        for capacity in &capacities {
            let total = capacity["CapacityUnits"].as_f64().unwrap();
            let table = capacity["Table"]["CapacityUnits"].as_f64().unwrap_or(total);
            if is_write {
                count.writes += table;
                count.index_writes += total - table;
            } else {
                count.reads += total;
            }
        }
        if is_write && capacities.is_empty() {
            count.writes += refused(&exchange.request, &body);
        }
        count
    }
}

/// The write units of a refused write, which no response reports. A failed condition is charged by the item, and each
/// item of a transaction twice.
///
/// Source: Amazon DynamoDB Developer Guide, "Condition expressions", "Read and write capacity units" and
/// "Transactions: how it works".
fn refused(request: &Request, answer: &Value) -> f64 {
    let kind = answer["__type"].as_str().unwrap_or_default();
    let request = request.json();
    if kind.ends_with("TransactionCanceledException") {
        let there = answer["CancellationReasons"].as_array().into_iter().flatten();
        let items = request["TransactItems"].as_array().into_iter().flatten();
        return items
            .zip(there)
            .map(|(item, there)| {
                2.0 * units(item_bytes(&item["Put"]["Item"]).max(item_bytes(&there["Item"])))
            })
            .sum();
    }
    assert!(kind.ends_with("ConditionalCheckFailedException"), "unexpected response: {answer}");
    units(item_bytes(&request["Item"]).max(item_bytes(&answer["Item"])))
}

/// The write units for this number of bytes, one per 1 KB.
#[must_use]
pub fn units(bytes: usize) -> f64 {
    f64::from(u32::try_from(bytes.div_ceil(1024).max(1)).unwrap())
}

/// The size of an item in DynamoDB's JSON, as DynamoDB counts it.
///
/// Source: Amazon DynamoDB Developer Guide, "DynamoDB item sizes and formats".
#[must_use]
pub fn item_bytes(item: &Value) -> usize {
    item.as_object().into_iter().flatten().map(|(name, value)| name.len() + value_bytes(value)).sum()
}

fn value_bytes(value: &Value) -> usize {
    let (kind, value) = value.as_object().unwrap().iter().next().unwrap();
    match (kind.as_str(), value) {
        ("S", Value::String(text)) => text.len(),
        ("N", Value::String(number)) => {
            let digits = number.trim_start_matches('-').replace('.', "");
            digits.trim_matches('0').len().max(1).div_ceil(2) + 1
        }
        // Four letters of Base64 are three bytes.
        ("B", Value::String(text)) => text.trim_end_matches('=').len() * 3 / 4,
        ("BOOL" | "NULL", _) => 1,
        ("L", Value::Array(values)) => 3 + values.iter().map(|value| 1 + value_bytes(value)).sum::<usize>(),
        ("M", Value::Object(values)) => {
            3 + values.iter().map(|(name, value)| 1 + name.len() + value_bytes(value)).sum::<usize>()
        }
        (kind, value) => panic!("unexpected value in an item: {kind} {value}"),
    }
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn bytes(request: &Request, reply: &Reply, reply_body: usize) -> f64 {
    let headers = |headers: &[(String, String)]| -> usize {
        headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum()
    };
    let asked = request.method.len() + request.path.len() + " HTTP/1.1\r\n".len() + 1 + 2;
    let answered = "HTTP/1.1 200 OK\r\n".len() + 2;
    (asked + headers(&request.headers) + request.body.len() + answered + headers(&reply.headers) + reply_body)
        as f64
}

/// Changes a request so that its response reports the consumed capacity by table and index.
pub fn request_capacity_report(request: &mut Request) {
    let mut body = request.json();
    if body.is_object() {
        body["ReturnConsumedCapacity"] = json!("INDEXES");
        request.body = body.to_string().into_bytes();
    }
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.requests += other.requests;
        self.writes += other.writes;
        self.index_writes += other.index_writes;
        self.reads += other.reads;
        self.wire_bytes += other.wire_bytes;
    }
}

impl Div<f64> for Count {
    type Output = Self;

    fn div(self, events: f64) -> Self {
        Self {
            requests: self.requests / events,
            writes: self.writes / events,
            index_writes: self.index_writes / events,
            reads: self.reads / events,
            wire_bytes: self.wire_bytes / events,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use testkit::wire::{Exchange, Reply, Request};

    use super::{Count, item_bytes, units};

    fn exchange(operation: &str, body: &serde_json::Value, reply: Reply) -> Exchange {
        let target = format!("DynamoDB_20120810.{operation}");
        let request = Request {
            method: "POST".to_owned(),
            path: "/".to_owned(),
            headers: vec![("x-amz-target".to_owned(), target)],
            body: body.to_string().into_bytes(),
        };
        Exchange { request, reply: Some(reply) }
    }

    #[test]
    fn the_capacity_report_is_read_and_its_bytes_are_not_counted() {
        let with_capacity = |capacity| exchange("PutItem", &json!({}), Reply::json(200, &capacity));
        let plain = Count::of(&[with_capacity(
            json!({ "ConsumedCapacity": { "CapacityUnits": 3.0, "Table": { "CapacityUnits": 2.0 } } }),
        )]);
        assert_eq!((plain.writes, plain.index_writes, plain.reads), (2.0, 1.0, 0.0));
        let long = Count::of(&[with_capacity(json!({ "ConsumedCapacity": { "CapacityUnits": 30_000.0 } }))]);
        assert_eq!(Count { wire_bytes: plain.wire_bytes, ..long }, long);
    }

    #[test]
    fn a_refused_put_is_charged_by_the_larger_item() {
        let item = json!({ "Item": { "id": { "S": "x".repeat(1500) } } });
        let count =
            Count::of(&[exchange("PutItem", &item, Reply::error(400, "ConditionalCheckFailedException"))]);
        assert_eq!(count, Count { writes: 2.0, ..count });
    }

    #[test]
    fn a_cancelled_transaction_is_charged_twice_for_each_item() {
        let request = json!({ "TransactItems": [{ "Put": { "Item": { "id": { "S": "x" } } } }, { "ConditionCheck": {} }] });
        let answer = json!({
            "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
            "CancellationReasons": [{ "Item": { "id": { "S": "x".repeat(1500) } } }, { "Code": "None" }],
        });
        let count = Count::of(&[exchange("TransactWriteItems", &request, Reply::json(400, &answer))]);
        assert_eq!(count, Count { writes: 2.0 * 2.0 + 2.0, ..count });
    }

    #[test]
    fn items_are_as_large_as_the_guide_says() {
        assert_eq!(item_bytes(&json!({ "pk": { "S": "abc" }, "n": { "N": "100" } })), 2 + 3 + 1 + 2);
        assert_eq!(
            item_bytes(&json!({ "l": { "L": [{ "BOOL": true }] }, "b": { "B": "AQID" } })),
            1 + 3 + 2 + 1 + 3
        );
        assert_eq!((units(0), units(1024), units(1025)), (1.0, 1.0, 2.0));
    }
}

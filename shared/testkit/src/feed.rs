use serde_json::{Value, json};

/// A change-feed record as Lambda delivers it: the insert of a commit.
#[must_use]
pub fn doorbell(buyer: &str, sequence: &str) -> Value {
    json!({
        "eventID": format!("{buyer}-{sequence}"),
        "eventName": "INSERT",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "eventSourceARN": "arn:aws:dynamodb:us-east-1:000000000000:table/streams/stream/x",
        "dynamodb": {
            "ApproximateCreationDateTime": 1_764_000_000.0,
            "Keys": { "buyer": { "S": buyer }, "sequence": { "N": sequence } },
            "SequenceNumber": "1",
            "SizeBytes": 20,
            "StreamViewType": "KEYS_ONLY",
        },
    })
}

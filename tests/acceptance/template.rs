//! The template that this program was built with, resolved for a deployed stack.

use saphyr::{LoadableYamlNode as _, Yaml};
use serde_json::{Map, Value, json};
use tests::Failed;

use crate::target::Target;

const TEMPLATE: &str = include_str!("../../infra/template.yaml");

/// The alias that mappings and the schedule call.
pub(crate) const ALIAS: &str = "live";

/// The template.
pub(crate) struct Template {
    root: Yaml<'static>,
}

impl Template {
    pub(crate) fn read() -> Result<Self, Failed> {
        let mut documents = Yaml::load_from_str(TEMPLATE)?;
        Ok(Self { root: documents.remove(0) })
    }

    /// The logical id of every resource that every stack has.
    pub(crate) fn unconditional(&self) -> Vec<String> {
        self.resources()
            .filter(|(_, one)| one.as_mapping_get("Condition").is_none())
            .map(|(id, _)| id)
            .collect()
    }

    /// The logical id and type of every resource.
    pub(crate) fn kinds(&self) -> Vec<(String, String)> {
        self.resources()
            .map(|(id, one)| {
                let kind = one.as_mapping_get("Type").and_then(Yaml::as_str).unwrap_or_default();
                (id, kind.to_owned())
            })
            .collect()
    }

    fn resources(&self) -> impl Iterator<Item = (String, &Yaml<'static>)> {
        let resources = self.root.as_mapping_get("Resources").and_then(Yaml::as_mapping);
        resources.into_iter().flatten().filter_map(|(id, one)| Some((id.as_str()?.to_owned(), one)))
    }

    /// The properties of a resource, with every reference replaced by its value in the stack.
    pub(crate) fn properties(&self, target: &Target, logical: &str) -> Result<Value, Failed> {
        let found = self
            .resources()
            .find(|(id, _)| id == logical)
            .and_then(|(_, one)| one.as_mapping_get("Properties"));
        let resolver = Resolver {
            conditions: self.root.as_mapping_get("Conditions"),
            mappings: self.root.as_mapping_get("Mappings"),
            target,
        };
        let properties = found.ok_or_else(|| format!("the template has no properties of {logical}"))?;
        Ok(resolver.value(properties)?.unwrap_or_default())
    }

    /// A role's policies in the stack, each with `PolicyName` and `PolicyDocument`: those of its own, and those that it
    /// shares with other roles or has only under a condition.
    pub(crate) fn policies(&self, target: &Target, role: &str) -> Result<Vec<Value>, Failed> {
        let mut policies = self.properties(target, role)?["Policies"].as_array().cloned().unwrap_or_default();
        let name = json!(target.id(role));
        for (logical, kind) in self.kinds() {
            if kind == "AWS::IAM::Policy" && target.resources.contains_key(&logical) {
                let policy = self.properties(target, &logical)?;
                if policy["Roles"].as_array().is_some_and(|roles| roles.contains(&name)) {
                    policies.push(policy);
                }
            }
        }
        Ok(policies)
    }
}

struct Resolver<'a> {
    conditions: Option<&'a Yaml<'static>>,
    mappings: Option<&'a Yaml<'static>>,
    target: &'a Target,
}

impl Resolver<'_> {
    /// The value of a node; `None` for `AWS::NoValue`.
    fn value(&self, yaml: &Yaml<'static>) -> Result<Option<Value>, Failed> {
        if let Yaml::Tagged(tag, inner) = yaml {
            return self.call(&tag.suffix, inner);
        }
        if let Some(list) = yaml.as_sequence() {
            let values: Result<Vec<Option<Value>>, Failed> = list.iter().map(|one| self.value(one)).collect();
            return Ok(Some(values?.into_iter().flatten().collect()));
        }
        if let Some(mapping) = yaml.as_mapping() {
            let mut object = Map::new();
            for (key, one) in mapping {
                if let Some(value) = self.value(one)? {
                    object.insert(key.as_str().unwrap_or_default().to_owned(), value);
                }
            }
            return Ok(Some(Value::Object(object)));
        }
        let scalar = yaml.as_bool().map(Value::from);
        let scalar = scalar.or_else(|| yaml.as_integer().map(Value::from));
        let scalar = scalar.or_else(|| yaml.as_floating_point().map(Value::from));
        Ok(scalar.or_else(|| yaml.as_str().map(Value::from)))
    }

    fn call(&self, function: &str, argument: &Yaml<'static>) -> Result<Option<Value>, Failed> {
        let list = argument.as_sequence().map(Vec::as_slice).unwrap_or_default();
        match (function, list) {
            ("Ref", _) if argument.as_str() == Some("AWS::NoValue") => Ok(None),
            ("Ref", _) => Ok(Some(json!(self.reference(argument.as_str().unwrap_or_default())?))),
            ("GetAtt", _) => Ok(Some(json!(self.variable(argument.as_str().unwrap_or_default(), &[])?))),
            ("Sub", []) => Ok(Some(json!(self.substituted(argument.as_str().unwrap_or_default(), &[])?))),
            ("Sub", [text, names]) => {
                let mut own = Vec::new();
                for (name, value) in names.as_mapping().into_iter().flatten() {
                    own.push((name.as_str().unwrap_or_default().to_owned(), self.text(value)?));
                }
                Ok(Some(json!(self.substituted(text.as_str().unwrap_or_default(), &own)?)))
            }
            ("If", [condition, then, otherwise]) => {
                let holds = self.named_condition(condition.as_str().unwrap_or_default())?;
                self.value(if holds { then } else { otherwise })
            }
            ("FindInMap", [mapping, first, second]) => {
                let (mapping, first, second) = (self.text(mapping)?, self.text(first)?, self.text(second)?);
                let found = self
                    .mappings
                    .and_then(|all| all.as_mapping_get(&mapping))
                    .and_then(|mapping| mapping.as_mapping_get(&first))
                    .and_then(|values| values.as_mapping_get(&second));
                self.value(found.ok_or_else(|| format!("the template maps no {first} in {mapping}"))?)
            }
            ("Select", [index, list]) => {
                let index = usize::try_from(index.as_integer().unwrap_or_default())?;
                Ok(self.value(list)?.and_then(|list| list.get(index).cloned()))
            }
            ("Split", [separator, text]) => {
                let text = self.text(text)?;
                Ok(Some(text.split(separator.as_str().unwrap_or_default()).collect()))
            }
            _ => {
                Err(format!("the template uses !{function} in a way that this program does not know").into())
            }
        }
    }

    fn named_condition(&self, name: &str) -> Result<bool, Failed> {
        let found = self.conditions.and_then(|all| all.as_mapping_get(name));
        self.holds(found.ok_or_else(|| format!("the template has no condition {name}"))?)
    }

    fn holds(&self, condition: &Yaml<'static>) -> Result<bool, Failed> {
        let Yaml::Tagged(tag, argument) = condition else {
            return Err("a condition is not a function".into());
        };
        match (tag.suffix.as_str(), argument.as_sequence().map(Vec::as_slice)) {
            ("Condition", None) => self.named_condition(argument.as_str().unwrap_or_default()),
            ("Not", Some([inner])) => Ok(!self.holds(inner)?),
            ("And", Some([one, other])) => Ok(self.holds(one)? && self.holds(other)?),
            ("Equals", Some([one, other])) => Ok(self.text(one)? == self.text(other)?),
            _ => Err(format!("a condition uses !{}, which this program does not know", tag.suffix).into()),
        }
    }

    fn text(&self, yaml: &Yaml<'static>) -> Result<String, Failed> {
        let value = self.value(yaml)?.unwrap_or_default();
        Ok(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    }

    fn substituted(&self, text: &str, own: &[(String, String)]) -> Result<String, Failed> {
        let mut parts = text.split("${");
        let mut result = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = part.split_once('}').ok_or_else(|| format!("${{ is not closed in {text}"))?;
            result.push_str(&self.variable(name, own)?);
            result.push_str(rest);
        }
        Ok(result)
    }

    fn variable(&self, name: &str, own: &[(String, String)]) -> Result<String, Failed> {
        if let Some((_, value)) = own.iter().find(|(known, _)| known == name) {
            return Ok(value.clone());
        }
        match name.split_once('.') {
            Some((logical, attribute)) => self.attribute(logical, attribute),
            None => self.reference(name),
        }
    }

    fn reference(&self, name: &str) -> Result<String, Failed> {
        // SAM's name for the alias of a function.
        if let Some(function) = name.strip_suffix(".Alias") {
            return Ok(format!("{}:{ALIAS}", self.attribute(function, "Arn")?));
        }
        let Target { name: stack, region, account, parameters, resources, .. } = self.target;
        let found = match name {
            "AWS::StackName" => Some(stack),
            "AWS::Region" => Some(region),
            "AWS::AccountId" => Some(account),
            "AWS::Partition" => return Ok("aws".to_owned()),
            "AWS::URLSuffix" => return Ok("amazonaws.com".to_owned()),
            _ => parameters.get(name).or_else(|| resources.get(name).map(|one| &one.id)),
        };
        found.cloned().ok_or_else(|| format!("the stack has no {name}").into())
    }

    /// The attributes that the template uses, from the names of the resources (AWS Service Authorization Reference,
    /// "Resource types").
    fn attribute(&self, logical: &str, attribute: &str) -> Result<String, Failed> {
        let Target { region, account, .. } = self.target;
        let id = self.target.id(logical);
        let at = format!("{region}:{account}");
        Ok(match attribute {
            "QueueName" => self.target.queue_name(logical).to_owned(),
            "StreamArn" => self.target.stream_arn.clone(),
            "Arn" if id.contains("/aws/lambda/") => format!("arn:aws:logs:{at}:log-group:{id}:*"),
            "Arn" if id.starts_with("http") => {
                format!("arn:aws:sqs:{at}:{}", self.target.queue_name(logical))
            }
            "Arn" if logical.ends_with("Table") => format!("arn:aws:dynamodb:{at}:table/{id}"),
            "Arn" if logical.ends_with("Role") => self.target.role_arn(logical),
            "Arn" if logical.ends_with("Schedule") => format!("arn:aws:events:{at}:rule/{id}"),
            "Arn" => format!("arn:aws:lambda:{at}:function:{id}"),
            other => return Err(format!("{logical}.{other} is not known to this program").into()),
        })
    }
}

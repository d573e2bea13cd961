//! The functions' roles, which requests they signed, and what they used of their permissions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use testkit::strict::{Refused, Role, Service, access_key, permit};
use testkit::wire::{Reply, Request, forward};

/// The roles on whose requests the wire decides.
#[derive(Debug, Default)]
pub(crate) struct Roles {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    roles: BTreeMap<String, Arc<Role>>,
    /// The names of roles by access key.
    signers: BTreeMap<String, String>,
    /// Function, action and resource of each permission used.
    used: BTreeSet<(String, String, String)>,
}

impl Roles {
    /// Replaces the roles: `{"<role>": {"function", "policies": [document]}}`.
    pub(crate) fn replace(&self, given: &Value) -> Reply {
        let read = |(name, role): (&String, &Value)| {
            let policies = role["policies"].as_array().map(Vec::as_slice).unwrap_or_default();
            let function = role["function"].as_str().unwrap_or_default();
            Ok((name.clone(), Arc::new(Role::new(name, function, policies)?)))
        };
        let roles: Result<BTreeMap<_, _>, String> =
            given.as_object().into_iter().flatten().map(read).collect();
        match roles {
            Ok(roles) => {
                self.state().roles = roles;
                Reply::json(200, &json!({}))
            }
            Err(error) => Reply::json(400, &json!({ "message": error })),
        }
    }

    /// Decides on a request that a function signed, and notes what it used. Those of other callers pass, as do all as long
    /// as no roles are known. A function whose role is not known is refused, because nothing could be decided.
    pub(crate) async fn decide(
        &self,
        service: Service,
        request: &Request,
        upstream: &str,
    ) -> Result<(), Refused> {
        let Some(key) = access_key(request).filter(|key| key.starts_with("ASIA")) else { return Ok(()) };
        if self.state().roles.is_empty() {
            return Ok(());
        }
        let Some(role) = self.role_of(key, upstream).await else {
            return Err(Refused {
                service,
                operation: request.operation().to_owned(),
                status: if service == Service::DynamoDb { 400 } else { 403 },
                code: "UnrecognizedClientException",
                message: format!("{upstream}/_local/signers names no role of the stack for the key {key}"),
            });
        };
        let needs = permit(service, request, &role)?;
        let used = needs.into_iter().map(|need| (role.function().to_owned(), need.action, need.resource));
        self.state().used.extend(used);
        Ok(())
    }

    /// The permissions used so far.
    pub(crate) fn used(&self) -> Value {
        json!(self.state().used)
    }

    /// The role that signs with this access key; `None` if it is none of those known.
    async fn role_of(&self, key: &str, upstream: &str) -> Option<Arc<Role>> {
        if !self.state().signers.contains_key(key) {
            let question = Request {
                method: "GET".to_owned(),
                path: "/_local/signers".to_owned(),
                headers: vec![("host".to_owned(), "127.0.0.1".to_owned())],
                body: Vec::new(),
            };
            let signers = forward(upstream, question).await.body_json();
            let signers = signers.as_object().into_iter().flatten();
            let named =
                |(key, role): (&String, &Value)| (key.clone(), role.as_str().unwrap_or_default().to_owned());
            self.state().signers = signers.map(named).collect();
        }
        let state = self.state();
        state.roles.get(state.signers.get(key)?).cloned()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

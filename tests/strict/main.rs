//! The strict wire in front of a local AWS. It refuses requests that AWS would refuse, passes on all others, and counts
//! both.
//!
//!     strict-wire http://127.0.0.1:4566
//!
//! It listens on a free port of the loopback interface and prints its URL. `GET /_strict` returns the number of
//! requests taken by each service, the list of those refused, and the permissions that each function used. `PUT
//! /_strict/roles` with `{"<role>": {"function", "policies": [document]}}` makes it decide on the requests of these
//! roles as IAM would. The process ends when its standard input closes.
#![expect(clippy::print_stdout, reason = "the parent process reads the URL")]
#![expect(clippy::unwrap_used, reason = "test code: a broken engine ends the connection")]

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, RwLock};

use serde_json::{Value, json};
use testkit::strict::{Refused, Role, Service, access_key, check, dummy_secret, permit};
use testkit::wire::{Reply, Request, forward, receive, send};
use tokio::io::BufReader;
use tokio::net::{TcpListener, TcpStream};

/// The requests seen so far.
#[derive(Debug, Default)]
struct Seen {
    taken: BTreeMap<Service, u64>,
    refused: Vec<Refused>,
    /// Function, action and resource of each permission used.
    used: BTreeSet<(String, String, String)>,
}

/// The proxy's state.
#[derive(Debug)]
struct Front {
    upstream: String,
    seen: Mutex<Seen>,
    /// The roles by name.
    roles: RwLock<BTreeMap<String, Arc<Role>>>,
    /// The names of the roles by access key.
    signers: RwLock<BTreeMap<String, String>>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Some(upstream) = std::env::args().nth(1) else {
        eprintln!("strict-wire: the first argument must be the URL of a local AWS");
        return ExitCode::FAILURE;
    };
    std::thread::spawn(|| {
        // If standard input closes or fails, the parent process has ended.
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        std::process::exit(0);
    });
    match serve(upstream).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("strict-wire: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(upstream: String) -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("http://{}", listener.local_addr()?);
    let front =
        Front { upstream, seen: Mutex::default(), roles: RwLock::default(), signers: RwLock::default() };
    let front = Arc::new(front);
    loop {
        let (stream, _) = listener.accept().await?;
        let front = Arc::clone(&front);
        tokio::spawn(async move {
            // A client may hang up at any point.
            let _ = front.converse(stream).await;
        });
    }
}

impl Front {
    async fn converse(&self, stream: TcpStream) -> io::Result<()> {
        let mut stream = BufReader::new(stream);
        while let Some(message) = receive(&mut stream).await? {
            let Reply { status, headers, body } = self.answer(message.into()).await;
            send(stream.get_mut(), format!("HTTP/1.1 {status} \r\n"), headers, &body).await?;
        }
        Ok(())
    }

    async fn answer(&self, request: Request) -> Reply {
        match request.path.as_str() {
            "/_strict" => return report(&self.seen.lock().unwrap()),
            "/_strict/roles" => return self.take_roles(&request.body),
            _ => {}
        }
        match self.judge(&request).await {
            Ok(()) => forward(&self.upstream, request).await,
            Err(refused) => {
                let reply = refused.reply();
                self.seen.lock().unwrap().refused.push(refused);
                reply
            }
        }
    }

    async fn judge(&self, request: &Request) -> Result<(), Refused> {
        let Some(service) = check(request, dummy_secret)? else { return Ok(()) };
        let role = self.role_of(request).await;
        let used = role.as_ref().map(|role| permit(service, request, role)).transpose()?;
        let mut seen = self.seen.lock().unwrap();
        *seen.taken.entry(service).or_default() += 1;
        if let Some(role) = role {
            let function = role.function().to_owned();
            seen.used.extend(
                used.into_iter().flatten().map(|need| (function.clone(), need.action, need.resource)),
            );
        }
        Ok(())
    }

    /// The role that signed a request; `None` if the caller did, or if no roles are known.
    async fn role_of(&self, request: &Request) -> Option<Arc<Role>> {
        let key = access_key(request).filter(|key| key.starts_with("ASIA"))?;
        if self.roles.read().unwrap().is_empty() {
            return None;
        }
        if !self.signers.read().unwrap().contains_key(key) {
            let question = Request {
                method: "GET".to_owned(),
                path: "/_local/signers".to_owned(),
                headers: vec![("host".to_owned(), "127.0.0.1".to_owned())],
                body: vec![],
            };
            let answer = forward(&self.upstream, question).await;
            *self.signers.write().unwrap() = serde_json::from_slice(&answer.body).unwrap();
        }
        let name = self.signers.read().unwrap()[key].clone();
        Some(Arc::clone(&self.roles.read().unwrap()[&name]))
    }

    fn take_roles(&self, body: &[u8]) -> Reply {
        let given: Value = serde_json::from_slice(body).unwrap_or_default();
        let roles: Result<BTreeMap<String, Arc<Role>>, String> = given
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, role)| {
                let policies = role["policies"].as_array().map(Vec::as_slice).unwrap_or_default();
                let function = role["function"].as_str().unwrap_or_default();
                Role::new(name, function, policies).map(|role| (name.clone(), Arc::new(role)))
            })
            .collect();
        match roles {
            Ok(roles) => {
                let names: Vec<String> = roles.keys().cloned().collect();
                *self.roles.write().unwrap() = roles;
                Reply::json(200, &json!(names))
            }
            Err(error) => Reply::json(400, &json!({ "message": error })),
        }
    }
}

fn report(seen: &Seen) -> Reply {
    let taken: BTreeMap<&str, u64> = Service::ALL
        .into_iter()
        .map(|service| (service.signing_name(), seen.taken.get(&service).copied().unwrap_or_default()))
        .collect();
    let refused: Vec<String> = seen.refused.iter().map(ToString::to_string).collect();
    Reply::json(200, &json!({ "taken": taken, "refused": refused, "used": seen.used }))
}

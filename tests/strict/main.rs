//! The strict wire in front of a local AWS. It refuses requests that AWS would refuse, passes on all others, and counts
//! both.
//!
//!     strict-wire http://127.0.0.1:4566
//!
//! It listens on a free port of the loopback interface and prints its URL. `GET /_strict` returns the number of
//! requests taken by each service, the list of those refused, the permissions that functions used, the faults injected so
//! far, and how many calls are held. The process ends when its standard input closes.
//!
//! `PUT /_strict/roles` names the functions' roles, on whose requests it then decides as IAM would:
//!
//!     {"<role>": {"function": "leadstream-recorder", "policies": [{"Version": "2012-10-17", "Statement": []}]}}
//!
//! `PUT /_strict/faults` replaces the rules for calls of functions and releases those that are held:
//!
//!     {"seed": 7, "rules": [{"fate": "lose", "share": 0.01},
//!                           {"fate": "hold", "operation": "PutItem", "about": "buyer-7", "times": 1}]}
//!
//! A call meets the first rule that applies. `lose` drops the answer of a call that took effect, `throttle` answers as a
//! throttling service, `hold` keeps a call from the service and `hold-answer` its answer from the function.
#![expect(clippy::print_stdout, reason = "the parent process reads the URL")]

mod faults;
mod roles;

use std::collections::BTreeMap;
use std::io;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::json;
use testkit::strict::{Refused, Service, check, dummy_secret};
use testkit::wire::{Reply, Request, forward, receive, send};
use tokio::io::BufReader;
use tokio::net::{TcpListener, TcpStream};

use crate::faults::Faults;
use crate::roles::Roles;

/// The requests seen so far.
#[derive(Debug, Default)]
struct Seen {
    taken: BTreeMap<Service, u64>,
    refused: Vec<Refused>,
}

/// What all connections share.
#[derive(Debug)]
struct StrictWire {
    upstream: String,
    seen: Mutex<Seen>,
    faults: Faults,
    roles: Roles,
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
    let wire =
        StrictWire { upstream, seen: Mutex::default(), faults: Faults::default(), roles: Roles::default() };
    let wire = Arc::new(wire);
    loop {
        let (stream, _) = listener.accept().await?;
        let wire = Arc::clone(&wire);
        tokio::spawn(async move {
            // A client may hang up at any point.
            let _ = wire.converse(stream).await;
        });
    }
}

impl StrictWire {
    async fn converse(&self, stream: TcpStream) -> io::Result<()> {
        let mut stream = BufReader::new(stream);
        while let Some(message) = receive(&mut stream).await? {
            let Some(Reply { status, headers, body }) = self.answer(message.into()).await else {
                return stream.get_ref().set_zero_linger();
            };
            send(stream.get_mut(), format!("HTTP/1.1 {status} \r\n"), headers, &body).await?;
        }
        Ok(())
    }

    /// The answer to a request; `None` if it is lost.
    async fn answer(&self, request: Request) -> Option<Reply> {
        match request.path.as_str() {
            "/_strict" => return Some(self.report()),
            "/_strict/faults" => return Some(self.faults.replace(&request.json()).await),
            "/_strict/roles" => return Some(self.roles.replace(&request.json())),
            _ => {}
        }
        match self.judge(&request).await {
            Ok(Some(service)) => {
                *self.seen().taken.entry(service).or_default() += 1;
                let call = forward(&self.upstream, request.clone());
                self.faults.meet(service, &request, call).await
            }
            Ok(None) => Some(forward(&self.upstream, request).await),
            Err(refused) => {
                let reply = refused.reply();
                self.seen().refused.push(refused);
                Some(reply)
            }
        }
    }

    async fn judge(&self, request: &Request) -> Result<Option<Service>, Refused> {
        let service = check(request, dummy_secret)?;
        if let Some(service) = service {
            self.roles.decide(service, request, &self.upstream).await?;
        }
        Ok(service)
    }

    fn report(&self) -> Reply {
        let seen = self.seen();
        let taken: BTreeMap<&str, u64> = Service::ALL
            .into_iter()
            .map(|service| (service.signing_name(), seen.taken.get(&service).copied().unwrap_or_default()))
            .collect();
        let refused: Vec<String> = seen.refused.iter().map(ToString::to_string).collect();
        let (injected, held) = self.faults.report();
        let used = self.roles.used();
        let report = json!({
            "taken": taken, "refused": refused, "used": used, "injected": injected, "held": held,
        });
        Reply::json(200, &report)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! The strict wire in front of a local AWS. It refuses requests that AWS would refuse, passes on all others, and counts
//! both.
//!
//!     strict-wire http://127.0.0.1:4566
//!
//! It listens on a free port of the loopback interface and prints its URL. `GET /_strict` returns the number of
//! requests taken by each service and the list of those refused. The process ends when its standard input closes.
#![expect(clippy::print_stdout, reason = "the parent process reads the URL")]

use std::collections::BTreeMap;
use std::io;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;
use testkit::strict::{Refused, Service, check, dummy_secret};
use testkit::wire::{Reply, Request, forward, receive, send};
use tokio::io::BufReader;
use tokio::net::{TcpListener, TcpStream};

/// The requests seen so far.
#[derive(Debug, Default)]
struct Seen {
    taken: BTreeMap<Service, u64>,
    refused: Vec<Refused>,
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
    match serve(upstream.into()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("strict-wire: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(upstream: Arc<str>) -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("http://{}", listener.local_addr()?);
    let seen = Arc::new(Mutex::new(Seen::default()));
    loop {
        let (stream, _) = listener.accept().await?;
        let (upstream, seen) = (Arc::clone(&upstream), Arc::clone(&seen));
        tokio::spawn(async move {
            // A client may hang up at any point.
            let _ = converse(stream, &upstream, &seen).await;
        });
    }
}

async fn converse(stream: TcpStream, upstream: &str, seen: &Mutex<Seen>) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(message) = receive(&mut stream).await? {
        let Reply { status, headers, body } = answer(message.into(), upstream, seen).await;
        send(stream.get_mut(), format!("HTTP/1.1 {status} \r\n"), headers, &body).await?;
    }
    Ok(())
}

async fn answer(request: Request, upstream: &str, seen: &Mutex<Seen>) -> Reply {
    if request.path == "/_strict" {
        return report(&seen.lock().unwrap_or_else(PoisonError::into_inner));
    }
    match check(&request, dummy_secret) {
        Ok(service) => {
            if let Some(service) = service {
                *seen.lock().unwrap_or_else(PoisonError::into_inner).taken.entry(service).or_default() += 1;
            }
            forward(upstream, request).await
        }
        Err(refused) => {
            let reply = refused.reply();
            seen.lock().unwrap_or_else(PoisonError::into_inner).refused.push(refused);
            reply
        }
    }
}

fn report(seen: &Seen) -> Reply {
    let taken: BTreeMap<&str, u64> = Service::ALL
        .into_iter()
        .map(|service| (service.signing_name(), seen.taken.get(&service).copied().unwrap_or_default()))
        .collect();
    let refused: Vec<String> = seen.refused.iter().map(ToString::to_string).collect();
    Reply::json(200, &json!({ "taken": taken, "refused": refused }))
}

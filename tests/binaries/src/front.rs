//! The proxy between a process and AWS. It passes requests on, injects faults at chosen requests, and refuses the
//! requests that AWS would refuse.

use std::future::pending;
use std::io;
use std::sync::Arc;

use testkit::strict::{check, dummy_secret};
use testkit::wire::message::{Message, receive, send};
use testkit::wire::{Reply, Request};
use tokio::io::{AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::aws::{Aws, Operation};
use crate::fault::Fault;
use crate::process::Life;

/// Chooses the fault for each request of a process. It is called in the order of arrival.
pub(crate) type Script = dyn Fn(&Operation) -> Option<Fault> + Send + Sync;

/// Listens until the process has ended. Returns the URL.
pub(crate) async fn start(aws: Arc<Aws>, life: Arc<Life>, script: Arc<Script>) -> io::Result<String> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let Ok((stream, _)) = accepted else { return };
                    connections.spawn(converse(stream, Arc::clone(&aws), Arc::clone(&life), Arc::clone(&script)));
                }
                () = life.ended() => break,
            }
        }
        // Requests of the ended process that AWS has begun still take effect; withheld answers end here.
        connections.detach_all();
    });
    Ok(url)
}

async fn converse(stream: TcpStream, aws: Arc<Aws>, life: Arc<Life>, script: Arc<Script>) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(request) = receive(&mut stream).await? {
        if let Err(refused) = check(&Request::from(request.clone()), dummy_secret) {
            let Reply { status, headers, body } = refused.reply();
            aws.received().refused.push(refused);
            send(stream.get_mut(), format!("HTTP/1.1 {status} \r\n"), headers, &body).await?;
            continue;
        }
        let operation = Operation::of(&request);
        aws.arrived(&operation);
        let fault = script(&operation);
        if fault == Some(Fault::KillBefore) {
            life.kill().await;
            return Ok(());
        }
        let Message { start, headers, body } = aws.perform(&operation, request).await;
        match fault {
            None | Some(Fault::KillBefore) => send(stream.get_mut(), start, headers, &body).await?,
            Some(Fault::KillAfter) => {
                life.kill().await;
                return Ok(());
            }
            Some(Fault::Reset) => return stream.get_ref().set_zero_linger(),
            Some(Fault::Cut) => {
                let half = body.get(..body.len() / 2).unwrap_or_default();
                let begin = format!("{start}content-length: {}\r\n\r\n", body.len());
                stream.get_mut().write_all(&[begin.as_bytes(), half].concat()).await?;
                return stream.get_mut().shutdown().await;
            }
            Some(Fault::Error) => {
                let headers = vec![("x-amzn-errortype".to_owned(), "InternalServerError".to_owned())];
                let body = br#"{"__type":"InternalServerError","message":"injected by the test"}"#;
                send(stream.get_mut(), "HTTP/1.1 500 \r\n".to_owned(), headers, body).await?;
            }
            Some(Fault::Garbage) => {
                send(stream.get_mut(), "HTTP/1.1 200 \r\n".to_owned(), vec![], b"<html>not JSON</html>")
                    .await?;
            }
            Some(Fault::Silence) => {
                tokio::select! {
                    () = pending() => {}
                    () = life.ended() => {}
                }
                return Ok(());
            }
        }
    }
    Ok(())
}

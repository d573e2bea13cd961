//! Drives a peer as a child process, and contains the checks that every peer must pass.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use dynoxide::Database;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// A number of events that exceeds the megabyte of one DynamoDB page with every store.
pub(crate) const MORE_THAN_A_PAGE: usize = 4000;

pub(crate) struct Driver {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Driver {
    /// Starts a peer with a DynamoDB of its own.
    pub(crate) fn start(command: &mut Command, peer: &str) -> Self {
        let command = command.args(["--peer", peer, "--endpoint", &database()]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let commands = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { child, commands, answers }
    }

    fn ask(&mut self, command: &Value) -> Value {
        writeln!(self.commands, "{command}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap()
    }

    pub(crate) fn create(&mut self) -> Value {
        self.ask(&json!({ "do": "create" }))
    }

    /// Stores a stream in which every second event accepts the offer made before.
    #[track_caller]
    pub(crate) fn lay(&mut self, buyer: &str, events: usize) {
        let bodies: Vec<String> = (0..events).map(|index| laid(buyer, index).to_string()).collect();
        let answer = self.ask(&json!({ "do": "lay", "buyer": buyer, "bodies": bodies }));
        assert_eq!(answer, json!({}));
    }

    pub(crate) fn deliver(&mut self, messages: &[Value]) -> Value {
        self.ask(&json!({ "do": "deliver", "messages": messages }))
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[track_caller]
pub(crate) fn records_a_batch_once(peer: &mut Driver) {
    peer.create();
    let batch = [
        message("ada", &made("ada", "a")),
        message("ada", &accepted("ada", "a")),
        message("ada", &made("ada", "b")),
    ];
    let next = [message("ada", &accepted("ada", "b"))];
    assert_eq!(peer.deliver(&batch), recorded(3, 0));
    assert_eq!(peer.deliver(&batch), recorded(0, 3));
    assert_eq!(peer.ask(&json!({ "do": "restart" })), json!({}));
    assert_eq!(peer.deliver(&batch), recorded(0, 3));
    assert_eq!(peer.deliver(&next), recorded(1, 0));
    assert_eq!(peer.deliver(&next), recorded(0, 1));
}

#[track_caller]
pub(crate) fn takes_a_mixed_batch(peer: &mut Driver) {
    peer.create();
    let of = |buyer: &str| message(buyer, &made(buyer, &format!("offer-of-{buyer}")));
    assert_eq!(peer.deliver(&[of("ada"), of("grace"), of("ada"), of("joan")]), recorded(3, 1));
    assert_eq!(peer.deliver(&[of("grace"), of("mary")]), recorded(1, 1));
    let ten: Vec<Value> =
        (0..10).map(|index| message("ada", &made("ada", &format!("more-{index}")))).collect();
    assert_eq!(peer.deliver(&ten), recorded(10, 0));
    assert_eq!(peer.deliver(&ten), recorded(0, 10));
}

#[track_caller]
pub(crate) fn continues_after_a_stored_stream(peer: &mut Driver, events: usize) {
    peer.create();
    peer.lay("ada", events);
    let ends = [message("ada", &laid("ada", 0)), message("ada", &laid("ada", events - 1))];
    assert_eq!(peer.deliver(&ends), recorded(0, 2));
    let news = [message("ada", &made("ada", "new")), message("ada", &accepted("ada", "new"))];
    assert_eq!(peer.deliver(&news), recorded(2, 0));
    assert_eq!(peer.deliver(&news), recorded(0, 2));
}

pub(crate) fn recorded(recorded: usize, repeats: usize) -> Value {
    json!({ "recorded": recorded, "repeats": repeats })
}

pub(crate) fn message(buyer: &str, body: &Value) -> Value {
    json!({ "group": buyer, "id": body["id"], "body": body.to_string() })
}

pub(crate) fn made(buyer: &str, offer: &str) -> Value {
    let contact =
        json!({ "name": "Ada Canary", "email": "ada.canary@example.com", "phone": "+61 400 000 000" });
    event(
        "made",
        offer,
        json!({ "buyerId": buyer, "offerId": offer, "offerVersion": 1, "carId": offer, "buyer": contact }),
    )
}

pub(crate) fn accepted(buyer: &str, offer: &str) -> Value {
    event("accepted", offer, json!({ "buyerId": buyer, "offerId": offer, "offerVersion": 2 }))
}

fn laid(buyer: &str, index: usize) -> Value {
    let offer = format!("offer-{}", index / 2);
    if index % 2 == 0 { made(buyer, &offer) } else { accepted(buyer, &offer) }
}

fn event(kind: &str, offer: &str, data: Value) -> Value {
    json!({
        "specversion": "1.0",
        "id": format!("{offer}-{kind}"),
        "source": "/offers",
        "type": format!("offer.{kind}.v1"),
        "subject": offer,
        "time": "2026-11-23T10:00:00Z",
        "data": data,
    })
}

/// Starts a DynamoDB that lasts as long as this process. Returns its URL.
fn database() -> String {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
            sender.send(listener.local_addr().unwrap()).unwrap();
            dynoxide::server::serve_on(listener, Database::memory().unwrap()).await
        })
    });
    format!("http://{}", receiver.recv().unwrap())
}

//! `leads console` while it runs, and a browser that does what a test says.

use std::ffi::OsString;
use std::io::{self, Write};
use std::pin::pin;
use std::sync::{Arc, Mutex};

use aws_types::SdkConfig;
use futures::future::{Either, select};
use testkit::wire::{header, receive, send};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::net::TcpStream;

use crate::cloud::Cloud;
use crate::world::aws_at;

/// A running console.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    pub(crate) port: u16,
    /// The path of the first page: `/<token>/`.
    pub(crate) path: String,
}

/// An answer of the console.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// Output that can be read while it is written.
#[derive(Debug, Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Runs the console on a stack while `talk` lasts.
pub(crate) async fn console<T>(cloud: &Cloud, options: &[&str], talk: impl AsyncFnOnce(Site) -> T) -> T {
    let url = cloud.wire.url().to_owned();
    console_on(aws_at(&url), options, talk).await
}

/// Runs the console with this configuration while `talk` lasts.
pub(crate) async fn console_on<T>(aws: SdkConfig, options: &[&str], talk: impl AsyncFnOnce(Site) -> T) -> T {
    let words = ["leads", "console", "--stack", "cars", "--profiles", "/no/profiles"];
    let arguments = words.iter().chain(options).map(OsString::from).collect::<Vec<_>>();
    let out = Shared::default();
    let (mut written, mut err) = (out.clone(), Vec::new());
    let run = cli::run_on(arguments, async |_| Ok(aws), &mut written, &mut err);
    let talking = async {
        let site = loop {
            let text = String::from_utf8(out.0.lock().unwrap().clone()).unwrap();
            match text.lines().next() {
                Some(line) if text.ends_with('\n') => break Site::at(line),
                Some(_) | None => tokio::task::yield_now().await,
            }
        };
        talk(site).await
    };
    match select(pin!(run), pin!(talking)).await {
        Either::Left((exit, _)) => panic!("the console ended with {exit:?}"),
        Either::Right((value, _)) => value,
    }
}

impl Site {
    /// The console at a printed URL.
    pub(crate) fn at(url: &str) -> Self {
        let (port, path) = url.strip_prefix("http://127.0.0.1:").unwrap().split_once('/').unwrap();
        Self { port: port.parse().unwrap(), path: format!("/{path}") }
    }

    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// A page below the token, as a browser asks for it.
    pub(crate) async fn page(&self, page: &str) -> Seen {
        self.ask("GET", &format!("{}{page}", self.path), &[("host", &self.host())]).await
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Seen {
        let mut stream = BufReader::new(self.connect(method, path, headers).await);
        let message = receive(&mut stream).await.unwrap().unwrap();
        let status = message.start.split(' ').nth(1).unwrap().parse().unwrap();
        Seen { status, headers: message.headers, body: String::from_utf8(message.body).unwrap() }
    }

    async fn connect(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let headers = headers.chain([("connection".to_owned(), "close".to_owned())]).collect();
        send(&mut stream, format!("{method} {path} HTTP/1.1\r\n"), headers, &[]).await.unwrap();
        stream
    }

    /// Goes live on a page, as its script does.
    pub(crate) async fn live(&self, page: &str) -> Live {
        let path = format!("{}{page}", self.path);
        let headers = [("host", &*self.host()), ("accept", "text/event-stream")];
        Live(BufReader::new(self.connect("GET", &path, &headers).await).lines())
    }
}

/// The events of a live page.
pub(crate) struct Live(Lines<BufReader<TcpStream>>);

impl Live {
    /// The next event's data.
    pub(crate) async fn next(&mut self) -> String {
        let mut data = Vec::new();
        loop {
            let line = self.0.next_line().await.unwrap().unwrap();
            match line.strip_prefix("data:") {
                Some(text) => data.push(text.strip_prefix(' ').unwrap_or(text).to_owned()),
                // The empty line after an event; the sizes of chunks and keep-alives come between events.
                None if line.is_empty() && !data.is_empty() => return data.join("\n"),
                None => {}
            }
        }
    }
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        header(&self.headers, name).unwrap_or_default()
    }

    /// The text between the first of these tags and its end.
    #[track_caller]
    pub(crate) fn within(&self, tag: &str) -> &str {
        let rest = self.body.split_once(&format!("<{tag}>")).unwrap().1;
        rest.split_once(&format!("</{tag}>")).unwrap().0
    }
}

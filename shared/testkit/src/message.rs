use std::fmt::Write as _;
use std::io;

use serde_json::{Value, json};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A request. The script may change it before it is forwarded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method, for example `POST`.
    pub method: String,
    /// The path with its query, for example `/v2/email/outbound-emails`.
    pub path: String,
    /// Names, in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
}

/// A response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The headers without `content-length`, which the wire adds.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Request {
    /// The operation in the header `X-Amz-Target`, for example `PutItem`; the path if there is no such header.
    #[must_use]
    pub fn operation(&self) -> &str {
        let target = header(&self.headers, "x-amz-target");
        target.map_or(&self.path, |target| target.rsplit('.').next().unwrap_or(target))
    }

    /// The body as JSON; `null` if it is not JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

impl Reply {
    /// A response with a JSON body.
    #[must_use]
    pub fn json(status: u16, body: &Value) -> Self {
        let headers = vec![("content-type".to_owned(), "application/x-amz-json-1.0".to_owned())];
        Self { status, headers, body: body.to_string().into_bytes() }
    }

    /// An AWS error with its code in both header and body, so that every JSON protocol of AWS finds it.
    #[must_use]
    pub fn error(status: u16, code: &str) -> Self {
        Self::refusal(status, code, "as the script says")
    }

    /// An AWS error like [`error`](Self::error), with this message.
    #[must_use]
    pub fn refusal(status: u16, code: &str, message: &str) -> Self {
        let mut reply = Self::json(status, &json!({ "__type": code, "message": message }));
        reply.headers.push(("x-amzn-errortype".to_owned(), code.to_owned()));
        reply
    }

    /// The body as JSON; `null` if it is not JSON.
    #[must_use]
    pub fn body_json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// An HTTP/1.1 message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The first line.
    pub start: String,
    /// Names, in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The whole body, without transfer encoding.
    pub body: Vec<u8>,
}

/// Reads one message; `None` if the peer closed the connection before sending one.
///
/// # Errors
/// The connection broke within a message, or the data is not HTTP.
pub async fn receive(stream: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<Message>> {
    let Some(start) = line(stream).await? else {
        return Ok(None);
    };
    let mut headers = Vec::new();
    while let Some(line) = line(stream).await?.filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').ok_or(io::ErrorKind::InvalidData)?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let invalid = |_| io::Error::from(io::ErrorKind::InvalidData);
    let mut body = Vec::new();
    if header(&headers, "transfer-encoding").is_some_and(|encoding| encoding.ends_with("chunked")) {
        loop {
            let size = line(stream).await?.unwrap_or_default();
            let size = size.split(';').next().unwrap_or_default();
            let size = usize::from_str_radix(size.trim(), 16).map_err(invalid)?;
            if size == 0 {
                while line(stream).await?.is_some_and(|trailer| !trailer.is_empty()) {}
                break;
            }
            let begin = body.len();
            body.resize(begin + size, 0);
            stream.read_exact(body.get_mut(begin..).unwrap_or_default()).await?;
            line(stream).await?;
        }
    } else if let Some(length) = header(&headers, "content-length") {
        body.resize(length.parse().map_err(invalid)?, 0);
        stream.read_exact(&mut body).await?;
    } else if start.starts_with("HTTP/") {
        stream.read_to_end(&mut body).await?;
    }
    Ok(Some(Message { start, headers, body }))
}

async fn line(stream: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<String>> {
    let mut line = String::new();
    let length = stream.read_line(&mut line).await?;
    Ok((length > 0).then(|| line.trim_end().to_owned()))
}

/// Writes a message with a `content-length` header computed from the body.
///
/// # Errors
/// The connection broke.
pub async fn send(
    stream: &mut TcpStream,
    start: String,
    headers: Vec<(String, String)>,
    body: &[u8],
) -> io::Result<()> {
    let mut message = start;
    for (name, value) in headers {
        if !matches!(name.as_str(), "content-length" | "transfer-encoding") {
            message.extend([&name, ": ", &value, "\r\n"]);
        }
    }
    write!(message, "content-length: {}\r\n\r\n", body.len()).map_err(io::Error::other)?;
    stream.write_all(&[message.as_bytes(), body].concat()).await
}

/// The value of the first header with this name, which must be given in lower case.
#[must_use]
pub fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
}

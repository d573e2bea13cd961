//! Traces across systems: the sender's place in a trace, and our own places after it.

use std::fmt;

use domain::{BuyerId, Effect, Sequence};
use sha2::{Digest as _, Sha256};

/// A place in a trace: the trace and the span that is the parent of what follows, as in `traceparent`.
///
/// It identifies no person. `tracestate` and baggage, which may, are neither read nor kept.
///
/// Source: W3C Trace Context, section 3.2; CloudEvents, "Distributed Tracing extension".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    trace: [u8; 16],
    span: [u8; 8],
    flags: u8,
}

/// The only flag of version 00: the sender may have recorded its spans.
const SAMPLED: u8 = 1;

impl TraceParent {
    /// Reads a `traceparent`. A version after 00 may have more fields, which are ignored, as the specification asks.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut fields = text.split('-');
        let [version] = bytes(fields.next()?)?;
        let (trace, span, [flags]) = (bytes(fields.next()?)?, bytes(fields.next()?)?, bytes(fields.next()?)?);
        let has_more = fields.next().is_some();
        let is_valid = version != 0xff && !(version == 0 && has_more) && trace != [0; 16] && span != [0; 8];
        is_valid.then_some(Self { trace, span, flags: flags & SAMPLED })
    }

    /// Reads the header in which AWS's services pass a trace on: `Root=1-<8 digits>-<24 digits>;Parent=<16
    /// digits>;Sampled=1`.
    ///
    /// Source: AWS X-Ray Developer Guide, "Tracing header", and "Sending trace IDs" on the relation of both formats.
    #[must_use]
    pub fn from_aws(header: &str) -> Option<Self> {
        let field = |name: &str| {
            header.split(';').find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='))
        };
        let (time, random) = field("Root")?.strip_prefix("1-")?.split_once('-')?;
        let flags = if field("Sampled") == Some("1") { "01" } else { "00" };
        Self::parse(&format!("00-{time}{random}-{}-{flags}", field("Parent")?))
    }

    /// The place at which an event of this trace was recorded.
    #[must_use]
    pub fn recorded(&self, buyer: &BuyerId, sequence: Sequence) -> Self {
        self.child(&format!("{buyer}/{sequence}"))
    }

    /// The place of an effect that this recorded event called for.
    #[must_use]
    pub fn effect(&self, buyer: &BuyerId, effect: &Effect) -> Self {
        self.child(&effect.id(buyer))
    }

    /// The place after this one with a span of ours. The same name always gives the same span, so that what is repeated
    /// stays the same, and no function has to learn another one's spans.
    fn child(&self, name: &str) -> Self {
        let hash =
            Sha256::new().chain_update(self.trace).chain_update(self.span).chain_update(name).finalize();
        let mut span = [0; 8];
        span.iter_mut().zip(hash).for_each(|(byte, of_hash)| *byte = of_hash);
        // A span of zeros would be invalid.
        span[7] |= u8::from(span == [0; 8]);
        Self { span, ..*self }
    }

    /// The trace's id, as 32 hexadecimal digits.
    #[must_use]
    pub fn trace_id(&self) -> String {
        hex(&self.trace)
    }

    /// The span's id, as 16 hexadecimal digits.
    #[must_use]
    pub fn span_id(&self) -> String {
        hex(&self.span)
    }

    /// Whether the sender may have recorded its spans, so that ours belong to something.
    #[must_use]
    pub const fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.trace_id(), self.span_id(), self.flags)
    }
}

/// The bytes that lower-case hexadecimal digits encode; `None` for another length or other characters.
fn bytes<const N: usize>(digits: &str) -> Option<[u8; N]> {
    let is_digit = |digit: u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
    if digits.len() != 2 * N || !digits.bytes().all(is_digit) {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::TraceParent;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_traceparent_is_written_as_it_was_read() {
        let read = TraceParent::parse(GOOD).expect("valid");
        assert_eq!(read.to_string(), GOOD);
        assert_eq!(read.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!((read.span_id().as_str(), read.is_sampled()), ("00f067aa0ba902b7", true));
        let unsampled = TraceParent::parse(&GOOD.replace("-01", "-fe")).expect("valid");
        assert!(!unsampled.is_sampled());
        assert!(unsampled.to_string().ends_with("-00"), "unknown flags are not passed on");
    }

    #[test]
    fn a_later_version_is_read_as_version_00() {
        for later in ["cc-", "01-"] {
            let later = GOOD.replacen("00-", later, 1);
            assert_eq!(TraceParent::parse(&later), TraceParent::parse(GOOD), "{later}");
            assert_eq!(TraceParent::parse(&format!("{later}-what")), TraceParent::parse(GOOD), "{later}");
        }
    }

    #[test]
    fn anything_else_is_no_traceparent() {
        for bad in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what",
            "00-4bf92f3577b34da6a3ce929d0e0e473é-00f067aa0ba902b7-01",
            "+0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceParent::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_header_of_aws_is_the_same_trace() {
        let header = "Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=00f067aa0ba902b7;Sampled=1;Lineage=a:0";
        assert_eq!(TraceParent::from_aws(header), TraceParent::parse(GOOD));
        let unsampled = header.replace("Sampled=1", "Sampled=0");
        assert_eq!(TraceParent::from_aws(&unsampled).map(|read| read.is_sampled()), Some(false));
        for bad in [
            "",
            "Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Sampled=1",
            "Root=2-4bf92f35-77;Parent=00f067aa0ba902b7",
        ] {
            assert_eq!(TraceParent::from_aws(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_child_is_the_same_span_each_time_and_another_one_for_each_name_and_parent() {
        let read = TraceParent::parse(GOOD).expect("valid");
        let child = read.child("record/1");
        assert_eq!(
            child.to_string(),
            "00-4bf92f3577b34da6a3ce929d0e0e4736-SPAN-01".replace("SPAN", &child.span_id())
        );
        assert_eq!(child, read.child("record/1"));
        assert_ne!(child, read.child("record/2"));
        assert_ne!(child.child("record/1"), child);
    }
}

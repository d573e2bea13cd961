use contract::incoming::{Refusal, decode};

/// The target `incoming`: the body of a message.
///
/// Properties: an event stays the same event when it is written and read again. Any other body is always refused in the
/// same way, with an error that repeats nothing of its content.
pub(crate) fn take(bytes: &[u8]) {
    let body = String::from_utf8_lossy(bytes);
    let decoded = decode(&body);
    assert_eq!(decode(&body), decoded);
    match decoded {
        Ok(mut incoming) => {
            incoming.dropped.clear();
            let again = testkit::body(&incoming.buyer, &incoming.event);
            assert_eq!(decode(&again), Ok(incoming));
        }
        Err(refusal) => {
            let words = refusal.to_string();
            assert!(words.len() < 2048 && !words.contains("Canary") && !words.contains("canary"), "{words}");
            if let Refusal::NotAnOfferEvent(findings) = refusal {
                assert!(!findings.is_empty());
            }
        }
    }
}

use contract::incoming::{Refusal, decode};

/// The body of a message.
///
/// What is an event is one when it is written again, and the same one; what is none is refused the same way for ever, in
/// words that repeat nothing of it.
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

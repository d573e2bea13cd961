use std::io::Write;

use serde_json::{Value, json};

use super::{Doing, Done, Letter};
use crate::Failure;
use crate::output::{Output, count, harmless, moment, or_dash, table};

impl Letter {
    /// The letter as text.
    #[must_use]
    pub fn text(&self, with_body: bool) -> String {
        let rows = [
            ("id", self.id.clone()),
            ("buyer", harmless(&self.buyer)),
            ("sent", or_dash(self.sent_at.map(moment))),
            ("reason", harmless(&self.reason)),
            ("detail", or_dash(self.detail.as_deref().map(harmless))),
            ("source", or_dash(self.source.as_deref().map(harmless))),
            ("body", if with_body { harmless(&self.body) } else { "not shown; use --body".to_owned() }),
        ];
        rows.map(|(name, value)| format!("{name:8}{value}")).join("\n")
    }

    /// The letter as JSON.
    #[must_use]
    pub fn json(&self, with_body: bool) -> Value {
        let source = self.source.as_deref();
        let mut document = json!({
            "id": self.id,
            "buyerId": self.buyer,
            "sentAt": self.sent_at.map(|sent| sent.to_string()),
            "reason": self.reason,
            "detail": self.detail,
            "source": source.map(|text| serde_json::from_str(text).unwrap_or_else(|_| json!(text))),
        });
        if with_body {
            document["body"] = json!(self.body);
        }
        document
    }
}

impl Done {
    pub(super) fn report<O: Write, E: Write>(
        &self,
        doing: Doing,
        output: &mut Output<'_, O, E>,
    ) -> Result<(), Failure> {
        if output.is_json { output.json(&self.json(doing)) } else { output.line(&self.text(doing)) }
    }

    /// The result as text.
    #[must_use]
    pub fn text(&self, doing: Doing) -> String {
        let mut parts = Vec::new();
        if !self.letters.is_empty() {
            let rows = self.letters.iter().map(|letter| {
                [
                    letter.id.clone(),
                    harmless(&letter.buyer),
                    or_dash(letter.sent_at.map(moment)),
                    harmless(&letter.reason),
                    or_dash(letter.detail.as_deref().map(harmless)),
                ]
            });
            parts.push(table(&["id", "buyer", "sent", "reason", "detail"], rows));
        }
        let word = match doing {
            Doing::Looking => "found",
            Doing::Redriving => "redriven",
            Doing::Dropping => "dropped",
        };
        let number = count(self.letters.len() as u64, "dead letter");
        let others = match self.others {
            0 => String::new(),
            others => format!(", {others} other seen and left alone"),
        };
        parts.push(format!("{number} {word}{others}; the queue held about {}.", self.about));
        for (letter, failure) in &self.failures {
            parts.push(format!(
                "Stopped at {} of {}; the later letters of this buyer stay in the queue: {}",
                letter.id,
                harmless(&letter.buyer),
                platform::telemetry::chain(failure)
            ));
        }
        if !self.hiding.is_empty() {
            let buyers: Vec<String> = self.hiding.iter().map(|buyer| harmless(buyer)).collect();
            parts.push(format!(
                "More letters may be waiting behind ten that are left of: {}. SQS hands out at most ten of a buyer at once.",
                buyers.join(", ")
            ));
        }
        if self.is_cut_short {
            parts.push("Stopped before the whole queue was seen; run it again to continue.".to_owned());
        }
        parts.join("\n")
    }

    /// The result as JSON.
    #[must_use]
    pub fn json(&self, doing: Doing) -> Value {
        let name = match doing {
            Doing::Looking => "deadLetters",
            Doing::Redriving => "redriven",
            Doing::Dropping => "dropped",
        };
        let letters: Vec<Value> = self.letters.iter().map(|letter| letter.json(false)).collect();
        let failures = self.failures.iter().map(|(letter, failure)| {
            json!({ "id": letter.id, "buyerId": letter.buyer, "error": platform::telemetry::chain(failure) })
        });
        json!({
            name: letters,
            "seenAndLeft": self.others,
            "aboutInTheQueueBefore": self.about,
            "mayHideMore": self.hiding,
            "failures": failures.collect::<Vec<_>>(),
            "isCutShort": self.is_cut_short,
        })
    }
}

//! What must be true of the whole run; nextest runs this when all else is done (profile `local-aws-after`).

use crate::on_the_stack;

#[test]
fn logs_and_metrics_of_the_whole_run_hold_no_address_name_or_phone_number() {
    on_the_stack(async |stack| {
        let lines = stack.log_lines().await.unwrap();
        let is_told = |word: &str| lines.iter().filter(|line| line.contains(word)).count();
        // The run was logged at all: each outcome of a record, effects, and metrics.
        for word in [
            "\"recorded\"",
            "\"held\"",
            "\"duplicate\"",
            "\"dead letter\"",
            "\"effect\"",
            "CloudWatchMetrics",
        ] {
            assert!(is_told(word) > 0, "no line says {word}");
        }
        let personal = ["canary", "+61", "400 000 000", "@example.com"];
        let found: Vec<&String> = lines
            .iter()
            .filter(|line| personal.iter().any(|word| line.to_lowercase().contains(word)))
            .collect();
        assert_eq!(found, Vec::<&String>::new());
    });
}

//! What a run costs at most, by AWS's list prices.

/// Dollars per million in us-east-1, November 2026. Source: AWS's pricing pages for Amazon DynamoDB on-demand, Amazon
/// SQS FIFO, AWS Lambda, Amazon SES and Amazon CloudWatch Logs; the same as in `bench/src/cost.rs`. E-mails to the
/// mailbox simulator are billed like any other (Amazon SES Developer Guide, "Testing email sending").
const WRITE: f64 = 0.625;
const READ: f64 = 0.125;
const QUEUE: f64 = 0.50;
const INVOCATION: f64 = 0.20;
const GIGABYTE_SECOND: f64 = 13.3334;
const EMAIL: f64 = 100.0;
const LOG_KILOBYTE: f64 = 0.50;

/// The most that a run of so many messages and buyers costs, in dollars. Every message counts as an event with an e-mail,
/// and every buyer as watched for ten minutes, four times a second.
pub(crate) fn most(messages: usize, buyers: usize) -> f64 {
    let [messages, buyers] =
        [messages, buyers].map(|number| f64::from(u32::try_from(number).unwrap_or(u32::MAX)));
    let event = 20.0 * WRITE
        + 10.0 * READ
        + 12.0 * QUEUE
        + 4.0 * (INVOCATION + 0.256 * 0.5 * GIGABYTE_SECOND + 2.0 * LOG_KILOBYTE)
        + EMAIL;
    let watched = 10.0 * 60.0 * 4.0 * 0.5 * READ;
    (messages * event + buyers * (watched + 40.0 * WRITE)) / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_costs_under_a_dollar() {
        let dollars = most(200, 40);
        assert!(dollars > 0.02 && dollars < 0.1, "{dollars}");
    }
}

//! What everybody needs who performs effects on AWS: both tables, SES, the sales team's queue.

use event_store::DynamoStreams;
use platform::{Access, BadSetting, Settings};

use crate::mail::{Letterhead, sender_header};
use crate::outside::AwsOutside;
use leads_store::DynamoLeads;

/// The adapters of a function that performs effects.
#[derive(Debug, Clone)]
pub struct Worker {
    /// The streams table of `STREAMS_TABLE`: read, never written.
    pub streams: DynamoStreams,
    /// The leads table of `LEADS_TABLE`.
    pub leads: DynamoLeads,
    /// SES as `EMAIL_SENDER` with `EMAIL_CONFIGURATION_SET`, and the queue of `SALES_TEAM_QUEUE_URL`.
    pub outside: AwsOutside,
    /// From `SITE_URL`.
    pub letterhead: Letterhead,
}

impl Worker {
    /// Reads what it needs.
    ///
    /// # Errors
    /// [`BadSetting`]: the function must not start.
    pub fn from_settings(settings: &Settings<'_>) -> Result<Self, BadSetting> {
        let access = Access::from_settings(settings)?;
        let streams_table = settings.table("STREAMS_TABLE")?;
        let leads_table = settings.table("LEADS_TABLE")?;
        let queue_url = settings.fifo_queue("SALES_TEAM_QUEUE_URL")?;
        let name = "EMAIL_SENDER";
        let rule = "an address that SES takes, or a name and such an address in <>, on one line";
        let sender = settings.required(name, rule)?;
        let sender = sender_header(&sender).ok_or(BadSetting::Invalid { name, rule })?;
        let configuration_set =
            settings.checked("EMAIL_CONFIGURATION_SET", "the name of an SES configuration set", |value| {
                value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
            })?;
        let site_url = settings.url("SITE_URL")?;
        let host = site_url.split_once("://").map_or(site_url.as_str(), |(_, rest)| rest);
        let site = host.split(['/', ':']).next().unwrap_or(host).to_owned();

        let dynamodb = access.dynamodb();
        // A connection that died while the function was frozen would make a mail doubtful. A header cannot prevent it: AWS
        // refuses a signature that names `connection` (aheckmann/node-ses#67, aws/aws-sdk-go-v2#2593).
        let ses = aws_sdk_sesv2::config::Builder::from(access.config())
            .http_client(access.https().without_reuse())
            .build();
        let ses = aws_sdk_sesv2::Client::from_conf(ses);
        let sqs = aws_sdk_sqs::Client::new(access.config());
        Ok(Self {
            streams: DynamoStreams::new(dynamodb.clone(), streams_table.clone()),
            leads: DynamoLeads::new(dynamodb, leads_table, streams_table),
            outside: AwsOutside::new(&ses, sqs, queue_url, sender, configuration_set),
            letterhead: Letterhead { site, site_url },
        })
    }
}

#[cfg(test)]
mod tests {
    use platform::Settings;

    use super::Worker;

    const GOOD: [(&str, &str); 9] = [
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_REGION", "us-east-1"),
        ("STREAMS_TABLE", "streams"),
        ("LEADS_TABLE", "leads"),
        ("SALES_TEAM_QUEUE_URL", "https://sqs.us-east-1.amazonaws.com/1/sales.fifo"),
        ("EMAIL_SENDER", "Cars <offers@example.com>"),
        ("EMAIL_CONFIGURATION_SET", "leadstream"),
        ("SITE_URL", "https://cars.example.com/"),
    ];

    fn worker(changed: &str, to: Option<&str>) -> Result<Worker, String> {
        let lookup = |name: &str| {
            if name == changed {
                return to.map(str::to_owned);
            }
            GOOD.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        Worker::from_settings(&Settings::from_lookup(&lookup)).map_err(|error| error.to_string())
    }

    #[test]
    fn every_variable_is_needed_and_named_when_missing() {
        for (name, _) in GOOD {
            assert!(worker(name, None).expect_err(name).contains(name));
        }
    }

    #[test]
    fn a_sender_that_could_leave_its_header_is_refused() {
        for sender in [
            "offers",
            "Offers (x <a@b",
            "<>",
            "a@b",
            "Cars\r\nBcc: eve@example.com <offers@example.com>",
            "Cars, Inc. <offers@example>",
        ] {
            assert!(worker("EMAIL_SENDER", Some(sender)).expect_err(sender).contains("EMAIL_SENDER"));
        }
    }

    #[test]
    fn a_sender_is_taken_whatever_its_name() {
        for sender in ["offers@example.com", "Cars, Inc. <offers@example.com>", "Käfer <offers@example.com>"]
        {
            assert!(worker("EMAIL_SENDER", Some(sender)).is_ok(), "{sender}");
        }
    }

    #[test]
    fn the_site_is_called_by_its_host() {
        let letterhead = worker("", None).expect("good").letterhead;
        assert_eq!(
            (letterhead.site.as_str(), letterhead.site_url.as_str()),
            ("cars.example.com", "https://cars.example.com")
        );
        let local = worker("SITE_URL", Some("http://127.0.0.1:8080/cars")).expect("good").letterhead;
        assert_eq!(local.site, "127.0.0.1");
    }
}

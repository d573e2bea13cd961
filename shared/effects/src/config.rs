//! The settings and AWS adapters of the functions that perform effects, the reactor and the sweeper.

use event_store::DynamoStreams;
use platform::telemetry::LevelFilter;
use platform::{Access, BadSetting, Settings, Traces};

use crate::mail::{Letterhead, sender_header};
use crate::outside::AwsOutside;
use leads_store::DynamoLeads;

/// The settings of a function that performs effects, read from environment variables.
#[derive(Debug, Clone)]
pub struct Config {
    /// The streams table `STREAMS_TABLE`, which is only read.
    pub streams: DynamoStreams,
    /// The leads table `LEADS_TABLE`.
    pub leads: DynamoLeads,
    /// SES with sender `EMAIL_SENDER` and `EMAIL_CONFIGURATION_SET`, and the queue at `SALES_TEAM_QUEUE_URL`.
    pub outside: AwsOutside,
    /// The letterhead made from `SITE_URL`.
    pub letterhead: Letterhead,
    /// Where spans are exported to, `TRACES_URL`.
    pub traces: Traces,
    /// The log level.
    pub log_level: LevelFilter,
}

impl Config {
    /// Reads the settings from the process environment.
    ///
    /// # Errors
    /// [`BadSetting`] if a variable is missing or invalid; the function must not start then.
    pub fn from_env() -> Result<Self, BadSetting> {
        Self::from_settings(&Settings::from_lookup(&|name| std::env::var(name).ok()))
    }

    /// Reads the settings.
    ///
    /// # Errors
    /// Those of [`Config::from_env`].
    pub fn from_settings(settings: &Settings<'_>) -> Result<Self, BadSetting> {
        let access = Access::from_settings(settings)?;
        let streams_table = settings.table("STREAMS_TABLE")?;
        let leads_table = settings.table("LEADS_TABLE")?;
        let queue_url = settings.fifo_queue("SALES_TEAM_QUEUE_URL")?;
        let name = "EMAIL_SENDER";
        let rule = "an address that SES accepts, or a name followed by such an address in <>, on one line";
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
        // A connection that died while the function was frozen would make an e-mail doubtful. The header `Connection:
        // close` is no alternative, because AWS refuses signatures that cover it (aheckmann/node-ses#67,
        // aws/aws-sdk-go-v2#2593).
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
            traces: Traces::from_settings(settings, access.https())?,
            log_level: settings.log_level()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use platform::Settings;

    use super::Config;

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

    fn config(changed: &str, to: Option<&str>) -> Result<Config, String> {
        let lookup = |name: &str| {
            if name == changed {
                return to.map(str::to_owned);
            }
            GOOD.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        Config::from_settings(&Settings::from_lookup(&lookup)).map_err(|error| error.to_string())
    }

    #[test]
    fn every_variable_is_required_and_the_error_names_it() {
        for (name, _) in GOOD {
            assert!(config(name, None).expect_err(name).contains(name));
        }
    }

    #[test]
    fn an_invalid_sender_or_one_that_could_inject_headers_is_refused() {
        for sender in [
            "offers",
            "Offers (x <a@b",
            "<>",
            "a@b",
            "Cars\r\nBcc: eve@example.com <offers@example.com>",
            "Cars, Inc. <offers@example>",
        ] {
            assert!(config("EMAIL_SENDER", Some(sender)).expect_err(sender).contains("EMAIL_SENDER"));
        }
    }

    #[test]
    fn a_sender_may_have_any_display_name() {
        for sender in ["offers@example.com", "Cars, Inc. <offers@example.com>", "Käfer <offers@example.com>"]
        {
            assert!(config("EMAIL_SENDER", Some(sender)).is_ok(), "{sender}");
        }
    }

    #[test]
    fn the_sites_name_is_its_host() {
        let letterhead = config("", None).expect("good").letterhead;
        assert_eq!(
            (letterhead.site.as_str(), letterhead.site_url.as_str()),
            ("cars.example.com", "https://cars.example.com")
        );
        let local = config("SITE_URL", Some("http://127.0.0.1:8080/cars")).expect("good").letterhead;
        assert_eq!(local.site, "127.0.0.1");
    }
}

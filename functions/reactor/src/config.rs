use aws::{Access, BadSetting, Settings};
use effects::mail::Letterhead;

/// What the reactor is told by its environment.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where AWS is and who we are.
    pub access: Access,
    /// `STREAMS_TABLE`.
    pub streams_table: String,
    /// `LEADS_TABLE`.
    pub leads_table: String,
    /// `SALES_TEAM_QUEUE_URL`.
    pub sales_team_url: String,
    /// `EMAIL_SENDER`.
    pub email_sender: String,
    /// `EMAIL_CONFIGURATION_SET`.
    pub email_configuration_set: String,
    /// From `SITE_URL`.
    pub letterhead: Letterhead,
    /// `LOG_LEVEL`, if set.
    pub log_level: Option<String>,
}

impl Config {
    /// Reads the process's environment, once.
    ///
    /// # Errors
    /// [`BadSetting`]: the function must not take a batch.
    pub fn from_env() -> Result<Self, BadSetting> {
        Self::from_lookup(&|name| std::env::var(name).ok())
    }

    fn from_lookup(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, BadSetting> {
        let settings = Settings::from_lookup(lookup);
        let site_url = settings.url("SITE_URL")?;
        let host = site_url.split_once("://").map_or(site_url.as_str(), |(_, rest)| rest);
        let site = host.split(['/', ':']).next().unwrap_or(host).to_owned();
        Ok(Self {
            access: Access::from_settings(&settings)?,
            streams_table: settings.table("STREAMS_TABLE")?,
            leads_table: settings.table("LEADS_TABLE")?,
            sales_team_url: settings.fifo_queue("SALES_TEAM_QUEUE_URL")?,
            email_sender: settings.checked(
                "EMAIL_SENDER",
                "an address, or a name and an address in <>, in ASCII on one line",
                |value| value.contains('@') && value.bytes().all(|byte| (b' '..=b'~').contains(&byte)),
            )?,
            email_configuration_set: settings.checked(
                "EMAIL_CONFIGURATION_SET",
                "the name of an SES configuration set",
                |value| value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)),
            )?,
            letterhead: Letterhead { site, site_url },
            log_level: settings.optional("LOG_LEVEL"),
        })
    }
}

#[cfg(test)]
mod tests {
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
        Config::from_lookup(&lookup).map_err(|error| error.to_string())
    }

    #[test]
    fn every_variable_is_needed_and_named_when_missing() {
        for (name, _) in GOOD {
            assert!(config(name, None).expect_err(name).contains(name));
        }
    }

    #[test]
    fn a_sender_that_could_leave_its_header_is_refused() {
        for sender in
            ["offers", "Cars\r\nBcc: eve@example.com <offers@example.com>", "Käfer <offers@example.com>"]
        {
            assert!(config("EMAIL_SENDER", Some(sender)).expect_err(sender).contains("EMAIL_SENDER"));
        }
    }

    #[test]
    fn the_site_is_called_by_its_host() {
        let letterhead = config("", None).expect("good").letterhead;
        assert_eq!(
            (letterhead.site.as_str(), letterhead.site_url.as_str()),
            ("cars.example.com", "https://cars.example.com")
        );
        let local = config("SITE_URL", Some("http://127.0.0.1:8080/cars")).expect("good").letterhead;
        assert_eq!(local.site, "127.0.0.1");
    }
}

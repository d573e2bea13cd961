use effects::MailPace;
use effects::adapters::Adapters;
use platform::telemetry::LevelFilter;
use platform::{BadSetting, Settings};

/// The minimum, default and maximum of `EMAILS_PER_SECOND`.
const PER_SECOND: [u32; 3] = [1, 10, 1000];
/// The minimum, default and maximum of `EMAILS_TRIED_FOR_HOURS`.
const HOURS: [u32; 3] = [1, 24, 336];

/// The sweeper's settings, read from environment variables.
#[derive(Debug, Clone)]
pub struct Config {
    /// The adapters with which it performs effects.
    pub adapters: Adapters,
    /// How fast and how long it tries to send e-mails: `EMAILS_PER_SECOND` and `EMAILS_TRIED_FOR_HOURS`.
    pub pace: MailPace,
    /// The log level.
    pub log_level: LevelFilter,
}

impl Config {
    /// Reads the settings from the process environment.
    ///
    /// # Errors
    /// [`BadSetting`] if a variable is missing or invalid; the function must not start then.
    pub fn from_env() -> Result<Self, BadSetting> {
        let lookup = |name: &str| std::env::var(name).ok();
        let settings = Settings::from_lookup(&lookup);
        Self::from_settings(&settings)
    }

    fn from_settings(settings: &Settings<'_>) -> Result<Self, BadSetting> {
        let per_second =
            settings.number("EMAILS_PER_SECOND", PER_SECOND, "from 1 to 1000, or absent for 10")?;
        let hours = settings.number("EMAILS_TRIED_FOR_HOURS", HOURS, "from 1 to 336, or absent for 24")?;
        Ok(Self {
            adapters: Adapters::from_settings(settings)?,
            pace: MailPace::new(per_second, hours),
            log_level: settings.log_level()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use platform::Settings;

    use super::Config;

    /// Both numbers as read with this value of a variable; all other variables are valid.
    fn pace(variable: &str, value: &str) -> Result<(u32, i64), String> {
        let lookup = |name: &str| {
            let value = match name {
                _ if name == variable => value,
                "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => "key",
                "AWS_REGION" => "us-east-1",
                "STREAMS_TABLE" | "LEADS_TABLE" => "table",
                "SALES_TEAM_QUEUE_URL" => "https://sqs.us-east-1.amazonaws.com/1/sales.fifo",
                "EMAIL_SENDER" => "offers@example.com",
                "EMAIL_CONFIGURATION_SET" => "leadstream",
                "SITE_URL" => "https://cars.example.com",
                _ => return None,
            };
            Some(value.to_owned())
        };
        let config = Config::from_settings(&Settings::from_lookup(&lookup));
        let config = config.map_err(|error| error.to_string())?;
        Ok((config.pace.per_second.get(), config.pace.tried_for.as_hours()))
    }

    #[test]
    fn emails_are_sent_at_ten_per_second_and_tried_for_a_day_by_default() {
        assert_eq!(pace("", ""), Ok((10, 24)));
        assert_eq!(pace("EMAILS_PER_SECOND", "1000"), Ok((1000, 24)));
        assert_eq!(pace("EMAILS_TRIED_FOR_HOURS", "336"), Ok((10, 336)));
    }

    #[test]
    fn a_number_out_of_range_is_refused_with_the_variables_name() {
        for name in ["EMAILS_PER_SECOND", "EMAILS_TRIED_FOR_HOURS"] {
            for value in ["0", "1001", "-1", "1.5", "many"] {
                let refused = pace(name, value).expect_err(value);
                assert!(refused.contains(name) && refused.contains("from 1 to"), "{refused}");
            }
        }
    }
}

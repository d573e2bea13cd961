use effects::MailPace;
use effects::worker::Worker;
use platform::telemetry::LevelFilter;
use platform::{BadSetting, Settings};

/// The least, the default and the most of each number.
const PER_SECOND: [u32; 3] = [1, 10, 1000];
const HOURS: [u32; 3] = [1, 24, 336];

/// The sweeper's settings, read from environment variables.
#[derive(Debug, Clone)]
pub struct Config {
    /// What it performs effects with.
    pub worker: Worker,
    /// How it sends e-mails that were not sent at once: `EMAILS_PER_SECOND` and `EMAILS_TRIED_FOR_HOURS`.
    pub pace: MailPace,
    /// How much is logged.
    pub log_level: LevelFilter,
}

impl Config {
    /// Reads the process's environment, once.
    ///
    /// # Errors
    /// [`BadSetting`]: the function must not take any work.
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
            worker: Worker::from_settings(settings)?,
            pace: MailPace::new(per_second, hours),
            log_level: settings.log_level()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use platform::Settings;

    use super::Config;

    /// Each number by its variable; all else is good.
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
    fn mail_is_paced_at_ten_a_second_and_tried_for_a_day_by_default() {
        assert_eq!(pace("", ""), Ok((10, 24)));
        assert_eq!(pace("EMAILS_PER_SECOND", "1000"), Ok((1000, 24)));
        assert_eq!(pace("EMAILS_TRIED_FOR_HOURS", "336"), Ok((10, 336)));
    }

    #[test]
    fn a_number_out_of_range_is_refused_and_its_variable_is_named() {
        for name in ["EMAILS_PER_SECOND", "EMAILS_TRIED_FOR_HOURS"] {
            for value in ["0", "1001", "-1", "1.5", "many"] {
                let refused = pace(name, value).expect_err(value);
                assert!(refused.contains(name) && refused.contains("from 1 to"), "{refused}");
            }
        }
    }
}

use aws::{Access, BadSetting, Settings};
use telemetry::LevelFilter;

/// What the recorder is told by its environment.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where AWS is and who we are.
    pub access: Access,
    /// `STREAMS_TABLE`.
    pub streams_table: String,
    /// `OFFER_EVENTS_DEAD_LETTERS_QUEUE_URL`.
    pub dead_letters_url: String,
    /// How much is logged.
    pub log_level: LevelFilter,
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
        Ok(Self {
            access: Access::from_settings(&settings)?,
            streams_table: settings.table("STREAMS_TABLE")?,
            dead_letters_url: settings.fifo_queue("OFFER_EVENTS_DEAD_LETTERS_QUEUE_URL")?,
            log_level: settings.log_level()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Config;

    const GOOD: [(&str, &str); 5] = [
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_REGION", "us-east-1"),
        ("STREAMS_TABLE", "streams"),
        ("OFFER_EVENTS_DEAD_LETTERS_QUEUE_URL", "https://sqs.us-east-1.amazonaws.com/1/dead.fifo"),
    ];

    fn config(without: &str) -> Result<Config, String> {
        let lookup = |name: &str| {
            GOOD.iter()
                .find(|(known, _)| *known == name && name != without)
                .map(|(_, value)| (*value).to_owned())
        };
        Config::from_lookup(&lookup).map_err(|error| error.to_string())
    }

    #[test]
    fn every_variable_is_needed_and_named_when_missing() {
        assert!(config("").is_ok());
        for (name, _) in GOOD {
            assert!(config(name).expect_err(name).contains(name));
        }
    }
}

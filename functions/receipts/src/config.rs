use platform::telemetry::LevelFilter;
use platform::{Access, BadSetting, Settings};

/// What the function is told by its environment.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where AWS is and who we are.
    pub access: Access,
    /// `LEADS_TABLE`.
    pub leads_table: String,
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
            leads_table: settings.table("LEADS_TABLE")?,
            log_level: settings.log_level()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Config;

    const GOOD: [(&str, &str); 4] = [
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_REGION", "us-east-1"),
        ("LEADS_TABLE", "leads"),
    ];

    #[test]
    fn every_variable_is_needed_and_named_when_missing() {
        for without in ["", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "LEADS_TABLE"] {
            let lookup = |name: &str| {
                let known = GOOD.iter().find(|(known, _)| *known == name && name != without);
                known.map(|(_, value)| (*value).to_owned())
            };
            match Config::from_lookup(&lookup) {
                Ok(config) => assert_eq!((without, config.leads_table.as_str()), ("", "leads")),
                Err(error) => assert!(!without.is_empty() && error.to_string().contains(without), "{error}"),
            }
        }
    }
}

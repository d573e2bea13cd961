use platform::telemetry::LevelFilter;
use platform::{Access, BadSetting, Settings};

/// The function's settings, read from environment variables.
#[derive(Debug, Clone)]
pub struct Config {
    /// Access to AWS.
    pub access: Access,
    /// The name of the leads table, `LEADS_TABLE`.
    pub leads_table: String,
    /// The log level.
    pub log_level: LevelFilter,
}

impl Config {
    /// Reads the settings from the process environment.
    ///
    /// # Errors
    /// [`BadSetting`] if a variable is missing or invalid; the function must not start then.
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
    fn every_variable_is_required_and_the_error_names_it() {
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

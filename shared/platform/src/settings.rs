use std::num::NonZeroU32;

use crate::telemetry::LevelFilter;

/// Reads and checks environment variables through a lookup function, so that tests never touch the process environment.
pub struct Settings<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
}

/// An environment variable that prevents a function from starting. The message omits its value, which may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSetting {
    /// The variable is absent or empty.
    #[error("the environment variable {name} is missing: it must be {rule}")]
    Missing {
        /// The variable.
        name: &'static str,
        /// What the value must be, as in `the name of a DynamoDB table`.
        rule: &'static str,
    },
    /// The variable has an unacceptable value.
    #[error("the environment variable {name} is invalid: it must be {rule}")]
    Invalid {
        /// The variable.
        name: &'static str,
        /// What the value must be, as in `the name of a DynamoDB table`.
        rule: &'static str,
    },
}

impl<'a> Settings<'a> {
    /// Settings that read variables through this lookup.
    #[must_use]
    pub const fn from_lookup(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { lookup }
    }

    /// An optional variable; empty counts as absent.
    #[must_use]
    pub fn optional(&self, name: &str) -> Option<String> {
        (self.lookup)(name).filter(|value| !value.is_empty())
    }

    /// A required variable.
    ///
    /// # Errors
    /// [`BadSetting::Missing`] if it is absent or empty; the message states `rule`.
    pub fn required(&self, name: &'static str, rule: &'static str) -> Result<String, BadSetting> {
        self.optional(name).ok_or(BadSetting::Missing { name, rule })
    }

    /// A required variable whose value must pass a check.
    ///
    /// # Errors
    /// [`BadSetting`] if it is absent or fails the check; the message states `rule`.
    pub fn checked(
        &self,
        name: &'static str,
        rule: &'static str,
        is_valid: impl Fn(&str) -> bool,
    ) -> Result<String, BadSetting> {
        let value = self.required(name, rule)?;
        if is_valid(&value) { Ok(value) } else { Err(BadSetting::Invalid { name, rule }) }
    }

    /// The log level of `LOG_LEVEL`; `info` if it is absent.
    ///
    /// # Errors
    /// [`BadSetting::Invalid`] if it is not a level.
    pub fn log_level(&self) -> Result<LevelFilter, BadSetting> {
        const RULE: &str = "error, warn, info, debug or trace, or absent";
        match self.optional("LOG_LEVEL") {
            None => Ok(LevelFilter::INFO),
            Some(word) => word.parse().map_err(|_| BadSetting::Invalid { name: "LOG_LEVEL", rule: RULE }),
        }
    }

    /// A positive whole number between `least` and `most`; `default` if the variable is absent.
    ///
    /// # Errors
    /// [`BadSetting::Invalid`] if it is not in that range; the message states `rule`.
    pub fn number(
        &self,
        name: &'static str,
        [least, default, most]: [u32; 3],
        rule: &'static str,
    ) -> Result<NonZeroU32, BadSetting> {
        let value = match self.optional(name) {
            None => Some(default),
            Some(text) => text.parse().ok().filter(|value| (least..=most).contains(value)),
        };
        value.and_then(NonZeroU32::new).ok_or(BadSetting::Invalid { name, rule })
    }

    /// The name of a DynamoDB table.
    ///
    /// # Errors
    /// [`BadSetting`] if the variable is absent or cannot be a table name.
    pub fn table(&self, name: &'static str) -> Result<String, BadSetting> {
        self.checked(name, "the name of a DynamoDB table", |value| {
            (3..=255).contains(&value.len())
                && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        })
    }

    /// The URL of an SQS FIFO queue.
    ///
    /// # Errors
    /// [`BadSetting`] if the variable is absent or is not such a URL.
    pub fn fifo_queue(&self, name: &'static str) -> Result<String, BadSetting> {
        self.checked(name, "the URL of an SQS FIFO queue", |value| {
            is_url(value) && value.strip_suffix(".fifo").is_some()
        })
    }

    /// An `http` or `https` URL, without the slashes at its end.
    ///
    /// # Errors
    /// [`BadSetting`] if the variable is absent or is not such a URL.
    pub fn url(&self, name: &'static str) -> Result<String, BadSetting> {
        let url = self.checked(name, "a URL such as https://cars.example.com", is_url)?;
        Ok(url.trim_end_matches('/').to_owned())
    }
}

fn is_url(value: &str) -> bool {
    let host = value.strip_prefix("https://").or_else(|| value.strip_prefix("http://"));
    host.is_some_and(|rest| {
        !rest.is_empty() && rest.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '[')
    }) && value.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::{BadSetting, Settings};

    fn with<T>(value: Option<&str>, read: impl Fn(&Settings<'_>) -> T) -> T {
        read(&Settings::from_lookup(&|_| value.map(str::to_owned)))
    }

    #[test]
    fn the_error_for_a_missing_variable_states_its_name_and_rule() {
        for value in [None, Some("")] {
            let error = with(value, |settings| settings.table("STREAMS_TABLE")).expect_err("missing");
            assert_eq!(
                error.to_string(),
                "the environment variable STREAMS_TABLE is missing: it must be the name of a DynamoDB table"
            );
        }
    }

    #[test]
    fn the_error_for_an_invalid_variable_omits_its_value() {
        let error =
            with(Some("secret secret"), |settings| settings.table("STREAMS_TABLE")).expect_err("invalid");
        assert!(matches!(error, BadSetting::Invalid { name: "STREAMS_TABLE", .. }));
        assert!(!error.to_string().contains("secret"));
    }

    #[test]
    fn the_log_level_is_a_level_or_absent() {
        use crate::telemetry::LevelFilter;
        fn log_level(settings: &Settings<'_>) -> Result<LevelFilter, BadSetting> {
            settings.log_level()
        }
        assert_eq!(with(None, log_level), Ok(LevelFilter::INFO));
        assert_eq!(with(Some("debug"), log_level), Ok(LevelFilter::DEBUG));
        assert!(with(Some("verbose"), log_level).is_err());
    }

    #[test]
    fn queue_urls_and_other_urls_are_checked() {
        let queue = |value| with(Some(value), |settings| settings.fifo_queue("QUEUE")).is_ok();
        assert!(queue("https://sqs.eu-central-1.amazonaws.com/1/a.fifo"));
        assert!(queue("http://127.0.0.1:4566/1/a.fifo"));
        assert!(!queue("https://sqs.eu-central-1.amazonaws.com/1/a"));
        assert!(!queue("a.fifo"));
        let url = |value| with(Some(value), |settings| settings.url("SITE_URL"));
        assert_eq!(url("https://cars.example.com/").as_deref(), Ok("https://cars.example.com"));
        for invalid in ["cars.example.com", "https://", "ftp://cars.example.com", "https://cars example.com"]
        {
            assert!(url(invalid).is_err(), "{invalid}");
        }
    }
}

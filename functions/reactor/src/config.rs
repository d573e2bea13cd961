use effects::adapters::Adapters;
use platform::telemetry::LevelFilter;
use platform::{BadSetting, Settings};

/// The reactor's settings, read from environment variables.
#[derive(Debug, Clone)]
pub struct Config {
    /// The adapters with which it performs effects.
    pub adapters: Adapters,
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
        Ok(Self { adapters: Adapters::from_settings(&settings)?, log_level: settings.log_level()? })
    }
}

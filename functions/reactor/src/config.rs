use effects::worker::Worker;
use platform::telemetry::LevelFilter;
use platform::{BadSetting, Settings};

/// What the reactor is told by its environment.
#[derive(Debug, Clone)]
pub struct Config {
    /// What it performs effects with.
    pub worker: Worker,
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
        Ok(Self { worker: Worker::from_settings(&settings)?, log_level: settings.log_level()? })
    }
}

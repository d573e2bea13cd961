use domain::BuyerId;
use legacy::HttpLegacy;
use platform::clock::SystemClock;
use platform::telemetry::LevelFilter;
use platform::{Access, BadSetting, Settings, Traces};

use crate::secret::Secret;

/// The recorder's settings, read from environment variables.
#[derive(Debug)]
pub struct Config {
    /// Access to AWS.
    pub access: Access,
    /// The name of the streams table, `STREAMS_TABLE`.
    pub streams_table: String,
    /// The URL of the dead-letter queue, `OFFER_EVENTS_DEAD_LETTERS_QUEUE_URL`.
    pub dead_letters_url: String,
    /// The former system at `LEGACY_URL`; `None` if there is none.
    pub legacy: Option<HttpLegacy<Secret<SystemClock>>>,
    /// The Authorization header for it, from the secret `LEGACY_AUTHORIZATION_SECRET`.
    pub secret: Secret<SystemClock>,
    /// The buyers that go live, by `EFFECTS` and `LIVE_PERCENT`.
    pub live: LiveShare,
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
        Self::from_lookup(&|name| std::env::var(name).ok())
    }

    fn from_lookup(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, BadSetting> {
        let settings = Settings::from_lookup(lookup);
        let access = Access::from_settings(&settings)?;
        let secret = Secret::at(settings.optional("LEGACY_AUTHORIZATION_SECRET"), &access, SystemClock);
        Ok(Self {
            streams_table: settings.table("STREAMS_TABLE")?,
            dead_letters_url: settings.fifo_queue("OFFER_EVENTS_DEAD_LETTERS_QUEUE_URL")?,
            legacy: match settings.optional("LEGACY_URL") {
                Some(_) => {
                    Some(HttpLegacy::at(settings.url("LEGACY_URL")?, secret.clone(), access.https().clone())?)
                }
                None => None,
            },
            secret,
            live: live_share(&settings)?,
            traces: Traces::from_settings(&settings, access.https())?,
            log_level: settings.log_level()?,
            access,
        })
    }
}

/// The share of buyers that go live: all, unless `EFFECTS` is `shadow`; then `LIVE_PERCENT` percent, 0 if that is
/// absent.
fn live_share(settings: &Settings<'_>) -> Result<LiveShare, BadSetting> {
    match settings.optional("EFFECTS").as_deref() {
        None | Some("live") => Ok(LiveShare::EVERYBODY),
        Some("shadow") => match settings.optional("LIVE_PERCENT") {
            None => Ok(LiveShare::NOBODY),
            Some(percent) => percent
                .parse()
                .ok()
                .and_then(LiveShare::percent)
                .ok_or(BadSetting::Invalid { name: "LIVE_PERCENT", rule: "a whole number from 0 to 100" }),
        },
        Some(_) => Err(BadSetting::Invalid { name: "EFFECTS", rule: "live or shadow" }),
    }
}

/// The share of buyers that go live with their next event, selected by a stable hash of their ids. A buyer that is live
/// stays live, whatever the share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LiveShare {
    percent: u8,
}

impl LiveShare {
    /// All buyers go live.
    pub const EVERYBODY: Self = Self { percent: 100 };
    /// No buyer goes live; new buyers are recorded in shadow.
    pub const NOBODY: Self = Self { percent: 0 };

    /// A share of `percent` percent; `None` above 100. A larger share contains every smaller one.
    #[must_use]
    pub const fn percent(percent: u8) -> Option<Self> {
        if percent <= 100 { Some(Self { percent }) } else { None }
    }

    /// Whether the share includes this buyer.
    #[must_use]
    pub fn includes(self, buyer: &BuyerId) -> bool {
        buyer.hundredth() < u64::from(self.percent)
    }
}

#[cfg(test)]
mod tests {
    use super::{Config, LiveShare};
    use domain::BuyerId;

    const GOOD: [(&str, &str); 5] = [
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_REGION", "us-east-1"),
        ("STREAMS_TABLE", "streams"),
        ("OFFER_EVENTS_DEAD_LETTERS_QUEUE_URL", "https://sqs.us-east-1.amazonaws.com/1/dead.fifo"),
    ];

    fn config(without: &str) -> Result<Config, String> {
        config_with(("", ""), without)
    }

    fn config_with(more: (&str, &str), without: &str) -> Result<Config, String> {
        let lookup = |name: &str| {
            GOOD.iter()
                .chain([&more])
                .find(|(known, _)| *known == name && name != without)
                .map(|(_, value)| (*value).to_owned())
        };
        Config::from_lookup(&lookup).map_err(|error| error.to_string())
    }

    #[test]
    fn every_variable_is_required_and_the_error_names_it() {
        assert!(config("").is_ok());
        for (name, _) in GOOD {
            assert!(config(name).expect_err(name).contains(name));
        }
    }

    #[test]
    fn every_buyer_goes_live_by_default() {
        let live = |more: &[(&str, &str)]| {
            let lookup = |name: &str| {
                let found = GOOD.iter().chain(more).find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            Config::from_lookup(&lookup).map(|config| config.live).map_err(|error| error.to_string())
        };
        let shadow = ("EFFECTS", "shadow");
        assert_eq!(live(&[]), Ok(LiveShare::EVERYBODY));
        assert_eq!(live(&[("EFFECTS", "live"), ("LIVE_PERCENT", "0")]), Ok(LiveShare::EVERYBODY));
        assert_eq!(live(&[shadow]), Ok(LiveShare::NOBODY));
        assert_eq!(live(&[shadow, ("LIVE_PERCENT", "5")]).ok(), LiveShare::percent(5));
        assert!(live(&[("EFFECTS", "Shadow")]).is_err_and(|error| error.contains("EFFECTS")));
        for invalid in ["101", "-1", "5%", "many"] {
            let error = live(&[shadow, ("LIVE_PERCENT", invalid)]);
            assert!(error.is_err_and(|error| error.contains("LIVE_PERCENT")), "{invalid}");
        }
    }

    #[test]
    fn the_former_systems_url_must_be_https_or_loopback() {
        let legacy = |url| config_with(("LEGACY_URL", url), "").map(|config| config.legacy.is_some());
        assert_eq!(legacy(""), Ok(false));
        assert_eq!(legacy("https://old.example.com/leads"), Ok(true));
        assert_eq!(legacy("http://127.0.0.1:8080"), Ok(true));
        for refused in ["http://old.example.com", "http://127.0.0.1.example.com", "old.example.com"] {
            assert!(legacy(refused).is_err_and(|error| error.contains("LEGACY_URL")), "{refused}");
        }
    }

    fn count(percent: u8) -> usize {
        let share = LiveShare::percent(percent).expect("a share");
        let is_in = |number: &u32| {
            BuyerId::parse(&format!("buyer-{number}")).is_ok_and(|buyer| share.includes(&buyer))
        };
        (0..10_000).filter(is_in).count()
    }

    #[test]
    fn a_share_includes_about_its_percentage_of_buyers() {
        assert_eq!((count(0), count(100)), (0, 10_000));
        for percent in [1, 5, 50, 95] {
            let expected = usize::from(percent) * 100;
            assert!(count(percent).abs_diff(expected) < 200, "{percent}: {}", count(percent));
        }
        assert_eq!(LiveShare::percent(101), None);
    }

    #[test]
    fn larger_shares_contain_smaller_ones_and_shares_never_change() {
        let buyers = (0..1000).filter_map(|number| BuyerId::parse(&format!("buyer-{number}")).ok());
        for buyer in buyers {
            let first =
                (0..=100).find(|p| LiveShare::percent(*p).is_some_and(|share| share.includes(&buyer)));
            for percent in first.into_iter().flat_map(|first| first..=100) {
                assert!(LiveShare::percent(percent).is_some_and(|share| share.includes(&buyer)));
            }
        }
        let ada = BuyerId::parse("ada").expect("an id");
        let first = (0..=100).find(|p| LiveShare::percent(*p).is_some_and(|share| share.includes(&ada)));
        assert_eq!(first, Some(47), "the value of the first deployment");
    }
}

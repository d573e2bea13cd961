use effects::MailPace;
use platform::{BadSetting, Settings};

/// The minimum, default and maximum of `EMAILS_PER_SECOND`.
const PER_SECOND: [u32; 3] = [1, 10, 1000];
/// The minimum, default and maximum of `EMAILS_TRIED_FOR_HOURS`.
const HOURS: [u32; 3] = [1, 24, 336];

/// How fast and how long the sweeper tries to send e-mails: `EMAILS_PER_SECOND` and `EMAILS_TRIED_FOR_HOURS` in the
/// process environment.
///
/// # Errors
/// [`BadSetting`] if a variable is invalid; the function must not start then.
pub fn pace_from_env() -> Result<MailPace, BadSetting> {
    pace(&Settings::from_lookup(&|name| std::env::var(name).ok()))
}

fn pace(settings: &Settings<'_>) -> Result<MailPace, BadSetting> {
    let per_second = settings.number("EMAILS_PER_SECOND", PER_SECOND, "from 1 to 1000, or absent for 10")?;
    let hours = settings.number("EMAILS_TRIED_FOR_HOURS", HOURS, "from 1 to 336, or absent for 24")?;
    Ok(MailPace::new(per_second, hours))
}

#[cfg(test)]
mod tests {
    use platform::Settings;

    /// Both numbers as read with this value of a variable.
    fn pace(variable: &str, value: &str) -> Result<(u32, i64), String> {
        let lookup = |name: &str| (name == variable).then(|| value.to_owned());
        let pace = super::pace(&Settings::from_lookup(&lookup)).map_err(|error| error.to_string())?;
        Ok((pace.per_second.get(), pace.tried_for.as_hours()))
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

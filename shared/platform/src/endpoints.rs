use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};

use crate::{BadSetting, Settings};

/// Endpoints other than AWS's own, from the variables that every AWS SDK reads: `AWS_ENDPOINT_URL`, for one service
/// `AWS_ENDPOINT_URL_SQS`, `_DYNAMODB` or `_SESV2`, which has precedence, and `AWS_IGNORE_CONFIGURED_ENDPOINT_URLS`.
///
/// The SDK itself reads them only through `aws-config`, which the functions do without.
/// Source: AWS SDKs and Tools Reference Guide, "Service-specific endpoints".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Endpoints {
    /// The endpoint of every service without its own.
    common: Option<String>,
    /// The endpoints of single services, by the id that the SDK gives a service.
    own: Vec<(&'static str, String)>,
}

impl Endpoints {
    /// Reads the variables.
    ///
    /// # Errors
    /// [`BadSetting`] if a variable is not a URL, or the last one neither `true` nor `false`.
    pub(crate) fn from_settings(settings: &Settings<'_>) -> Result<Self, BadSetting> {
        const IGNORE: &str = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS";
        match settings.optional(IGNORE).map(|word| word.to_ascii_lowercase()).as_deref() {
            None | Some("false") => {}
            Some("true") => return Ok(Self::default()),
            Some(_) => return Err(BadSetting::Invalid { name: IGNORE, rule: "true or false, or absent" }),
        }
        let url = |name| settings.optional(name).map(|_| settings.url(name)).transpose();
        let mut own = Vec::new();
        for (service, name) in [
            ("DynamoDB", "AWS_ENDPOINT_URL_DYNAMODB"),
            ("SQS", "AWS_ENDPOINT_URL_SQS"),
            ("SESv2", "AWS_ENDPOINT_URL_SESV2"),
        ] {
            own.extend(url(name)?.map(|url| (service, url)));
        }
        Ok(Self { common: url("AWS_ENDPOINT_URL")?, own })
    }
}

/// How a client of the SDK asks for its endpoint.
impl LoadServiceConfig for Endpoints {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        if key.env() != "AWS_ENDPOINT_URL" {
            return None;
        }
        let own = self.own.iter().find(|(service, _)| *service == key.service_id());
        own.map(|(_, url)| url).or(self.common.as_ref()).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::Endpoints;
    use crate::Settings;

    fn read(variables: &[(&str, &str)]) -> Result<Endpoints, String> {
        let lookup = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        Endpoints::from_settings(&Settings::from_lookup(&lookup)).map_err(|error| error.to_string())
    }

    #[test]
    fn without_variables_or_if_they_are_to_be_ignored_every_endpoint_is_aws_s_own() {
        let both = [("AWS_ENDPOINT_URL", "http://127.0.0.1:1"), ("AWS_ENDPOINT_URL_SQS", "no URL")];
        assert_eq!(read(&[]), Ok(Endpoints::default()));
        for word in ["true", "TRUE"] {
            let ignoring = [both[0], both[1], ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", word)];
            assert_eq!(read(&ignoring), Ok(Endpoints::default()), "{word}");
        }
    }

    #[test]
    fn a_value_that_cannot_be_meant_is_refused_by_name() {
        for name in [
            "AWS_ENDPOINT_URL",
            "AWS_ENDPOINT_URL_DYNAMODB",
            "AWS_ENDPOINT_URL_SQS",
            "AWS_ENDPOINT_URL_SESV2",
        ] {
            for value in ["127.0.0.1:4566", "http://", "none"] {
                let refusal =
                    read(&[(name, value), ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "false")]).unwrap_err();
                assert!(refusal.contains(&format!("{name} is invalid")), "{refusal}");
            }
        }
        let refusal = read(&[("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "yes")]).unwrap_err();
        assert!(refusal.ends_with("it must be true or false, or absent"), "{refusal}");
    }
}

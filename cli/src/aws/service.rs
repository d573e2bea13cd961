use aws_types::SdkConfig;
use aws_types::service_config::ServiceConfigKey;

/// A service that is called without an SDK crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// AWS CloudFormation.
    CloudFormation,
    /// Amazon CloudWatch.
    CloudWatch,
    /// Amazon DynamoDB.
    DynamoDb,
    /// Amazon EventBridge.
    Events,
    /// AWS IAM.
    Iam,
    /// AWS Lambda.
    Lambda,
    /// Amazon SES version 2.
    Ses,
    /// Amazon SNS.
    Sns,
    /// Amazon SQS.
    Sqs,
    /// AWS STS.
    Sts,
}

impl Service {
    /// The prefix of IAM actions.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::CloudFormation => "cloudformation",
            Self::CloudWatch => "cloudwatch",
            Self::DynamoDb => "dynamodb",
            Self::Events => "events",
            Self::Iam => "iam",
            Self::Lambda => "lambda",
            Self::Ses => "ses",
            Self::Sns => "sns",
            Self::Sqs => "sqs",
            Self::Sts => "sts",
        }
    }

    /// The name in a signature.
    pub(super) const fn signing_name(self) -> &'static str {
        if matches!(self, Self::CloudWatch) { "monitoring" } else { self.name() }
    }

    /// The name in the host.
    pub(super) const fn host_name(self) -> &'static str {
        if matches!(self, Self::Ses) { "email" } else { self.signing_name() }
    }

    /// The id by which the settings of an SDK name the service (AWS SDKs and Tools Reference Guide, "Service-specific
    /// endpoints").
    const fn id(self) -> &'static str {
        match self {
            Self::CloudFormation => "CloudFormation",
            Self::CloudWatch => "CloudWatch",
            Self::DynamoDb => "DynamoDB",
            Self::Events => "EventBridge",
            Self::Iam => "IAM",
            Self::Lambda => "Lambda",
            Self::Ses => "SESv2",
            Self::Sns => "SNS",
            Self::Sqs => "SQS",
            Self::Sts => "STS",
        }
    }

    /// The version of the query protocol, from the services' API references.
    pub(super) const fn version(self) -> &'static str {
        match self {
            Self::CloudFormation => "2010-05-15",
            Self::CloudWatch => "2010-08-01",
            Self::Iam => "2010-05-08",
            Self::Sns => "2010-03-31",
            Self::Sts => "2011-06-15",
            Self::DynamoDb | Self::Events | Self::Lambda | Self::Ses | Self::Sqs => "",
        }
    }

    /// The endpoint that the settings name instead of AWS's own, without a `/` at its end. The order is that of the
    /// SDK's clients: what a program says, then the service's own setting, then the common one.
    pub(super) fn endpoint(self, config: &SdkConfig) -> Option<String> {
        let key =
            ServiceConfigKey::builder().service_id(self.id()).env("AWS_ENDPOINT_URL").profile("endpoint_url");
        let own = || config.service_config()?.load_config(key.build().ok()?);
        let is_said = config.get_origin("endpoint_url").is_client_config();
        let own = if is_said { None } else { own() };
        let url = own.or_else(|| config.endpoint_url().map(str::to_owned))?;
        Some(url.trim_end_matches('/').to_owned())
    }
}

//! The locations of the stack's queues and tables, of the former system and of AWS. This is the only module of the
//! command that reads environment variables.

use std::path::PathBuf;
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_credential_types::Credentials;
use aws_types::SdkConfig;
use aws_types::region::Region;
use clap::Args;
use contract::stored::{Act, StoredCommit};
use domain::{BuyerId, Sequence};
use event_store::{Appended, Commits, DynamoStreams, EventStore, Page, StoreError};
use leads_store::DynamoLeads;
use legacy::HttpLegacy;
use platform::RetryConflicts;
use platform::https::{Https, Trust};

use crate::Failure;
use crate::aws::{Aws, Service};

/// The heading of the connection options in the help of a command.
pub(crate) const CONNECTION: &str = "Connection options";

/// The locations of the stack's queues and tables, which are outputs of the stack, and of the former system, which is
/// one of its parameters.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = CONNECTION)]
pub struct Places {
    /// The stack: its name in CloudFormation, or a profile in `~/.config/leads.toml`. Its outputs name the queues and
    /// tables; a single option below wins over them, and they win over a variable.
    #[arg(long, global = true, env = "LEADS_STACK", value_name = "NAME", hide_env_values = true)]
    pub stack: Option<String>,

    /// The file of profiles, instead of `~/.config/leads.toml`.
    #[arg(long, global = true, env = "LEADS_PROFILES", value_name = "FILE", hide_env_values = true)]
    pub profiles: Option<PathBuf>,

    /// URL of the queue of offer events: the stack's output `OfferEventsQueueUrl`.
    #[arg(long, global = true, env = "OFFER_EVENTS_QUEUE_URL", value_name = "URL", hide_env_values = true)]
    pub queue_url: Option<String>,

    /// URL of its dead-letter queue: the stack's output `OfferEventsDeadLettersQueueUrl`.
    #[arg(
        long,
        global = true,
        env = "OFFER_EVENTS_DEAD_LETTERS_QUEUE_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    pub dead_letters_url: Option<String>,

    /// URL of the sales team's queue: the stack's output `SalesTeamQueueUrl`.
    #[arg(long, global = true, env = "SALES_TEAM_QUEUE_URL", value_name = "URL", hide_env_values = true)]
    pub sales_team_url: Option<String>,

    /// Name of the streams table: the stack's output `StreamsTableName`.
    #[arg(long, global = true, env = "STREAMS_TABLE", value_name = "TABLE", hide_env_values = true)]
    pub streams_table: Option<String>,

    /// Name of the leads table: the stack's output `LeadsTableName`.
    #[arg(long, global = true, env = "LEADS_TABLE", value_name = "TABLE", hide_env_values = true)]
    pub leads_table: Option<String>,

    /// URL of the former system: the stack's parameter `LegacyUrl`. The Authorization header comes from the variable
    /// `LEGACY_AUTHORIZATION`.
    #[arg(long, global = true, env = "LEGACY_URL", value_name = "URL", hide_env_values = true)]
    pub legacy_url: Option<String>,
}

/// The AWS to connect to, as far as a profile names it. What it leaves open comes from the environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Target {
    /// The region.
    pub region: Option<String>,
    /// The profile of the AWS CLI with the credentials.
    pub profile: Option<String>,
    /// The URL of a local AWS, which gets dummy credentials.
    pub endpoint: Option<String>,
}

/// Clients of the streams table and the leads table.
#[derive(Debug, Clone)]
pub struct Tables {
    /// The streams table: all recorded facts.
    pub streams: DynamoStreams,
    /// The leads table: cursors, announced leads and the e-mail ledger.
    pub leads: DynamoLeads,
    /// Whose acts changes are, and why.
    pub act: Act,
}

/// What is appended to the streams table becomes the act of whoever runs the command.
impl Commits for Tables {
    async fn page(
        &self,
        buyer: &BuyerId,
        before: Option<Sequence>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.streams.page(buyer, before, limit).await
    }
}

impl EventStore for Tables {
    async fn append(&self, commit: &StoredCommit) -> Result<Appended, StoreError> {
        self.streams.append(&commit.by(&self.act)).await
    }
}

impl Tables {
    /// The tables with these names, in the account and region of `config`. The clients also retry
    /// `TransactionConflict`.
    #[must_use]
    pub fn on(config: &SdkConfig, streams_table: &str, leads_table: &str) -> Self {
        let config = aws_sdk_dynamodb::config::Builder::from(config).retry_classifier(RetryConflicts).build();
        let client = aws_sdk_dynamodb::Client::from_conf(config);
        Self {
            streams: DynamoStreams::new(client.clone(), streams_table.to_owned()),
            leads: DynamoLeads::new(client, leads_table.to_owned(), streams_table.to_owned()),
            act: Act { by: UNKNOWN.to_owned(), because: String::new() },
        }
    }
}

impl Places {
    /// The file of profiles; `None` if there is no home folder either.
    pub(crate) fn profiles(&self) -> Option<PathBuf> {
        let folder = |name: &str| std::env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from);
        let config = || folder("XDG_CONFIG_HOME").or_else(|| Some(folder("HOME")?.join(".config")));
        self.profiles.clone().or_else(|| Some(config()?.join("leads.toml")))
    }

    pub(crate) fn queue_url(&self) -> Result<&str, Failure> {
        let (what, origin) = ("the URL of the queue of offer events", "output OfferEventsQueueUrl");
        let (option, variable) = ("--queue-url", "OFFER_EVENTS_QUEUE_URL");
        let missing = Failure::Missing { what, option, variable, origin };
        fifo_queue(given(self.queue_url.as_deref(), missing)?, "the queue of offer events", origin)
    }

    pub(crate) fn dead_letters_url(&self) -> Result<&str, Failure> {
        let (what, origin) = ("the URL of the dead-letter queue", "output OfferEventsDeadLettersQueueUrl");
        let (option, variable) = ("--dead-letters-url", "OFFER_EVENTS_DEAD_LETTERS_QUEUE_URL");
        let missing = Failure::Missing { what, option, variable, origin };
        fifo_queue(given(self.dead_letters_url.as_deref(), missing)?, "the dead-letter queue", origin)
    }

    pub(crate) fn sales_team_url(&self) -> Result<&str, Failure> {
        let (what, origin) = ("the URL of the sales team's queue", "output SalesTeamQueueUrl");
        let (option, variable) = ("--sales-team-url", "SALES_TEAM_QUEUE_URL");
        let missing = Failure::Missing { what, option, variable, origin };
        let url =
            fifo_queue(given(self.sales_team_url.as_deref(), missing)?, "the sales team's queue", origin)?;
        if [&self.queue_url, &self.dead_letters_url].iter().any(|other| other.as_deref() == Some(url)) {
            return Err(Failure::Usage(
                "the sales team's queue has the URL of a queue of offer events: correct one of them"
                    .to_owned(),
            ));
        }
        Ok(url)
    }

    pub(crate) async fn tables(
        &self,
        connect: impl AsyncFnOnce() -> Result<SdkConfig, Failure>,
    ) -> Result<Tables, Failure> {
        let missing = |what, option, variable, origin| Failure::Missing { what, option, variable, origin };
        let streams = given(
            self.streams_table.as_deref(),
            missing(
                "the name of the streams table",
                "--streams-table",
                "STREAMS_TABLE",
                "output StreamsTableName",
            ),
        )?;
        let leads = given(
            self.leads_table.as_deref(),
            missing("the name of the leads table", "--leads-table", "LEADS_TABLE", "output LeadsTableName"),
        )?;
        Ok(Tables::on(&connect().await?, streams, leads))
    }
}

/// Whose act a change is if AWS does not say.
const UNKNOWN: &str = "unknown";

impl Places {
    /// The tables, and how to reach other services.
    pub(crate) async fn tables_and_config(
        &self,
        connect: impl AsyncFnOnce() -> Result<SdkConfig, Failure>,
    ) -> Result<(Tables, SdkConfig), Failure> {
        let mut config = None;
        let tables = self.tables(async || Ok(config.insert(connect().await?).clone())).await?;
        config.map(|config| (tables, config)).ok_or(Failure::NoRegion)
    }

    /// The tables, for a command that changes them if it is confirmed: then with the caller's identity and reason. AWS
    /// asks for no permission to call `GetCallerIdentity` (AWS STS API Reference). An act is not refused because the
    /// caller stays unknown.
    pub(crate) async fn tables_to_change(
        &self,
        connect: impl AsyncFnOnce() -> Result<SdkConfig, Failure>,
        because: Option<&str>,
        is_confirmed: bool,
    ) -> Result<Tables, Failure> {
        let (tables, config) = self.tables_and_config(connect).await?;
        if !is_confirmed {
            return Ok(tables);
        }
        let aws = Aws::on(&config, https()?);
        let identity = aws.query(Service::Sts, "GetCallerIdentity", &[]).await.unwrap_or_default();
        let by = identity["Arn"].as_str().unwrap_or(UNKNOWN).to_owned();
        Ok(Tables { act: Act { by, because: because.unwrap_or_default().to_owned() }, ..tables })
    }

    /// The former system for `leads go-live`, whose error explains what to do if there never was one.
    pub(crate) fn legacy_to_hand_over(&self) -> Result<HttpLegacy, Failure> {
        if self.legacy_url.as_deref().is_none_or(str::is_empty) {
            Err(Failure::NoFormerSystem)
        } else {
            self.legacy()
        }
    }

    pub(crate) fn legacy(&self) -> Result<HttpLegacy, Failure> {
        let missing = Failure::Missing {
            what: "the URL of the former system",
            option: "--legacy-url",
            variable: "LEGACY_URL",
            origin: "parameter LegacyUrl",
        };
        let url = given(self.legacy_url.as_deref(), missing)?.trim_end_matches('/').to_owned();
        let authorization = std::env::var("LEGACY_AUTHORIZATION").ok().filter(|value| !value.is_empty());
        HttpLegacy::at(url, authorization, https()?).map_err(Failure::LegacySetting)
    }
}

/// The HTTPS client for everything without an SDK crate.
pub(crate) fn https() -> Result<Https, Failure> {
    // An operator's machine may trust additional certificate authorities, for example a company's own.
    let machine = rustls_native_certs::load_native_certs().certs;
    let trust = if machine.is_empty() { Trust::BuiltIn } else { Trust::Roots(machine) };
    Https::trusting(trust).map_err(Failure::Untrusted)
}

fn fifo_queue<'a>(url: &'a str, what: &'static str, origin: &'static str) -> Result<&'a str, Failure> {
    let is_url = url.starts_with("https://") || url.starts_with("http://");
    if is_url && url.strip_suffix(".fifo").is_some() {
        Ok(url)
    } else {
        Err(Failure::NotAFifoQueue { what, origin })
    }
}

/// The value, or `missing`. An empty value counts as absent, because a variable is easily set to the empty output of
/// another command.
fn given(value: Option<&str>, missing: Failure) -> Result<&str, Failure> {
    value.filter(|value| !value.is_empty()).ok_or(missing)
}

/// Loads the AWS configuration of a target, and what it leaves open from the environment and the profile of the AWS
/// CLI. Every operation has a time-out.
pub(crate) async fn connect(target: Target) -> Result<SdkConfig, Failure> {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(5))
        .operation_attempt_timeout(Duration::from_secs(15))
        .operation_timeout(Duration::from_mins(1))
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .retry_config(RetryConfig::standard().with_max_attempts(6))
        .timeout_config(timeouts);
    if let Some(region) = target.region {
        loader = loader.region(Region::new(region));
    }
    if let Some(profile) = target.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(endpoint) = target.endpoint {
        // Real credentials are never sent to a local AWS.
        let dummy = Credentials::new("test", "test", None, None, "local");
        loader = loader.endpoint_url(endpoint).credentials_provider(dummy);
    }
    let config = loader.load().await;
    if config.region().is_none() { Err(Failure::NoRegion) } else { Ok(config) }
}

//! `--stack` and profiles: where places come from, and what is shown before something is written.

use cli::{Exit, Failure};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use testkit::made;

use crate::cloud::Cloud;
use crate::world::{TestFile, TestFolder, aws_at, process, run};

#[tokio::test]
async fn places_come_from_the_stack_and_a_command_that_only_reads_prints_nothing_of_it() {
    let cloud = Cloud::start().await;
    cloud.world.record("ada", &[made("car-1")], "10:00:00").await;
    let ended = cloud.leads(&["show", "ada"]).await;
    assert_eq!((ended.exit, ended.err.as_str()), (Exit::Good, ""));
    assert!(ended.out.contains("car-1"), "{}", ended.out);
    assert_eq!(cloud.operations(), ["DescribeStacks", "Query", "Query"]);
}

#[tokio::test]
async fn account_region_and_stack_are_shown_before_anything_is_written_except_with_json() {
    let cloud = Cloud::start().await;
    let erase = ["erase", "ada", "--yes"];
    let ended = cloud.leads(&erase).await;
    assert!(ended.err.starts_with("Account 123456789012, region us-east-1, stack cars.\n"), "{}", ended.err);
    let ended = cloud.leads(&[&erase[..], &["--json"]].concat()).await;
    assert!(!ended.err.contains("Account"), "{}", ended.err);
    let other = cloud.leads(&[&erase[..], &["--streams-table", "streams-2"]].concat()).await;
    assert!(other.err.contains("stack cars, but --streams-table streams-2.\n"), "{}", other.err);
}

#[tokio::test]
async fn an_option_wins_over_the_stack() {
    let cloud = Cloud::start().await;
    let ended = cloud.leads(&["show", "ada", "--streams-table", "streams-2"]).await;
    assert_eq!(ended.exit, Exit::Failed);
    assert!(ended.err.contains("compare the name with the stack's outputs"), "{}", ended.err);
}

#[tokio::test]
async fn the_stack_wins_over_variables_of_single_places() {
    let cloud = Cloud::start().await;
    cloud.world.record("ada", &[made("car-1")], "10:00:00").await;
    for stack in [&["--stack", "cars"][..], &[]] {
        let arguments = [&["show", "ada"][..], stack].concat();
        let mut leads = process(cloud.wire.url(), &arguments);
        let leads = leads.env("STREAMS_TABLE", "another").env("LEADS_PROFILES", "/no/profiles");
        let ended = leads.env("LEADS_STACK", "cars").output().await.unwrap();
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    }
}

#[tokio::test]
async fn check_needs_no_stack() {
    let file = TestFile::of("{}\n");
    let ended = run(&["check", file.name(), "--stack", "cars"], async || panic!("connected to AWS")).await;
    assert_eq!(ended.exit, Exit::Findings);
}

#[tokio::test]
async fn a_wrong_stack_is_refused_before_a_table_is_touched() {
    let cloud = Cloud::start().await;
    let on = async |stack: &str, profiles: &str| {
        let arguments = ["erase", "ada", "--yes", "--stack", stack, "--profiles", profiles];
        run(&arguments, async || Ok(aws_at(cloud.wire.url()))).await
    };
    let none = on("vans", "/no/profiles").await;
    assert_eq!(none.exit, Exit::Failed);
    assert!(
        none.err.contains(
            "no stack `vans` exists in this account and region us-east-1, and no profile has that name"
        ),
        "{}",
        none.err
    );
    let profiles = TestFile::of("[prod]\nstack = \"cars\"\naccount = \"999999999999\"\n");
    let other = on("prod", profiles.name()).await;
    assert_eq!(other.exit, Exit::Failed);
    assert!(
        other.err.contains("belong to account 123456789012, but the profile names account 999999999999"),
        "{}",
        other.err
    );
    cloud.script().outputs.remove("StreamsTableName");
    let foreign = on("cars", "/no/profiles").await;
    assert!(foreign.err.contains("`cars` is not a stack of Leadstream"), "{}", foreign.err);
    assert!(cloud.operations().iter().all(|operation| operation == "DescribeStacks"));
}

#[tokio::test]
async fn a_profile_names_stack_region_and_endpoint() {
    let cloud = Cloud::start().await;
    cloud.world.record("ada", &[made("car-1")], "10:00:00").await;
    let profiles = TestFile::of(format!(
        "# for tests\n[local]\nstack = \"cars\"\nregion = \"us-east-1\"\nendpoint = \"{}\"\n",
        cloud.wire.url()
    ));
    let mut leads = process("http://127.0.0.1:1", &["show", "ada", "--stack", "local"]);
    // A local AWS gets dummy credentials; the environment's would not be accepted.
    let leads = leads.env("LEADS_PROFILES", profiles.name()).env("AWS_ACCESS_KEY_ID", "real");
    let ended = leads.env("AWS_REGION", "eu-west-1").output().await.unwrap();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
}

#[tokio::test]
async fn a_file_of_profiles_in_the_home_folder_is_found() {
    let home = TestFolder::new();
    home.write(".config/leads.toml", "[prod]\nregion = 1\n");
    for (name, folder) in [("HOME", home.path("")), ("XDG_CONFIG_HOME", home.path(".config"))] {
        let mut leads = process("http://127.0.0.1:1", &["show", "ada", "--stack", "prod"]);
        let ended = leads.env(name, folder).output().await.unwrap();
        let err = String::from_utf8(ended.stderr).unwrap();
        assert!(err.contains(".config/leads.toml: `region` of [prod] must be a string"), "{err}");
    }
}

#[tokio::test]
async fn a_bad_profile_is_refused_with_its_place() {
    for (text, expected) in [
        ("[prod]\nstack = \n", "line 2: "),
        ("prod = \"cars\"\n", "`prod` must be a table: [prod]"),
        (
            "[prod]\nstak = \"cars\"\n",
            "[prod] has an unknown key `stak`: use stack, region, account, profile",
        ),
    ] {
        let file = TestFile::of(text);
        let arguments = ["show", "ada", "--stack", "prod", "--profiles", file.name()];
        let ended = run(&arguments, async || panic!("connected to AWS")).await;
        assert_eq!(ended.exit, Exit::Failed);
        assert!(ended.err.contains(expected) && ended.err.contains(file.name()), "{}", ended.err);
    }
}

#[tokio::test]
async fn missing_credentials_and_rights_are_reported_with_their_remedy() {
    let cloud = Cloud::start().await;
    cloud.script().denied.insert("cloudformation:DescribeStacks");
    let denied = cloud.leads(&["show", "ada"]).await;
    assert_eq!(denied.exit, Exit::Failed);
    assert!(
        denied.err.contains("error: these credentials may not call cloudformation:DescribeStacks"),
        "{}",
        denied.err
    );
    assert!(denied.err.contains("hint: your role lacks the permission"), "{}", denied.err);
    let arguments = ["show", "ada", "--stack", "cars", "--profiles", "/no/profiles"];
    let without = run(&arguments, async || {
        let mut aws = aws_at(cloud.wire.url()).to_builder();
        aws.set_credentials_provider(None);
        Ok(aws.build())
    });
    let without = without.await;
    assert_eq!(without.exit, Exit::Failed);
    assert!(without.err.contains("hint: sign in again"), "{}", without.err);
    let nowhere = run(&arguments, async || Err(Failure::NoRegion)).await;
    assert!(nowhere.err.contains("set AWS_REGION"), "{}", nowhere.err);
}

/// Source: AWS CLI User Guide, "Sign in for AWS local development using console credentials": `aws login` writes
/// `login_session` into the profile and the credentials into a cache, named by the session's SHA-256.
#[tokio::test]
async fn a_profile_of_aws_login_signs_the_requests() {
    let cloud = Cloud::start().await;
    cloud.world.record("ada", &[made("car-1")], "10:00:00").await;
    let session = "arn:aws:iam::123456789012:user/ada";
    let home = TestFolder::new();
    let config = format!("[profile ops]\nregion = us-east-1\nlogin_session = {session}\n");
    home.write("config", config);
    let show = async || {
        let mut leads =
            process(cloud.wire.url(), &["show", "ada", "--stack", "cars", "--profiles", "/no/profiles"]);
        leads.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
        leads.env("AWS_PROFILE", "ops").env("AWS_CONFIG_FILE", home.path("config"));
        leads.env("AWS_LOGIN_CACHE_DIRECTORY", home.path("")).output().await.unwrap()
    };
    let signed_out = show().await;
    let said = String::from_utf8(signed_out.stderr).unwrap();
    assert!(
        signed_out.status.code() == Some(2)
            && said.contains("hint: sign in again, for example with `aws login`"),
        "{said}"
    );
    let token = json!({
        "accessToken": {
            "accessKeyId": "key", "secretAccessKey": "secret", "sessionToken": "token",
            "accountId": "123456789012", "expiresAt": "2100-01-01T00:00:00Z",
        },
        "tokenType": "aws_sigv4", "refreshToken": "refresh", "idToken": "id",
        "clientId": "arn:aws:signin:::devtools/same-device", "dpopKey": "key",
    });
    let name = format!("{:x}.json", Sha256::digest(session));
    home.write(&name, token.to_string());
    let signed_in = show().await;
    assert_eq!(signed_in.status.code(), Some(0), "{signed_in:?}");
    for exchange in cloud.wire.exchanges() {
        let signature = exchange.request.headers.iter().find(|(name, _)| name == "authorization");
        assert!(signature.unwrap().1.contains("Credential=key/"), "{signature:?}");
    }
}

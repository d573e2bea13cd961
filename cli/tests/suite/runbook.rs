//! Runs every command that the runbook prints, as printed, in a shell and on a stack in trouble.

use std::fs::{self, File};
use std::path::Path;

use cli::Exit;
use jiff::Timestamp;
use leads_store::Status;
use testkit::{made, rejected};
use tokio::process::Command;

use crate::cloud::Cloud;
use crate::world::{TestFolder, press_ctrl_c};

const RUNBOOK: &str = include_str!("../../../docs/runbook.md");

/// By its beginning, the exit code of a command on the stack of [`in_trouble`], and a part of what it prints. Every other
/// command ends with 0.
const OTHERWISE: [(&str, i32, &str); 9] = [
    ("leads status", 1, "oldest gap"),
    ("leads held", 1, "waits for version"),
    ("leads erase", 1, "Run it again in a minute"),
    ("leads resume", 2, "Pass --yes to confirm"),
    ("leads dead-letters redrive", 2, "Pass --yes to confirm"),
    ("leads dead-letters drop --reason", 2, "Pass --yes to confirm"),
    ("leads emails --resend --status", 2, "Pass --yes to confirm"),
    ("leads import", 2, "Pass --yes to confirm"),
    ("leads emails --allow", 1, "no address of"),
];

/// They run until Ctrl-C.
const ENDLESS: [&str; 2] = ["leads console", "leads tail"];

/// The commands of the page in its order: the lines of its blocks, and those in its sentences that are complete.
fn commands() -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for (place, part) in RUNBOOK.split("```").enumerate() {
        let texts: Vec<String> = if place % 2 == 1 {
            part.lines().map(str::to_owned).collect()
        } else {
            part.split('`').skip(1).step_by(2).map(|text| text.replace('\n', " ")).collect()
        };
        let is_command = |text: &String| text.starts_with("leads ") && !NAMES.contains(&text.as_str());
        found.extend(texts.into_iter().filter(is_command));
    }
    found
}

/// Commands that sentences name without the arguments that they need.
const NAMES: [&str; 4] = ["leads erase", "leads history", "leads import", "leads parity"];

/// A stack in which the placeholders of the runbook stand for something: a gap, e-mails to look after, dead letters, a pause.
async fn in_trouble() -> Cloud {
    let cloud = Cloud::start().await;
    let world = &cloud.world;
    world.record("buyer-7", &[made("offer-1")], "10:00:00").await;
    world.record("buyer-7", &[rejected("offer-1").v(5)], "10:01:00").await;
    world.holds("buyer-7", 2, 2).await;
    world.mailed("buyer-7", "quote-email", (1, 2), Status::Abandoned, None, "10:00:01").await;
    let now = Timestamp::now();
    world.email_since("ada", "quote-email", Status::Rejected, Some("BadRequest"), now).await;
    assert_eq!(world.leads(&["pause", "sales", "--because", "maintenance"]).await.exit, Exit::Good);
    // The last one is a letter of buyer-7.
    cloud.script().letters = [&["not-json"; 7][..], &["unknown-type"]].concat();
    cloud
}

/// A folder in which commands run, with what the placeholders for files and folders stand for.
struct Desk(TestFolder);

impl Desk {
    fn new() -> Self {
        let folder = TestFolder::new();
        fs::create_dir(folder.path("FOLDER")).unwrap();
        folder.write("FILE", include_str!("../../../docs/contract/examples/offers.jsonl"));
        Self(folder)
    }

    /// The command in a shell whose operator has named the stack once.
    fn shell(&self, command: &str, clouds: [(&str, &Cloud); 2]) -> Command {
        let profiles = clouds.map(|(name, cloud)| {
            let url = cloud.wire.url();
            format!("[{name}]\nstack = \"cars\"\nregion = \"us-east-1\"\nendpoint = \"{url}\"\n")
        });
        self.0.write("leads.toml", profiles.concat());
        let leads = Path::new(env!("CARGO_BIN_EXE_leads")).parent().unwrap();
        let mut shell = Command::new("/bin/sh");
        shell
            .args(["-c", &format!("exec {command}")])
            .current_dir(self.0.path(""))
            .env_clear()
            .kill_on_drop(true);
        shell.env("PATH", leads).env("LEADS_STACK", "prod").env("LEADS_PROFILES", self.0.path("leads.toml"));
        shell
    }

    /// Its exit code and all that it printed.
    async fn ended(&self, command: &str, clouds: [(&str, &Cloud); 2]) -> (i32, String) {
        let ended = self.shell(command, clouds).output().await.unwrap();
        let text = [ended.stdout, ended.stderr].concat();
        (ended.status.code().unwrap(), String::from_utf8(text).unwrap())
    }

    /// Its exit code after Ctrl-C, which it gets once it has written something or read a table.
    async fn interrupted(&self, command: &str, clouds: [(&str, &Cloud); 2]) -> (i32, String) {
        let out = self.0.path("out");
        let mut shell = self.shell(command, clouds);
        let mut leads = shell.stdout(File::create(&out).unwrap()).spawn().unwrap();
        let text = || fs::read_to_string(&out).unwrap();
        while text().is_empty() && !clouds[0].1.operations().contains(&"Query".to_owned()) {
            assert_eq!(leads.try_wait().unwrap(), None, "{command} has ended");
            tokio::task::yield_now().await;
        }
        press_ctrl_c(&leads).await;
        (leads.wait().await.unwrap().code().unwrap(), text())
    }
}

#[tokio::test]
async fn every_command_of_the_runbook_runs_as_printed() {
    let desk = Desk::new();
    let commands = commands();
    assert!(commands.len() > 30, "{commands:?}");
    let empty = Cloud::start().await;
    empty.script().parameters.insert("Effects", "shadow");
    for command in &commands {
        let cloud = in_trouble().await;
        let clouds = [("prod", &cloud), ("copy", &empty)];
        let real = with_real_values(command);
        let is_endless = ENDLESS.iter().any(|one| command.starts_with(one));
        let (code, text) =
            if is_endless { desk.interrupted(&real, clouds).await } else { desk.ended(&real, clouds).await };
        let otherwise = OTHERWISE.iter().find(|(beginning, ..)| command.starts_with(beginning));
        let (expected, says) = otherwise.map_or((0, ""), |(_, code, says)| (*code, *says));
        assert!(code == expected && text.contains(says), "{command}: exit code {code}: {text}");
    }
    let is_used = |beginning: &&str| commands.iter().any(|command| command.starts_with(*beginning));
    let listed = OTHERWISE.iter().map(|(beginning, ..)| *beginning).chain(ENDLESS);
    assert_eq!(listed.filter(|beginning| !is_used(beginning)).collect::<Vec<_>>(), [""; 0]);
}

/// Placeholders for a buyer's id stand for the buyer of the other examples, and a port for any free one.
fn with_real_values(command: &str) -> String {
    let words = command.replace(" --port 8080", "");
    let words = words.split(' ').map(|word| if ["B", "BUYER"].contains(&word) { "buyer-7" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

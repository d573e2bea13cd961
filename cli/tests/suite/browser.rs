//! `leads console` in Chromium, driven by `tests/console/console.mjs`. Runs with `make test-console` only, which sets
//! `CHROMIUM`.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Command;

use crate::site::{Site, console};
use crate::stories::{HOSTILE_PAGE, hostile, play_dealer};

/// The script asks for a change of the stack by a line such as `ring DeadLettersAlarm`, and goes on once it is answered.
#[tokio::test]
async fn pages_are_usable_by_keyboard_and_screen_reader_on_every_screen_and_on_paper() {
    let cloud = hostile().await;
    play_dealer(&cloud, 15, 5).await;
    console(&cloud, &["--every", "1"], async |site: Site| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/console/console.mjs");
        let mut node = Command::new("node");
        node.arg(script)
            .env("CONSOLE", format!("http://{}{}", site.host(), site.path))
            .env("HOSTILE", HOSTILE_PAGE);
        node.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut node = node.spawn().unwrap();
        let mut asked = BufReader::new(node.stdout.take().unwrap()).lines();
        let mut answer = node.stdin.take().unwrap();
        while let Some(line) = asked.next_line().await.unwrap() {
            match line.split_once(' ') {
                Some(("ring", alarm)) => cloud.ring(alarm),
                Some(("deny", "DescribeStacks")) => {
                    cloud.script().denied.insert("cloudformation:DescribeStacks");
                }
                Some(("allow", _)) => cloud.script().denied.clear(),
                _ => panic!("the script wrote: {line}"),
            }
            answer.write_all(b"done\n").await.unwrap();
        }
        assert!(node.wait().await.unwrap().success(), "the browser found something: see above");
    })
    .await;
}

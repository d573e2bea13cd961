//! The demo. On a deployed stack it plays the article's scenarios one delivery at a time, and then many buyers at once.
//! It prints what happened to each buyer, compares it with the expected outcome, and exits non-zero on any difference.
#![expect(clippy::print_stdout, reason = "the output is the purpose of the demo")]

mod page;

use std::process::ExitCode;

use tests::{Failed, Guest, Person, Stack, crowd, play, scenarios};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match demonstrate().await {
        Ok(0) => {
            println!("\nEverything is as expected.");
            ExitCode::SUCCESS
        }
        Ok(differences) => {
            println!("\n{differences} differences: see the lines marked with ✗ above.");
            ExitCode::FAILURE
        }
        Err(error) => {
            println!("\nThe demo failed: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Plays everything. Returns the number of differences from the expected outcome.
async fn demonstrate() -> Result<usize, Failed> {
    let stack = Stack::from_env().await?;
    let mut differences = 0;
    for (scenario, number) in scenarios()?.iter().zip(1..) {
        let person = Person::called(&format!("buyer-{number}"))?;
        let played = play(&stack, scenario, &person).await?;
        println!("{}", page::scenario(number, scenario, &person, &played));
        differences += played.differences.len();
    }

    let guests = crowd("guest")?;
    let messages: usize = guests.iter().map(|guest| guest.messages.len()).sum();
    println!(
        "{}",
        page::heading(&format!(
            "{} buyers at once: {messages} messages, including late, repeated and bad ones",
            guests.len()
        ))
    );
    post_at_once(&stack, &guests).await?;
    for guest in &guests {
        let wrong = guest.check(&stack).await?;
        println!("{}", page::guest(guest, &stack.history(&guest.person.buyer).await?, &wrong));
        differences += wrong.len();
    }
    Ok(differences)
}

async fn post_at_once(stack: &Stack, guests: &[Guest]) -> Result<(), Failed> {
    let posts = guests.iter().map(|guest| guest.post(stack));
    for posted in futures::future::join_all(posts).await {
        posted?;
    }
    Ok(())
}

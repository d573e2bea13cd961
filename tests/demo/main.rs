//! The demo: the article's scenarios one delivery at a time, then a crowd all at once, on a deployed stack. It shows what
//! happened to each buyer, compares it with what must happen, and exits non-zero on any difference.
#![expect(clippy::print_stdout, reason = "it is there to be watched")]

mod page;

use std::process::ExitCode;

use tests::{Failed, Guest, Person, Stack, crowd, play, scenarios};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match demonstrate().await {
        Ok(0) => {
            println!("\nAll as expected.");
            ExitCode::SUCCESS
        }
        Ok(differences) => {
            println!("\n{differences} differences: see the lines with ✗ above.");
            ExitCode::FAILURE
        }
        Err(error) => {
            println!("\nThe demo could not go on: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Counts the differences.
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
            "{} buyers at once: {messages} messages, late, repeated and poison ones among them",
            guests.len()
        ))
    );
    post_at_once(&stack, &guests).await?;
    for guest in &guests {
        let wrong = guest.check(&stack).await?;
        println!("{}", page::guest(guest, &stack.explained(&guest.person.buyer).await?, &wrong));
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

//! The demo. On a deployed stack it plays the article's scenarios one delivery at a time, and then many buyers at once.
//! It prints a line for each as it ends, then a summary and what happened, and exits non-zero on any difference from
//! the expected outcome. `--verbose` adds a table of each buyer's events.
#![expect(clippy::print_stdout, reason = "the output is the purpose of the demo")]

#[cfg(test)]
mod golden;
mod page;

use std::process::ExitCode;

use page::{Shown, Totals};
use tests::{Failed, Finding, Person, Stack, crowd, play, post_all, scenarios};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let is_verbose = match words.as_slice() {
        [] => false,
        [word] if word == "--verbose" => true,
        _ => {
            println!("usage: demo [--verbose]");
            return ExitCode::from(2);
        }
    };
    match demonstrate(is_verbose).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("\nThe demo failed: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Plays and prints everything. Returns whether everything is as expected.
async fn demonstrate(is_verbose: bool) -> Result<bool, Failed> {
    let stack = Stack::from_env().await?;
    let scenarios = scenarios()?;
    println!("Playing {} scenarios, each with a buyer of its own:", scenarios.len());
    let mut shown = Vec::new();
    for (scenario, number) in scenarios.into_iter().zip(1..) {
        let person = Person::called(&format!("buyer-{number}"))?;
        let played = play(&stack, &scenario, &person).await?;
        let one = Shown { number, scenario, person, played };
        println!("{}", one.progress());
        shown.push(one);
    }

    let guests = crowd("guest")?;
    println!("\nPosting the messages of {} buyers at once:", guests.len());
    post_all(&stack, &guests).await?;
    let mut observed = Vec::new();
    for guest in &guests {
        let seen = guest.observe(&stack).await?;
        let findings = guest.findings(&seen);
        println!("{}", page::guest(guest, &findings));
        observed.push((seen, findings));
    }

    let findings: Vec<Vec<Finding>> = observed.iter().map(|(_, findings)| findings.clone()).collect();
    let sums = Finding::summed(&findings);
    let in_scenarios = shown.iter().flat_map(Shown::differences);
    let at_once = sums.iter().flat_map(|sum| sum.differences.iter().cloned());
    let differences: Vec<String> = in_scenarios.chain(at_once).collect();

    let totals =
        [Totals::of_scenarios(&shown), Totals::of_guests(&guests, observed.iter().map(|(seen, _)| seen))];
    println!("{}", page::summary(&totals, differences.len()));
    println!("{}", page::heading("The scenarios; a held event waits for the missing earlier ones"));
    for one in &shown {
        println!("{}", one.story());
        if is_verbose {
            println!("{}", page::scenario_table(one));
        }
    }
    println!("{}", page::heading(&format!("{} buyers at once", guests.len())));
    println!("{}", page::crowd(&guests, &sums));
    if is_verbose {
        for (guest, (seen, _)) in guests.iter().zip(&observed) {
            println!("{}", page::guest_table(guest, seen));
        }
    }
    println!("{}", page::verdict(&differences));
    Ok(differences.is_empty())
}

//! Reads what a page shows, with the permissions of the read-only role and in a bounded number of requests; only one
//! buyer's history is read whole.

use axum::http::StatusCode;
use domain::Priority;
use futures::future::join;
use leads_store::{Open, SeenWork, WorkKind};
use platform::clock::{Clock as _, SystemClock};

use super::page::Page;
use super::picture::Window;
use super::view::{
    Around, BuyerPage, EmailsPage, Failed, GapsPage, LeadsPage, LettersPage, RunbookPage, StatusPage,
};
use crate::args::buyer_id;
use crate::config::{Places, Tables};
use crate::dead_letters::DeadLetterQueue;
use crate::explain::explain_some;
use crate::held::gaps_behind;
use crate::show::Overview;
use crate::stack::Stack;
use crate::status::{Source, look, open_work};
use crate::{Failure, Mode, history};

/// The number of open leads of each priority on a page.
const LEADS: u16 = 100;

/// The number of buyers whose gaps are read from their streams.
const BUYERS_WITH_GAPS: usize = 50;

/// The number of times dead letters are received: at most 50 letters.
const RECEIVES: u64 = 5;

/// A page for the browser.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) html: String,
}

/// Reads a page. A failure is a page as well.
pub(super) async fn answer(source: &Source<'_>, with_contact: bool, page: &Page) -> Answer {
    let around =
        Around::of(page, source.given.stack.as_deref().unwrap_or_default(), with_contact, SystemClock.now());
    match Box::pin(read(source, &around, page)).await {
        Ok(answer) => answer,
        Err(failure) => {
            let (sentence, advice) = failure.sentence();
            failed(StatusCode::BAD_GATEWAY, around, &sentence, advice)
        }
    }
}

fn failed(status: StatusCode, around: Around, sentence: &str, advice: Option<&str>) -> Answer {
    Answer { status, html: Failed::new(around, sentence, advice).html() }
}

fn good(html: String) -> Answer {
    Answer { status: StatusCode::OK, html }
}

async fn read(source: &Source<'_>, around: &Around, page: &Page) -> Result<Answer, Failure> {
    let around = around.clone();
    match page {
        Page::Runbook => Ok(good(RunbookPage::new(around).html())),
        Page::Status => {
            let seen = look(source).await?;
            let around = around.on(&seen.stack, seen.at);
            Ok(good(StatusPage::new(around, &seen).html()))
        }
        Page::Buyer { id, .. } if id.is_empty() => {
            Ok(failed(StatusCode::BAD_REQUEST, around, "Type a buyer's id.", None))
        }
        Page::Buyer { id, number } => {
            let (around, places) = found(source, around).await?;
            buyer(&tables(source, &places).await?, around, id, *number).await
        }
        Page::Leads => {
            let (around, places) = found(source, around).await?;
            leads(&tables(source, &places).await?, around).await
        }
        Page::DeadLetters => {
            let (around, places) = found(source, around).await?;
            letters(source, &places, around).await
        }
        Page::Gaps => {
            let (around, places) = found(source, around).await?;
            gaps(&tables(source, &places).await?, around).await
        }
        Page::Emails => {
            let (around, places) = found(source, around).await?;
            emails(&tables(source, &places).await?, around).await
        }
    }
}

/// The stack's places, and the surroundings of a page about it.
async fn found(source: &Source<'_>, around: Around) -> Result<(Around, Places), Failure> {
    let stack = Stack::find(&source.aws, &source.profile).await?;
    Ok((around.on(&stack, SystemClock.now()), stack.places(source.given)))
}

async fn tables(source: &Source<'_>, places: &Places) -> Result<Tables, Failure> {
    places.tables(async || Ok(source.config.clone())).await
}

async fn buyer(tables: &Tables, around: Around, id: &str, number: usize) -> Result<Answer, Failure> {
    let buyer = match buyer_id(id) {
        Ok(buyer) => buyer,
        Err(rule) => {
            let sentence = format!("{rule}, and this is none.");
            return Ok(failed(StatusCode::BAD_REQUEST, around, &sentence, None));
        }
    };
    let (commits, about) = history::read(tables, &buyer).await?;
    if commits.is_empty() {
        let sentence = format!("unknown buyer {buyer}: the streams table has no event of this buyer.");
        return Ok(failed(StatusCode::NOT_FOUND, around, &sentence, None));
    }
    let mut window = Window::of(&commits, number);
    let wanted = window.wanted();
    let state =
        explain_some(&commits, &about, |line| wanted.contains(&line), |line, state| window.add(line, state));
    let overview = Overview { buyer, state, mode: Mode::of(&commits), about };
    Ok(good(BuyerPage::new(around, &overview, &window).html()))
}

async fn leads(tables: &Tables, around: Around) -> Result<Answer, Failure> {
    let look = |priority| tables.leads.look_at_leads(priority, LEADS);
    let (high, low) = join(look(Priority::High), look(Priority::Low)).await;
    let [high, low] = [high, low].map(|look| look.map_err(Failure::LeadsTable));
    Ok(good(LeadsPage::new(around, &[(Priority::High, high?), (Priority::Low, low?)]).html()))
}

async fn letters(source: &Source<'_>, places: &Places, around: Around) -> Result<Answer, Failure> {
    let url = places.dead_letters_url()?.to_owned();
    let queue = DeadLetterQueue::new(aws_sdk_sqs::Client::new(&source.config), url, None);
    let about = queue.about_how_many().await?;
    let letters = if about == 0 { Vec::new() } else { queue.first(RECEIVES, about).await.0? };
    Ok(good(LettersPage::new(around, &letters, about).html()))
}

/// The open work of a kind, longest due first, and whether there may be more.
async fn work(tables: &Tables, kind: WorkKind) -> Result<(Vec<SeenWork>, bool), Failure> {
    let mut open = open_work(tables, kind).await.map_err(Failure::LeadsTable)?;
    open.items.sort_by_key(|item| item.work.due);
    Ok((open.items, open.is_cut))
}

async fn gaps(tables: &Tables, around: Around) -> Result<Answer, Failure> {
    let (found, is_cut) = work(tables, WorkKind::Held).await?;
    let mut held: Vec<_> = found
        .into_iter()
        .filter_map(|item| match item.work.what {
            Open::Held(held) => Some((held.since, held.sequence, item.work.buyer)),
            Open::Behind | Open::Email { .. } => None,
        })
        .collect();
    held.sort();
    let number = held.len();
    held.truncate(BUYERS_WITH_GAPS);
    let shown = held.len();
    let gaps = gaps_behind(tables, held.into_iter().map(|(_, sequence, buyer)| (buyer, sequence))).await?;
    Ok(good(GapsPage::new(around, &gaps, (number, is_cut, shown)).html()))
}

async fn emails(tables: &Tables, around: Around) -> Result<Answer, Failure> {
    let (found, is_cut) = work(tables, WorkKind::Email).await?;
    Ok(good(EmailsPage::new(around, &found, is_cut).html()))
}

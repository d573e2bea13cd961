//! Each safeguard is needed: without it the checker finds something within 10,000 seeds.

use simulator::{Plan, Safeguard, many};

#[track_caller]
fn is_missed(safeguard: Safeguard) {
    let summary = many(0, 10_000, true, |seed| Plan { off: Some(safeguard), ..Plan::of(seed) });
    assert!(summary.failed > 0, "{safeguard:?} is switched off and nothing is found");
}

#[test]
fn put_condition() {
    is_missed(Safeguard::PutCondition);
}

#[test]
fn claim_condition() {
    is_missed(Safeguard::ClaimCondition);
}

#[test]
fn head_check() {
    is_missed(Safeguard::HeadCheck);
}

#[test]
fn cursor_condition() {
    is_missed(Safeguard::CursorCondition);
}

#[test]
fn settle_nonce() {
    is_missed(Safeguard::SettleNonce);
}

#[test]
fn fence_superseded() {
    is_missed(Safeguard::FenceSuperseded);
}

#[test]
fn fence_rejected() {
    is_missed(Safeguard::FenceRejected);
}

#[test]
fn fence_given_up() {
    is_missed(Safeguard::FenceGivenUp);
}

#[test]
fn claim_from_head() {
    is_missed(Safeguard::ClaimFromHead);
}

#[test]
fn group_stop() {
    is_missed(Safeguard::GroupStop);
}

#[test]
fn one_attempt() {
    is_missed(Safeguard::OneAttempt);
}

#[test]
fn holding() {
    is_missed(Safeguard::Holding);
}

#[test]
fn chained_effects() {
    is_missed(Safeguard::ChainedEffects);
}

#[test]
fn closings() {
    is_missed(Safeguard::Closings);
}

#[test]
fn behind_mark() {
    is_missed(Safeguard::BehindMark);
}

#[test]
fn sweeper() {
    is_missed(Safeguard::Sweeper);
}

#[test]
fn stop() {
    is_missed(Safeguard::Stop);
}

#[test]
fn forward_only() {
    is_missed(Safeguard::ForwardOnly);
}

#[test]
fn one_by_one() {
    is_missed(Safeguard::OneByOne);
}

#[test]
fn discreet_errors() {
    is_missed(Safeguard::DiscreetErrors);
}

#[test]
fn handover_in_shadow() {
    is_missed(Safeguard::HandoverInShadow);
}

#[test]
fn difference() {
    is_missed(Safeguard::Difference);
}

#[test]
fn former_names() {
    is_missed(Safeguard::FormerNames);
}

#[test]
fn look_again() {
    is_missed(Safeguard::LookAgain);
}

#[test]
fn unbound_404() {
    is_missed(Safeguard::Unbound404);
}

#[test]
fn same_answer() {
    is_missed(Safeguard::SameAnswer);
}

#[test]
fn nothing_owed() {
    is_missed(Safeguard::NothingOwed);
}

#[test]
fn merge() {
    is_missed(Safeguard::Merge);
}

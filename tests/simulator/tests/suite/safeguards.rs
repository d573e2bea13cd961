//! Each safeguard is needed: without it the checker finds a violation within 10,000 seeds.

use simulator::{Plan, Safeguard, many};

#[track_caller]
fn assert_is_missed(safeguard: Safeguard) {
    let summary = many(0, 10_000, true, |seed| Plan { off: Some(safeguard), ..Plan::of(seed) });
    assert!(summary.failed > 0, "{safeguard:?} is switched off, but no violation is found");
}

#[test]
fn put_condition() {
    assert_is_missed(Safeguard::PutCondition);
}

#[test]
fn claim_condition() {
    assert_is_missed(Safeguard::ClaimCondition);
}

#[test]
fn head_check() {
    assert_is_missed(Safeguard::HeadCheck);
}

#[test]
fn cursor_condition() {
    assert_is_missed(Safeguard::CursorCondition);
}

#[test]
fn settle_nonce() {
    assert_is_missed(Safeguard::SettleNonce);
}

#[test]
fn fence_superseded() {
    assert_is_missed(Safeguard::FenceSuperseded);
}

#[test]
fn fence_rejected() {
    assert_is_missed(Safeguard::FenceRejected);
}

#[test]
fn fence_given_up() {
    assert_is_missed(Safeguard::FenceGivenUp);
}

#[test]
fn claim_from_head() {
    assert_is_missed(Safeguard::ClaimFromHead);
}

#[test]
fn group_stop() {
    assert_is_missed(Safeguard::GroupStop);
}

#[test]
fn one_attempt() {
    assert_is_missed(Safeguard::OneAttempt);
}

#[test]
fn holding() {
    assert_is_missed(Safeguard::Holding);
}

#[test]
fn chained_effects() {
    assert_is_missed(Safeguard::ChainedEffects);
}

#[test]
fn closings() {
    assert_is_missed(Safeguard::Closings);
}

#[test]
fn behind_mark() {
    assert_is_missed(Safeguard::BehindMark);
}

#[test]
fn sweeper() {
    assert_is_missed(Safeguard::Sweeper);
}

#[test]
fn stop() {
    assert_is_missed(Safeguard::Stop);
}

#[test]
fn forward_only() {
    assert_is_missed(Safeguard::ForwardOnly);
}

#[test]
fn one_by_one() {
    assert_is_missed(Safeguard::OneByOne);
}

#[test]
fn discreet_errors() {
    assert_is_missed(Safeguard::DiscreetErrors);
}

#[test]
fn reactor_pauses() {
    assert_is_missed(Safeguard::ReactorPauses);
}

#[test]
fn sweeper_pauses() {
    assert_is_missed(Safeguard::SweeperPauses);
}

#[test]
fn clocks_stand_still() {
    assert_is_missed(Safeguard::ClocksStandStill);
}

#[test]
fn handover_in_shadow() {
    assert_is_missed(Safeguard::HandoverInShadow);
}

#[test]
fn difference() {
    assert_is_missed(Safeguard::Difference);
}

#[test]
fn former_names() {
    assert_is_missed(Safeguard::FormerNames);
}

#[test]
fn look_again() {
    assert_is_missed(Safeguard::LookAgain);
}

#[test]
fn unbound_404() {
    assert_is_missed(Safeguard::Unbound404);
}

#[test]
fn same_answer() {
    assert_is_missed(Safeguard::SameAnswer);
}

#[test]
fn nothing_pending() {
    assert_is_missed(Safeguard::NothingPending);
}

#[test]
fn merge() {
    assert_is_missed(Safeguard::Merge);
}

//! Comparing one buyer's recorded state with an answer of the former system; no requests.

use cli::parity::{Class, Known, compare};
use domain::{CarId, Contact, Fact, FormerLeadId, Offer, OfferVersion, Stage};
use event_store::{Appending, Head};
use jiff::Timestamp;
use legacy::Answer as Says;
use testkit::{accepted, buyer, contact, made, offer, rejected};

/// The head of a stream of these facts in one commit.
fn head(facts: &[Fact]) -> Head {
    let mut appending = Appending::onto(Head::default());
    for fact in facts {
        appending.take(fact.clone());
    }
    appending.commit(&buyer("ada"), Timestamp::UNIX_EPOCH).unwrap().1
}

fn shadow(events: &[domain::Event]) -> Head {
    let events = events.iter().cloned().map(Fact::from);
    head(&std::iter::once(Fact::Migrated(Box::default())).chain(events).collect::<Vec<_>>())
}

fn there(offers: &[(&str, u32, Stage, Option<&str>)], low: Option<&str>) -> Says {
    let lead = |name: &str| FormerLeadId::parse(name).unwrap();
    let offers = offers.iter().map(|(id, version, stage, named)| {
        let theirs = Offer {
            stage: *stage,
            car: Some(CarId::parse(id).unwrap()),
            contact: Some(contact()),
            former_lead: named.map(lead),
            ..Offer::unknown(OfferVersion::new(*version).unwrap())
        };
        (offer(id), theirs)
    });
    let known = domain::Known { offers: offers.collect(), low_lead: low.map(lead), was_invited: true };
    Says { known, is_handed_over: false }
}

fn acceptance(version: u32) -> Stage {
    let version = OfferVersion::new(version).unwrap();
    Stage::Accepted { at: version, since: version }
}

/// Each difference as `<class> <offer> <here> / <there>`.
fn found(head: &Head, answer: &Says) -> Vec<String> {
    let text = |one: cli::parity::Difference| {
        let offer = one.offer.map_or_else(|| "-".to_owned(), |offer| offer.to_string());
        format!("{} {offer} {} / {}", one.class.name(), one.here, one.there)
    };
    compare(head, answer).into_iter().map(text).collect()
}

#[test]
fn a_buyer_who_is_the_same_on_both_sides_has_no_difference() {
    let pending = there(&[("car-1", 1, Stage::Pending, None)], Some("L-1"));
    assert_eq!(found(&shadow(&[made("car-1")]), &pending), [""; 0]);
    let accepted_there = there(&[("car-1", 2, acceptance(2), Some("H-1"))], None);
    assert_eq!(found(&shadow(&[made("car-1"), accepted("car-1").v(2)]), &accepted_there), [""; 0]);
    let closed = there(&[("car-1", 2, Stage::Closed, None)], None);
    assert_eq!(found(&shadow(&[made("car-1"), rejected("car-1").v(2)]), &closed), [""; 0]);
}

#[test]
fn other_versions_and_held_events_are_a_lag_without_comparing_leads() {
    let ours = shadow(&[made("car-1")]);
    let ahead = there(&[("car-1", 2, acceptance(2), Some("H-1"))], None);
    assert_eq!(found(&ours, &ahead), ["lag car-1 pending v1 / accepted v2"]);
    let ours = shadow(&[made("car-1"), accepted("car-1").v(2)]);
    let late = there(&[("car-1", 1, Stage::Pending, None)], Some("L-1"));
    assert_eq!(found(&ours, &late), ["lag car-1 accepted v2 / pending v1"]);
    let holds = shadow(&[accepted("car-1").v(2)]);
    let knows = there(&[("car-1", 1, Stage::Pending, None)], Some("L-1"));
    assert_eq!(found(&holds, &knows), ["lag car-1 held v2 / pending v1"]);
    assert_eq!(found(&holds, &Says::default()), ["lag car-1 held v2 / none"]);
    let holds = shadow(&[made("car-1"), accepted("car-1").v(3)]);
    assert_eq!(found(&holds, &knows), ["lag car-1 pending v1 / pending v1"]);
}

#[test]
fn an_offer_known_to_one_side_only_is_missing_on_the_other() {
    let both = [("car-1", 1, Stage::Pending, None), ("car-2", 1, Stage::Pending, None)];
    let ours = shadow(&[made("car-1")]);
    assert_eq!(found(&ours, &there(&both, Some("L-1"))), ["missing-here car-2 none / pending v1"]);
    let ours = shadow(&[made("car-1"), made("car-2")]);
    assert_eq!(found(&ours, &there(&both[..1], Some("L-1"))), ["missing-there car-2 pending v1 / none"]);
    let not_asked = head(&[made("car-1").into()]);
    let missing = found(&not_asked, &there(&both, Some("L-1")));
    assert_eq!(missing, ["lag car-2 none / pending v1"], "the next event looks the buyer up");
}

#[test]
fn a_wrong_rule_shows_as_another_stage_or_lead() {
    let ours = shadow(&[made("car-1"), accepted("car-1").v(2)]);
    let closed = there(&[("car-1", 2, Stage::Closed, None)], None);
    assert_eq!(found(&ours, &closed), ["other-stage car-1 accepted v2 / closed v2"]);
    let no_lead = there(&[("car-1", 2, acceptance(2), None)], None);
    assert_eq!(found(&ours, &no_lead), ["other-lead car-1 high / none"]);
    let both = there(&[("car-1", 2, acceptance(2), Some("H-1"))], Some("L-1"));
    assert_eq!(found(&ours, &both), ["other-lead - none / low"]);
    let ours = shadow(&[made("car-1")]);
    let high = there(&[("car-1", 1, Stage::Pending, Some("H-1"))], Some("L-1"));
    assert_eq!(found(&ours, &high), ["other-lead car-1 none / high"]);
    let none = there(&[("car-1", 1, Stage::Pending, None)], None);
    assert_eq!(found(&ours, &none), ["other-lead - low / none"]);
}

#[test]
fn contact_and_car_are_compared_unless_a_side_may_omit_them() {
    let ours = shadow(&[made("car-1")]);
    let pending = || there(&[("car-1", 1, Stage::Pending, None)], Some("L-1"));
    let mut theirs = pending();
    let of = |theirs: &mut Says, change: fn(&mut Offer)| {
        change(theirs.known.offers.get_mut(&offer("car-1")).unwrap());
    };
    of(&mut theirs, |offer| offer.car = Some(CarId::parse("car-9").unwrap()));
    assert_eq!(found(&ours, &theirs), ["other-contact car-1 car / car"]);
    of(&mut theirs, |offer| offer.contact = Some(Contact { name: "Bob".to_owned(), ..contact() }));
    assert_eq!(found(&ours, &theirs), ["other-contact car-1 car, contact / car, contact"]);
    let mut silent = pending();
    of(&mut silent, |offer| (offer.car, offer.contact) = (None, None));
    assert_eq!(found(&ours, &silent), [""; 0]);
    let erased = head(&[Fact::Migrated(Box::default()), made("car-1").into(), Fact::Erased(None)]);
    assert_eq!(found(&erased, &pending()), [""; 0], "the contact of an erased buyer is not compared");
}

#[test]
fn only_the_offers_of_a_live_buyer_are_compared() {
    let ours = head(&[made("car-1").into(), Fact::HandedOver(Box::default())]);
    let mut theirs = there(&[("car-1", 1, Stage::Pending, None)], None);
    theirs.is_handed_over = true;
    assert_eq!(found(&ours, &theirs), [""; 0]);
    let in_shadow = shadow(&[made("car-1")]);
    let differences = found(&in_shadow, &theirs);
    assert_eq!(differences, ["handed-over-there - shadow / handed-over", "other-lead - low / none"]);
}

#[test]
fn events_of_a_live_buyer_that_the_former_system_ignores_are_a_lag() {
    let handed_over = Fact::HandedOver(Box::default());
    let ours =
        head(&[made("car-1").into(), handed_over, accepted("car-1").v(2).into(), made("car-2").into()]);
    let mut theirs = there(&[("car-1", 1, Stage::Pending, None)], None);
    theirs.is_handed_over = true;
    assert_eq!(found(&ours, &theirs), ["lag car-1 accepted v2 / pending v1", "lag car-2 pending v1 / none"]);
}

#[test]
fn a_known_difference_matches_only_what_its_fields_describe() {
    let ours = shadow(&[made("car-1"), accepted("car-1").v(2)]);
    let difference = &compare(&ours, &there(&[("car-1", 2, Stage::Closed, None)], None))[0];
    let explains = |line: &str| Known::parse(line).unwrap().explains(&buyer("ada"), difference);
    assert!(explains(r#"{"class":"other-stage","reason":"r"}"#));
    assert!(explains(r#"{"class":"other-stage","here":"accepted","there":"closed","reason":"r"}"#));
    assert!(explains(r#"{"class":"other-stage","buyer":"ada","offer":"car-1","reason":"r"}"#));
    for other in [
        r#"{"class":"other-lead","reason":"r"}"#,
        r#"{"class":"other-stage","there":"pending","reason":"r"}"#,
        r#"{"class":"other-stage","buyer":"bob","reason":"r"}"#,
        r#"{"class":"other-stage","offer":"car-2","reason":"r"}"#,
    ] {
        assert!(!explains(other), "{other}");
    }
    for (wrong, expected) in [
        ("[]", "must be a JSON object"),
        ("{", "must be a JSON object"),
        (r#"{"class":"other-stage"}"#, "`reason` is required"),
        (r#"{"reason":"r"}"#, "`class` is required"),
        (r#"{"class":"explained","reason":"r"}"#, "`class` must be one of other-stage, other-lead"),
        (r#"{"class":"lag","reason":" "}"#, "`reason` must be a non-empty string"),
        (r#"{"class":"lag","reason":"r","ofer":"car-1"}"#, "`ofer` is not one of class, buyer"),
        (r#"{"class":"lag","reason":"r","offer":"a/b"}"#, "`offer` must be 1 to 128"),
    ] {
        assert!(Known::parse(wrong).unwrap_err().contains(expected), "{wrong}");
    }
}

#[test]
fn only_lag_and_explained_need_no_examination() {
    let acceptable = Class::ALL.into_iter().filter(|class| !class.is_unexplained());
    assert_eq!(acceptable.collect::<Vec<_>>(), [Class::Lag, Class::Explained]);
    assert!(Class::ALL.into_iter().all(|class| Class::parse(class.name()) == Some(class)));
}

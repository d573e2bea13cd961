use simulator::Outage;

#[test]
fn after_thirty_hours_of_outage_all_effects_are_performed_in_order() {
    // The outage is longer than the change feed's retention. The effects of each buyer: a quote, a high lead and a
    // mail for each of 8 offers, the opening and closing of the low lead, and an invitation.
    let drained = Outage { buyers: 3_704, offers: 8, hours: 30 }.play();
    assert_eq!(drained.violations, Vec::<String>::new());
    assert_eq!(drained.pending, 3_704 * 27);
    assert!(drained.pending >= 100_000);
    // The opening of the low lead and the invitation are overtaken; all other effects are performed.
    assert_eq!((drained.mails, drained.announced), (3_704 * 8, 3_704 * 17));
}

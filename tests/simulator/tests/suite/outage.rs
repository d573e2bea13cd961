use simulator::Outage;

#[test]
fn thirty_hours_without_reactor_and_sweeper_lose_nothing_and_are_worked_off_in_order() {
    // Longer than the change feed remembers. Of each buyer: a quote and a high lead for each of 8 offers, the low lead opened
    // and closed, an invitation, and a mail for each acceptance.
    let drained = Outage { buyers: 3_704, offers: 8, hours: 30 }.play();
    assert_eq!(drained.violations, Vec::<String>::new());
    assert_eq!(drained.pending, 3_704 * 27);
    assert!(drained.pending >= 100_000);
    // The opening of the low lead and the invitation are overtaken, all else is performed.
    assert_eq!((drained.mails, drained.told), (3_704 * 8, 3_704 * 17));
}

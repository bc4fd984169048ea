//! `postern demo --once`: what a newcomer sees first.

use crate::support::Place;

#[test]
fn the_demo_ends_well_when_every_message_has_arrived() {
    let place = Place::new();
    let ended = place.run(&["demo", "--once"]).ok();
    for words in ["250 ", "202 Accepted", "status 0", "sandbox tenant", "/mailboxes/anna@contoso.test"] {
        assert!(ended.stdout.contains(words), "{words}: {}", ended.stdout);
    }
    assert_eq!(ended.stdout.matches("  ok  ").count(), 4, "{}", ended.stdout);
    assert!(!ended.stdout.contains("MISSING"), "{}", ended.stdout);
}

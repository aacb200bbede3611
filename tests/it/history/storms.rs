//! Joins, resumes and leaves in the middle of storms: what each member receives is an interval of one order.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;

use super::*;

/// The messages of a room, by their numbers: all clients must agree.
type Order = BTreeMap<u64, String>;

/// A client that comes and goes.
struct Guest {
    last: Option<Position>,
    seen: Order,
    missed: u64,
}

impl Guest {
    /// Resumes, on this connection, and receives some messages; then leaves the room.
    fn visit(&mut self, peer: &mut Peer, count: usize) {
        let since = self
            .last
            .map_or("last 3".to_owned(), |last| last.to_string());
        let welcome = peer.resume("lobby", since);
        if self.last.is_none() && welcome.replayed == 0 {
            self.last = Some(welcome.at);
        }
        self.skip(&welcome);
        for _ in 0..count {
            let text = peer.hear_text();
            self.hear(&text);
        }
        peer.say("leave|lobby");
        loop {
            match peer.hear_text() {
                left if left == "left" => break,
                text => self.hear(&text),
            }
        }
    }

    fn hear(&mut self, text: &str) {
        match text.starts_with("at ") {
            true => self.skip(&welcome(text)),
            false => self.take(parse(text)),
        }
    }

    /// Goes on behind a gap.
    fn skip(&mut self, welcome: &Welcome) {
        let Some(gap) = welcome.gap else {
            return;
        };
        let missed = gap.expect("the number of missing messages is known");
        self.missed += missed;
        self.last = self.last.map(|last| {
            let text = format!("{}-{}", last.epoch(), last.number() + missed);
            text.parse().unwrap()
        });
    }

    fn take(&mut self, (position, text): (Position, String)) {
        if let Some(last) = self.last {
            assert_eq!(position.epoch(), last.epoch());
            assert_eq!(position.number(), last.number() + 1, "a hole or a double");
        }
        self.last = Some(position);
        assert_eq!(self.seen.insert(position.number(), text), None);
    }
}

/// Runs guests of all versions in a storm of messages; returns what they have seen.
fn storm(history: History, visits: usize) -> Vec<Guest> {
    // No guest is evicted for reading slowly.
    let builder = Server::builder().send_queue_limit(64 * 1024 * 1024);
    let server = Loopback::run(builder.history(history), obey);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for who in 0..3 {
            let (room, over) = (server.handle.room("lobby"), &over);
            scope.spawn(move || {
                for number in 0.. {
                    if over.load(SeqCst) {
                        break;
                    }
                    room.publish(said(&format!("{who}/{number}"))).unwrap();
                }
            });
        }
        let guests = Version::ALL.into_iter().cycle().take(10).enumerate();
        let guests: Vec<_> = guests
            .map(|(index, version)| {
                let server = &server;
                scope.spawn(move || {
                    let (last, seen, missed) = (None, Order::new(), 0);
                    let mut guest = Guest { last, seen, missed };
                    let mut peer = server.open(version);
                    for visit in 0..visits {
                        guest.visit(&mut peer, 1 + (index * 7 + visit * 13) % 40);
                        if visit % 3 == index % 3 {
                            peer = server.open(version);
                        }
                    }
                    guest
                })
            })
            .collect();
        let guests = guests.into_iter().map(|guest| guest.join());
        let guests: Vec<_> = guests.collect();
        over.store(true, SeqCst);
        guests.into_iter().map(Result::unwrap).collect()
    })
}

fn assert_one_order(guests: &[Guest]) {
    let mut order = Order::new();
    for guest in guests {
        for (number, text) in &guest.seen {
            let known = order.entry(*number).or_insert_with(|| text.clone());
            assert_eq!(known, text);
        }
    }
    // The messages of each sender are in its order, and none came twice.
    for who in 0..3 {
        let sender = format!("{who}/");
        let texts = order.values().filter_map(|text| text.strip_prefix(&sender));
        let numbers: Vec<usize> = texts.map(|text| text.parse().unwrap()).collect();
        assert!(numbers.windows(2).all(|two| two[0] < two[1]), "{who}");
    }
}

#[test]
fn every_guest_receives_an_interval_of_one_order_without_holes_or_doubles() {
    assert_no_hole(plenty(), 12);
}

/// Runs a storm in which no guest may miss a message.
pub(super) fn assert_no_hole(history: History, visits: usize) {
    let guests = storm(history, visits);
    assert_one_order(&guests);
    for guest in guests {
        assert_eq!(guest.missed, 0);
        let (first, last) = (guest.seen.first_key_value(), guest.seen.last_key_value());
        let span = last.unwrap().0 - first.unwrap().0 + 1;
        assert_eq!(guest.seen.len() as u64, span);
    }
}

#[test]
fn every_hole_of_a_short_history_is_a_gap_of_its_size() {
    let guests = storm(plenty().max_entries(4), 12);
    assert_one_order(&guests);
    assert!(guests.iter().any(|guest| guest.missed > 0));
}

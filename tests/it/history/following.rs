//! Followers: threads that receive a room's messages as members do.

use std::thread;

use super::*;
use stentor::server::Followed;

fn text(followed: Option<Followed>) -> String {
    match followed {
        Some(Followed::Entry(entry)) => {
            let (position, text) = parse(&entry.message.to_string());
            assert_eq!(position, entry.position);
            text
        }
        other => panic!("{other:?} instead of a message"),
    }
}

#[test]
fn a_follower_receives_kept_and_live_messages_each_once() {
    const COUNT: usize = 3000;
    let server = serve(plenty());
    let positions = publish(&server, "lobby", numbers(0..100));
    let follow = server.handle.follow("lobby", positions[9]).unwrap();
    assert_eq!(follow.position(), positions[9]);
    let follower = thread::spawn(move || {
        let mut follow = follow;
        let received: Vec<_> = (10..COUNT).map(|_| text(follow.next())).collect();
        (received, follow.position())
    });
    let all = publish(&server, "lobby", numbers(100..COUNT));
    let (received, position) = follower.join().unwrap();
    assert_eq!(received, numbers(10..COUNT));
    assert_eq!(position, all[all.len() - 1]);
}

#[test]
fn a_follower_begins_where_the_room_was_when_it_was_made() {
    let server = serve(plenty());
    publish(&server, "lobby", numbers(0..3));
    let mut follow = server.handle.follow("lobby", Since::Last(0)).unwrap();
    publish(&server, "lobby", numbers(3..5));
    assert_eq!(text(follow.next()), "3");
    let mut empty = server.handle.follow("empty", Since::Last(0)).unwrap();
    let waiting = thread::spawn(move || text(empty.next()));
    publish(&server, "empty", numbers(0..1));
    assert_eq!(waiting.join().unwrap(), "0");
}

#[test]
fn a_follower_that_is_too_slow_gets_a_gap_of_exact_size() {
    let server = serve(plenty().max_entries(10));
    let mut follow = server.handle.follow("lobby", Since::Last(0)).unwrap();
    publish(&server, "lobby", numbers(0..100));
    assert_eq!(follow.next(), Some(Followed::Gap(Gap::Trimmed(90))));
    for number in 90..100 {
        assert_eq!(text(follow.next()), number.to_string());
    }
}

#[test]
fn a_follower_receives_all_messages_before_the_end_of_its_server() {
    // More than the hub returns at once.
    const COUNT: usize = 5000;
    let server = serve(plenty());
    let first = server.handle.follow("lobby", Since::Last(0)).unwrap();
    let positions = publish(&server, "lobby", numbers(0..COUNT));
    let second = server.handle.follow("lobby", positions[9]).unwrap();
    let idle = server.handle.follow("idle", Since::Last(0)).unwrap();
    server.handle.shutdown(Duration::from_secs(10));
    drop(server);
    for (mut follow, from) in [(first, 0), (second, 10), (idle, COUNT)] {
        let received: Vec<_> = follow
            .by_ref()
            .map(|followed| text(Some(followed)))
            .collect();
        assert_eq!(received, numbers(from..COUNT));
        assert_eq!(follow.next(), None, "the end stays the end");
    }
}

#[test]
fn the_end_of_a_server_hides_no_gap() {
    let server = serve(plenty().max_entries(10));
    let mut follow = server.handle.follow("lobby", Since::Last(0)).unwrap();
    publish(&server, "lobby", numbers(0..100));
    drop(server);
    assert_eq!(follow.next(), Some(Followed::Gap(Gap::Trimmed(90))));
    for number in 90..100 {
        assert_eq!(text(follow.next()), number.to_string());
    }
    assert_eq!(follow.next(), None);
}

#[test]
fn a_follower_ends_with_its_server() {
    let server = serve(History::new());
    let mut follow = server.handle.follow("lobby", Since::Last(0)).unwrap();
    let (handle, waiting) = (server.handle.clone(), thread::spawn(move || follow.next()));
    // The hub may receive the follower's request before or after its end.
    drop(server);
    assert_eq!(waiting.join().unwrap(), None);
    let ended = handle.history("lobby", None, 1);
    assert_eq!(ended, Err(stentor::server::HistoryError::Closed));
    assert!(handle.follow("lobby", Since::Last(0)).is_err());
}

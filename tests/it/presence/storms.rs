//! Members that enter, reload and leave on many threads: each observer's list follows from the entries.

use super::*;
use std::thread;

/// Applies the entries of a room, and checks that joins and leaves alternate.
fn apply(members: &mut List, text: &str) -> Position {
    let words: Vec<_> = text.split(' ').collect();
    match words[..] {
        [position, "joined", id, meta] => {
            let known = members.insert(id.parse().unwrap(), meta.to_owned());
            assert_eq!(known, None, "two joins: {text}");
            position.parse().unwrap()
        }
        [position, "left", id, _] => {
            assert!(
                members.remove(&id.parse().unwrap()).is_some(),
                "two leaves: {text}"
            );
            position.parse().unwrap()
        }
        [position, ..] => position.parse().unwrap(),
        [] => unreachable!(),
    }
}

#[test]
fn every_list_with_its_entries_applied_is_who_is_connected() {
    let history = plenty().grace_period(Duration::from_millis(2));
    let builder = Server::builder().send_queue_limit(64 * 1024 * 1024);
    let server = Loopback::run(builder.history(history), obey);
    let mut observer = server.open(Version::Rfc6455);
    let mut seen = observer.enter("lobby", 100, "observer");
    thread::scope(|scope| {
        for (number, version) in Version::ALL.into_iter().cycle().take(8).enumerate() {
            let server = &server;
            scope.spawn(move || {
                for round in 0..30 {
                    let mut peer = server.open(version);
                    let welcome = peer.enter("lobby", number, "m");
                    assert!(welcome.list.contains_key(&key(number).id()));
                    if round % 3 == 0 {
                        peer.say("say|lobby|hello");
                    }
                    if round % 2 == 0 {
                        peer.say("leave|lobby");
                        while peer.hear_text() != "out" {}
                    }
                }
            });
        }
        for _ in 0..50 {
            let (members, _, at) = present(&server, "lobby");
            while seen.at < at {
                let text = observer.hear_text();
                seen.at = apply(&mut seen.list, &text);
            }
            assert!(seen.at > at || seen.list == members);
        }
    });
    eventually("the leaves", || {
        (server.handle.counters().members == 1).then_some(())
    });
    let end = mark(&server, "lobby");
    while seen.at < end {
        let text = observer.hear_text();
        let position = apply(&mut seen.list, &text);
        assert_eq!(position.number(), seen.at.number() + 1);
        seen.at = position;
    }
    assert_eq!(seen.list, list(&[(100, "observer")]));
    assert_eq!(present(&server, "lobby").0, seen.list);
}

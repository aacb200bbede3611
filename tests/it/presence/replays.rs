//! Enters with a replay: connections that break in the middle of it, and lists in later reports.

use super::*;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;

const LONG: usize = 10_000;

/// A server whose clients receive a replay only as far as they read it.
fn serve_narrow(history: History) -> Loopback {
    let builder = Server::builder()
        .history(history)
        .ping_interval(None)
        .send_queue_limit(10 * LONG);
    Loopback::run_with_send_buffer(0, builder, obey)
}

fn fill(server: &Loopback, count: usize) {
    let room = server.handle.room("lobby");
    for _ in 0..count {
        room.publish(entry("said", &"x".repeat(LONG))).unwrap();
    }
}

#[test]
fn a_connection_that_breaks_in_a_long_replay_has_its_grace_period() {
    let server = serve_narrow(plenty());
    fill(&server, 300);
    for version in Version::ALL {
        let mut peer = server.open(version);
        peer.enter_since("lobby", "last 300", 1, "Ann");
        drop(peer);
        server.wait_until_empty();
        assert_eq!(present(&server, "lobby").0, list(&[(1, "Ann")]));
    }
    let mut peer = server.open(Version::Rfc6455);
    peer.enter("lobby", 1, "Ann");
    server.wait_for_members("lobby", 1);
    assert_eq!(kinds(&server, "lobby", 1), ["joined"]);
    peer.leave_room("lobby");
    assert_eq!(kinds(&server, "lobby", 1), ["joined", "left"]);
}

#[test]
fn a_connection_that_breaks_in_a_long_replay_leaves_no_ghost() {
    let server = serve_narrow(plenty().grace_period(Duration::from_millis(1)));
    fill(&server, 300);
    for (round, version) in Version::ALL.into_iter().enumerate() {
        let mut peer = server.open(version);
        peer.enter_since("lobby", "last 300", 1, "Ann");
        drop(peer);
        eventually("the leave", || {
            present(&server, "lobby").0.is_empty().then_some(())
        });
        assert_eq!(server.handle.counters().members, 0);
        let kinds = kinds(&server, "lobby", 1);
        assert_eq!(kinds, ["joined", "left"].repeat(round + 1));
    }
}

#[test]
fn the_list_in_a_later_report_is_true_at_the_position_of_that_report() {
    for version in Version::ALL {
        let server = serve_narrow(plenty().max_entries(60));
        fill(&server, 60);
        let mut ann = server.open(version);
        let welcome = ann.enter_since("lobby", "last 60", 1, "Ann");
        assert_eq!(welcome.list, list(&[(1, "Ann")]));
        // Ann does not read now; others come and stay, without connections.
        let mut truth = BTreeMap::from([(welcome.at, welcome.list)]);
        for number in 2..10 {
            let mut other = server.open(Version::Rfc6455);
            let welcome = other.enter("lobby", number, "m");
            truth.insert(welcome.at, welcome.list);
            drop(other);
            server.wait_for_members("lobby", 0);
            fill(&server, 20);
        }
        let (members, _, end) = present(&server, "lobby");
        assert_eq!(members.len(), 9);
        let (mut last, mut reports) = (number(&ann.hear_text()), 0);
        while last < end.number() {
            let heard = ann.hear_text();
            if !heard.starts_with("at ") {
                last += 1;
                assert_eq!(number(&heard), last);
                continue;
            }
            let later = super::welcome(&heard);
            let (_, expected) = truth.range(..=later.at).next_back().unwrap();
            assert_eq!(&later.list, expected, "{version}");
            last += later.gap.unwrap().unwrap();
            reports += 1;
        }
        assert!(reports > 0, "{version}");
    }
}

fn number(text: &str) -> u64 {
    let position: Position = text.split(' ').next().unwrap().parse().unwrap();
    position.number()
}

/// A client that keeps the list by itself, over all its connections.
struct Guest {
    list: List,
    last: Option<Position>,
}

impl Guest {
    fn hear(&mut self, text: &str) {
        let words: Vec<_> = text.split(' ').collect();
        let position: Position = words[0].parse().unwrap();
        if let Some(last) = self.last {
            assert_eq!(position.number(), last.number() + 1);
        }
        self.last = Some(position);
        match words[1] {
            "joined" => {
                let known = self
                    .list
                    .insert(words[2].parse().unwrap(), words[3].to_owned());
                assert_eq!(known, None, "{text}");
            }
            "left" => assert!(
                self.list.remove(&words[2].parse().unwrap()).is_some(),
                "{text}"
            ),
            _ => {}
        }
    }

    /// Enters where it was, checks the list of the welcome against its own, and receives some messages.
    fn visit(&mut self, peer: &mut Peer, number: usize, count: usize) {
        let since = self
            .last
            .map_or("last 0".to_owned(), |last| last.to_string());
        let welcome = peer.enter_since("lobby", since, number, "m");
        assert_eq!(welcome.gap, None);
        match self.last {
            None => (self.list, self.last) = (welcome.list.clone(), Some(welcome.at)),
            Some(_) => {
                while self.last < Some(welcome.at) {
                    self.hear(&peer.hear_text());
                }
                assert_eq!(self.list, welcome.list);
            }
        }
        for _ in 0..count {
            self.hear(&peer.hear_text());
        }
    }
}

#[test]
fn each_list_of_a_storm_of_resumes_follows_from_the_entries_before_it() {
    let history = plenty().grace_period(Duration::from_millis(1));
    let builder = Server::builder().send_queue_limit(64 * 1024 * 1024);
    let server = Loopback::run(builder.history(history).ping_interval(None), obey);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            let (room, over) = (server.handle.room("lobby"), &over);
            scope.spawn(move || {
                while !over.load(SeqCst) {
                    room.publish(entry("said", "hello")).unwrap();
                }
            });
        }
        let versions = Version::ALL.into_iter().cycle().take(8).enumerate();
        let guests: Vec<_> = versions
            .map(|(number, version)| {
                let server = &server;
                scope.spawn(move || {
                    let (list, last) = (List::new(), None);
                    let mut guest = Guest { list, last };
                    for visit in 0..20 {
                        let mut peer = server.open(version);
                        guest.visit(&mut peer, number, (number * 7 + visit * 13) % 40);
                        if visit % 2 == 0 {
                            peer.say("leave|lobby");
                            loop {
                                match peer.hear_text() {
                                    out if out == "out" => break,
                                    text => guest.hear(&text),
                                }
                            }
                        }
                    }
                })
            })
            .collect();
        let guests: Vec<_> = guests.into_iter().map(|guest| guest.join()).collect();
        over.store(true, SeqCst);
        guests.into_iter().for_each(|guest| guest.unwrap());
    });
    eventually("the leaves", || {
        (server.handle.counters().members == 0).then_some(())
    });
    assert_eq!(present(&server, "lobby").0, List::new());
}

//! The grace period: a member whose connection ends can come back without anybody's notice.

use super::*;

#[test]
fn a_member_who_reloads_causes_neither_leave_nor_join() {
    let server = serve(plenty());
    let mut watcher = server.open(Version::Rfc6455);
    watcher.watch("lobby");
    let mut peer = server.open(Version::Rfc6455);
    peer.enter("lobby", 1, "Ann");
    for version in Version::ALL.into_iter().cycle().take(10) {
        drop(peer);
        server.wait_for_members("lobby", 1);
        assert_eq!(present(&server, "lobby").0, list(&[(1, "Ann")]));
        peer = server.open(version);
        assert_eq!(peer.enter("lobby", 1, "Ann").list, list(&[(1, "Ann")]));
    }
    mark(&server, "lobby");
    watcher.expect_joined(1, "Ann");
    watcher.expect_entry("said", "mark");
    assert_eq!(server.handle.counters().members, 1);
}

/// The new connection comes before the server has noticed the end of the old one.
#[test]
fn a_reload_that_overlaps_is_silent_too() {
    let server = serve(plenty().grace_period(Duration::ZERO));
    let mut peer = server.open(Version::Draft76);
    peer.enter("lobby", 1, "Ann");
    for version in Version::ALL {
        let mut next = server.open(version);
        next.enter("lobby", 1, "Ann");
        peer = next;
        server.wait_for_members("lobby", 1);
    }
    assert_eq!(kinds(&server, "lobby", 1), ["joined"]);
    drop(peer);
    eventually("the leave", || {
        present(&server, "lobby").0.is_empty().then_some(())
    });
    assert_eq!(kinds(&server, "lobby", 1), ["joined", "left"]);
}

#[test]
fn other_metadata_after_a_reload_is_an_update() {
    let server = serve(plenty());
    let mut watcher = server.open(Version::Hybi08);
    watcher.watch("lobby");
    let mut peer = server.open(Version::Rfc6455);
    peer.enter("lobby", 1, "Ann");
    drop(peer);
    server.wait_for_members("lobby", 1);
    let mut peer = server.open(Version::Rfc6455);
    peer.enter("lobby", 1, "Anna");
    peer.leave_room("lobby");
    watcher.expect_joined(1, "Ann");
    watcher.expect_joined(1, "Anna");
    watcher.expect_left(1, "Anna");
}

#[test]
fn a_member_that_does_not_come_back_leaves_after_the_grace_period() {
    let server = serve(plenty().grace_period(Duration::from_millis(50)));
    let mut watchers = server.open_all();
    for watcher in &mut watchers {
        watcher.watch("lobby");
    }
    for version in Version::ALL {
        let mut peer = server.open(version);
        peer.enter("lobby", 1, "Ann");
        peer.leave();
        for watcher in &mut watchers {
            watcher.expect_joined(1, "Ann");
            watcher.expect_left(1, "Ann");
        }
    }
    assert_eq!(present(&server, "lobby").0, List::new());
    assert_eq!(server.handle.counters().members, 0);
}

#[cfg(feature = "testing")]
mod clock {
    use super::*;
    use stentor::testing::TestServer;
    use stentor::{Connector, Received, WebSocket};

    const SECOND: Duration = Duration::from_secs(1);

    fn text(socket: &mut WebSocket) -> String {
        match socket.recv_timeout(10 * SECOND).unwrap() {
            Received::Message(message) => message.to_string(),
            other => panic!("{other:?}"),
        }
    }

    fn start(version: Version) -> (TestServer, WebSocket) {
        let history = plenty().grace_period(5 * SECOND);
        let server = TestServer::new(Server::builder().history(history), obey).unwrap();
        let connector = Connector::new().version(version);
        let socket = server.connect_with(&connector, "ws://localhost/").unwrap();
        (server, socket)
    }

    fn enter(socket: &mut WebSocket, number: usize) -> Welcome {
        socket
            .send(format!("enter|lobby|last 0|{}|name", key(number)))
            .unwrap();
        welcome(&text(socket))
    }

    fn wait_for_members(server: &TestServer, count: usize) {
        let room = server.handle().room("lobby");
        eventually("the members", || {
            (room.members().len() == count).then_some(())
        });
    }

    #[test]
    fn a_grace_period_lasts_five_seconds_and_begins_again_with_each_end() {
        for version in Version::ALL {
            let (server, mut ann) = start(version);
            enter(&mut ann, 1);
            let count = || server.handle().present("lobby").unwrap().members.len();
            for _ in 0..3 {
                drop(ann);
                wait_for_members(&server, 0);
                server.clock().advance(3 * SECOND);
                assert_eq!(count(), 1, "{version}");
                let connector = Connector::new().version(version);
                ann = server.connect_with(&connector, "ws://localhost/").unwrap();
                enter(&mut ann, 1);
                server.clock().advance(3 * SECOND);
            }
            drop(ann);
            wait_for_members(&server, 0);
            server.clock().advance(3 * SECOND);
            assert_eq!(count(), 1, "{version}");
            server.clock().advance(3 * SECOND);
            assert_eq!(count(), 0, "{version}");
        }
    }

    #[test]
    fn many_grace_periods_that_end_together_are_one_entry_each() {
        const MEMBERS: usize = 150;
        let (server, mut watcher) = start(Version::Rfc6455);
        enter(&mut watcher, 1_000_000);
        let sockets = (0..MEMBERS).map(|number| {
            let mut socket = server.connect().unwrap();
            enter(&mut socket, number);
            assert!(text(&mut watcher).contains(" joined "));
            socket
        });
        let sockets: Vec<_> = sockets.collect();
        drop(sockets);
        wait_for_members(&server, 1);
        server.clock().advance(6 * SECOND);
        assert_eq!(server.handle().present("lobby").unwrap().members.len(), 1);
        let mut left: Vec<_> = (0..MEMBERS).map(|_| text(&mut watcher)).collect();
        assert!(left.iter().all(|text| text.contains(" left ")));
        left.sort_by_key(|text| text.split_once(" left ").map(|(_, id)| id.to_owned()));
        left.dedup_by_key(|text| text.split_once(" left ").map(|(_, id)| id.to_owned()));
        assert_eq!(left.len(), MEMBERS);
    }
}

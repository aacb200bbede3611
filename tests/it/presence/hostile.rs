//! Hostile clients, and programs that are careless: no ghost, no lost leave, no memory that stays.

use super::*;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;

use crate::support::Heard;
use stentor::CloseCode;

/// Enters a room without a report, and sends the result as a text.
fn try_enter(client: &mut Client, room: &str, number: usize, meta: &str) -> HandlerResult {
    let entered = client.enter(room, Since::Last(0), member(key(number), meta), |_| None);
    client.send(entered.map_or_else(|error| format!("{error:?}"), |_| "entered".to_owned()))?;
    Ok(())
}

fn wait_for_no_members(server: &Loopback) {
    eventually("the leaves", || {
        (server.handle.counters().members == 0).then_some(())
    });
}

#[test]
fn a_second_enter_of_a_connection_changes_nothing() {
    let history = plenty().grace_period(Duration::ZERO);
    let server = Loopback::run(Server::builder().history(history), |client| {
        for number in [1, 1, 2] {
            try_enter(client, "lobby", number, "Ann")?;
        }
        client.join("other");
        try_enter(client, "other", 1, "Ann")?;
        client.recv()?;
        Ok(())
    });
    let mut peer = server.open(Version::Hybi08);
    peer.expect_text("entered");
    for _ in 0..3 {
        peer.expect_text("Resume(Member)");
    }
    assert_eq!(present(&server, "lobby").0, list(&[(1, "Ann")]));
    assert_eq!(present(&server, "other").0, List::new());
    drop(peer);
    wait_for_no_members(&server);
    assert_eq!(kinds(&server, "lobby", 1), ["joined", "left"]);
    assert_eq!(entries(&server, "other"), [""; 0]);
}

#[test]
fn an_enter_after_the_close_returns_the_end_of_the_connection_and_leaves_no_entry() {
    let by_handler = |client: &mut Client| client.close(CloseCode::NORMAL, "");
    let by_handle = |client: &mut Client| client.handle().close(CloseCode::NORMAL, "");
    type Close = fn(&mut Client) -> Result<(), stentor::Error>;
    let closes: [Close; 2] = [by_handler, by_handle];
    let memory = crate::history::journal::store::Memory::default();
    for (close, version) in closes.into_iter().zip([Version::Rfc6455, Version::Draft75]) {
        for history in [plenty(), plenty().journal(memory.clone())] {
            let (errors, received) = std::sync::mpsc::channel();
            let server = Loopback::run(Server::builder().history(history), move |client| {
                close(client)?;
                let member = member(key(1), "Ann");
                let entered = client.enter("lobby", Since::Last(0), member, |_| None);
                errors.send(entered)?;
                Ok(())
            });
            let _peer = server.open(version);
            match received.recv_timeout(Duration::from_secs(10)).unwrap() {
                Err(EnterError::Resume(ResumeError::Connection(stentor::Error::Closed))) => {}
                other => panic!("{other:?} after the close"),
            }
            assert_eq!(entries(&server, "lobby"), [""; 0]);
            assert_eq!(server.handle.counters().members, 0);
        }
    }
}

/// The client is not in the room yet, so it cannot leave it; the enter goes on.
#[test]
fn a_handle_that_leaves_the_room_in_the_report_does_nothing() {
    let server = Loopback::run(Server::builder().history(plenty()), |client| {
        let handle = client.handle();
        client.enter("lobby", Since::Last(0), member(key(1), "Ann"), |_| {
            handle.leave("lobby");
            None
        })?;
        client.send("entered")?;
        client.recv()?;
        client.leave("lobby");
        Ok(())
    });
    let mut peer = server.open(Version::Draft75);
    peer.expect_text("entered");
    assert_eq!(present(&server, "lobby").0, list(&[(1, "Ann")]));
    peer.say("leave");
    wait_for_no_members(&server);
}

#[test]
fn a_handle_that_joins_the_room_in_the_report_ends_the_presence() {
    let server = Loopback::run(Server::builder().history(plenty()), |client| {
        let handle = client.handle();
        let entered = client.enter("lobby", Since::Last(0), member(key(1), "Ann"), |_| {
            handle.join("lobby");
            None
        });
        client.send(format!("{:?}", entered.err()))?;
        client.recv()?;
        Ok(())
    });
    let mut peer = server.open(Version::Rfc6455);
    loop {
        match peer.hear_text() {
            text if text == "Some(Resume(Member))" => break,
            text => assert!(text.contains(" left "), "{text}"),
        }
    }
    assert_eq!(present(&server, "lobby").0, List::new());
    assert_eq!(kinds(&server, "lobby", 1), ["joined", "left"]);
    server.wait_for_members("lobby", 1);
}

#[test]
fn a_handle_that_closes_the_connection_in_the_report_ends_the_presence() {
    let history = plenty().grace_period(Duration::from_millis(1));
    let server = Loopback::run(Server::builder().history(history), |client| {
        let handle = client.handle();
        client.enter("lobby", Since::Last(0), member(key(1), "Ann"), |_| {
            handle.close(CloseCode::NORMAL, "enough").unwrap();
            Some("late".into())
        })?;
        client.recv()?;
        Ok(())
    });
    let mut peer = server.open(Version::Rfc6455);
    peer.answer_goodbye(1000, "enough");
    server.wait_until_empty();
    wait_for_no_members(&server);
    assert_eq!(kinds(&server, "lobby", 1), ["joined", "left"]);
}

/// The key is a secret: a client that knows it is the same member. It cannot end the presence of the other.
#[test]
fn a_stolen_key_ends_no_presence() {
    let server = serve(plenty());
    let mut ann = server.open(Version::Rfc6455);
    ann.enter("lobby", 1, "Ann");
    let mut thief = server.open(Version::Hybi07);
    thief.enter("lobby", 1, "Mallory");
    ann.expect_joined(1, "Mallory");
    thief.leave_room("lobby");
    assert_eq!(present(&server, "lobby").0, list(&[(1, "Mallory")]));
    ann.leave_room("lobby");
    assert_eq!(present(&server, "lobby").0, List::new());
    assert_eq!(kinds(&server, "lobby", 1), ["joined", "joined", "left"]);
}

#[test]
fn metadata_may_have_any_characters() {
    let server = Loopback::run(Server::builder().history(plenty()), |client| {
        while let Some(meta) = client.recv()? {
            try_enter(client, "lobby", 1, &meta.to_string())?;
            client.leave("lobby");
            try_enter(client, "other", 1, &meta.to_string())?;
            client.recv()?;
            client.leave("other");
        }
        Ok(())
    });
    let mut peer = server.open(Version::Rfc6455);
    for meta in [
        "",
        "\0",
        "a\nb\r\n",
        "{\"\\\"}",
        "\u{1f4a9}\u{202e}",
        "%s %n",
    ] {
        peer.say(meta);
        let mut entered = 0;
        while entered < 2 {
            entered += usize::from(peer.hear_text() == "entered");
        }
        assert_eq!(present(&server, "other").0, list(&[(1, meta)]));
        peer.say("next");
    }
}

/// The bound has room for two members of this size: any byte that is not given back shows as a refusal.
#[test]
fn enters_and_leaves_give_all_memory_back() {
    let history = plenty().grace_period(Duration::ZERO).max_member_bytes(4000);
    let server = Loopback::run(Server::builder().history(history), |client| {
        let id = client.id();
        for round in 0..300 {
            let room = format!("{id} {}", "r".repeat(round % 200));
            let number = round % 7;
            let meta = "m".repeat(round % 500);
            try_enter(client, &room, number, &meta)?;
            match round % 3 {
                0 => client.leave(&room),
                1 => client.handle().leave(&room),
                _ => {
                    // Twice is once.
                    client.leave(&room);
                    client.leave(&room);
                }
            }
        }
        client.send("done")?;
        client.recv()?;
        Ok(())
    });
    for version in Version::ALL {
        let mut peer = server.open(version);
        let mut entered = 0;
        loop {
            match &*peer.hear_text() {
                "done" => break,
                "entered" => entered += 1,
                text => assert!(!text.contains("TooMany"), "{text}"),
            }
        }
        assert_eq!(entered, 300);
    }
    wait_for_no_members(&server);
}

/// Updates, second connections and grace periods count as well.
#[test]
fn updates_and_reloads_give_all_memory_back() {
    let server = serve(plenty().max_member_bytes(3000));
    let mut first = server.open(Version::Rfc6455);
    first.enter("lobby", 1, "m");
    for round in 0..100 {
        let meta = "m".repeat(1 + (round * 37) % 300);
        let mut second = server.open(Version::Hybi08);
        let welcome = second.enter("lobby", 1, &meta);
        assert_eq!(welcome.list, list(&[(1, &meta)]));
        if round % 2 == 0 {
            second.leave_room("lobby");
        } else {
            drop(first);
            first = second;
            server.wait_for_members("lobby", 1);
        }
    }
    assert_eq!(server.handle.counters().members, 1);
}

#[test]
fn a_request_for_the_members_of_a_room_that_nobody_is_in_keeps_no_state() {
    let server = serve(plenty());
    present(&server, "lobby");
    let before = server.handle.counters().history;
    let mut epochs = Vec::new();
    for number in 0..1000 {
        let (members, unannounced, at) = present(&server, &format!("room {number}"));
        assert_eq!((members, unannounced, at.number()), (List::new(), 0, 0));
        epochs.push(at.epoch());
    }
    assert_eq!(server.handle.counters().history, before);
    // No room ever has such an epoch: a resume from there is a gap of unknown size.
    let (_, _, at) = present(&server, "lobby");
    assert!(epochs.windows(2).all(|two| two[0] < two[1]));
    let mut peer = server.open(Version::Rfc6455);
    let welcome = peer.enter_since("lobby", at, 1, "Ann");
    assert!(welcome.at.epoch() > at.epoch());
    assert_eq!(welcome.gap, Some(None));
    // The room has a history now, which the request does not change.
    let (members, _, now) = present(&server, "lobby");
    assert_eq!((members, now), (list(&[(1, "Ann")]), welcome.at));
    peer.expect_joined(1, "Ann");
    peer.leave_room("lobby");
    assert_eq!(present(&server, "lobby").2.number(), now.number() + 1);
}

#[test]
fn a_position_of_another_room_or_epoch_is_a_gap_and_the_list_is_right() {
    let server = serve(plenty().total_limit(64 * 1024));
    let mut ann = server.open(Version::Rfc6455);
    let at = ann.enter("lobby", 1, "Ann").at;
    let mut bob = server.open(Version::Draft76);
    let other = bob.enter_since("other", at, 2, "Bob");
    assert_eq!((other.gap, other.list), (Some(None), list(&[(2, "Bob")])));
    for number in 0..500 {
        let room = server.handle.room(&format!("room {number}"));
        room.publish("x".repeat(1000)).unwrap();
    }
    let mut cid = server.open(Version::Rfc6455);
    let welcome = cid.enter_since("lobby", at, 3, "Cid");
    assert!(welcome.at.epoch() > at.epoch());
    assert_eq!(welcome.gap, Some(None));
    assert_eq!(welcome.list, list(&[(1, "Ann"), (3, "Cid")]));
    ann.expect_joined(3, "Cid");
}

/// Joins and leaves of handles on other threads, while the client enters and leaves: in any order, nothing stays.
#[test]
fn handles_that_join_and_leave_at_the_same_time_leave_no_ghost() {
    let history = plenty().grace_period(Duration::ZERO);
    let server = Loopback::run(Server::builder().history(history), |client| {
        let number = client.recv()?.unwrap().to_string().parse()?;
        for _ in 0..100 {
            let member = member(key(number), "m");
            match client.enter("lobby", Since::Last(0), member, |_| None) {
                Ok(_) | Err(EnterError::Resume(ResumeError::Member)) => {}
                Err(error) => return Err(error.into()),
            }
            client.leave("lobby");
        }
        client.send("done")?;
        client.recv()?;
        Ok(())
    });
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for join in [true, false] {
            let (server, over) = (&server.handle, &over);
            scope.spawn(move || {
                while !over.load(SeqCst) {
                    for client in server.clients() {
                        match join {
                            true => client.join("lobby"),
                            false => client.leave("lobby"),
                        }
                    }
                }
            });
        }
        let peers: Vec<_> = (1..5)
            .map(|number| {
                let mut peer = server.open(Version::Rfc6455);
                peer.say(&number.to_string());
                peer
            })
            .collect();
        let readers = peers
            .into_iter()
            .map(|mut peer| scope.spawn(move || while peer.hear_text() != "done" {}));
        let readers: Vec<_> = readers.collect();
        let ends: Vec<_> = readers.into_iter().map(|reader| reader.join()).collect();
        over.store(true, SeqCst);
        ends.into_iter().for_each(|end| end.unwrap());
    });
    server.wait_until_empty();
    wait_for_no_members(&server);
    assert_eq!(present(&server, "lobby").0, List::new());
    for number in 1..5 {
        let kinds = kinds(&server, "lobby", number);
        let expected = ["joined", "left"].repeat(kinds.len() / 2);
        assert_eq!(kinds, expected);
    }
}

#[test]
fn a_shutdown_in_the_middle_of_enters_comes_to_an_end() {
    for _ in 0..5 {
        let mut server = serve(plenty().grace_period(Duration::from_millis(1)));
        thread::scope(|scope| {
            for version in Version::ALL.into_iter().cycle().take(10).enumerate() {
                let peer = server.open(version.1);
                scope.spawn(move || {
                    let mut peer = peer;
                    for round in 0..1000 {
                        peer.say(&format!("enter|room {round}|last 0|{}|m", key(version.0)));
                        loop {
                            match peer.hear() {
                                Heard::Text(text) if text.starts_with("at ") => {
                                    break;
                                }
                                Heard::Text(_) => {}
                                _ => return,
                            }
                        }
                    }
                });
            }
            server.handle.shutdown(Duration::from_secs(5));
        });
        server.join();
        assert!(server.handle.present("lobby").is_err());
    }
}

/// Nobody waits for a grace period at the end of the server.
#[test]
fn a_server_ends_with_members_in_their_grace_periods() {
    let mut server = serve(plenty().grace_period(Duration::from_secs(3600)));
    let mut peer = server.open(Version::Rfc6455);
    peer.enter("lobby", 1, "Ann");
    drop(peer);
    server.wait_for_members("lobby", 0);
    assert_eq!(present(&server, "lobby").0, list(&[(1, "Ann")]));
    server.handle.shutdown(Duration::from_secs(3600));
    server.join();
}

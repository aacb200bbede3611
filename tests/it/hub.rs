//! Messages to many: the clients that get them, and their order.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use stentor::server::ClientId;
use stentor::{Client, HandlerResult, Server, ServerHandle, Version};

use crate::support::{Head, Heard, KEY3, Loopback, PATIENCE, Peer, dial, echo, eventually, text};

/// A handler that executes commands in words: `join ROOM`, `leave ROOM`, `say ROOM TEXT`, `others
/// ROOM TEXT`, `all TEXT`, `rest TEXT`, `echo TEXT`.
fn obey(client: &mut Client) -> HandlerResult {
    while let Some(message) = client.recv()? {
        let words = message.as_text().unwrap_or_default();
        let (command, rest) = words.split_once(' ').unwrap_or((words, ""));
        let (room, text) = rest.split_once(' ').unwrap_or((rest, ""));
        match command {
            "join" => client.join(room),
            "leave" => client.leave(room),
            "say" => client.room(room).broadcast(text),
            "others" => client.room(room).except(client.id()).broadcast(text),
            "all" => client.broadcast(rest),
            "rest" => client.everyone().except(client.id()).broadcast(rest),
            _ => client.send(rest)?,
        }
    }
    Ok(())
}

fn members(server: &Loopback, room: &str, expected: &[ClientId]) {
    let room = server.handle.room(room);
    eventually("the members", || (room.members() == expected).then_some(()));
}

#[test]
fn all_see_the_messages_of_many_in_the_same_order() {
    const EACH: usize = 400;
    let server = Loopback::run(Server::builder(), |client| {
        client.join("lobby");
        while let Some(message) = client.recv()? {
            client.room("lobby").broadcast(message);
        }
        Ok(())
    });
    let talkers: Vec<Peer> = server.open_all();
    let listeners: Vec<Peer> = server.open_all();
    server.wait_for_members("lobby", 10);
    let total = EACH * talkers.len();
    let received: Vec<Vec<String>> = thread::scope(|scope| {
        for (who, talker) in talkers.iter().enumerate() {
            let (version, mut stream) = (talker.version, talker.stream.try_clone().unwrap());
            scope.spawn(move || {
                for number in 0..EACH {
                    let words = format!("{who} {number}");
                    stream.write_all(&text(version, &words)).unwrap();
                }
            });
        }
        let peers = talkers.into_iter().chain(listeners);
        let readers: Vec<_> = peers
            .map(|mut peer| scope.spawn(move || (peer.hear_texts(total), peer)))
            .collect();
        readers
            .into_iter()
            .map(|reader| reader.join().unwrap().0)
            .collect()
    });
    for other in &received[1..] {
        assert!(*other == received[0], "two clients saw different orders");
    }
    for who in 0..5 {
        let prefix = format!("{who} ");
        let own = received[0].iter().filter(|text| text.starts_with(&prefix));
        let expected: Vec<String> = (0..EACH).map(|number| format!("{who} {number}")).collect();
        assert!(
            own.eq(&expected),
            "messages of one sender have changed places"
        );
    }
}

/// Whether a client receives the message that another one's command sends: both are numbered, and
/// are in the room `even` or `odd`.
fn hears(hearer: usize, sayer: usize, command: &str) -> bool {
    match command {
        "all" => true,
        "rest" => hearer != sayer,
        "say even" => hearer.is_multiple_of(2),
        "others odd" => !hearer.is_multiple_of(2) && hearer != sayer,
        command => unreachable!("{command}"),
    }
}

#[test]
fn messages_to_mixed_audiences_reach_exactly_their_receivers_in_one_order() {
    const EACH: usize = 300;
    const COMMANDS: [&str; 4] = ["all", "rest", "say even", "others odd"];
    let command = |sayer: usize, number: usize| COMMANDS[(sayer + number * 7 / 3) % 4];
    let server = Loopback::run(Server::builder(), obey);
    let mut peers: Vec<Peer> = [server.open_all(), server.open_all()]
        .into_iter()
        .flatten()
        .collect();
    for (at, peer) in peers.iter_mut().enumerate() {
        peer.say(if at % 2 == 0 { "join even" } else { "join odd" });
    }
    server.wait_for_members("even", 5);
    server.wait_for_members("odd", 5);

    let all: Vec<(usize, usize)> = (0..peers.len())
        .flat_map(|sayer| (0..EACH).map(move |number| (sayer, number)))
        .collect();
    let meant_for = |hearer: usize, (sayer, number)| hears(hearer, sayer, command(sayer, number));
    let received: Vec<Vec<(usize, usize)>> = thread::scope(|scope| {
        for (sayer, peer) in peers.iter().enumerate() {
            let (version, mut stream) = (peer.version, peer.stream.try_clone().unwrap());
            scope.spawn(move || {
                for number in 0..EACH {
                    let words = format!("{} {sayer}/{number}", command(sayer, number));
                    stream.write_all(&text(version, &words)).unwrap();
                }
            });
        }
        let readers: Vec<_> = peers
            .iter_mut()
            .enumerate()
            .map(|(hearer, peer)| {
                let count = all.iter().filter(|said| meant_for(hearer, **said)).count();
                scope.spawn(move || {
                    let texts = peer.hear_texts(count).into_iter();
                    texts
                        .map(|text| {
                            let (sayer, number) = text.split_once('/').unwrap();
                            (sayer.parse().unwrap(), number.parse().unwrap())
                        })
                        .collect()
                })
            })
            .collect();
        readers
            .into_iter()
            .map(|reader| reader.join().unwrap())
            .collect()
    });
    for (hearer, own) in received.iter().enumerate() {
        for sayer in 0..received.len() {
            let from_one = own.iter().filter(|said| said.0 == sayer);
            let expected = all
                .iter()
                .filter(|said| said.0 == sayer && meant_for(hearer, **said));
            assert!(
                from_one.eq(expected),
                "{hearer} did not receive all of {sayer} in order"
            );
        }
        let common = |said: &&(usize, usize)| meant_for(0, **said) && meant_for(hearer, **said);
        let alike = own
            .iter()
            .filter(common)
            .eq(received[0].iter().filter(common));
        assert!(alike, "0 and {hearer} saw different orders");
    }
    for peer in &mut peers {
        peer.say("echo nothing more");
        peer.expect_text("nothing more");
    }
}

#[test]
fn the_rooms_of_a_client_are_its_own() {
    let server = Loopback::run(Server::builder(), obey);
    let mut peers = server.open_all();
    let ids: Vec<ClientId> = peers.iter().map(|peer| server.client(peer).id()).collect();
    for (at, peer) in peers.iter_mut().enumerate() {
        peer.say("join everybody");
        peer.say(if at % 2 == 0 { "join even" } else { "join odd" });
    }
    members(&server, "everybody", &ids);
    members(&server, "even", &[ids[0], ids[2], ids[4]]);
    members(&server, "odd", &[ids[1], ids[3]]);
    members(&server, "empty", &[]);
    let but_one = server.handle.room("even").except(ids[2]).members();
    assert_eq!(but_one, [ids[0], ids[4]]);

    // A client that is not in the room can send to it.
    peers[1].say("say even to the even");
    peers[0].say("say odd to the odd");
    server.handle.room("everybody").broadcast("to everybody");
    server.handle.room("empty").broadcast("to nobody");
    server
        .handle
        .room("even")
        .except(ids[0])
        .broadcast("but one");
    for (at, peer) in peers.iter_mut().enumerate() {
        let mut expected = vec![
            "to everybody",
            if at % 2 == 0 {
                "to the even"
            } else {
                "to the odd"
            },
        ];
        if at == 2 || at == 4 {
            expected.push("but one");
        }
        let mut received = peer.hear_texts(expected.len());
        received.sort();
        expected.sort_unstable();
        assert_eq!(received, expected);
    }

    peers[2].say("leave even");
    members(&server, "even", &[ids[0], ids[4]]);
    peers[4].leave();
    members(&server, "even", &[ids[0]]);
    peers[0].say("leave even");
    // Leaving twice is the same as leaving once, and so it is with joining.
    peers[0].say("leave even");
    peers[0].say("join odd");
    peers[0].say("join odd");
    members(&server, "even", &[]);
    members(&server, "odd", &[ids[0], ids[1], ids[3]]);
    peers[0].say("others odd once");
    peers[1].expect_text("once");
    peers[3].expect_text("once");
    for peer in &mut peers[..4] {
        peer.say("echo nothing more");
        peer.expect_text("nothing more");
    }
}

#[test]
fn a_broadcast_to_everyone_needs_no_room() {
    let server = Loopback::run(Server::builder(), obey);
    let mut peers = server.open_all();
    peers[0].say("all from a client");
    for peer in &mut peers {
        peer.expect_text("from a client");
    }
    server.handle.broadcast("from the handle");
    let first = server.client(&peers[0]).id();
    server
        .handle
        .everyone()
        .except(first)
        .broadcast("to all but one");
    for (at, peer) in peers.iter_mut().enumerate() {
        peer.expect_text("from the handle");
        if at > 0 {
            peer.expect_text("to all but one");
        }
    }
    peers[0].say("echo nothing more");
    peers[0].expect_text("nothing more");
}

#[test]
fn a_reply_that_is_sent_before_a_broadcast_arrives_before_it() {
    const COUNT: usize = 500;
    let server = Loopback::run(Server::builder(), |client| {
        while let Some(message) = client.recv()? {
            let words = message.as_text().unwrap_or_default().to_owned();
            client.send(format!("reply {words}"))?;
            client.broadcast(format!("all {words}"));
        }
        Ok(())
    });
    for version in Version::ALL {
        let mut peer = server.open(version);
        let glued = (0..COUNT).flat_map(|number| text(version, &number.to_string()));
        peer.write(&glued.collect::<Vec<u8>>());
        let received = peer.hear_texts(2 * COUNT);
        let place = |words: String| {
            received
                .iter()
                .position(|text| *text == words)
                .expect("missed")
        };
        let mut before = (0, 0);
        for number in 0..COUNT {
            let now = (
                place(format!("reply {number}")),
                place(format!("all {number}")),
            );
            assert!(now.0 < now.1, "{version}: the broadcast overtook the reply");
            assert!(
                number == 0 || before.0 < now.0 && before.1 < now.1,
                "{version}"
            );
            before = now;
        }
        peer.leave();
        server.wait_until_empty();
    }
}

#[test]
fn only_clients_in_ready_get_broadcasts() {
    let server = Loopback::echo(Server::builder());
    let mut open = server.open(Version::Rfc6455);
    let mut silent = dial(server.address);
    let head = Head::of(Version::Rfc6455).bytes();
    let (first_half, second_half) = head.split_at(head.len() / 2);
    let mut half = dial(server.address);
    half.write_all(first_half).unwrap();
    let mut no_key3 = Peer::without_key3(server.address);
    eventually("all four", || {
        (server.handle.counters().connections == 4).then_some(())
    });
    assert_eq!(server.handle.count(), 1);
    for number in 0..100 {
        server.handle.broadcast(format!("too early {number}"));
    }
    assert_eq!(open.hear_texts(100)[99], "too early 99");

    // Each gets its handshake and its own echo, and nothing else.
    no_key3.write(KEY3);
    no_key3.read_proof();
    no_key3.expect_echo("draft-76");
    half.write_all(second_half).unwrap();
    let mut half = Peer::after(half, Version::Rfc6455, head.len());
    half.expect_echo("half");
    silent.write_all(&head).unwrap();
    let mut silent = Peer::after(silent, Version::Rfc6455, head.len());
    silent.expect_echo("silent");
    server.handle.broadcast("now");
    for peer in [&mut open, &mut no_key3, &mut half, &mut silent] {
        peer.expect_text("now");
    }
}

/// Broadcasts numbers until it gets the stop signal; returns their count.
fn burst(handle: &ServerHandle, stop: &AtomicBool) -> usize {
    let mut number = 0;
    while !stop.load(SeqCst) {
        handle.broadcast(number.to_string());
        number += 1;
        thread::sleep(Duration::from_micros(100));
    }
    handle.broadcast("the end");
    number
}

fn number(peer: &mut Peer) -> Option<usize> {
    peer.hear_text().parse().ok()
}

#[test]
fn a_client_that_joins_and_leaves_during_a_burst_misses_nothing_in_between() {
    let server = Loopback::echo(Server::builder());
    let permanent = server.open_all();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let talking = scope.spawn(|| burst(&server.handle, &stop));
        let listening: Vec<_> = permanent
            .into_iter()
            .map(|mut peer| {
                scope.spawn(move || {
                    let mut next = 0;
                    while let Some(number) = number(&mut peer) {
                        assert_eq!(number, next, "{}", peer.version);
                        next += 1;
                    }
                    next
                })
            })
            .collect();
        let server = &server;
        let visiting: Vec<_> = Version::ALL
            .into_iter()
            .map(|version| {
                scope.spawn(move || {
                    for _ in 0..20 {
                        let mut peer = server.open(version);
                        let first = number(&mut peer).expect("a number");
                        for expected in first + 1..first + 20 {
                            assert_eq!(number(&mut peer), Some(expected), "{version}");
                        }
                        peer.start_close(1000, "");
                        while matches!(peer.hear(), Heard::Text(_)) {}
                    }
                })
            })
            .collect();
        for visitor in visiting {
            visitor.join().unwrap();
        }
        stop.store(true, SeqCst);
        let count = talking.join().unwrap();
        for listener in listening {
            assert_eq!(listener.join().unwrap(), count);
        }
    });
    let counters = server.handle.counters();
    assert_eq!((counters.dropped, counters.evicted), (0, 0));
}

#[test]
fn a_broadcast_that_is_posted_once_a_client_has_its_101_reaches_it() {
    let server = Loopback::echo(Server::builder());
    for round in 0..50 {
        for version in Version::ALL {
            let mut peer = server.open(version);
            server.handle.broadcast(format!("round {round}"));
            peer.expect_text(&format!("round {round}"));
        }
    }
}

/// No message waits for a second one to be sent with it: with a pause of a tenth of a second for
/// that, this would take ten seconds.
#[test]
fn a_message_alone_arrives_at_once() {
    let server = Loopback::run(Server::builder(), obey);
    let (mut one, mut two) = (server.open(Version::Draft76), server.open(Version::Rfc6455));
    let since = Instant::now();
    for number in 0..100 {
        one.say(&format!("all {number}"));
        one.expect_text(&number.to_string());
        two.expect_text(&number.to_string());
    }
    let took = since.elapsed();
    assert!(took < Duration::from_secs(4), "{took:?}");
}

/// More than may wait for the hub, and more than may wait for a client.
#[test]
fn a_message_that_is_larger_than_every_queue_is_broadcast() {
    let server = Loopback::run(Server::builder().max_message_size(16_000_000), obey);
    let mut peers = server.open_all();
    let large = "x".repeat(9_000_000);
    thread::scope(|scope| {
        for peer in &mut peers {
            let large = &large;
            scope.spawn(move || {
                assert!(peer.hear_text() == *large, "{}", peer.version);
                peer.expect_text("and a small one");
                assert!(peer.hear_text() == *large, "{}", peer.version);
            });
        }
        server.handle.broadcast(large.as_str());
        // Once they have read it, so that there is room.
        eventually("the first", || {
            (server.handle.counters().bytes_out > 5 * 9_000_000).then_some(())
        });
        server.handle.broadcast("and a small one");
        eventually("the second", || {
            (server.handle.counters().messages_out == 10).then_some(())
        });
        server.handle.broadcast(large.as_str());
    });
    assert_eq!(server.handle.counters().evicted, 0);
}

/// Senders of small messages must not keep out a sender of a large one.
#[test]
fn a_large_message_is_not_starved_by_small_ones() {
    let server = Loopback::echo(Server::builder());
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(SeqCst) {
                    server.handle.broadcast("small");
                }
            });
        }
        let since = Instant::now();
        for _ in 0..5 {
            server.handle.broadcast("x".repeat(9_000_000));
        }
        let took = since.elapsed();
        stop.store(true, SeqCst);
        assert!(took < Duration::from_secs(3), "{took:?}");
    });
}

/// More posts than the hub's queue holds, and all at once.
#[test]
fn no_thread_waits_for_ever_for_a_busy_hub() {
    const EACH: usize = 3000;
    let server = Loopback::run(Server::builder(), |client| {
        client.join("lobby");
        if client.recv()?.is_some() {
            for number in 0..EACH {
                client.room("lobby").broadcast(number.to_string());
            }
        }
        echo(client)
    });
    let mut peers = server.open_all();
    server.wait_for_members("lobby", 5);
    let since = Instant::now();
    for peer in &mut peers {
        peer.say("go on");
    }
    let received: Vec<Vec<String>> = thread::scope(|scope| {
        let readers: Vec<_> = peers
            .iter_mut()
            .map(|peer| scope.spawn(|| peer.hear_texts(5 * EACH)))
            .collect();
        readers
            .into_iter()
            .map(|reader| reader.join().unwrap())
            .collect()
    });
    assert!(received.iter().all(|texts| *texts == received[0]));
    assert!(since.elapsed() < PATIENCE);
}

//! Members that enter, leave, break off and come back, against each other and against the clock: none stays, no
//! leave is lost, and each list follows from the entries before it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::net::link::Stage;
use crate::net::sync::{clock, thread};
use crate::server::client::{Client, HandlerResult};
use crate::server::handles::ServerHandle;
use crate::server::history::History;
use crate::server::history::member::{Member, MemberKey, Roll};
use crate::server::history::resume::Since;
use crate::server::settings::Settings;
use crate::server::shared::ServerThreads;

use super::check;
use super::stage::{read_politely, serve, shake_hands, with_send_queue_limit};

const GRACE: Duration = Duration::from_millis(100);

fn remembering(grace: Duration, send_queue_limit: usize) -> Settings {
    Settings {
        history: Some(History::new().grace_period(grace)),
        ..with_send_queue_limit(send_queue_limit)
    }
}

fn member(number: u8) -> Member {
    let key: MemberKey = format!("{number:032x}").parse().unwrap();
    let id = key.id();
    let entry = |kind: &str| format!("{kind} {id}");
    Member::new(key).joined(entry("joined")).left(entry("left"))
}

fn enter(client: &mut Client, number: u8) -> HandlerResult {
    let report = |_: &_| Some("welcome".into());
    client.enter("room", Since::Last(100), member(number), report)?;
    Ok(())
}

/// Enters, leaves, and enters again until the end of the connection.
fn come_and_go(client: &mut Client) -> HandlerResult {
    enter(client, 1)?;
    client.leave("room");
    enter(client, 1)
}

/// Another connection of the same member.
fn come_again(client: &mut Client) -> HandlerResult {
    enter(client, 1)
}

/// Another member, whose own thread sends the replay.
fn wait_for_room(client: &mut Client) -> HandlerResult {
    for _ in 0..4 {
        client.send("-".repeat(20))?;
    }
    enter(client, 2)?;
    while client.recv()?.is_some() {}
    Ok(())
}

fn ids(roll: &Roll) -> BTreeSet<String> {
    roll.members
        .iter()
        .map(|present| present.id.to_string())
        .collect()
}

/// Checks each list against the entries of the room.
fn assert_true(server: &ServerHandle, rolls: &[Roll]) {
    let page = server.history("room", None, 100).unwrap();
    assert!(!page.more);
    let mut members = BTreeSet::new();
    for entry in page.entries {
        for roll in rolls.iter().filter(|roll| roll.at < entry.position) {
            let is_next = roll.at.number() + 1 == entry.position.number();
            assert!(!is_next || ids(roll) == members, "{roll:?}");
        }
        let text = entry.message.to_string();
        let (kind, id) = text.split_once(' ').unwrap();
        match kind {
            "joined" => assert!(members.insert(id.to_owned()), "two joins"),
            _ => assert!(members.remove(id), "two leaves"),
        }
    }
    assert_eq!(members, BTreeSet::new());
}

fn nobody_stays(grace: Duration) {
    let (threads, _woken) = ServerThreads::new(remembering(grace, 1150)).unwrap();
    let server = ServerHandle {
        shared: Arc::clone(&threads.shared),
    };
    let handlers = [come_and_go, come_again, wait_for_room];
    let clients: Vec<_> = handlers
        .into_iter()
        .enumerate()
        .map(|(index, handler)| {
            let (client, _, peer) = serve(&server.shared, handler);
            let reader = thread::spawn(move || {
                shake_hands(peer, 11);
                match index {
                    // It breaks off somewhere in its replay.
                    2 => peer.reset(),
                    _ => read_politely(peer),
                }
            });
            (client, reader)
        })
        .collect();
    let lister = {
        let server = server.clone();
        thread::spawn(move || {
            let rolls = (0..3).map(|_| {
                clock::pass(GRACE / 2);
                thread::yield_now();
                server.present("room").unwrap()
            });
            rolls.collect::<Vec<_>>()
        })
    };
    for (client, reader) in clients {
        client.join().unwrap();
        reader.join().unwrap();
    }
    let mut rolls = lister.join().unwrap();
    for _ in 0..3 {
        clock::pass(GRACE);
        rolls.push(server.present("room").unwrap());
    }
    let last = rolls.last().unwrap();
    assert_eq!((ids(last), last.unannounced), (BTreeSet::new(), 0));
    assert_true(&server, &rolls);
    drop(threads);
}

#[test]
fn members_whose_grace_period_ends_meanwhile_leave_no_ghost() {
    check(|| nobody_stays(GRACE));
}

#[test]
fn members_without_a_grace_period_leave_no_ghost() {
    check(|| nobody_stays(Duration::ZERO));
}

/// An enter and the end of the server: no thread waits for an answer that does not come.
#[test]
fn enters_that_meet_a_shutdown_come_to_an_end() {
    check(|| {
        let (threads, _woken) = ServerThreads::new(remembering(GRACE, 10_000)).unwrap();
        let shared = Arc::clone(&threads.shared);
        let clients: Vec<_> = (0..2)
            .map(|_| {
                let (client, link, peer) = serve(&shared, come_and_go);
                let reader = thread::spawn(move || {
                    shake_hands(peer, 11);
                    read_politely(peer);
                });
                (client, link, reader)
            })
            .collect();
        let server = ServerHandle {
            shared: Arc::clone(&shared),
        };
        let asker = thread::spawn(move || server.present("room").is_ok());
        // Somewhere behind the handshakes.
        while clients
            .iter()
            .any(|(_, link, _)| link.stage() < Stage::Open)
        {
            thread::yield_now();
        }
        shared.shutdown(Duration::from_secs(60));
        shared.finish_shutdown();
        for (client, _, reader) in clients {
            client.join().unwrap();
            reader.join().unwrap();
        }
        drop(threads);
        asker.join().unwrap();
    });
}

//! The rooms with the number of their members, in one answer.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;

use stentor::{Client, HandlerResult, Server, Version};

use crate::support::{Loopback, becomes};

/// Joins the rooms that it is sent, and leaves those with a minus sign.
fn obey(client: &mut Client) -> HandlerResult {
    while let Some(message) = client.recv()? {
        let room = message.as_text().unwrap_or_default();
        match room.strip_prefix('-') {
            Some(room) => client.leave(room),
            None => client.join(room),
        }
        client.send("done")?;
    }
    Ok(())
}

#[test]
fn each_room_has_the_number_of_its_members() {
    let server = Loopback::run(Server::builder(), obey);
    let counts = || server.handle.room_counts();
    assert_eq!(counts(), []);
    let mut peers = server.open_all();
    let mut tell = |place: usize, words: &str| {
        let peer = &mut peers[place];
        peer.say(words);
        peer.expect_text("done");
    };
    for place in 0..5 {
        tell(place, "all");
    }
    for (place, room) in [(0, "z"), (1, "z"), (2, "é"), (2, "a"), (2, "a")] {
        tell(place, room);
    }
    let named = |rooms: &[(&str, usize)]| {
        let rooms = rooms
            .iter()
            .map(|(name, members)| ((*name).to_owned(), *members));
        rooms.collect::<Vec<_>>()
    };
    // By bytes.
    assert_eq!(counts(), named(&[("a", 1), ("all", 5), ("z", 2), ("é", 1)]));
    let names: Vec<String> = counts().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, server.handle.rooms());
    tell(0, "-z");
    tell(2, "-a");
    assert_eq!(counts(), named(&[("all", 5), ("z", 1), ("é", 1)]));
    for mut peer in peers {
        peer.leave();
    }
    becomes(&named(&[]), counts);
}

/// A client that enters the next room before it leaves the last is always in one or two, however many
/// rooms there are: the list is never put together from two moments.
#[test]
fn all_counts_are_of_one_moment() {
    const ROOMS: usize = 20_000;
    let server = Loopback::run(Server::builder().max_rooms_per_client(ROOMS + 10), obey);
    let mut peer = server.open(Version::Rfc6455);
    peer.say("start");
    peer.expect_text("done");
    let handle = server.handle.clients().remove(0);
    for number in 0..ROOMS {
        handle.join(&format!("room {number}"));
    }
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut last = "start".to_owned();
            for number in 0.. {
                if stop.load(SeqCst) {
                    return;
                }
                let next = format!("moving {number}");
                handle.join(&next);
                handle.leave(&last);
                last = next;
            }
        });
        for _ in 0..20 {
            let counts = server.handle.room_counts();
            let moving = counts.len() - ROOMS;
            assert!(matches!(moving, 1 | 2), "{moving}");
            assert!(counts.iter().all(|(_, members)| *members == 1));
        }
        stop.store(true, SeqCst);
    });
    peer.leave();
}

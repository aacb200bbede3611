//! Large rooms and many members: no turn of the hub is long. The time is measured as that of a publication to another
//! room, which waits for the hub. The bounds are generous, for a busy machine; the largest times are printed.

use super::*;
use std::thread;
use std::time::Instant;

use stentor::ServerHandle;

const MOMENT: Duration = Duration::from_millis(500);

/// Publishes to another room until `is_over`; returns the longest time that a publication took.
fn longest(what: &str, server: &ServerHandle, mut is_over: impl FnMut() -> bool) -> Duration {
    let (room, began) = (server.room("elsewhere"), Instant::now());
    let mut times = Vec::new();
    while !is_over() {
        let start = Instant::now();
        room.publish("tick").unwrap();
        times.push(start.elapsed());
        assert!(began.elapsed() < crate::support::PATIENCE, "{what}");
    }
    times.sort_unstable();
    let longest = times.last().copied().unwrap_or_default();
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    let count = times.len();
    println!(
        "{what}: {:?}; of {count} publications, the median took {median:?}, the longest {longest:?}",
        began.elapsed()
    );
    longest
}

/// Enters rooms as the first message says: `FIRST|COUNT|KEY`.
fn enter_many(client: &mut Client) -> HandlerResult {
    let message = client.recv()?.unwrap().to_string();
    let numbers: Vec<usize> = message
        .split('|')
        .map(|word| word.parse().unwrap())
        .collect();
    for room in numbers[0]..numbers[0] + numbers[1] {
        // No entries about joins: everybody would have to read them.
        let member = Member::new(key(numbers[2])).left(entry("left", "m"));
        client.enter(&format!("room {room}"), Since::Last(0), member, |_| None)?;
    }
    client.send("entered")?;
    while client.recv()?.is_some() {}
    Ok(())
}

fn large(history: History) -> Loopback {
    let builder = Server::builder()
        .history(history.max_member_bytes(1 << 30))
        .ping_interval(None)
        .max_clients(10_000)
        .max_memberships(1_000_000)
        .send_queue_limit(64 * 1024 * 1024);
    Loopback::run(builder, enter_many)
}

fn open(server: &Loopback, first: usize, count: usize, number: usize) -> Peer {
    let mut peer = server.open(Version::Rfc6455);
    peer.say(&format!("{first}|{count}|{number}"));
    peer
}

/// Rooms × members, with the grace periods of all ending at once.
fn graces(rooms: usize, members: usize, grace: Duration) -> Duration {
    let server = large(plenty().grace_period(grace));
    let mut peers = Vec::new();
    for number in 0..members {
        let mut peer = open(&server, 0, rooms, number);
        peer.expect_text("entered");
        peers.push(peer);
    }
    drop(peers);
    let all = rooms * members;
    let leave = longest("the ends of the connections", &server.handle, || {
        server.handle.rooms().is_empty()
    });
    let left = server.handle.counters().members;
    println!("{left} of {all} members are in their grace periods");
    let end = longest("the ends of the grace periods", &server.handle, || {
        server.handle.counters().members == 0
    });
    for room in 0..rooms.min(10) {
        assert_eq!(present(&server, &format!("room {room}")).0, List::new());
    }
    leave.max(end)
}

/// Members of one room, which leave at once.
fn leaves(members: usize, announced: usize) -> Duration {
    let server = large(
        plenty()
            .grace_period(Duration::ZERO)
            .max_announced(announced),
    );
    let mut peers = Vec::new();
    for number in 0..members {
        let mut peer = open(&server, 0, 1, number);
        peer.expect_text("entered");
        peers.push(peer);
    }
    assert_eq!(server.handle.counters().members, members);
    let server_handle = server.handle.clone();
    let list = longest("lists of the room", &server.handle, || {
        let start = Instant::now();
        let roll = server_handle.present("room 0").unwrap();
        assert_eq!(roll.members.len(), members.min(announced));
        println!("a list of {}: {:?}", roll.members.len(), start.elapsed());
        true
    });
    let clients = server.handle.clients();
    let leaver = thread::spawn(move || clients.iter().for_each(|client| client.leave("room 0")));
    let leave = longest("leaves", &server.handle, || {
        server.handle.counters().members == 0
    });
    leaver.join().unwrap();
    assert_eq!(present(&server, "room 0").0, List::new());
    drop(peers);
    list.max(leave)
}

/// Clients that resume with lists at the same time, in a room of announced members.
fn resumes(clients: usize, members: usize) -> Duration {
    let builder = Server::builder().history(plenty()).ping_interval(None);
    let server = Loopback::run(builder.max_clients(10_000), obey);
    for number in 0..members {
        server.open(Version::Rfc6455).enter("lobby", number, "m");
    }
    let at = mark(&server, "lobby");
    let mut peers: Vec<_> = (0..clients)
        .map(|_| server.open(Version::Rfc6455))
        .collect();
    // The same member again: the storm changes no list.
    for peer in &mut peers {
        peer.say(&format!("enter|lobby|{at}|{}|m", key(0)));
    }
    let room = server.handle.room("lobby");
    let resumed = longest("resumes", &server.handle, || {
        room.members().len() == clients
    });
    for peer in &mut peers {
        assert_eq!(welcome(&peer.hear_text()).list.len(), members);
    }
    resumed
}

#[test]
fn grace_periods_that_end_together_delay_no_other_room() {
    assert!(graces(100, 10, Duration::from_millis(300)) < MOMENT);
}

#[test]
fn members_that_leave_together_delay_no_other_room() {
    assert!(leaves(50, 50) < MOMENT);
}

#[test]
fn clients_that_resume_together_with_lists_delay_no_other_room() {
    assert!(resumes(50, 50) < MOMENT);
}

#[test]
#[ignore = "thousands of connections; for measurements: --release --ignored --nocapture --test-threads 1"]
fn large_rooms_and_many_members_delay_no_other_room() {
    println!("- 1,000 rooms of 100 members");
    assert!(graces(1000, 100, Duration::from_secs(3)) < MOMENT);
    println!("- a room of 3,000 members, 200 announced");
    assert!(leaves(3000, 200) < MOMENT);
    println!("- a room of 1,000 members, all announced");
    assert!(leaves(1000, 5000) < MOMENT);
    println!("- 2,000 resumes with a list of 200");
    assert!(resumes(2000, 200) < MOMENT);
}

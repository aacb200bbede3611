//! How many reads of logs there are.

use std::time::Duration;

use crate::net::answer::answer;
use crate::server::journal::Order;

use super::super::Line;
use super::{Event, ROOM, World};

const ROOMS: usize = 300;

/// Two servers, of which the first one uses many rooms.
fn crowded(pages: usize) -> World {
    let mut world = World::new(11);
    world.fake.pages = pages;
    for number in 0..ROOMS {
        let room = format!("room {number}").into();
        let session = &mut world.servers[0].session;
        session.order(Order::Attach(room), world.now);
    }
    world
}

/// Lets everything of the first server arrive, and all its pushes at once.
fn settle(world: &mut World) {
    for _ in 0..200 {
        if let Some(connections) = &mut world.servers[0].connections {
            let pushes = connections.pushes.drain(..).map(|(_, push)| push);
            let pushes = pushes.collect::<Vec<_>>().concat();
            connections.pushes.push_back((false, pushes));
        }
        world.transfer(0, 100_000);
        world.pass(Duration::from_millis(1));
    }
}

fn attached(world: &World) -> usize {
    let events = world.servers[0].events.iter();
    events
        .filter(|event| matches!(event, Event::Attached(_)))
        .count()
}

#[test]
fn many_rooms_are_read_in_few_commands_whatever_fits_into_a_reply() {
    for pages in [64, 24, 5, 1] {
        let mut world = crowded(pages);
        settle(&mut world);
        assert_eq!(attached(&world), ROOMS + 1);
        let reads = world.fake.reads;
        assert!(reads <= 10 + 2 * ROOMS / pages, "{pages}: {reads}");
        world.cut(0);
        settle(&mut world);
        assert!(world.servers[0].session.is_healthy());
        assert_eq!(attached(&world), ROOMS + 1, "they are not attached anew");
        let again = world.fake.reads - reads;
        assert!(again >= ROOMS / pages.min(64), "{pages}: {again}");
        assert!(again <= 10 + 2 * ROOMS / pages, "{pages}: {again}");
    }
}

#[test]
fn a_room_that_redis_refuses_to_read_stops_no_other_room() {
    let mut world = crowded(64);
    world.fake.refused = Some("room 77".to_owned());
    settle(&mut world);
    assert_eq!(attached(&world), ROOMS);
    assert!(!world.servers[0].session.is_healthy());
    world.fake.refused = None;
    settle(&mut world);
    assert_eq!(attached(&world), ROOMS + 1);
    assert!(world.servers[0].session.is_healthy());
}

/// Two servers that have attached the room, and have nothing to do.
fn quiet() -> World {
    let mut world = World::new(7);
    world.settle();
    // A notification: so no check of the subscription is on its way.
    world.publish(0);
    settle(&mut world);
    world.fake.reads = 0;
    world
}

/// Publishes a text that fits into a notification, and lets the reply arrive, but no notification.
fn store(world: &mut World) {
    world.texts |= 1;
    world.publish(0);
    let server = &mut world.servers[0];
    let commands = std::mem::take(server.session.unsent(Line::Commands));
    let Some(connections) = &mut server.connections else {
        return;
    };
    for command in connections.commands(&commands) {
        let (reply, notification) = world.fake.execute(&command);
        if let Some((channel, message)) = notification {
            connections.notify(&channel, &message);
        }
        server.session.receive(Line::Commands, &reply, world.now);
    }
}

/// Lets the oldest notification arrive.
fn notify(world: &mut World) {
    let server = &mut world.servers[0];
    let connections = server.connections.as_mut();
    if let Some((_, push)) = connections.and_then(|it| it.pushes.pop_front()) {
        server
            .session
            .receive(Line::Notifications, &push, world.now);
    }
    world.outputs(0);
}

#[test]
fn notifications_that_come_in_time_cause_no_read() {
    let mut world = quiet();
    store(&mut world);
    // One message is always awaited, for 50 of the 100 milliseconds after which the log is read.
    for _ in 0..100 {
        world.pass(Duration::from_millis(50));
        store(&mut world);
        notify(&mut world);
        assert_eq!(world.servers[0].open.len(), 1);
        assert_eq!(world.fake.reads, 0);
    }
    notify(&mut world);
    assert!(world.servers[0].open.is_empty());
}

#[test]
fn the_log_is_read_as_soon_as_a_notification_is_late() {
    let mut world = quiet();
    store(&mut world);
    world.pass(Duration::from_millis(60));
    store(&mut world);
    notify(&mut world);
    // The second notification is lost.
    if let Some(connections) = &mut world.servers[0].connections {
        connections.pushes.clear();
    }
    world.pass(Duration::from_millis(99));
    assert!(world.servers[0].session.unsent(Line::Commands).is_empty());
    let due = world.servers[0].session.next_tick();
    assert_eq!(due, Some(world.now + Duration::from_millis(1)));
    world.pass(Duration::from_millis(1));
    (0..3).for_each(|_| world.transfer(0, 100_000));
    assert_eq!(world.fake.reads, 1);
    let last = world.servers[0]
        .texts()
        .last()
        .map(|text| (*text).to_owned());
    assert_eq!(last, Some(world.texts.to_string()));
    assert!(world.servers[0].open.is_empty());
    let is_room = world.fake.rooms.keys().all(|key| key.contains(ROOM));
    assert!(is_room);
}

fn stores(world: &World, text: &str) -> bool {
    let mut entries = world.fake.rooms.values().flat_map(|log| &log.entries);
    entries.any(|entry| entry.payload == text.as_bytes())
}

/// The order of a thread that needs an entry of another server, and how it learns of the entry: over the connection
/// that is there, or over the next one.
#[test]
fn entries_are_reported_before_a_thread_that_waits_for_them_is_answered() {
    for is_cut in [false, true] {
        let mut world = quiet();
        world.publish(1);
        let text = world.texts.to_string();
        while !stores(&world, &text) {
            world.transfer(1, 100_000);
        }
        // The notification is lost.
        if let Some(connections) = &mut world.servers[0].connections {
            connections.pushes.clear();
        }
        let mut waiting = Vec::new();
        for _ in 0..100 {
            let (answer, answered) = answer();
            let order = Order::CatchUp(ROOM.into(), answer);
            world.servers[0].session.order(order, world.now);
            waiting.push(answered);
        }
        if is_cut {
            world.cut(0);
        }
        while world.servers[0].caught_up == 0 {
            world.transfer(0, 100_000);
            world.pass(Duration::from_millis(1));
        }
        assert_eq!(world.servers[0].texts().last(), Some(&&*text));
        settle(&mut world);
        assert_eq!(world.servers[0].caught_up, waiting.len());
        // The others came while the first one's read was on its way.
        let reads = world.fake.reads;
        assert!(reads <= 4, "{reads}");
    }
}

#[test]
fn a_thread_is_answered_when_its_room_is_detached() {
    let mut world = quiet();
    let (answer, answered) = answer();
    let session = &mut world.servers[0].session;
    session.order(Order::CatchUp(ROOM.into(), answer), world.now);
    session.order(Order::Detach(ROOM.into()), world.now);
    world.outputs(0);
    assert!(answered.recv_timeout(Duration::ZERO).is_ok());
}

//! Rooms whose messages are forgotten: no server keeps a message that is.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::net::answer::{Answered, answer};
use crate::server::history::publication::PublishError;
use crate::server::journal::Order;
use crate::server::redis::Position;

use super::{Event, ROOM, Server, World};

type Result = std::result::Result<(), PublishError>;

impl World {
    /// Lets a server forget messages up to a position.
    fn forget(&mut self, place: usize, up_to: Position) -> Answered<Result> {
        let (answer, answered) = answer();
        let order = Order::Forget(ROOM.into(), up_to, answer);
        self.servers[place].session.order(order, self.now);
        self.outputs(place);
        answered
    }

    /// Returns the position of an entry of the log, often the newest: servers wait for that one, perhaps.
    fn any_position(&mut self) -> Option<Position> {
        let logs = self.fake.rooms.values();
        let positions = logs.flat_map(|log| log.entries.iter().map(|entry| entry.at));
        let positions: Vec<_> = positions.collect();
        let back = self.below(positions.len()) * self.below(2);
        positions.iter().rev().nth(back).copied()
    }
}

impl Server {
    /// Returns the positions of the messages that the hub keeps.
    fn kept(&self) -> Vec<Position> {
        let mut kept: Vec<Position> = Vec::new();
        for event in &self.events {
            match event {
                Event::Entry(at, _) => kept.push(*at),
                Event::Forgot(up_to) => kept.retain(|at| at > up_to),
                Event::Attached(_) | Event::Gap(..) => {}
            }
        }
        kept
    }
}

#[test]
fn no_server_keeps_what_is_forgotten_whatever_the_connections_do() {
    let (mut forgotten, mut kept) = (0, 0);
    for seed in 0..40_u64 {
        let mut world = World::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let mut newest = Position::new(0, 0);
        let mut answers = Vec::new();
        for step in 0..800 {
            world.step(&mut BTreeMap::new(), 0);
            if step % 20 == 19 {
                if let Some(up_to) = world.any_position() {
                    let place = world.below(2);
                    answers.push(world.forget(place, up_to));
                    newest = newest.max(up_to);
                }
            }
        }
        world.settle();
        // One that was not notified learns it when it reads the log.
        (0..2).for_each(|place| world.cut(place));
        world.settle();
        for answered in answers {
            let result = answered.recv_timeout(Duration::ZERO);
            assert!(matches!(result, Ok(Ok(()))), "seed {seed}: {result:?}");
            forgotten += 1;
        }
        for server in &world.servers {
            server.check_order();
            assert!(server.open.is_empty());
            let kept_here = server.kept();
            assert!(
                kept_here.iter().all(|at| *at > newest),
                "seed {seed}: {newest}: {:?}",
                server.events
            );
            kept += kept_here.len();
        }
    }
    assert!(forgotten > 200 && kept > 500, "{forgotten} {kept}");
}

#[test]
fn a_request_waits_for_redis_and_is_refused_if_it_was_never_sent() {
    let mut world = World::new(5);
    let answered = world.forget(0, Position::new(1, 1));
    world.pass(Duration::from_secs(9));
    assert!(answered.recv_timeout(Duration::ZERO).is_err());
    world.pass(Duration::from_secs(2));
    let result = answered.recv_timeout(Duration::ZERO);
    assert!(
        matches!(result, Ok(Err(PublishError::Unavailable))),
        "{result:?}"
    );
}

#[test]
fn a_request_whose_answer_is_lost_is_sent_again() {
    let mut world = World::new(7);
    world.settle();
    let up_to = Position::new(1, 1);
    let answered = world.forget(0, up_to);
    // Redis executes it, and the answer does not arrive.
    let server = &mut world.servers[0];
    let out = std::mem::take(server.session.unsent(super::Line::Commands));
    if let Some(connections) = &mut server.connections {
        for command in connections.commands(&out) {
            world.fake.execute(&command);
        }
    }
    world.cut(0);
    world.pass(Duration::from_secs(30));
    assert!(answered.recv_timeout(Duration::ZERO).is_err());
    world.settle();
    let result = answered.recv_timeout(Duration::ZERO);
    assert!(matches!(result, Ok(Ok(()))), "{result:?}");
}

#[test]
fn an_entry_that_waits_for_a_read_is_forgotten_when_it_is_reported() {
    let mut world = World::new(9);
    // So the next text is a short one, which is part of its notification.
    world.publish(0);
    world.settle();
    // A read is on its way, and so the notifications wait.
    let (answer, _waits) = answer();
    let (now, server) = (world.now, &mut world.servers[1]);
    let order = Order::CatchUp(ROOM.into(), answer);
    server.session.order(order, now);
    let out = std::mem::take(server.session.unsent(super::Line::Commands));
    if let Some(connections) = &mut server.connections {
        for command in connections.commands(&out) {
            connections.replies.extend(world.fake.execute(&command).0);
        }
    }
    world.publish(0);
    (0..10).for_each(|_| world.transfer(0, 100_000));
    let newest = world.servers[0].kept().last().copied();
    let newest = newest.unwrap_or(Position::new(0, 0));
    let _answered = world.forget(0, newest);
    (0..10).for_each(|_| world.transfer(0, 100_000));
    let server = &mut world.servers[1];
    let pushes = server.connections.iter_mut();
    let pushes = pushes.flat_map(|connections| connections.pushes.drain(..));
    for (_, push) in pushes.collect::<Vec<_>>() {
        server
            .session
            .receive(super::Line::Notifications, &push, now);
    }
    (0..10).for_each(|_| world.transfer(1, 100_000));
    let entries = world.servers[1].events.iter();
    let mut entries = entries.filter(|event| matches!(event, Event::Entry(at, _) if *at == newest));
    assert!(
        entries.next().is_some(),
        "the members receive it nevertheless"
    );
    assert_eq!(world.servers[1].kept(), []);
}

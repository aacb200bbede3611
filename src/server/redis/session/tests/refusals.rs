//! Notifications without a place, and answers that come too late.

use crate::server::history::publication::PublishError;
use crate::server::journal::Report;

use super::super::catch_up::BUFFERED;
use super::super::{Line, Output};
use super::{ROOM, World};

/// Two servers that have attached the room.
fn attached() -> World {
    let mut world = World::new(7);
    world.settle();
    world
        .servers
        .iter()
        .for_each(|server| assert!(server.session.is_up()));
    world
}

#[test]
fn a_notification_without_a_place_is_read_from_the_log_though_no_other_follows() {
    let mut world = attached();
    // The first server reads the log, and the reply is on its way.
    world.servers[0].session.read_log(&ROOM.into());
    world.servers[0].session.tick(world.now);
    let server = &mut world.servers[0];
    let out = std::mem::take(server.session.unsent(Line::Commands));
    if let Some(connections) = &mut server.connections {
        for command in connections.commands(&out) {
            let (reply, _) = world.fake.execute(&command);
            connections.replies.extend(reply);
        }
        assert!(!connections.replies.is_empty());
    }
    // The other one publishes, while the notifications of other rooms take all the place.
    let text = (world.texts + 1).to_string();
    world.publish(1);
    (0..5).for_each(|_| world.transfer(1, 100_000));
    let server = &mut world.servers[0];
    server.session.buffered = BUFFERED;
    let pushes = server.connections.as_mut();
    let pushes = pushes
        .map(|it| std::mem::take(&mut it.pushes))
        .unwrap_or_default();
    assert!(pushes.iter().any(|(is_notification, _)| *is_notification));
    for (_, push) in pushes {
        server
            .session
            .receive(Line::Notifications, &push, world.now);
    }
    server.session.buffered = 0;
    (0..5).for_each(|_| world.transfer(0, 100_000));
    let last = world.servers[0]
        .texts()
        .last()
        .map(|text| text.trim_start_matches('0').to_owned());
    assert_eq!(last, Some(text));
}

#[test]
fn a_batch_that_is_refused_after_a_lost_connection_may_be_stored() {
    for (is_cut, expected) in [
        (false, PublishError::Journal),
        (true, PublishError::Pending),
    ] {
        let mut world = attached();
        world.publish(0);
        assert!(!world.servers[0].session.unsent(Line::Commands).is_empty());
        if is_cut {
            world.cut(0);
            while !world.servers[0].session.is_up() {
                world.pass(std::time::Duration::from_millis(10));
                world.transfer(0, 100_000);
            }
        }
        let session = &mut world.servers[0].session;
        session.unsent(Line::Commands).clear();
        session.receive(Line::Commands, b"-OOM command not allowed\r\n", world.now);
        let mut errors = Vec::new();
        while let Some(output) = session.output() {
            if let Output::Report(Report::Refused(_, error)) = output {
                errors.push(error);
            }
        }
        assert_eq!(errors, [expected]);
    }
}

/// The script of another program runs for long: that ends, and nothing is refused.
#[test]
fn a_busy_redis_is_asked_again_on_a_later_connection() {
    let mut world = attached();
    world.publish(0);
    let session = &mut world.servers[0].session;
    session.unsent(Line::Commands).clear();
    session.receive(Line::Commands, b"-BUSY a script runs\r\n", world.now);
    assert!(!session.is_up());
    world.outputs(0);
    world.settle();
    let server = &world.servers[0];
    assert!(server.session.is_up() && server.refused.is_empty());
    assert!(server.open.is_empty());
}

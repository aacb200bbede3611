//! The members of rooms in the hub, without threads.

use super::{Hub, Member};
use crate::net::answer::answer;
use crate::net::client_id::ClientId;
use crate::net::incoming::Incoming;
use crate::net::link::Link;
use crate::net::peer::Peer;
use crate::net::send_queue::SendQueue;
use crate::net::send_queue::total::TotalQueued;
use crate::net::socket::Socket;
use crate::net::sync::Instant;
use crate::net::sync::channel::{Sender, bounded};
use crate::net::system::local_pair;
use crate::net::watchdog::Watchdog;
use crate::protocol::Role;
use crate::server::history::History;
use crate::server::history::member::MemberKey;
use crate::server::hub::Command;
use crate::server::hub::batch::Batch;
use crate::server::hub::history::{Ask, Memory};
use crate::server::hub::presence::{Notice, Presence, Unentered};
use crate::server::journal::Epochs;
use crate::server::membership::Memberships;
use crate::server::registry::Registry;
use std::sync::Arc;
use std::time::Duration;

/// Longer than any answer takes.
const LONG: Duration = Duration::from_secs(10);

/// A hub on no thread, with clients, and the sender of its commands.
fn hub(history: History, clients: u64) -> std::io::Result<(Hub, Sender<Command>)> {
    let memory = Memory::new(
        history.bounds,
        Arc::new(Epochs::default()),
        None,
        Vec::new(),
    );
    let (stream, _) = local_pair()?;
    let socket = Arc::new(Socket::new(stream));
    let registry = Arc::new(Registry::new(Default::default()));
    let totals = Arc::clone(&registry.totals);
    let total_queued = TotalQueued::new(0);
    let (watchdog, _watch) =
        Watchdog::new(Arc::clone(&total_queued), Incoming::unlimited(), registry)?;
    let (commands, commands_in) = bounded(1);
    let memberships = Arc::new(Memberships::new(0));
    let admission = Arc::default();
    let mut hub = Hub::new(
        commands_in,
        admission,
        Arc::clone(&total_queued),
        watchdog,
        totals,
        memberships,
    )
    .remembering(Some(memory));
    for id in (1..=clients).map(ClientId) {
        let watcher = Arc::clone(&total_queued);
        let send_queue = SendQueue::new(id, Arc::clone(&socket), 0, watcher);
        let link = Link::new(id, Role::Server, Peer::Local, send_queue, Arc::default());
        hub.everybody.insert(Arc::new(link));
    }
    Ok((hub, commands))
}

/// Enters a client as a member of its own; returns the limit of the memory, if there is no room, and `None` if the
/// hub does not enter the client.
fn enter(hub: &mut Hub, id: u64, batch: &mut Batch) -> Option<Result<(), usize>> {
    let key: MemberKey = format!("{id:032x}").parse().ok()?;
    let member = Member::new(key).joined("joined").left("left");
    let (answer, answered) = answer();
    hub.enter_member(ClientId(id), &"room".into(), member, answer, batch);
    match answered.recv_timeout(LONG).ok()? {
        Ok(()) => Some(Ok(())),
        Err(Unentered::Memory(limit)) => Some(Err(limit)),
        Err(Unentered::Entry(_)) => Some(Err(0)),
        Err(Unentered::Gone) => None,
    }
}

fn members(hub: &Hub) -> usize {
    let memory = hub.memory.as_ref();
    memory.map_or(0, |memory| memory.presence.members())
}

#[test]
fn a_hub_that_shuts_down_does_not_wake_for_grace_periods() -> std::io::Result<()> {
    let history = History::new().grace_period(Duration::from_nanos(1));
    let (mut hub, _commands) = hub(history, 1)?;
    let mut batch = Batch::default();
    assert_eq!(enter(&mut hub, 1, &mut batch), Some(Ok(())));
    hub.everybody.remove(ClientId(1));
    hub.leave_member(&"room".into(), ClientId(1), false);
    // The grace period is over: the hub does not wait for a command.
    assert_eq!(hub.next_leave(), Some(Duration::ZERO));
    hub.shutting_down = true;
    assert_eq!(hub.next_leave(), None);
    hub.end_members(&mut batch);
    assert_eq!(members(&hub), 1);
    Ok(())
}

#[test]
fn members_that_were_told_to_leave_make_room_for_others() -> std::io::Result<()> {
    let (mut hub, _commands) = hub(History::new().max_member_bytes(1500), 100)?;
    let mut batch = Batch::default();
    let mut last = 0;
    for id in 1..=100 {
        last = id;
        match enter(&mut hub, id, &mut batch) {
            Some(Ok(())) => {}
            refused => {
                assert_eq!(refused, Some(Err(1500)));
                break;
            }
        }
    }
    assert!((2..50).contains(&last), "{last}");
    hub.leave_member(&"room".into(), ClientId(1), true);
    assert_eq!(enter(&mut hub, last, &mut batch), Some(Ok(())));
    assert_eq!(members(&hub) as u64, last - 1);
    Ok(())
}

#[test]
fn a_batch_ends_only_so_many_members_and_the_rest_follows() -> std::io::Result<()> {
    const MANY: u64 = 2 * super::ENDS as u64 + 1;
    let (mut hub, _commands) = hub(History::new(), MANY)?;
    let mut batch = Batch::default();
    for id in 1..=MANY {
        assert_eq!(enter(&mut hub, id, &mut batch), Some(Ok(())));
    }
    for id in 1..=MANY {
        hub.leave_member(&"room".into(), ClientId(id), true);
    }
    let mut left = Vec::new();
    while members(&hub) > 0 {
        hub.end_members(&mut batch);
        left.push(members(&hub));
        // The hub does not wait for a command while some are left.
        let memory = hub.memory.as_ref();
        let sleep = memory.and_then(|memory| memory.presence.sleep(Instant::now));
        assert_eq!(sleep.is_some(), members(&hub) > 0);
    }
    assert_eq!(left, [super::ENDS + 1, 1, 0]);
    let memory = hub.memory.as_ref();
    assert_eq!(memory.map(|memory| memory.presence.bytes), Some(0));
    Ok(())
}

#[test]
fn a_request_for_members_waits_for_all_departures_before_it() -> std::io::Result<()> {
    const MANY: u64 = super::ENDS as u64 + 1;
    let (mut hub, _commands) = hub(History::new(), MANY)?;
    let mut batch = Batch::default();
    for id in 1..=MANY {
        assert_eq!(enter(&mut hub, id, &mut batch), Some(Ok(())));
    }
    for id in 1..=MANY {
        hub.leave_member(&"room".into(), ClientId(id), true);
    }
    let (answer, answered) = answer();
    hub.ask(Ask::Call("room".into(), answer), &mut batch);
    let mut answers = Vec::new();
    for _ in 0..2 {
        hub.end_members(&mut batch);
        hub.end_batch();
        let answer = answered.recv_timeout(Duration::ZERO).ok();
        answers.push(answer.map(|(list, _)| list.members.len() + list.unannounced));
    }
    assert_eq!(answers, [None, Some(0)]);
    Ok(())
}

#[test]
fn a_member_that_comes_back_before_its_departure_stays() -> std::io::Result<()> {
    let (mut hub, _commands) = hub(History::new(), 1)?;
    let mut batch = Batch::default();
    assert_eq!(enter(&mut hub, 1, &mut batch), Some(Ok(())));
    hub.leave_member(&"room".into(), ClientId(1), true);
    assert_eq!(enter(&mut hub, 1, &mut batch), Some(Ok(())));
    hub.end_members(&mut batch);
    assert_eq!(members(&hub), 1);
    Ok(())
}

#[test]
fn nobody_enters_or_leaves_a_hub_that_shuts_down_or_does_not_know_the_client() -> std::io::Result<()>
{
    let (mut hub, _commands) = hub(History::new(), 2)?;
    let mut batch = Batch::default();
    assert_eq!(enter(&mut hub, 3, &mut batch), None);
    assert_eq!(enter(&mut hub, 1, &mut batch), Some(Ok(())));
    hub.shutting_down = true;
    assert_eq!(enter(&mut hub, 2, &mut batch), None);
    hub.leave_member(&"room".into(), ClientId(1), true);
    hub.end_members(&mut batch);
    assert_eq!(members(&hub), 1);
    Ok(())
}

#[test]
fn a_page_has_the_leaves_that_were_requested_before_it() -> std::io::Result<()> {
    let (mut hub, _commands) = hub(History::new(), 1)?;
    let mut batch = Batch::default();
    assert_eq!(enter(&mut hub, 1, &mut batch), Some(Ok(())));
    hub.leave_member(&"room".into(), ClientId(1), true);
    let (answer, answered) = answer();
    hub.ask(Ask::Page("room".into(), None, 10, answer), &mut batch);
    let found = answered.recv_timeout(Duration::ZERO).ok();
    let found = found
        .and_then(Result::ok)
        .map(|found| found.page.entries.len());
    assert_eq!(found, Some(2));
    Ok(())
}

/// Hands the entry about a client's member to the journal.
fn hand_over(presence: &mut Presence, client: u64, meta: &str) -> Option<Notice> {
    let (room, key): (Arc<str>, MemberKey) = ("room".into(), "0".repeat(32).parse().ok()?);
    let member = Member::new(key).meta(meta).joined("joined").left("left");
    let notice = presence.enter(&room, ClientId(client), member).ok()??;
    presence.hand_over();
    presence.is_joining(&room, key);
    Some(notice)
}

#[test]
fn a_leave_waits_for_the_newest_join_even_if_an_earlier_one_was_refused() -> std::io::Result<()> {
    let room: Arc<str> = "room".into();
    for is_stored in [true, false] {
        let mut presence = Presence::new(&History::new().bounds);
        let first = hand_over(&mut presence, 1, "one");
        let second = hand_over(&mut presence, 2, "two");
        let (Some(first), Some(second)) = (first, second) else {
            return Err(std::io::Error::other("no entry about the member"));
        };
        presence.settle();
        presence.is_refused(&room, first.key);
        for client in [1, 2] {
            presence.leave(&room, ClientId(client), true, Instant::now);
        }
        let leave = presence.end_next(None).flatten();
        assert!(leave.and_then(|leave| presence.park(leave)).is_none());
        assert!(presence.unpark().is_none(), "the second join is on its way");
        presence.settle();
        match is_stored {
            true => presence.apply(second),
            false => presence.is_refused(&room, second.key),
        }
        let leave = presence.unpark().flatten();
        let has_entry = leave.as_ref().map(|leave| leave.publication.is_some());
        assert_eq!(has_entry, is_stored.then_some(true));
        leave.into_iter().for_each(|leave| presence.apply(leave));
        assert_eq!((presence.bytes, presence.has(&room)), (0, false));
    }
    Ok(())
}

#[test]
fn a_client_that_does_not_enter_learns_it() -> std::io::Result<()> {
    let (mut hub, _commands) = hub(History::new(), 1)?;
    let mut batch = Batch::default();
    for (client, shutting_down) in [(2, false), (1, true)] {
        hub.shutting_down = shutting_down;
        let (answer, answered) = answer();
        let (room, member) = ("room".into(), Member::new(MemberKey::new()?));
        hub.enter_member(ClientId(client), &room, member, answer, &mut batch);
        assert!(matches!(
            answered.recv_timeout(LONG),
            Ok(Err(Unentered::Gone))
        ));
        assert_eq!(members(&hub), 0);
    }
    Ok(())
}

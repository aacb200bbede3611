//! Calls about the members of rooms.

use super::super::Position;
use super::super::keys::{Kind, MachineId};
use super::super::wire::{self, Reply};
use super::log::Outgoing;
use super::{Context, NoAnswer, Script, call, items};

/// The public id of a member. Redis never gets the secret key.
pub(crate) type Id = [u8; 12];

/// A connection of a member that enters a room.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entering<'a> {
    pub(crate) client: u64,
    pub(crate) id: Id,
    pub(crate) meta: &'a str,
    /// Their headers must have the changes `Joined` and `Left` of this member.
    pub(crate) joined: Outgoing<'a>,
    pub(crate) left: Outgoing<'a>,
    /// The most announced members of the room.
    pub(crate) max_announced: u32,
}

/// The answer to [`enter`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entered {
    /// The newest position of the room.
    pub(crate) at: Position,
    pub(crate) is_announced: bool,
    pub(crate) next: Next,
}

/// The answer to [`leave`], [`expire`] and [`settle`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Changed {
    /// The newest position of the room.
    pub(crate) at: Position,
    /// The connections that were removed.
    pub(crate) removed: u64,
    /// The connections of the same server that are left in the room; of a server that [`expire`] finds alive, 0.
    pub(crate) left: u64,
    pub(crate) next: Next,
}

/// Milliseconds until the next grace period ends, and [`settle`] is due; `None` if no member has one.
pub(crate) type Next = Option<u64>;

/// A page of the list of announced members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Members {
    /// The newest position of the room when the page was read, if Redis knows the room. Apply the entries after the first page's position to
    /// the union of all pages: then the list is true at the last of these entries.
    pub(crate) at: Option<Position>,
    /// A member can be in two pages.
    pub(crate) members: Vec<(Id, String)>,
    pub(crate) unannounced: u64,
    /// The cursor of the next page; `None` if this is the last one.
    pub(crate) next: Option<u64>,
}

/// The answer to [`beat`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Beat {
    /// Whether the lease has not ended before. If it has, other servers may have removed members of this one: all must
    /// enter again.
    pub(crate) is_unbroken: bool,
    /// Servers whose lease has ended and that have rooms: [`rooms_of`] and [`expire`] are due.
    pub(crate) dead: Vec<MachineId>,
}

/// Appends the command by which a connection of a member enters a room. It can be repeated.
pub(crate) fn enter(context: &Context, room: &str, entering: &Entering<'_>, into: &mut Vec<u8>) {
    let header = |outgoing: &Outgoing<'_>| {
        let mut header = Vec::new();
        outgoing.header.encode(&mut header);
        header
    };
    let (joined, left) = (header(&entering.joined), header(&entering.left));
    let mut stored = format!("{}\n", left.len()).into_bytes();
    stored.extend_from_slice(&left);
    stored.extend_from_slice(entering.left.payload);
    let numbers = [entering.client, entering.max_announced.into()];
    let [client, most] = numbers.map(|number| number.to_string());
    let arguments = [
        client.as_bytes(),
        &entering.id,
        entering.meta.as_bytes(),
        &joined,
        entering.joined.payload,
        &stored,
        most.as_bytes(),
    ];
    change(
        context,
        Script::Enter,
        (room, context.machine),
        &arguments,
        into,
    );
}

/// Reads the answer to [`enter`].
pub(crate) fn entered(reply: Reply) -> Result<Entered, NoAnswer> {
    let script = Script::Enter;
    let read = |items: &[Reply]| {
        let [at, is_announced, next] = items else {
            return None;
        };
        Some(Entered {
            at: at.position()?,
            is_announced: is_announced.count()? == 1,
            next: next_of(next)?,
        })
    };
    read(&items(script, reply)?).ok_or(NoAnswer::Unexpected(script))
}

/// Appends the command by which a connection leaves a room. Its member has left when the grace period, in
/// milliseconds, is over; 0 is at once. It can be repeated.
pub(crate) fn leave(context: &Context, room: &str, client: u64, grace: u64, into: &mut Vec<u8>) {
    let numbers = [client, grace].map(|number| number.to_string());
    let arguments = [numbers[0].as_bytes(), numbers[1].as_bytes()];
    change(
        context,
        Script::Leave,
        (room, context.machine),
        &arguments,
        into,
    );
}

/// Appends the command that removes up to 100 connections of a dead server from a room. While the lease of that
/// server has not ended, nothing is removed. Repeat it while [`Changed::left`] is not 0.
pub(crate) fn expire(
    context: &Context,
    room: &str,
    dead: MachineId,
    grace: u64,
    into: &mut Vec<u8>,
) {
    let (server, grace) = (dead.to_string(), grace.to_string());
    let arguments = [server.as_bytes(), grace.as_bytes()];
    change(context, Script::Expire, (room, dead), &arguments, into);
}

/// Appends the command by which members leave whose grace period is over, up to 100.
pub(crate) fn settle(context: &Context, room: &str, into: &mut Vec<u8>) {
    change(context, Script::Settle, (room, context.machine), &[], into);
}

/// Reads the answer to [`leave`], [`expire`] or [`settle`].
pub(crate) fn changed(script: Script, reply: Reply) -> Result<Changed, NoAnswer> {
    let read = |items: &[Reply]| {
        let [at, removed, left, next] = items else {
            return None;
        };
        Some(Changed {
            at: at.position()?,
            removed: removed.count()?,
            left: left.count()?,
            next: next_of(next)?,
        })
    };
    read(&items(script, reply)?).ok_or(NoAnswer::Unexpected(script))
}

/// Appends the command that reads a page of the list of members: begin with the cursor 0.
pub(crate) fn members(context: &Context, room: &str, cursor: u64, into: &mut Vec<u8>) {
    let kinds = [Kind::State, Kind::Counts, Kind::List, Kind::Leaving];
    let keys = kinds.map(|kind| context.keys.key(room, kind));
    let cursor = cursor.to_string();
    call(Script::Members, &keys, &[cursor.as_bytes()], into);
}

/// Reads the answer to [`members`].
pub(crate) fn members_page(reply: Reply) -> Result<Members, NoAnswer> {
    let script = Script::Members;
    let read = |items: &[Reply]| {
        let [at, unannounced, cursor, members @ ..] = items else {
            return None;
        };
        let member = |parts: &[Reply]| match parts {
            [Reply::Bulk(id), meta] => {
                let id = <Id>::try_from(&id[..]).ok()?;
                Some((id, meta.text()?.to_owned()))
            }
            _ => None,
        };
        Some(Members {
            at: match at.text()? {
                "" => None,
                _ => Some(at.position()?),
            },
            unannounced: unannounced.count()?,
            next: Some(cursor.text()?.parse().ok()?).filter(|cursor| *cursor != 0),
            members: members.chunks(2).map(member).collect::<Option<_>>()?,
        })
    };
    read(&items(script, reply)?).ok_or(NoAnswer::Unexpected(script))
}

/// Appends the command that keeps the position and the members of a room for another while; due a few times in
/// [`state_seconds`](super::LogBounds::state_seconds) for each room that is attached.
pub(crate) fn renew(context: &Context, room: &str, into: &mut Vec<u8>) {
    let kinds = [
        Kind::Connections(context.machine),
        Kind::State,
        Kind::Counts,
        Kind::List,
        Kind::Lefts,
        Kind::Leaving,
        Kind::Writer(context.machine),
    ];
    let keys = kinds.map(|kind| context.keys.key(room, kind));
    let seconds = context.log.state_seconds.to_string();
    call(Script::Renew, &keys, &[seconds.as_bytes()], into);
}

/// Reads the answer to [`renew`]: the number of this server's connections in the room. If it is lower than expected,
/// Redis has lost members, and they must enter again.
pub(crate) fn renewed(reply: Reply) -> Result<u64, NoAnswer> {
    let count = reply.count();
    count.ok_or_else(|| NoAnswer::of(Script::Renew, reply))
}

/// Appends the command that renews the lease of this server, in milliseconds, by the clock of Redis. With
/// `look`, it returns dead servers too.
///
/// After Redis was not reachable, other servers may not have renewed their lease either: so a server looks for dead
/// ones only when it has reached Redis for a whole lease.
pub(crate) fn beat(context: &Context, lease: u64, look: bool, into: &mut Vec<u8>) {
    let keys = [context.keys.machines(), context.keys.rooms(context.machine)];
    let (machine, lease) = (context.machine.to_string(), lease.to_string());
    let (seconds, all) = (
        context.log.state_seconds.to_string(),
        context.keys.all_rooms(),
    );
    let arguments = [
        machine.as_bytes(),
        lease.as_bytes(),
        if look { b"1" } else { b"0" },
        seconds.as_bytes(),
        all.as_bytes(),
    ];
    call(Script::Beat, &keys, &arguments, into);
}

/// Reads the answer to [`beat`].
pub(crate) fn beaten(reply: Reply) -> Result<Beat, NoAnswer> {
    let script = Script::Beat;
    let read = |items: &[Reply]| {
        let (unbroken, dead) = items.split_first()?;
        let machine = |dead: &Reply| match dead {
            Reply::Bulk(id) => MachineId::read(id),
            _ => None,
        };
        Some(Beat {
            is_unbroken: unbroken.count()? == 1,
            dead: dead.iter().filter_map(machine).collect(),
        })
    };
    read(&items(script, reply)?).ok_or(NoAnswer::Unexpected(script))
}

/// Appends the command that returns up to 100 rooms in which a server has members.
pub(crate) fn rooms_of(context: &Context, machine: MachineId, into: &mut Vec<u8>) {
    let key = context.keys.rooms(machine);
    wire::encode(&["SRANDMEMBER", &key, "100"], into);
}

/// Reads the answer to [`rooms_of`].
pub(crate) fn rooms(reply: Reply) -> Result<Vec<String>, NoAnswer> {
    let script = Script::Beat;
    let room = |item: &Reply| item.text().map(str::to_owned);
    let rooms = items(script, reply)?.iter().map(room).collect();
    Option::ok_or(rooms, NoAnswer::Unexpected(script))
}

/// Appends the call of a script that changes the members of a room: those of this server's connections.
fn change(
    context: &Context,
    script: Script,
    (room, server): (&str, MachineId),
    arguments: &[&[u8]],
    into: &mut Vec<u8>,
) {
    let kinds = [
        Kind::Counts,
        Kind::List,
        Kind::Lefts,
        Kind::Leaving,
        Kind::Connections(server),
    ];
    let mut keys = context.keys(room, kinds);
    keys.push(context.keys.rooms(server));
    if script == Script::Expire {
        keys.push(context.keys.machines());
    }
    let arguments: Vec<&[u8]> = [room.as_bytes()]
        .into_iter()
        .chain(arguments.iter().copied())
        .collect();
    context.call(script, room, &keys, &arguments, into);
}

fn next_of(reply: &Reply) -> Option<Next> {
    match reply {
        Reply::Integer(-1) => Some(None),
        reply => reply.count().map(Some),
    }
}

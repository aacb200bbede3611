//! Calls about the members of rooms.

use super::super::Position;
use super::super::keys::MachineId;
use super::super::wire::Reply;
use super::log::Outgoing;
use super::{Context, NoAnswer, Script};

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
    /// Whether connections of the same server are left in the room.
    pub(crate) is_more: bool,
    pub(crate) next: Next,
}

/// Milliseconds until the next grace period ends, and [`settle`] is due; `None` if no member has one.
pub(crate) type Next = Option<u64>;

/// A page of the list of announced members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Members {
    /// The newest position of the room when the page was read. Apply the entries after the first page's position to
    /// the union of all pages: then the list is true at the last of these entries.
    pub(crate) at: Position,
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
    let _ = (context, room, entering, into);
}

pub(crate) fn entered(reply: Reply) -> Result<Entered, NoAnswer> {
    let _ = reply;
    Err(NoAnswer::Unexpected(Script::Enter))
}

/// Appends the command by which a connection leaves a room. Its member has left when the grace period, in
/// milliseconds, is over; 0 is at once. It can be repeated.
pub(crate) fn leave(context: &Context, room: &str, client: u64, grace: u64, into: &mut Vec<u8>) {
    let _ = (context, room, client, grace, into);
}

/// Appends the command that removes up to 100 connections of a dead server from a room.
pub(crate) fn expire(
    context: &Context,
    room: &str,
    dead: MachineId,
    grace: u64,
    into: &mut Vec<u8>,
) {
    let _ = (context, room, dead, grace, into);
}

/// Appends the command by which members leave whose grace period is over, up to 100.
pub(crate) fn settle(context: &Context, room: &str, into: &mut Vec<u8>) {
    let _ = (context, room, into);
}

/// Reads the answer to [`leave`], [`expire`] or [`settle`].
pub(crate) fn changed(script: Script, reply: Reply) -> Result<Changed, NoAnswer> {
    let _ = reply;
    Err(NoAnswer::Unexpected(script))
}

/// Appends the command that reads a page of the list of members: begin with the cursor 0.
pub(crate) fn members(context: &Context, room: &str, cursor: u64, into: &mut Vec<u8>) {
    let _ = (context, room, cursor, into);
}

pub(crate) fn members_page(reply: Reply) -> Result<Members, NoAnswer> {
    let _ = reply;
    Err(NoAnswer::Unexpected(Script::Members))
}

/// Appends the command that keeps the position and the members of a room for another while; due a few times in
/// [`state_seconds`](super::LogBounds::state_seconds) for each room that is attached.
pub(crate) fn renew(context: &Context, room: &str, into: &mut Vec<u8>) {
    let _ = (context, room, into);
}

/// Reads the answer to [`renew`]: the number of this server's connections in the room. If it is lower than expected,
/// Redis has lost members, and they must enter again.
pub(crate) fn renewed(reply: Reply) -> Result<u64, NoAnswer> {
    let _ = reply;
    Err(NoAnswer::Unexpected(Script::Renew))
}

/// Appends the command that renews the lease of this server, in milliseconds, by the clock of Redis. With
/// `look`, it returns dead servers too.
pub(crate) fn beat(context: &Context, lease: u64, look: bool, into: &mut Vec<u8>) {
    let _ = (context, lease, look, into);
}

pub(crate) fn beaten(reply: Reply) -> Result<Beat, NoAnswer> {
    let _ = reply;
    Err(NoAnswer::Unexpected(Script::Beat))
}

/// Appends the command that returns up to 100 rooms in which a server has members.
pub(crate) fn rooms_of(context: &Context, machine: MachineId, into: &mut Vec<u8>) {
    let _ = (context, machine, into);
}

/// Reads the answer to [`rooms_of`].
pub(crate) fn rooms(reply: Reply) -> Result<Vec<String>, NoAnswer> {
    let _ = reply;
    Err(NoAnswer::Unexpected(Script::Beat))
}

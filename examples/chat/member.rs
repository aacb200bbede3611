//! A member of a room, on one of its connections.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stentor::server::{
    EnterError, Entered, JoinError, MemberId, MemberKey, Position, Present, ResumeError, Since,
};
use stentor::{Client, CloseCode, Message};

use crate::moderation::{Act, Moderation, REMOVED, Seat};
use crate::wire::{Join, Request};
use crate::{House, MOST_MEMBERS, names, wire};

/// The entries that a new member receives, and those of a page of older ones.
const PAGE: usize = 50;

/// The others learn at most once in this time that a member types.
const TYPING_INTERVAL: Duration = Duration::from_secs(1);

/// A member of a room.
pub(crate) struct Member<'a> {
    house: &'a House,
    room: &'a str,
    id: MemberId,
    name: String,
    version: &'static str,
    is_operator: bool,
    /// The wrong secrets of this connection.
    attempts: u32,
    typed: Option<Instant>,
}

impl<'a> Member<'a> {
    /// Enters the room: the client receives the welcome, the entries that it has missed, and the live ones.
    ///
    /// # Errors
    /// The connection has ended. The inner error is a complaint for the client, which may try again.
    pub(crate) fn enter(
        client: &mut Client,
        house: &'a House,
        room: &'a str,
        join: Join,
    ) -> Result<Result<Member<'a>, String>, Box<dyn std::error::Error + Send + Sync>> {
        let key = join.key.map_or_else(MemberKey::new, Ok)?;
        let id = key.id();
        let Ok(roll) = client.server().present(room) else {
            // The server ends.
            return Err(stentor::Error::Closed.into());
        };
        let member = Member {
            house,
            room,
            id,
            // Two members that enter in the same moment may get the same name: the id tells them apart.
            name: free_name(&join.name, id, &roll.members),
            version: client.version().name(),
            is_operator: false,
            attempts: 0,
            typed: None,
        };
        let moderation = &house.moderation;
        if let Some(complaint) = moderation.keeps_out(room, id, &member.name) {
            return Ok(Err(complaint));
        }
        if client.room(room).members().len() >= MOST_MEMBERS {
            return Err(close(
                client,
                CloseCode::TRY_AGAIN_LATER,
                "this room is full",
            ));
        }
        if let Some(seat) = client.get::<Seat>() {
            seat.take(id);
        }
        let since = join.since.map_or(Since::Last(PAGE), Since::Position);
        let mut before = None;
        let entered = client.enter(room, since, member.described(key), |entered| {
            let message = match before.replace(entered.resumed.at) {
                None => member.welcome(key, entered),
                Some(before) => wire::gap_between(&entered.resumed, before),
            };
            Some(Message::from(message))
        });
        match entered {
            Ok(_) => {}
            Err(EnterError::Resume(ResumeError::Connection(error))) => return Err(error.into()),
            // The server ends.
            Err(EnterError::Resume(ResumeError::Join(JoinError::Closed))) => {
                return Err(stentor::Error::Closed.into());
            }
            Err(error) => {
                log::warn!("a client did not enter {room:?}: {error}");
                let reason = "this room has no place now";
                return Err(close(client, CloseCode::TRY_AGAIN_LATER, reason));
            }
        }
        // An operator may have removed it while it entered: one of the two sees the other.
        if moderation.keeps_out(room, id, &member.name).is_some() {
            client.leave(room);
            return Err(close(client, CloseCode::POLICY, REMOVED));
        }
        Ok(Ok(member))
    }

    /// Returns the member as the library announces it.
    fn described(&self, key: MemberKey) -> stentor::server::Member {
        let (id, name, version) = (self.id.to_string(), &self.name, self.version);
        let meta = json!({"name": name, "version": version});
        let joined = json!({"member": id, "name": name, "version": version, "time": wire::now()});
        // The library keeps this entry until the member leaves, and nobody knows yet when that is.
        let left = json!({"member": id, "name": name});
        stentor::server::Member::new(key)
            .meta(meta.to_string())
            .joined(wire::entry("joined", &joined))
            .left(wire::entry("left", &left))
    }

    fn welcome(&self, key: MemberKey, entered: &Entered) -> String {
        let members: Vec<Value> = entered.members.iter().map(listed).collect();
        wire::message(
            "welcome",
            &json!({
                "room": self.room,
                "at": entered.resumed.at.to_string(),
                "gap": wire::gap(entered.resumed.gap),
                "members": members,
                "member": self.id.to_string(),
                "key": key.to_string(),
                "name": self.name,
                "version": self.version,
            }),
        )
    }

    /// Fulfils a request; returns the message for this client, if there is one.
    ///
    /// # Errors
    /// A complaint for this client.
    pub(crate) fn answer(
        &mut self,
        client: &Client,
        request: Request,
    ) -> Result<Option<Message>, String> {
        match request {
            Request::Join(_) => return Err("you have joined this room already".to_owned()),
            Request::Say(text) => self.say(client, &text)?,
            Request::Typing => self.type_on(client),
            Request::Older(before) => {
                let page = client.server().history(self.room, Some(before), PAGE);
                let page = page.map_err(|error| error.to_string())?;
                return Ok(Some(wire::older(&page).into()));
            }
            Request::Rooms => return Ok(Some(self.house.rooms.message(&client.server()).into())),
            Request::Operator(secret) => {
                let moderation = &self.house.moderation;
                moderation.admit(&secret, &mut self.attempts)?;
                self.is_operator = true;
                return Ok(Some(wire::message("operator", &json!({})).into()));
            }
            _ if !self.is_operator => return Err("only an operator may do that".to_owned()),
            Request::Kick(member) => self.kick(client, member)?,
            Request::Mute(member, minutes) => self.mute(client, member, minutes)?,
            Request::Clear => self.clear(client)?,
        }
        Ok(None)
    }

    /// Ends the presence of a client that has closed the connection on purpose. A page that is reloaded closes with
    /// another code, and other connections are lost: their members stay for the grace period.
    pub(crate) fn end(&self, client: &Client) {
        if client
            .closed()
            .is_some_and(|closed| closed.code == CloseCode::NORMAL)
        {
            client.leave(self.room);
        }
    }

    fn say(&self, client: &Client, text: &str) -> Result<(), String> {
        if let Some(complaint) = self.house.moderation.mutes(self.room, self.id) {
            return Err(complaint);
        }
        let said = json!({
            "member": self.id.to_string(), "name": self.name, "version": self.version,
            "text": text, "time": wire::now(),
        });
        self.publish(client, "said", &said).map(drop)
    }

    /// Lets the others know that this member types. It is no entry: it is of no use later.
    fn type_on(&mut self, client: &Client) {
        let is_frequent = self.typed.is_some_and(|at| at.elapsed() < TYPING_INTERVAL);
        if is_frequent || self.house.moderation.mutes(self.room, self.id).is_some() {
            return;
        }
        self.typed = Some(Instant::now());
        let typing = json!({"member": self.id.to_string(), "name": self.name});
        let typing = Message::from(wire::message("typing", &typing));
        let server = client.server();
        for other in client.room(self.room).except(client.id()).members() {
            if let Some(other) = server.client(other) {
                // A client that is gone needs no message.
                let _ = other.send(typing.clone());
            }
        }
    }

    // The acts of an operator: first the entry that everybody sees, the removed member too, then the effect.

    fn kick(&self, client: &Client, member: MemberId) -> Result<(), String> {
        let name = self.name_of(client, member)?;
        let kicked = json!({"member": member.to_string(), "name": name, "time": wire::now()});
        self.publish(client, "kicked", &kicked)?;
        self.carry_out(client, &Act::kick(self.room, member, &name))
    }

    fn mute(&self, client: &Client, member: MemberId, minutes: u64) -> Result<(), String> {
        let name = self.name_of(client, member)?;
        let muted = json!({
            "member": member.to_string(), "name": name, "minutes": minutes, "time": wire::now(),
        });
        self.publish(client, "muted", &muted)?;
        self.carry_out(client, &Act::mute(self.room, member, minutes))
    }

    fn clear(&self, client: &Client) -> Result<(), String> {
        let cleared = self.publish(client, "cleared", &json!({"time": wire::now()}))?;
        self.carry_out(client, &Act::clear(self.room, cleared))
    }

    fn name_of(&self, client: &Client, member: MemberId) -> Result<String, String> {
        let present = client.server().present(self.room);
        let present = present.map_err(|error| error.to_string())?.members;
        let present = present.iter().find(|present| present.id == member);
        let present = present.ok_or_else(|| format!("no member {member} is in this room"))?;
        Ok(name(present))
    }

    fn publish(&self, client: &Client, kind: &str, fields: &Value) -> Result<Position, String> {
        let published = client.room(self.room).publish(wire::entry(kind, fields));
        published.map_err(|error| error.to_string())
    }

    fn carry_out(&self, client: &Client, act: &Act) -> Result<(), String> {
        let published = Moderation::publish(&client.server(), act);
        published.map_err(|error| error.to_string())
    }
}

/// Closes the connection; returns the error that ends its handler.
fn close(
    client: &mut Client,
    code: CloseCode,
    reason: &str,
) -> Box<dyn std::error::Error + Send + Sync> {
    match client.close(code, reason) {
        Ok(()) => stentor::Error::Closed.into(),
        Err(error) => error.into(),
    }
}

/// Returns the wanted name or, if it looks like that of another member, the name with a number.
fn free_name(wanted: &str, own: MemberId, present: &[Present]) -> String {
    let others = present.iter().filter(|present| present.id != own);
    let taken: HashSet<String> = others.map(|present| names::key(&name(present))).collect();
    names::free(wanted, &taken)
}

fn name(present: &Present) -> String {
    let meta: Value = serde_json::from_str(&present.meta).unwrap_or_default();
    meta["name"].as_str().unwrap_or_default().to_owned()
}

/// Returns a member as the page lists it: its metadata is JSON already.
fn listed(present: &Present) -> Value {
    let mut listed: Value = serde_json::from_str(&present.meta).unwrap_or_default();
    listed["member"] = present.id.to_string().into();
    listed
}

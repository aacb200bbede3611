//! One batch of the hub: messages to different audiences, joined so that each client is touched once.
//!
//! Clients that receive the same messages share the same bytes. A client's messages depend on the
//! audiences that it belongs to, so clients are grouped by their audiences; a client that is excepted
//! from a message has bytes of its own.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use crate::net::client_id::ClientId;
use crate::net::deflate::deflate;
use crate::net::link::Link;
use crate::net::send_queue::frames::Frames;
use crate::net::send_queue::shared::SharedFrames;
use crate::net::send_queue::total::TotalQueued;
use crate::protocol::deflate::Negotiated;
use crate::protocol::{Encoder, Framing, Message, Version};

use super::groups::groups;

/// The receivers of a broadcast.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// `None` for all clients.
    pub(crate) room: Option<Arc<str>>,
    pub(crate) except: Vec<ClientId>,
}

impl Target {
    /// Returns the weight of a broadcast of `len` bytes while it waits for the hub, in bytes.
    pub(crate) fn weight(&self, len: usize) -> usize {
        let room = self.room.as_ref().map_or(0, |room| room.len());
        len + room + size_of_val(self.except.as_slice())
    }
}

/// Broadcasts in the order in which they were queued.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    commands: Vec<Command>,
    /// The audiences, each once.
    audiences: Vec<Receivers>,
    /// The place of each audience.
    places: HashMap<Option<Arc<str>>, usize>,
    /// For each excepted client, the commands that it does not receive.
    exceptions: HashMap<ClientId, Vec<usize>>,
    /// Bytes of the messages.
    size: usize,
    /// Bytes of the largest message.
    longest: usize,
    /// Bytes of the messages and their targets.
    weight: usize,
}

/// Messages in the bytes of one framing.
#[derive(Debug)]
pub(crate) struct Encoded {
    pub(crate) bytes: Arc<SharedFrames>,
    pub(crate) messages: u64,
    /// The number of messages that the framing cannot carry.
    pub(crate) skipped: u64,
}

/// An audience, with its commands.
#[derive(Debug)]
struct Receivers {
    /// `None` for all clients.
    room: Option<Arc<str>>,
    first: usize,
    last: usize,
}

#[derive(Debug)]
struct Command {
    audience: usize,
    /// The next command of the same audience.
    next: Option<usize>,
    message: Message,
    /// The compressed payloads that were needed so far.
    deflated: RefCell<Vec<Deflated>>,
}

/// The window's bits, and the compressed payload; `None` if compression gains nothing.
type Deflated = (u8, Option<Rc<[u8]>>);

/// The encoding that a client receives.
#[derive(Debug, Clone, Copy)]
enum Form {
    Hixie,
    Hybi,
    Deflated(Negotiated),
}

/// The bytes that clients of the same audiences receive.
#[derive(Default)]
struct Group<'a> {
    /// Their commands, in order.
    received: &'a [usize],
    hixie: Option<Encoded>,
    hybi: Option<Encoded>,
    /// With the bits of the window.
    deflated: Vec<(u8, Encoded)>,
}

/// Writes compressed messages, which only clients of this version receive.
const SERVER: Encoder = Encoder::server(Version::Rfc6455);

/// The most bytes that are joined before they are sent; a larger message is sent alone.
const JOINED: usize = 64 * 1024;

impl Batch {
    pub(crate) fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// Returns whether one more message of `size` bytes may join.
    pub(crate) fn has_room(&self, size: usize) -> bool {
        self.is_empty() || self.size + size <= JOINED
    }

    pub(crate) fn add(&mut self, target: Target, message: Message) {
        self.weight += target.weight(message.len());
        let command = self.commands.len();
        let audience = self.place(target.room, command);
        for id in target.except {
            self.exceptions.entry(id).or_default().push(command);
        }
        self.size += message.len();
        self.longest = self.longest.max(message.len());
        self.commands.push(Command {
            audience,
            next: None,
            message,
            deflated: RefCell::default(),
        });
    }

    /// Adds a message that has given its weight back already.
    #[cfg(feature = "history")]
    pub(crate) fn add_unweighed(&mut self, target: Target, message: Message) {
        let weight = self.weight;
        self.add(target, message);
        self.weight = weight;
    }

    /// Removes all commands, and keeps their memory for the next ones.
    pub(crate) fn clear(&mut self) {
        self.commands.clear();
        self.audiences.clear();
        self.places.clear();
        self.exceptions.clear();
        (self.size, self.longest, self.weight) = (0, 0, 0);
    }

    /// Returns the weight of the batch's commands while they waited for the hub.
    pub(crate) fn weight(&self) -> usize {
        self.weight
    }

    /// Calls `push` once for each client that receives a message, with all bytes for it.
    pub(crate) fn deliver<'a>(
        &self,
        members: impl Fn(Option<&Arc<str>>) -> &'a [Arc<Link>],
        total_queued: &Arc<TotalQueued>,
        mut push: impl FnMut(&Arc<Link>, &Encoded),
    ) {
        let audiences: Vec<&[Arc<Link>]> = self
            .audiences
            .iter()
            .map(|audience| members(audience.room.as_ref()))
            .collect();
        let mut received = Vec::new();
        let mut deliver = |audiences: &[usize], members: &mut dyn Iterator<Item = &Arc<Link>>| {
            self.received(audiences, &mut received);
            let mut group = Group {
                received: &received,
                ..Group::default()
            };
            for link in members {
                self.send(link, &mut group, total_queued, &mut push);
            }
        };
        // One group after the other: the bytes of a group are dropped before the next group.
        match groups(&audiences) {
            None => {
                for (audience, members) in audiences.iter().enumerate() {
                    deliver(&[audience], &mut members.iter());
                }
            }
            Some(groups) => {
                for (audiences, members) in groups {
                    deliver(&audiences, &mut members.into_iter());
                }
            }
        }
    }

    /// Returns the place of an audience, to which a command is added.
    fn place(&mut self, room: Option<Arc<str>>, command: usize) -> usize {
        // Usually it is the same as the last.
        let audiences = &mut self.audiences;
        let last = self.commands.last().map(|last| last.audience);
        let place = match last.filter(|last| audiences[*last].room == room) {
            Some(last) => last,
            None => *self.places.entry(room).or_insert_with_key(|room| {
                audiences.push(Receivers {
                    room: room.clone(),
                    first: command,
                    last: command,
                });
                audiences.len() - 1
            }),
        };
        let last = std::mem::replace(&mut self.audiences[place].last, command);
        if last != command {
            self.commands[last].next = Some(command);
        }
        place
    }

    /// Replaces `received` by the commands of these audiences, in order.
    fn received(&self, audiences: &[usize], received: &mut Vec<usize>) {
        received.clear();
        for audience in audiences {
            let first = Some(self.audiences[*audience].first);
            received.extend(std::iter::successors(first, |last| {
                self.commands[*last].next
            }));
        }
        if audiences.len() > 1 {
            received.sort_unstable();
        }
    }

    fn send(
        &self,
        link: &Arc<Link>,
        group: &mut Group<'_>,
        total_queued: &Arc<TotalQueued>,
        push: &mut impl FnMut(&Arc<Link>, &Encoded),
    ) {
        let Some(encoder) = link.encoder() else {
            return;
        };
        let form = self.form(encoder);
        match self.exceptions.get(&link.id) {
            Some(left_out) => {
                let encoded = self.encode(form, group.received, left_out, total_queued);
                push(link, &encoded);
            }
            None => {
                let encode = |received: &[usize]| self.encode(form, received, &[], total_queued);
                push(link, group.shared(form, encode));
            }
        }
    }

    fn form(&self, encoder: Encoder) -> Form {
        match (encoder.version().framing(), encoder.negotiated()) {
            (Framing::Hixie, _) => Form::Hixie,
            (Framing::Hybi, Some(negotiated)) if negotiated.is_worth(self.longest) => {
                Form::Deflated(negotiated)
            }
            (Framing::Hybi, _) => Form::Hybi,
        }
    }

    /// Encodes the messages of the commands in `received`, without those in `left_out`; both lists are
    /// sorted.
    fn encode(
        &self,
        form: Form,
        received: &[usize],
        left_out: &[usize],
        total_queued: &Arc<TotalQueued>,
    ) -> Encoded {
        let is_received = |index: &&usize| left_out.binary_search(index).is_err();
        let received = || {
            let indices = received.iter().filter(is_received);
            indices.map(|index| &self.commands[*index])
        };
        let (framing, negotiated) = match form {
            Form::Hixie => (Framing::Hixie, None),
            Form::Hybi => (Framing::Hybi, None),
            Form::Deflated(negotiated) => (Framing::Hybi, Some(negotiated)),
        };
        let deflated = |command: &Command| command.deflated(negotiated.as_ref()?);
        let copied = |command: &Command| match deflated(command) {
            Some(payload) => framing.frame_len(payload.len()),
            None => Frames::copied(framing, command.message.len()),
        };
        // No larger capacity than needed: the bytes may wait in a queue for long.
        let mut frames = Frames::with_capacity(received().map(copied).sum());
        let (mut messages, mut skipped) = (0, 0);
        for command in received() {
            let encoded = match deflated(command) {
                Some(payload) => {
                    SERVER.encode_deflated(&command.message, &payload, frames.bytes());
                    Ok(())
                }
                None => frames.message(framing, &command.message),
            };
            match encoded {
                Ok(()) => messages += 1,
                Err(_) => skipped += 1,
            }
        }
        Encoded {
            bytes: SharedFrames::new(frames, total_queued),
            messages,
            skipped,
        }
    }
}

impl Group<'_> {
    /// Returns the bytes of the whole group in this form, encoded when they are first needed.
    fn shared(&mut self, form: Form, encode: impl FnOnce(&[usize]) -> Encoded) -> &Encoded {
        let received = self.received;
        match form {
            Form::Hixie => self.hixie.get_or_insert_with(|| encode(received)),
            Form::Hybi => self.hybi.get_or_insert_with(|| encode(received)),
            Form::Deflated(negotiated) => {
                let deflated = &mut self.deflated;
                let window = negotiated.window();
                let place = deflated.iter().position(|(own, _)| *own == window);
                let place = place.unwrap_or_else(|| {
                    deflated.push((window, encode(received)));
                    deflated.len() - 1
                });
                &deflated[place].1
            }
        }
    }
}

impl Command {
    /// Returns the compressed payload, compressed once for each size of window; `None` if compression
    /// gains nothing.
    fn deflated(&self, negotiated: &Negotiated) -> Option<Rc<[u8]>> {
        let mut known = self.deflated.borrow_mut();
        let window = negotiated.window();
        if let Some((_, payload)) = known.iter().find(|(own, _)| *own == window) {
            return payload.clone();
        }
        let payload = deflate(negotiated, &self.message).map(Rc::from);
        known.push((window, payload.clone()));
        payload
    }
}

#[cfg(test)]
mod tests {
    use super::{Batch, Encoded, Form, Target, TotalQueued};
    use crate::net::answer::answer;
    use crate::net::client_id::ClientId;
    use crate::net::link::{Identity, Link};
    use crate::net::send_queue::SendQueue;
    use crate::net::socket::Socket;
    use crate::protocol::{Encoder, Message, Role, Version};
    use crate::server::hub::Command;
    use std::collections::HashMap;
    use std::net::{TcpListener, TcpStream};
    use std::sync::Arc;

    fn batch(commands: &[(Option<&str>, &[u64], &str)]) -> Batch {
        let mut batch = Batch::default();
        for (room, except, text) in commands {
            let target = Target {
                room: room.map(Into::into),
                except: except.iter().map(|id| ClientId(*id)).collect(),
            };
            batch.add(target, Message::from(*text));
        }
        batch
    }

    fn encode(batch: &Batch, form: Form, audiences: &[usize], left_out: &[usize]) -> Encoded {
        let mut received = Vec::new();
        batch.received(audiences, &mut received);
        batch.encode(form, &received, left_out, &TotalQueued::new(0))
    }

    fn received(batch: &Batch, audiences: &[usize], left_out: &[usize]) -> String {
        let encoded = encode(batch, Form::Hixie, audiences, left_out);
        let bytes = encoded.bytes.pieces().collect::<Vec<_>>().concat();
        let frames = bytes.split(|byte| *byte == 0xff);
        let texts = frames.filter_map(|frame| std::str::from_utf8(frame.get(1..)?).ok());
        texts.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn each_audience_receives_its_own_messages_in_the_order_of_sending() {
        let batch = batch(&[
            (None, &[], "1"),
            (Some("a"), &[], "2"),
            (Some("b"), &[], "3"),
            (Some("a"), &[], "4"),
            (None, &[], "5"),
        ]);
        let rooms: Vec<_> = batch.audiences.iter().map(|a| a.room.as_deref()).collect();
        assert_eq!(rooms, [None, Some("a"), Some("b")]);
        assert_eq!(received(&batch, &[0], &[]), "1 5");
        assert_eq!(received(&batch, &[0, 1], &[]), "1 2 4 5");
        assert_eq!(received(&batch, &[0, 1, 2], &[]), "1 2 3 4 5");
    }

    #[test]
    fn a_client_excepted_from_some_messages_receives_the_others() {
        let batch = batch(&[(None, &[7, 8], "1"), (None, &[8], "2"), (None, &[7], "3")]);
        assert_eq!(batch.exceptions[&ClientId(7)], [0, 2]);
        assert_eq!(received(&batch, &[0], &batch.exceptions[&ClientId(7)]), "2");
        assert_eq!(received(&batch, &[0], &batch.exceptions[&ClientId(8)]), "3");
    }

    #[test]
    fn messages_that_a_framing_cannot_carry_are_counted_and_left_out() {
        let mut batch = batch(&[(None, &[], "text")]);
        let everybody = Target {
            room: None,
            except: Vec::new(),
        };
        batch.add(everybody, Message::from(vec![1, 2, 3]));
        let hixie = encode(&batch, Form::Hixie, &[0], &[]);
        assert_eq!((hixie.messages, hixie.skipped), (1, 1));
        let hybi = encode(&batch, Form::Hybi, &[0], &[]);
        assert_eq!((hybi.messages, hybi.skipped), (2, 0));
    }

    #[test]
    fn each_client_is_touched_once_with_all_its_messages() -> std::io::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let peer = listener.local_addr()?;
        let socket = Arc::new(Socket::new(TcpStream::connect(peer)?));
        let total_queued = TotalQueued::new(0);
        let link = |id| {
            let id = ClientId(id);
            let (socket, watcher) = (Arc::clone(&socket), Arc::clone(&total_queued));
            let send_queue = SendQueue::new(id, socket, 0, watcher);
            let link = Link::new(id, Role::Server, peer.into(), send_queue, Arc::default());
            let encoder = Encoder::server(Version::Draft75);
            let identity = Identity::new(encoder);
            link.identity.get_or_init(|| identity);
            Arc::new(link)
        };
        let everybody = [link(1), link(2), link(3)];
        let rooms = HashMap::from([("a", &everybody[..2]), ("b", &everybody[1..])]);
        let batch = batch(&[
            (Some("a"), &[], "1"),
            (None, &[1], "2"),
            (Some("b"), &[], "3"),
            (Some("gone"), &[], "4"),
            (Some("a"), &[2], "5"),
            (None, &[], "6"),
        ]);
        let members = |room: Option<&Arc<str>>| match room {
            None => &everybody[..],
            Some(room) => rooms.get(&**room).copied().unwrap_or_default(),
        };
        let mut touched = Vec::new();
        batch.deliver(members, &total_queued, |link, encoded| {
            let bytes = encoded.bytes.pieces().collect::<Vec<_>>().concat();
            let words = String::from_utf8_lossy(&bytes).replace(['\0', '\u{fffd}'], "");
            touched.push((link.id.get(), words, encoded.messages));
        });
        touched.sort();
        let expected = [(1, "156", 3), (2, "1236", 4), (3, "236", 3)];
        assert_eq!(
            touched,
            expected.map(|(id, words, count)| (id, words.to_owned(), count))
        );
        Ok(())
    }

    #[test]
    fn encoded_messages_take_no_more_memory_than_they_have_bytes() {
        let batch = batch(&[
            (Some("a"), &[], "x"),
            (Some("b"), &[7], &"y".repeat(200)),
            (None, &[], &"z".repeat(70_000)),
        ]);
        for form in [Form::Hixie, Form::Hybi] {
            for audiences in [&[0][..], &[1], &[0, 1], &[0, 1, 2]] {
                for left_out in [&[][..], &[1]] {
                    let total_queued = TotalQueued::new(usize::MAX);
                    let mut received = Vec::new();
                    batch.received(audiences, &mut received);
                    let bytes = batch.encode(form, &received, left_out, &total_queued).bytes;
                    bytes.wait();
                    assert_eq!(
                        total_queued.waiting(),
                        bytes.len(),
                        "{form:?} {audiences:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn rooms_and_exceptions_weigh_as_messages_do() {
        let batch = batch(&[(Some("room"), &[7, 8], "12345")]);
        assert_eq!(batch.weight(), 4 + 16 + 5);
        let command = Command::Members("room".into(), answer().0);
        assert_eq!(command.weight(), 4);
    }
}

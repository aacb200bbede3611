//! One turn of the hub: messages to different audiences, joined so that each client is touched once.
//!
//! Clients that hear the same messages share the same bytes. Which those are depends on the
//! audiences that a client belongs to, so clients are grouped by that; whoever is left out of a
//! message has bytes of its own.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use crate::net::deflate::deflate;
use crate::net::link::{ClientId, Link};
use crate::net::send_queue::total::{Backlog, Frames};
use crate::protocol::deflate::Terms;
use crate::protocol::{Encoder, Framing, Message, Version};

/// To whom a broadcast goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// `None` for everybody.
    pub(crate) room: Option<Arc<str>>,
    pub(crate) except: Vec<ClientId>,
}

impl Target {
    /// What a broadcast of `message` to it weighs while it waits for the hub, in bytes.
    pub(crate) fn weight(&self, message: &Message) -> usize {
        let room = self.room.as_ref().map_or(0, |room| room.len());
        message.len() + room + size_of_val(self.except.as_slice())
    }
}

/// Broadcasts in the order in which they were posted.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    posts: Vec<Post>,
    /// The audiences, each once: `None` is everybody, `Some` a room.
    audiences: Vec<Option<Arc<str>>>,
    places: HashMap<Option<Arc<str>>, usize>,
    /// Who is left out of which posts.
    exceptions: HashMap<ClientId, Vec<usize>>,
    /// Bytes of the messages.
    size: usize,
    /// Bytes of the largest.
    longest: usize,
    /// The same, with what their targets take.
    weight: usize,
}

/// Messages in the bytes of one framing.
#[derive(Debug)]
pub(crate) struct Encoded {
    pub(crate) bytes: Arc<Frames>,
    pub(crate) messages: u64,
    /// How many the framing cannot carry.
    pub(crate) skipped: u64,
}

#[derive(Debug)]
struct Post {
    audience: usize,
    message: Message,
    /// What it is compressed, as far as anybody has asked.
    deflated: RefCell<Vec<Deflated>>,
}

/// For windows of so many bits; `None` where that gains nothing.
type Deflated = (u8, Option<Rc<[u8]>>);

/// In what bytes a client hears.
#[derive(Debug, Clone, Copy)]
enum Form {
    Hixie,
    Hybi,
    Deflated(Terms),
}

/// Clients that belong to the same audiences, and what all of them hear.
#[derive(Default)]
struct Group {
    audiences: Vec<usize>,
    hixie: Option<Encoded>,
    hybi: Option<Encoded>,
    /// For windows of so many bits.
    deflated: Vec<(u8, Encoded)>,
}

/// Writes what is compressed, which clients of one version alone are sent.
const SERVER: Encoder = Encoder::server(Version::Rfc6455);

/// The most bytes that are joined before they leave; a larger message leaves alone.
const JOINED: usize = 64 * 1024;

impl Turn {
    pub(crate) fn is_empty(&self) -> bool {
        self.posts.is_empty()
    }

    /// Whether one more message of `size` bytes may join.
    pub(crate) fn has_room(&self, size: usize) -> bool {
        self.is_empty() || self.size + size <= JOINED
    }

    pub(crate) fn add(&mut self, target: Target, message: Message) {
        self.weight += target.weight(&message);
        let audience = self.place(target.room);
        for id in target.except {
            self.exceptions
                .entry(id)
                .or_default()
                .push(self.posts.len());
        }
        self.size += message.len();
        self.longest = self.longest.max(message.len());
        self.posts.push(Post {
            audience,
            message,
            deflated: RefCell::default(),
        });
    }

    /// What its posts have weighed before they came here.
    pub(crate) fn weight(&self) -> usize {
        self.weight
    }

    /// Calls `push` for each client that hears anything, once, with all that it hears.
    pub(crate) fn deliver<'a>(
        &self,
        members: impl Fn(Option<&Arc<str>>) -> &'a [Arc<Link>],
        backlog: &Arc<Backlog>,
        mut push: impl FnMut(&Arc<Link>, &Encoded),
    ) {
        let crowds: Vec<&[Arc<Link>]> = self
            .audiences
            .iter()
            .map(|audience| members(audience.as_ref()))
            .collect();
        match crowds.as_slice() {
            [] => {}
            [crowd] => {
                let mut group = Group::new(vec![0]);
                for link in *crowd {
                    self.send(link, &mut group, backlog, &mut push);
                }
            }
            crowds => {
                // One group after the other: the bytes of one are let go of before the next.
                for (audiences, members) in groups(crowds) {
                    let mut group = Group::new(audiences);
                    for link in members {
                        self.send(link, &mut group, backlog, &mut push);
                    }
                }
            }
        }
    }

    fn place(&mut self, audience: Option<Arc<str>>) -> usize {
        // Mostly it is the same as the last.
        if let Some(last) = self.posts.last()
            && self.audiences[last.audience] == audience
        {
            return last.audience;
        }
        let audiences = &mut self.audiences;
        *self.places.entry(audience).or_insert_with_key(|audience| {
            audiences.push(audience.clone());
            audiences.len() - 1
        })
    }

    fn send(
        &self,
        link: &Arc<Link>,
        group: &mut Group,
        backlog: &Arc<Backlog>,
        push: &mut impl FnMut(&Arc<Link>, &Encoded),
    ) {
        let Some(encoder) = link.encoder() else {
            return;
        };
        let form = self.form(encoder);
        match self.exceptions.get(&link.id) {
            Some(left_out) => {
                let encoded = self.encode(form, &group.audiences, left_out, backlog);
                push(link, &encoded);
            }
            None => {
                let encode = |audiences: &[usize]| self.encode(form, audiences, &[], backlog);
                push(link, group.shared(form, encode));
            }
        }
    }

    fn form(&self, encoder: Encoder) -> Form {
        match (encoder.version().framing(), encoder.terms()) {
            (Framing::Hixie, _) => Form::Hixie,
            (Framing::Hybi, Some(terms)) if terms.is_worth(self.longest) => Form::Deflated(terms),
            (Framing::Hybi, _) => Form::Hybi,
        }
    }

    /// What the members of `audiences` hear, without the posts in `left_out`; both in order.
    fn encode(
        &self,
        form: Form,
        audiences: &[usize],
        left_out: &[usize],
        backlog: &Arc<Backlog>,
    ) -> Encoded {
        let heard = |(index, post): &(usize, &Post)| {
            audiences.binary_search(&post.audience).is_ok()
                && left_out.binary_search(index).is_err()
        };
        let heard = || self.posts.iter().enumerate().filter(heard);
        let (framing, terms) = match form {
            Form::Hixie => (Framing::Hixie, None),
            Form::Hybi => (Framing::Hybi, None),
            Form::Deflated(terms) => (Framing::Hybi, Some(terms)),
        };
        let deflated = |post: &Post| post.deflated(terms.as_ref()?);
        let len = |(_, post): (usize, &Post)| {
            let len = deflated(post).map_or(post.message.len(), |payload| payload.len());
            framing.frame_len(len)
        };
        // No more than that: they may wait in a queue for long.
        let mut bytes = Vec::with_capacity(heard().map(len).sum());
        let (mut messages, mut skipped) = (0, 0);
        for (_, post) in heard() {
            let encoded = match deflated(post) {
                Some(payload) => {
                    SERVER.encode_deflated(&post.message, &payload, &mut bytes);
                    Ok(())
                }
                None => framing.encode(&post.message, None, &mut bytes),
            };
            match encoded {
                Ok(()) => messages += 1,
                Err(_) => skipped += 1,
            }
        }
        Encoded {
            bytes: Frames::new(bytes, backlog),
            messages,
            skipped,
        }
    }
}

impl Group {
    fn new(audiences: Vec<usize>) -> Group {
        Group {
            audiences,
            ..Group::default()
        }
    }

    /// What all hear in this form, encoded when it is first asked for.
    fn shared(&mut self, form: Form, encode: impl FnOnce(&[usize]) -> Encoded) -> &Encoded {
        let audiences = &self.audiences;
        match form {
            Form::Hixie => self.hixie.get_or_insert_with(|| encode(audiences)),
            Form::Hybi => self.hybi.get_or_insert_with(|| encode(audiences)),
            Form::Deflated(terms) => {
                let deflated = &mut self.deflated;
                let window = terms.window();
                let place = deflated.iter().position(|(own, _)| *own == window);
                let place = place.unwrap_or_else(|| {
                    deflated.push((window, encode(audiences)));
                    deflated.len() - 1
                });
                &deflated[place].1
            }
        }
    }
}

impl Post {
    /// Its payload compressed, once for each size of window; `None` where that gains nothing.
    fn deflated(&self, terms: &Terms) -> Option<Rc<[u8]>> {
        let mut known = self.deflated.borrow_mut();
        let window = terms.window();
        if let Some((_, payload)) = known.iter().find(|(own, _)| *own == window) {
            return payload.clone();
        }
        let payload = deflate(terms, &self.message).map(Rc::from);
        known.push((window, payload.clone()));
        payload
    }
}

/// Everyone in one crowd or more, once, beside those who are in the same ones.
fn groups<'a>(crowds: &[&'a [Arc<Link>]]) -> HashMap<Vec<usize>, Vec<&'a Arc<Link>>> {
    let mut all: HashMap<ClientId, (&Arc<Link>, Vec<usize>)> = HashMap::new();
    for (place, crowd) in crowds.iter().enumerate() {
        for link in *crowd {
            let (_, places) = all.entry(link.id).or_insert_with(|| (link, Vec::new()));
            places.push(place);
        }
    }
    let mut groups: HashMap<_, Vec<_>> = HashMap::new();
    for (link, places) in all.into_values() {
        groups.entry(places).or_default().push(link);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::{Backlog, Encoded, Form, Target, Turn};
    use crate::net::link::{ClientId, Identity, Link};
    use crate::net::send_queue::{Outbox, SlowClient};
    use crate::net::socket::Socket;
    use crate::net::sync::channel::bounded;
    use crate::protocol::{Encoder, Message, Role, Version};
    use crate::server::hub::Post;
    use std::collections::HashMap;
    use std::net::{TcpListener, TcpStream};
    use std::sync::Arc;

    fn turn(posts: &[(Option<&str>, &[u64], &str)]) -> Turn {
        let mut turn = Turn::default();
        for (room, except, text) in posts {
            let target = Target {
                room: room.map(Into::into),
                except: except.iter().map(|id| ClientId(*id)).collect(),
            };
            turn.add(target, Message::from(*text));
        }
        turn
    }

    fn encode(turn: &Turn, form: Form, audiences: &[usize], left_out: &[usize]) -> Encoded {
        turn.encode(form, audiences, left_out, &Backlog::new(0))
    }

    fn heard(turn: &Turn, audiences: &[usize], left_out: &[usize]) -> String {
        let encoded = encode(turn, Form::Hixie, audiences, left_out);
        let frames = encoded.bytes.split(|byte| *byte == 0xff);
        let texts = frames.filter_map(|frame| std::str::from_utf8(frame.get(1..)?).ok());
        texts.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn each_audience_is_found_once_and_hears_its_own_in_the_order_of_posting() {
        let turn = turn(&[
            (None, &[], "1"),
            (Some("a"), &[], "2"),
            (Some("b"), &[], "3"),
            (Some("a"), &[], "4"),
            (None, &[], "5"),
        ]);
        assert_eq!(turn.audiences, [None, Some("a".into()), Some("b".into())]);
        assert_eq!(heard(&turn, &[0], &[]), "1 5");
        assert_eq!(heard(&turn, &[0, 1], &[]), "1 2 4 5");
        assert_eq!(heard(&turn, &[0, 1, 2], &[]), "1 2 3 4 5");
    }

    #[test]
    fn who_is_left_out_of_some_messages_hears_the_others() {
        let turn = turn(&[(None, &[7, 8], "1"), (None, &[8], "2"), (None, &[7], "3")]);
        assert_eq!(turn.exceptions[&ClientId(7)], [0, 2]);
        assert_eq!(heard(&turn, &[0], &turn.exceptions[&ClientId(7)]), "2");
        assert_eq!(heard(&turn, &[0], &turn.exceptions[&ClientId(8)]), "3");
    }

    #[test]
    fn what_a_framing_cannot_carry_is_counted_and_left_out() {
        let mut turn = turn(&[(None, &[], "text")]);
        let everybody = Target {
            room: None,
            except: Vec::new(),
        };
        turn.add(everybody, Message::from(vec![1, 2, 3]));
        let hixie = encode(&turn, Form::Hixie, &[0], &[]);
        assert_eq!((hixie.messages, hixie.skipped), (1, 1));
        let hybi = encode(&turn, Form::Hybi, &[0], &[]);
        assert_eq!((hybi.messages, hybi.skipped), (2, 0));
    }

    #[test]
    fn each_client_is_touched_once_with_all_that_it_hears() -> std::io::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let peer = listener.local_addr()?;
        let socket = Arc::new(Socket::new(TcpStream::connect(peer)?));
        let backlog = Backlog::new(0);
        let link = |id| {
            let id = ClientId(id);
            let policy = SlowClient::default();
            let outbox = Outbox::new(Arc::clone(&socket), 0, policy, Arc::clone(&backlog));
            let link = Link::new(id, Role::Server, peer.into(), outbox, Arc::default());
            let (encoder, target) = (Encoder::server(Version::Draft75), "/".into());
            link.identity.get_or_init(|| Identity { encoder, target });
            Arc::new(link)
        };
        let everybody = [link(1), link(2), link(3)];
        let rooms = HashMap::from([("a", &everybody[..2]), ("b", &everybody[1..])]);
        let turn = turn(&[
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
        turn.deliver(members, &backlog, |link, encoded| {
            let words = String::from_utf8_lossy(&encoded.bytes).replace(['\0', '\u{fffd}'], "");
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
    fn what_may_wait_takes_no_more_memory_than_it_has_bytes() {
        let turn = turn(&[
            (Some("a"), &[], "x"),
            (Some("b"), &[7], &"y".repeat(200)),
            (None, &[], &"z".repeat(70_000)),
        ]);
        for form in [Form::Hixie, Form::Hybi] {
            for audiences in [&[0][..], &[1], &[0, 1], &[0, 1, 2]] {
                for left_out in [&[][..], &[1]] {
                    let backlog = Backlog::new(usize::MAX);
                    let bytes = turn.encode(form, audiences, left_out, &backlog).bytes;
                    bytes.wait();
                    assert_eq!(backlog.waiting(), bytes.len(), "{form:?} {audiences:?}");
                }
            }
        }
    }

    #[test]
    fn rooms_and_exceptions_weigh_as_messages_do() {
        let turn = turn(&[(Some("room"), &[7, 8], "12345")]);
        assert_eq!(turn.weight(), 4 + 16 + 5);
        let post = Post::Members("room".into(), bounded(1).0);
        assert_eq!(post.weight(), 4);
    }
}

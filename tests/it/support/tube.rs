//! A proxy between a server and its Redis that a test can interrupt: bytes can be swallowed, as by a network that is
//! cut without a word, or all connections can be closed.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

pub(crate) struct Tube {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// Bytes to Redis, and bytes from it, are swallowed.
    deaf: AtomicBool,
    mute: AtomicBool,
    swallowed: Mutex<Vec<u8>>,
    socket: Mutex<PathBuf>,
    /// The answers of Redis wait, and so does Redis once the buffers of the sockets are full.
    is_held: Mutex<bool>,
    released: Condvar,
    open: Mutex<Vec<(TcpStream, UnixStream)>>,
}

impl Tube {
    pub(crate) fn to(socket: &Path) -> Tube {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::<State>::default();
        *state.socket.lock().unwrap() = socket.into();
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for near in listener.incoming() {
                let Ok(near) = near else { return };
                let Ok(far) = UnixStream::connect(shared.socket()) else {
                    continue;
                };
                join(near, far, &shared);
            }
        });
        Tube { address, state }
    }

    pub(crate) fn redis(&self) -> String {
        format!("redis://{}/", self.address)
    }

    /// Leads all later connections to another server, and ends those that are there: as after a failover.
    pub(crate) fn lead_to(&self, socket: &Path) {
        *self.state.socket.lock().unwrap() = socket.into();
        self.cut();
    }

    /// Swallows all bytes in both directions, or no longer.
    pub(crate) fn swallow(&self, swallows: bool) {
        self.state.deaf.store(swallows, SeqCst);
        self.state.mute.store(swallows, SeqCst);
    }

    /// Swallows the answers of Redis, which receives everything.
    pub(crate) fn swallow_answers(&self, swallows: bool) {
        self.state.mute.store(swallows, SeqCst);
    }

    /// Takes no more answers from Redis, or goes on.
    pub(crate) fn hold(&self, holds: bool) {
        *self.state.is_held.lock().unwrap() = holds;
        self.state.released.notify_all();
    }

    /// Returns how often this text is in the answers that were swallowed.
    pub(crate) fn swallowed(&self, text: &str) -> usize {
        let swallowed = self.state.swallowed.lock().unwrap();
        String::from_utf8_lossy(&swallowed).matches(text).count()
    }

    /// Closes all connections.
    pub(crate) fn cut(&self) {
        for (near, far) in self.state.open.lock().unwrap().drain(..) {
            let _ = near.shutdown(Shutdown::Both);
            let _ = far.shutdown(Shutdown::Both);
        }
    }
}

impl State {
    fn wait_while_held(&self) {
        let held = self.is_held.lock().unwrap();
        drop(self.released.wait_while(held, |held| *held).unwrap());
    }

    fn socket(&self) -> PathBuf {
        self.socket.lock().unwrap().clone()
    }
}

fn join(near: TcpStream, far: UnixStream, state: &Arc<State>) {
    let copies = (near.try_clone().unwrap(), far.try_clone().unwrap());
    state.open.lock().unwrap().push(copies);
    let (to, from) = (near.try_clone().unwrap(), far.try_clone().unwrap());
    let (asks, answers) = (Arc::clone(state), Arc::clone(state));
    let ends = (near.try_clone().unwrap(), far.try_clone().unwrap());
    thread::spawn(move || {
        copy(near, from, &asks.deaf, |_| {});
        let _ = ends.1.shutdown(Shutdown::Both);
    });
    thread::spawn(move || {
        copy(far, to, &answers.mute, |bytes| {
            answers.wait_while_held();
            if answers.mute.load(SeqCst) {
                answers.swallowed.lock().unwrap().extend(bytes);
            }
        });
        // A network that is cut does not say so.
        if !answers.mute.load(SeqCst) {
            let _ = ends.0.shutdown(Shutdown::Both);
        }
    });
}

/// Copies what comes, unless it is to be swallowed, after a look at it.
fn copy(mut from: impl Read, mut to: impl Write, swallows: &AtomicBool, look: impl Fn(&[u8])) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(len @ 1..) = from.read(&mut buffer) {
        let bytes = &buffer[..len];
        look(bytes);
        if !swallows.load(SeqCst) && to.write_all(bytes).is_err() {
            return;
        }
    }
}

//! A hand-written server of RFC 6455, for one client: so that it can break any rule.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

use super::waiting::{PATIENCE, eventually};

/// A server that runs its script, on a thread of its own.
pub(crate) struct Script {
    pub(crate) address: SocketAddr,
    pub(crate) url: String,
    thread: JoinHandle<()>,
}

/// The connection that a script works with: a client whose request has come.
pub(crate) struct ByHand {
    pub(crate) stream: TcpStream,
    /// The request's header block.
    pub(crate) head: String,
}

impl Script {
    pub(crate) fn run(script: impl FnOnce(ByHand) + Send + 'static) -> Script {
        Script::before_request(|stream| script(ByHand::on(stream)))
    }

    /// Runs a script before the request, or instead of it.
    pub(crate) fn before_request(script: impl FnOnce(TcpStream) + Send + 'static) -> Script {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let thread = thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream.set_write_timeout(Some(PATIENCE)).unwrap();
            script(stream);
        });
        Script {
            address,
            url: format!("ws://{address}/by/hand?yes"),
            thread,
        }
    }

    /// Waits for its end, and fails if it has failed.
    pub(crate) fn join(self) {
        eventually("the script's end", || {
            self.thread.is_finished().then_some(())
        });
        self.thread.join().expect("the script failed");
    }
}

impl ByHand {
    pub(crate) fn on(stream: TcpStream) -> ByHand {
        ByHand::read(stream).unwrap()
    }

    /// The same for any client, also one that sends no request.
    pub(crate) fn read(mut stream: TcpStream) -> io::Result<ByHand> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).map_err(io::Error::other)?;
        Ok(ByHand { stream, head })
    }

    /// Returns the value of a header that the client has sent.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut values = fields.filter(|(field, _)| field.eq_ignore_ascii_case(name));
        values.next().map(|(_, value)| value)
    }

    /// Sends a valid response; `more` are further headers, as whole lines.
    pub(crate) fn accept(&mut self, more: &str) {
        let key = self.header("Sec-WebSocket-Key").expect("a key");
        let accept = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
        let accept = STANDARD.encode(Sha1::digest(accept));
        self.write(
            format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                 Connection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n{more}\r\n"
            )
            .as_bytes(),
        );
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Writes a frame as a server does, of up to 125 bytes.
    pub(crate) fn frame(&mut self, first: u8, payload: &[u8]) {
        let len = u8::try_from(payload.len()).unwrap();
        assert!(len < 126);
        let mut frame = vec![first, len];
        frame.extend_from_slice(payload);
        self.write(&frame);
    }

    pub(crate) fn say(&mut self, words: &str) {
        self.frame(0x81, words.as_bytes());
    }

    pub(crate) fn start_close(&mut self, code: u16) {
        self.frame(0x88, &code.to_be_bytes());
    }

    /// Reads the next frame, which must have a mask; returns its first byte
    /// and its payload.
    pub(crate) fn hear(&mut self) -> (u8, Vec<u8>) {
        let [first, len] = self.take();
        assert_ne!(len & 0x80, 0, "a client's frame has a mask");
        let len = match len & 0x7f {
            126 => usize::from(u16::from_be_bytes(self.take())),
            127 => usize::try_from(u64::from_be_bytes(self.take())).unwrap(),
            len => usize::from(len),
        };
        let mask: [u8; 4] = self.take();
        let mut payload = vec![0; len];
        self.stream.read_exact(&mut payload).unwrap();
        for (byte, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
            *byte ^= mask;
        }
        (first, payload)
    }

    pub(crate) fn expect(&mut self, first: u8, payload: &[u8]) {
        assert_eq!(self.hear(), (first, payload.to_vec()));
    }

    pub(crate) fn expect_goodbye(&mut self, code: u16) {
        self.expect_close(code, "");
    }

    /// A close frame with this code and this reason.
    pub(crate) fn expect_close(&mut self, code: u16, reason: &str) {
        self.expect(0x88, &[&code.to_be_bytes(), reason.as_bytes()].concat());
    }

    /// Expects that the client has closed TCP, cleanly.
    pub(crate) fn expect_end(&mut self) {
        let read = self.stream.read(&mut [0]);
        assert!(matches!(read, Ok(0)), "{read:?}");
    }

    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.stream.read_exact(&mut bytes).unwrap();
        bytes
    }
}

//! An echo client of version 13, written by hand, that makes one mistake.

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::reading::read_once;

/// Connects to the URL, and echoes until the connection ends.
pub(crate) fn run(url: &str, wrong: &str) {
    let rest = url.strip_prefix("ws://").expect("a ws URL");
    let (host, target) = rest.split_once('/').expect("a path");
    let stream = TcpStream::connect(host).expect("the checker listens");
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock");
    let mut client = Client {
        wrong: wrong.to_owned(),
        stream,
        buffer: Vec::new(),
        random: now.subsec_nanos() | 1,
        joined: None,
    };
    // An error is the end of the connection.
    let _ = client.talk(host, &format!("/{target}"));
}

struct Client {
    wrong: String,
    stream: TcpStream,
    buffer: Vec<u8>,
    random: u32,
    /// The opcode and the payload of a message in fragments.
    joined: Option<(u8, Vec<u8>)>,
}

/// The end of the connection.
type End = Option<()>;

struct Frame {
    fin: bool,
    opcode: u8,
    payload: Vec<u8>,
    is_broken: bool,
    len: usize,
}

impl Client {
    fn is(&self, wrong: &str) -> bool {
        self.wrong == wrong
    }

    fn send(&mut self, bytes: &[u8]) -> End {
        self.stream.write_all(bytes).ok()
    }

    fn fill(&mut self) -> End {
        read_once::<16384>(&mut self.stream, &mut self.buffer)
    }

    /// The next random byte; xorshift.
    fn random(&mut self) -> u8 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 17;
        self.random ^= self.random << 5;
        self.random.to_be_bytes()[1] | 1
    }

    fn talk(&mut self, host: &str, target: &str) -> End {
        if self.handshake(host, target).is_none() {
            if self.is("refused but open") {
                thread::sleep(Duration::from_secs(5));
            }
            return None;
        }
        loop {
            let Some(frame) = self.read_frame() else {
                self.fill()?;
                let cut_header = self.buffer.len() < 2 && self.is("header in one read");
                if cut_header || (self.is("one read") && self.read_frame().is_none()) {
                    self.buffer.clear();
                }
                continue;
            };
            self.buffer.drain(..frame.len);
            if self.is("glued lost") {
                self.buffer.clear();
            }
            self.handle(frame)?;
        }
    }

    fn handshake(&mut self, host: &str, target: &str) -> End {
        if self.is("no request") {
            return self.fill();
        }
        let random: Vec<u8> = (0..16).map(|_| self.random()).collect();
        let key = match self.wrong.as_str() {
            "fixed key" => "dGhlIHNhbXBsZSBub25jZQ==".to_owned(),
            "short key" => BASE64.encode(&random[..8]),
            _ => BASE64.encode(random),
        };
        let request = self.request(host, target, &key);
        self.send(request.as_bytes())?;
        if self.is("early frame") {
            self.send_frame(1, b"early")?;
        }
        let end = loop {
            self.fill()?;
            let end = self.buffer.windows(4).position(|four| four == b"\r\n\r\n");
            if let Some(end) = end {
                break end + 4;
            }
            if self.is("response in one read") {
                return None;
            }
        };
        let head: Vec<u8> = self.buffer.drain(..end).collect();
        if self.is("response buffer lost") {
            self.buffer.clear();
        }
        self.check(&String::from_utf8_lossy(&head), &key)
    }

    fn request(&self, host: &str, target: &str, key: &str) -> String {
        let version = if self.is("version 12") { "12" } else { "13" };
        let http = if self.is("http/1.0") { "1.0" } else { "1.1" };
        let mut target = target;
        let mut host = host;
        if self.is("no query") {
            target = target.split('?').next().unwrap_or_default();
        }
        if self.is("host without port") {
            host = host.split(':').next().unwrap_or_default();
        }
        let connection = if self.is("connection close") {
            "close"
        } else {
            "Upgrade"
        };
        let mut lines = vec![
            format!("GET {target} HTTP/{http}"),
            format!("Host: {host}"),
            "Upgrade: websocket".to_owned(),
            format!("Connection: {connection}"),
            format!("Sec-WebSocket-Version: {version}"),
            format!("Sec-WebSocket-Key: {key}"),
        ];
        if self.is("no key") {
            lines.pop();
        }
        if self.is("no upgrade") {
            lines.remove(2);
        }
        let end = if self.is("line feeds") { "\n" } else { "\r\n" };
        let blank = if self.is("no blank line") { "" } else { end };
        format!("{}{end}{blank}", lines.join(end))
    }

    /// Returns `None` if the response is to be refused.
    fn check(&self, head: &str, key: &str) -> End {
        let value = |name: &str| {
            let mut lines = head.lines().skip(1).filter_map(|line| line.split_once(':'));
            let found = lines.find(|(found, _)| match self.is("exact case") {
                true => *found == name,
                false => found.eq_ignore_ascii_case(name),
            });
            found.map(|(_, value)| value.trim().to_owned())
        };
        let contains = |name: &str, token: &str| {
            let value = value(name).unwrap_or_default().to_ascii_lowercase();
            value.split(',').any(|part| part.trim() == token)
        };
        let digest = sha1_smol::Sha1::from(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
        let accept = BASE64.encode(digest.digest().bytes());
        let checks = [
            ("status unchecked", head.split(' ').nth(1) == Some("101")),
            ("upgrade unchecked", contains("Upgrade", "websocket")),
            ("connection unchecked", contains("Connection", "upgrade")),
            (
                "accept unchecked",
                value("Sec-WebSocket-Accept") == Some(accept),
            ),
            (
                "subprotocol unchecked",
                value("Sec-WebSocket-Protocol").is_none(),
            ),
            (
                "extension unchecked",
                value("Sec-WebSocket-Extensions").is_none(),
            ),
            ("", !self.is("accept refused")),
        ];
        checks
            .iter()
            .all(|(wrong, right)| *right || self.is(wrong))
            .then_some(())
    }

    /// The first frame of the buffer.
    fn read_frame(&self) -> Option<Frame> {
        let [first, second, rest @ ..] = &self.buffer[..] else {
            return None;
        };
        let number = |bytes: &[u8]| {
            bytes
                .iter()
                .fold(0, |sum, byte| sum << 8 | usize::from(*byte))
        };
        let little = self.is("reads little-endian");
        let order = |bytes: &[u8]| match little {
            true => number(&bytes.iter().rev().copied().collect::<Vec<u8>>()),
            false => number(bytes),
        };
        let (mut at, len) = match second & 0x7f {
            126 | 127 if self.is("reads seven bits") => (0, usize::from(second & 0x7f)),
            126 => (2, order(rest.get(..2)?)),
            127 if self.is("reads four bytes") => (4, order(rest.get(..4)?)),
            127 => (8, order(rest.get(..8)?)),
            len => (0, usize::from(len)),
        };
        if self.is("reads signed") && at == 2 && len > 0x7fff {
            return None;
        }
        let (start, payload) = self.payload(second & 0x80 != 0, rest, at, len)?;
        at = start;
        let opcode = first & 0x0f;
        let broken = [
            ("mask accepted", second & 0x80 != 0),
            ("rsv accepted", first & 0x70 != 0),
            ("opcode accepted", !matches!(opcode, 0..=2 | 8..=10)),
            (
                "continuation accepted",
                opcode == 0 && self.joined.is_none(),
            ),
            (
                "interleaved accepted",
                matches!(opcode, 1 | 2) && self.joined.is_some(),
            ),
            (
                "control accepted",
                opcode >= 8 && (len > 125 || first & 0x80 == 0),
            ),
        ];
        let len = at + payload.len() + 2;
        Some(Frame {
            fin: first & 0x80 != 0,
            opcode,
            payload,
            is_broken: broken
                .iter()
                .any(|(wrong, broken)| *broken && !self.is(wrong)),
            len,
        })
    }

    /// The payload of a frame, with the place at which it begins.
    fn payload(
        &self,
        is_masked: bool,
        rest: &[u8],
        at: usize,
        len: usize,
    ) -> Option<(usize, Vec<u8>)> {
        if !is_masked && (!self.is("reads a key") || len <= 4) {
            return Some((at, rest.get(at..at + len)?.to_vec()));
        }
        let key = rest.get(at..at + 4)?;
        let end = if is_masked { at + 4 + len } else { at + len };
        let payload = rest.get(at + 4..end)?.iter().zip(key.iter().cycle());
        Some((at + 4, payload.map(|(byte, key)| byte ^ key).collect()))
    }

    fn handle(&mut self, frame: Frame) -> End {
        if frame.is_broken {
            return self.fail(1002);
        }
        match frame.opcode {
            8 => return self.close(&frame.payload),
            9 if self.is("ping joined") && self.joined.is_some() => {
                if let Some((_, payload)) = &mut self.joined {
                    payload.extend(frame.payload);
                }
                return Some(());
            }
            9 => {
                return match self.wrong.as_str() {
                    "no pong" => Some(()),
                    "empty pong" => self.send_frame(10, b""),
                    "ping back" => self.send_frame(9, &frame.payload),
                    _ => self.send_frame(10, &frame.payload),
                };
            }
            10 if self.is("pong echoed") => return self.send_frame(1, &frame.payload),
            10 => return Some(()),
            _ => {}
        }
        let (opcode, mut payload) = match frame.opcode {
            0 => self.joined.take().unwrap_or((1, Vec::new())),
            opcode => (opcode, Vec::new()),
        };
        payload.extend(frame.payload);
        let opcode = if self.is("last opcode") {
            frame.opcode
        } else {
            opcode
        };
        if self.is("utf-8 pieces") && opcode == 1 {
            payload = String::from_utf8_lossy(&payload).into_owned().into_bytes();
        }
        if frame.fin || self.is("fragments apart") {
            return self.deliver(opcode, &payload);
        }
        self.joined = Some((opcode, payload));
        Some(())
    }

    fn deliver(&mut self, opcode: u8, payload: &[u8]) -> End {
        if opcode == 1 && std::str::from_utf8(payload).is_err() && !self.is("utf-8 accepted") {
            return self.fail(1007);
        }
        match self.wrong.as_str() {
            "no echo" => Some(()),
            "empty dropped" if payload.is_empty() => Some(()),
            "no frame" => self.send(payload),
            "hixie frame" => self.send(&[&[0x00], payload, &[0xff]].concat()),
            "always text" => self.send_frame(1, payload),
            "latin-1" if opcode == 1 => {
                let text = String::from_utf8_lossy(payload);
                let latin: Vec<u8> = text
                    .chars()
                    .map(|c| u8::try_from(c).unwrap_or(b'?'))
                    .collect();
                self.send_frame(opcode, &latin)
            }
            _ => self.send_frame(opcode, payload),
        }
    }

    fn fail(&mut self, code: u16) -> End {
        if self.is("error ignored") {
            return Some(());
        }
        self.send_frame(8, &code.to_be_bytes())?;
        None
    }

    fn close(&mut self, payload: &[u8]) -> End {
        let code = payload.get(..2).unwrap_or_default().to_vec();
        match self.wrong.as_str() {
            "close silent" => {}
            "close abrupt" => return None,
            "close as text" => self.send_frame(8, b"1000")?,
            "close little-endian" => {
                self.send_frame(8, &code.iter().rev().copied().collect::<Vec<u8>>())?
            }
            "close 1005" => self.send_frame(8, &1005_u16.to_be_bytes())?,
            "close of one byte" => self.send_frame(8, b"x")?,
            "close too long" => self.send_frame(8, &[&code[..], &[b'x'; 124]].concat())?,
            "close unmasked" => self.send(&[0x88, 0x02, code[0], code[1]])?,
            "close without code" => self.send_frame(8, b"")?,
            "close echoed" => self.send_frame(1, b"bye")?,
            "close twice" => {
                self.send_frame(8, &code)?;
                self.send_frame(8, &code)?;
            }
            _ => self.send_frame(8, &code)?,
        }
        if self.is("late message") {
            while let Some(frame) = self.read_frame() {
                self.buffer.drain(..frame.len);
                self.handle(frame)?;
            }
        }
        if self.is("tcp first") {
            return self.stream.shutdown(Shutdown::Both).ok().and(None);
        }
        // The server closes TCP.
        while self.fill().is_some() {}
        if self.is("close stays open") {
            thread::sleep(Duration::from_secs(5));
        }
        None
    }

    fn send_frame(&mut self, opcode: u8, payload: &[u8]) -> End {
        let mut len = payload.len();
        if self.is("characters") {
            len = String::from_utf8_lossy(payload).chars().count();
        }
        let wide = (len as u64).to_be_bytes();
        let mut length = match len {
            0..=125 => vec![wide[7]],
            _ if self.is("seven bits") => vec![wide[7] & 0x7f],
            126..=0xffff => [&[126], &wide[6..]].concat(),
            _ if self.is("four bytes") => [&[127], &wide[4..]].concat(),
            _ => [&[127], &wide[..]].concat(),
        };
        if self.is("little-endian") {
            length[1..].reverse();
        }
        let key: [u8; 4] = match self.wrong.as_str() {
            "key of zeros" => [0; 4],
            "one masking key" => [0x37, 0xfa, 0x21, 0x3d],
            _ => std::array::from_fn(|_| self.random()),
        };
        let masked: Vec<u8> = payload
            .iter()
            .enumerate()
            .map(|(at, byte)| match self.wrong.as_str() {
                "no mask" | "plain payload" | "no masking key" => *byte,
                "first byte of the key" => byte ^ key[0],
                "mask restarts" => byte ^ key[at % 150 % 4],
                _ => byte ^ key[at % 4],
            })
            .collect();
        let has_bit = !self.is("no mask") && !self.is("no mask bit");
        length[0] |= if has_bit { 0x80 } else { 0 };
        let first = if self.is("no fin") {
            opcode
        } else {
            0x80 | opcode
        };
        let key = match self.wrong.as_str() {
            "no mask" | "no masking key" => &[][..],
            _ => &key[..],
        };
        self.send(&[&[first], &length[..], key, &masked].concat())
    }
}

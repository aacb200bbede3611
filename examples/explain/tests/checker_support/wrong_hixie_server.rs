//! An echo server of drafts 75 and 76, written by hand, that makes one mistake.

use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::reading::read_once;

/// A running server. Dropping it stops the listener.
pub(crate) struct WrongServer {
    address: SocketAddr,
    stopped: Arc<AtomicBool>,
}

impl WrongServer {
    pub(crate) fn start(draft: u8, wrong: &'static str) -> WrongServer {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let stopped = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stopped);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                thread::spawn(move || {
                    let mut serving = Serving {
                        draft,
                        wrong,
                        stream,
                        buffer: Vec::new(),
                    };
                    // An error is the end of this connection.
                    let _ = serving.run();
                });
            }
        });
        WrongServer { address, stopped }
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}/echo", self.address)
    }
}

impl Drop for WrongServer {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the listener.
        let _ = TcpStream::connect(self.address);
    }
}

struct Serving {
    draft: u8,
    wrong: &'static str,
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// The end of a connection.
type End = Option<()>;

impl Serving {
    fn is(&self, wrong: &str) -> bool {
        self.wrong == wrong
    }

    fn send(&mut self, bytes: &[u8]) -> End {
        self.stream.write_all(bytes).ok()
    }

    /// Reads once; `None` at the end of the stream.
    fn fill(&mut self) -> End {
        read_once::<4096>(&mut self.stream, &mut self.buffer)
    }

    fn run(&mut self) -> End {
        let head = loop {
            let end = self.buffer.windows(4).position(|four| four == b"\r\n\r\n");
            if let Some(end) = end {
                let head = self.buffer.drain(..end + 4).collect::<Vec<u8>>();
                break String::from_utf8_lossy(&head).into_owned();
            }
            self.fill()?;
        };
        self.handshake(&head)?;
        let ended = self.echo();
        if ended.is_none() && self.is("close bytes") {
            self.send(&[0xff, 0x00])?;
        }
        if self.is("stays open") || self.is("close stays open") {
            thread::sleep(Duration::from_secs(3));
        }
        self.stream.shutdown(Shutdown::Both).ok()
    }

    fn handshake(&mut self, head: &str) -> End {
        let exact = self.is("name case");
        let value = |name: &str| {
            let same = |found: &str| match exact {
                true => found == name,
                false => found.eq_ignore_ascii_case(name),
            };
            let mut lines = head
                .lines()
                .skip(1)
                .filter_map(|line| line.split_once(": "));
            lines
                .find(|(found, _)| same(found))
                .map(|(_, value)| value.to_owned())
        };
        let keys = (value("Sec-WebSocket-Key1"), value("Sec-WebSocket-Key2"));
        if self.is("refused") || (self.draft == 76 && self.rejects(&keys)) {
            return self.send(b"HTTP/1.1 400 Bad Request\r\n\r\n").and(None);
        }
        if self.is("early frame refused") && self.buffer.len() > 8 {
            return self.send(b"HTTP/1.1 400 Bad Request\r\n\r\n").and(None);
        }
        if self.is("waits for key3") {
            while self.buffer.len() < 8 {
                self.fill()?;
            }
        }
        let target = head.split(' ').nth(1)?;
        let (host, origin) = (value("Host")?, value("Origin")?);
        let response = self.response(target, &host, &origin);
        self.send(response.as_bytes())?;
        match self.draft {
            75 if self.is("proof") => self.send(&[0x11; 16]),
            75 => Some(()),
            _ => self.proof([keys.0.unwrap_or_default(), keys.1.unwrap_or_default()]),
        }
    }

    fn rejects(&self, keys: &(Option<String>, Option<String>)) -> bool {
        let (Some(one), Some(two)) = keys else {
            return !self.is("one key accepted");
        };
        [one, two].into_iter().any(|key| match number(key) {
            (_, 0) => !self.is("no spaces accepted"),
            (number, spaces) => number % spaces != 0 && !self.is("rest accepted"),
        })
    }

    fn response(&self, target: &str, host: &str, origin: &str) -> String {
        let status = match self.draft {
            _ if self.is("status of version 13") => "HTTP/1.1 101 Switching Protocols",
            _ if self.is("status of http/1.0") => "HTTP/1.0 101 WebSocket Protocol Handshake",
            75 if !self.is("status without space") => "HTTP/1.1 101 Web Socket Protocol Handshake",
            _ => "HTTP/1.1 101 WebSocket Protocol Handshake",
        };
        let prefix = match (self.draft == 75) != self.is("other names") {
            true => "",
            false => "Sec-",
        };
        let target = match self.is("location without query") {
            true => target.split('?').next().unwrap_or_default(),
            false => target,
        };
        let upgrade = if self.is("lower case") {
            "websocket"
        } else {
            "WebSocket"
        };
        let mut lines = vec![
            status.to_owned(),
            format!("Upgrade: {upgrade}"),
            "Connection: Upgrade".to_owned(),
            format!("{prefix}WebSocket-Origin: {origin}"),
            format!("{prefix}WebSocket-Location: ws://{host}{target}"),
        ];
        if self.is("header order") {
            lines.swap(1, 2);
        }
        if self.is("no origin") {
            lines.remove(3);
        }
        if self.is("no location") {
            lines.remove(4);
        }
        if self.is("subprotocol") {
            lines.push(format!("{prefix}WebSocket-Protocol: chat"));
        }
        if self.is("accept") {
            lines.push("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".to_owned());
        }
        let end = if self.is("line feeds") { "\n" } else { "\r\n" };
        let blank = if self.is("no blank line") { "" } else { end };
        format!("{}{end}{blank}", lines.join(end))
    }

    fn proof(&mut self, keys: [String; 2]) -> End {
        if self.is("accept") || self.is("no proof") {
            return Some(());
        }
        while self.buffer.len() < 8 {
            self.fill()?;
            if self.is("key3 in one read") {
                self.buffer.resize(8, 0);
            }
        }
        let key3: Vec<u8> = self.buffer.drain(..8).collect();
        if self.is("behind key3 lost") {
            self.buffer.clear();
        }
        let wrong = |part: &str| self.wrong.starts_with("proof") && self.wrong.contains(part);
        let bytes = keys.map(|key| {
            let (number, spaces) = number(&key);
            let quotient = u32::try_from(number / spaces.max(1)).unwrap_or_default();
            match wrong("little-endian") {
                true => quotient.to_le_bytes(),
                false => quotient.to_be_bytes(),
            }
        });
        let key3 = match self.is("key3 as text") {
            true => String::from_utf8_lossy(&key3).into_owned().into_bytes(),
            false => key3,
        };
        let input = match () {
            () if wrong("swapped") => [&bytes[1][..], &bytes[0], &key3].concat(),
            () if wrong("without key3") => bytes.concat(),
            () => [&bytes[0][..], &bytes[1], &key3].concat(),
        };
        let digest = md5::compute(&input);
        let proof = match () {
            () if wrong("unhashed") => input,
            () if wrong("hex") => format!("{digest:x}").into_bytes(),
            () if wrong("fixed") => b"8jKS'y:G*Co,Wxa-".to_vec(),
            () => digest.0.to_vec(),
        };
        self.send(&proof)
    }

    /// Sends each message back, until the stream ends.
    fn echo(&mut self) -> End {
        loop {
            let Some((frame, len)) = first_frame(&self.buffer) else {
                self.fill()?;
                if self.is("one read") && first_frame(&self.buffer).is_none() {
                    self.buffer.clear();
                }
                continue;
            };
            self.buffer.drain(..len);
            if self.is("glued lost") {
                self.buffer.clear();
            }
            match frame {
                HixieFrame::Text(text) => self.echo_text(&text)?,
                HixieFrame::Skipped(bytes) if self.is("length unread") => self.echo_text(&bytes)?,
                HixieFrame::Skipped(_) => {}
                HixieFrame::Marker if self.is("marker is text") => self.echo_text(b"")?,
                HixieFrame::Marker if self.is("marker closes") => return Some(()),
                HixieFrame::Marker if self.is("marker silences") => self.buffer.clear(),
                HixieFrame::Marker if self.draft == 75 => {}
                HixieFrame::Marker => return self.close(),
            }
        }
    }

    fn close(&mut self) -> End {
        match self.wrong {
            "close silent" => Some(()),
            "close of version 13" => self.send(&[0x88, 0x02, 0x03, 0xe8]),
            "close twice" => self.send(&[0xff, 0x00, 0xff, 0x00]),
            "late message" => {
                self.send(&[0xff, 0x00])?;
                while let Some((HixieFrame::Text(text), len)) = first_frame(&self.buffer) {
                    self.buffer.drain(..len);
                    self.echo_text(&text)?;
                }
                Some(())
            }
            _ => self.send(&[0xff, 0x00]),
        }
    }

    fn echo_text(&mut self, text: &[u8]) -> End {
        let len = u8::try_from(text.len() & 0x7f).unwrap_or_default();
        let frame = match self.wrong {
            "no echo" => Vec::new(),
            "no frame" => text.to_vec(),
            "no ff" => [&[0x00], text].concat(),
            "no 00" => [text, &[0xff]].concat(),
            "hybi frame" => [&[0x81, len], text].concat(),
            "masked frame" => {
                let masked: Vec<u8> = text.iter().map(|byte| byte ^ 0x55).collect();
                [&[0x81, 0x80 | len, 0x55, 0x55, 0x55, 0x55], &masked[..]].concat()
            }
            "length frame" => [&[0x80, len], text].concat(),
            "nested frame" => [&[0x00, 0x00], text, &[0xff, 0xff]].concat(),
            "empty dropped" if text.is_empty() => Vec::new(),
            "latin-1" => {
                let latin = String::from_utf8_lossy(text)
                    .chars()
                    .map(|c| u8::try_from(c).unwrap_or(b'?'))
                    .collect();
                [vec![0x00], latin, vec![0xff]].concat()
            }
            _ => [&[0x00], text, &[0xff]].concat(),
        };
        self.send(&frame)
    }
}

/// The number and the spaces of a key.
fn number(key: &str) -> (u64, u64) {
    let digits: String = key.chars().filter(char::is_ascii_digit).collect();
    let spaces = key.matches(' ').count() as u64;
    (digits.parse().unwrap_or_default(), spaces)
}

enum HixieFrame {
    Text(Vec<u8>),
    Skipped(Vec<u8>),
    /// FF 00.
    Marker,
}

/// The first frame of the buffer, and its length in bytes.
fn first_frame(buffer: &[u8]) -> Option<(HixieFrame, usize)> {
    let (first, rest) = buffer.split_first()?;
    if *first < 0x80 {
        let end = rest.iter().position(|byte| *byte == 0xff)?;
        return Some((HixieFrame::Text(rest[..end].to_vec()), end + 2));
    }
    let digits = rest.iter().position(|byte| byte & 0x80 == 0)? + 1;
    let len = rest[..digits]
        .iter()
        .fold(0, |len, byte| len * 128 + usize::from(byte & 0x7f));
    let content = rest.get(digits..digits + len)?.to_vec();
    let frame = match (first, len) {
        (0xff, 0) => HixieFrame::Marker,
        _ => HixieFrame::Skipped(content),
    };
    Some((frame, 1 + digits + len))
}

//! The bytes that clients write and read, as plainly as possible.

use stentor::Version;
use stentor::protocol::ClientRequest;
use stentor::protocol::framing::Framing;
use stentor::protocol::version::Closing;
use stentor_explain::reference::xor;

use crate::head::Head;
use crate::law;

/// `Sec-WebSocket-Accept` for a key of sixteen zeros.
pub const ACCEPT: &str = "ICX+Yqv66kxgM0FcWaLWlFLwTAI=";

/// A frame of the hybi framing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// FIN, the reserved bits and the opcode.
    pub first: u8,
    pub payload: Vec<u8>,
}

/// Returns a valid handshake of a client, draft-76's key3 included.
pub fn handshake(version: Version) -> &'static [u8] {
    match version {
        Version::Draft75 => {
            b"GET /demo HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\
              Host: example.com\r\nOrigin: http://example.com\r\n\r\n"
        }
        Version::Draft76 => {
            b"GET /demo HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\n\
              Sec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\nUpgrade: WebSocket\r\n\
              Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\nOrigin: http://example.com\r\n\r\n\
              ^n:ds[4U"
        }
        Version::Hybi07 => {
            b"GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
              Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
              Sec-WebSocket-Version: 7\r\n\r\n"
        }
        Version::Hybi08 => {
            b"GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
              Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
              Sec-WebSocket-Version: 8\r\n\r\n"
        }
        Version::Rfc6455 => {
            b"GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
              Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
              Sec-WebSocket-Version: 13\r\n\r\n"
        }
    }
}

/// Returns a client's request in this version, with all zeros for random bytes.
pub fn asked(version: Version) -> ClientRequest {
    let request = ClientRequest::to("ws://example.com/demo").expect("a URL");
    let origin = "http://example.com".parse().expect("an origin");
    request.version(version).origin(origin)
}

/// Returns the response to that, draft-76's proof included.
pub fn answer(version: Version) -> Vec<u8> {
    let mut bytes = Head::answering(version, None).bytes();
    if version == Version::Draft76 {
        bytes.extend(law::proof([0; 2], [0; 8]));
    }
    bytes
}

impl Frame {
    /// Writes the frame as a client, its length in the shortest form (RFC 6455 §5.2).
    pub fn masked(&self, key: [u8; 4], out: &mut Vec<u8>) {
        out.push(self.first);
        match self.payload.len() {
            len @ 0..=125 => out.push(0x80 | len as u8),
            len @ 126..=0xffff => {
                out.push(0x80 | 126);
                out.extend((len as u16).to_be_bytes());
            }
            len => {
                out.push(0x80 | 127);
                out.extend((len as u64).to_be_bytes());
            }
        }
        out.extend(key);
        out.extend(xor(&self.payload, key));
    }

    /// Takes a frame as a server writes it from the front of `bytes`: no mask, the shortest length.
    pub fn unmasked(bytes: &mut &[u8]) -> Frame {
        let (&[first, second], mut rest) = bytes.split_first_chunk().expect("a header");
        let len = match second {
            126 => {
                let (length, behind) = rest.split_first_chunk().expect("16 bits of length");
                rest = behind;
                let len = u16::from_be_bytes(*length).into();
                assert!(len > 125, "{len} in 16 bits");
                len
            }
            127 => {
                let (length, behind) = rest.split_first_chunk().expect("64 bits of length");
                rest = behind;
                let len = u64::from_be_bytes(*length) as usize;
                assert!(len > 0xffff, "{len} in 64 bits");
                len
            }
            len => {
                assert!(len < 126, "a mask");
                len.into()
            }
        };
        let (payload, behind) = rest.split_at(len);
        *bytes = behind;
        Frame {
            first,
            payload: payload.to_vec(),
        }
    }
}

/// Returns the version that a byte chooses among those of a framing.
pub fn of_framing(framing: Framing, choice: u8) -> Version {
    let versions: Vec<Version> = Version::ALL
        .into_iter()
        .filter(|version| version.framing() == framing)
        .collect();
    versions[usize::from(choice) % versions.len()]
}

/// Returns the client's close frame without a code; draft-75 has none, only the end of the stream.
pub fn close_frame(version: Version) -> Vec<u8> {
    match version.closing() {
        Closing::CloseTcp => Vec::new(),
        Closing::Marker => vec![0xff, 0x00],
        Closing::Frame => vec![0x88, 0x80, 0, 0, 0, 0],
    }
}

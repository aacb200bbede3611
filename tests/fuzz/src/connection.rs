//! The whole engine: any bytes in any pieces, behind a handshake or not, and an application that
//! calls anything at any time. However the bytes are cut between the calls, the result must be the
//! same.

use std::sync::Arc;

use crate::driven::{Call, Driven, Manner};
use crate::ways::{Way, alike};
use crate::wire;
use arbitrary::Arbitrary;
use stentor::protocol::{CloseFrame, Config, Ending};
use stentor::{CloseCode, Message, Version, Versions};

/// Fields of fixed size come first, so that the rest of an input is the bytes of the wire.
#[derive(Debug, Arbitrary)]
pub struct Script<'a> {
    /// Whether a handshake comes first, and of which version.
    behind: u8,
    manner: u8,
    limits: [u8; 3],
    options: u8,
    cuts: u32,
    calls: [Timed; 4],
    wire: &'a [u8],
}

#[derive(Debug, Arbitrary)]
struct Timed {
    at: u16,
    what: u8,
    with: u8,
}

pub fn judge(script: &Script) {
    let config = script.config();
    let mut bytes = script.handshake().to_vec();
    bytes.extend(script.wire);
    let mut calls: Vec<(usize, Call)> = Vec::new();
    for timed in &script.calls {
        let at = usize::from(timed.at) % (bytes.len() + 1);
        calls.extend(timed.call().map(|call| (at, call)));
    }
    calls.sort_by_key(|(at, _)| *at);

    let run = |way: Way| {
        let mut driven = Driven::new(&config, script.manner());
        let mut done = 0;
        for (at, call) in &calls {
            way.cut(&bytes[done..*at], |piece, reading| {
                driven.receive(piece, reading);
            });
            driven.call(call);
            done = *at;
        }
        way.cut(&bytes[done..], |piece, reading| {
            driven.receive(piece, reading);
        });
        driven.call(&Call::EndOfStream);
        assert_eq!(driven.connection().close_expected(), Some(Ending::Linger));
        // Anything that arrives now arrives too late.
        way.cut(&bytes, |piece, reading| driven.receive(piece, reading));
        for (_, call) in &calls {
            driven.call(call);
        }
        driven
    };
    alike(bytes.len(), script.cuts, run);
}

impl Script<'_> {
    fn handshake(&self) -> &'static [u8] {
        match usize::from(self.behind) % 6 {
            0 => b"",
            choice => wire::handshake(Version::ALL[choice - 1]),
        }
    }

    fn manner(&self) -> Manner {
        match self.manner % 8 {
            5 => Manner::Answers,
            6 => Manner::Refuses,
            7 => Manner::Waits,
            _ => Manner::Accepts,
        }
    }

    fn config(&self) -> Arc<Config> {
        let mut config = Config::default();
        config.limits.message = 4096 >> (self.limits[0] % 13);
        config.limits.fragments = usize::from(8 - self.limits[1] % 8);
        config.limits.header_bytes = 1024 - usize::from(self.limits[2]);
        config.limits.header_count = usize::from(20 - self.limits[2] % 20);
        let option = |bit: u8| self.options & 1 << bit != 0;
        config.fail_on_unknown_frames = option(0);
        config.fail_on_invalid_hixie_text = option(1);
        config.behind_tls = option(2);
        config.trust_forwarded_headers = option(3);
        if option(4) {
            config.allowed_origins = Some(vec!["http://example.com".parse().expect("an origin")]);
        }
        if option(5) {
            config.versions = Versions::RFC6455;
        }
        if option(6) {
            config.subprotocols = vec!["chat".to_owned()];
        }
        Arc::new(config)
    }
}

impl Timed {
    fn call(&self) -> Option<Call> {
        let with = usize::from(self.with);
        let frame = |code: u16, len: usize| {
            Some(CloseFrame {
                code: CloseCode::new(code),
                reason: "r".repeat(len),
            })
        };
        Some(match self.what % 16 {
            1 => Call::Accept(None),
            2 => Call::Accept(Some(["chat", "other"][with % 2].to_owned())),
            3 => Call::Reject,
            4 => Call::Respond,
            5 => Call::Send(Message::from("t".repeat(with))),
            6 => Call::Send(Message::from(vec![0xff; with])),
            7 => Call::Ping(vec![b'p'; with]),
            8 => Call::Close(None),
            9 => Call::Close(frame(1000, with)),
            10 => Call::Close(frame(990 + self.with as u16, 0)),
            11 => Call::Close(frame(4999 - self.with as u16, 0)),
            12 => Call::CloseWasSent(None),
            13 => Call::CloseWasSent(frame(1001, with)),
            14 => Call::GiveUp,
            15 => Call::EndOfStream,
            _ => return None,
        })
    }
}

//! The attacks, and the upper bounds on the cost of each.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::sockopt;
use stentor::Version;
use stentor::protocol::framing::Framing;

use crate::site::{DEADLINE, IDLE, Site};
use crate::support::{HIXIE, HYBI, Head, Peer, dial, dial_from, masked, read_answer, text};

pub(crate) struct Attack {
    pub(crate) name: &'static str,
    /// The most bytes of memory that one attacker may cost.
    pub(crate) memory: usize,
    /// The most threads that all of them may cost.
    pub(crate) threads: usize,
    /// The most time they may stay, once the server could detect them.
    pub(crate) rid_of: Duration,
    /// Runs the attack, reports its `Act`, and is then held there, with its connections open, for
    /// as long as the server keeps them.
    pub(crate) run: fn(&Site, &mut dyn FnMut(Act)),
}

/// The acts of the attackers.
pub(crate) struct Act {
    pub(crate) attackers: usize,
    /// The bytes they have written.
    pub(crate) bytes: u64,
    /// The units by which the costs are divided, if bytes are a poor measure.
    pub(crate) units: Option<(u64, &'static str)>,
    /// The time from which the server could have closed them.
    pub(crate) since: Instant,
}

const CROWD: usize = 50;
const KIB: usize = 1024;

pub(crate) const ATTACKS: &[Attack] = &[
    Attack {
        name: "silent from the start",
        memory: 64 * KIB,
        threads: CROWD,
        rid_of: DEADLINE.saturating_mul(2),
        run: silent_from_the_start,
    },
    Attack {
        name: "slow heads, a byte every 5 ms",
        memory: 64 * KIB,
        threads: CROWD,
        rid_of: DEADLINE.saturating_mul(2),
        run: slow_heads,
    },
    Attack {
        name: "draft-76 without key3",
        memory: 64 * KIB,
        threads: CROWD,
        rid_of: DEADLINE,
        run: without_key3,
    },
    Attack {
        name: "slow frames, then silence",
        memory: 64 * KIB,
        threads: CROWD,
        rid_of: IDLE,
        run: slow_frames,
    },
    Attack {
        name: "1 MiB declared, then silence",
        memory: 64 * KIB,
        threads: CROWD,
        rid_of: IDLE,
        run: declared,
    },
    Attack {
        name: "impossible lengths declared",
        memory: 64 * KIB,
        threads: CROWD,
        rid_of: DEADLINE,
        run: impossible,
    },
    Attack {
        name: "garbage instead of a handshake",
        memory: 8 * KIB,
        threads: CROWD,
        rid_of: Duration::ZERO,
        run: garbage,
    },
    Attack {
        name: "heads of 16 KiB without an end",
        memory: 64 * KIB,
        threads: CROWD,
        rid_of: Duration::ZERO,
        run: endless_heads,
    },
    Attack {
        name: "connections that are reset at once",
        memory: 4 * KIB,
        // This many accumulate if a busy machine allows it.
        threads: 10 * CROWD,
        rid_of: Duration::ZERO,
        run: churn,
    },
    Attack {
        name: "handshakes that are reset at once",
        memory: 4 * KIB,
        // This many accumulate if a busy machine allows it.
        threads: 10 * CROWD,
        rid_of: Duration::ZERO,
        run: churn_of_handshakes,
    },
    Attack {
        name: "half closed behind the handshake",
        memory: 64 * KIB,
        threads: CROWD,
        rid_of: Duration::ZERO,
        run: half_closed,
    },
    Attack {
        name: "goodbye said, and not hung up",
        memory: 64 * KIB,
        threads: CROWD,
        rid_of: DEADLINE,
        run: stayers,
    },
    Attack {
        name: "ping flood, pongs read",
        memory: 256 * KIB,
        threads: CROWD,
        rid_of: Duration::ZERO,
        run: pings_read,
    },
    Attack {
        name: "ping flood, nothing read",
        memory: 2048 * KIB,
        threads: CROWD,
        rid_of: DEADLINE.saturating_mul(4),
        run: pings_not_read,
    },
    Attack {
        name: "empty fragments to the limit",
        memory: 256 * KIB,
        threads: CROWD,
        rid_of: DEADLINE,
        run: empty_fragments,
    },
    Attack {
        name: "messages of one byte, echoes read",
        memory: 256 * KIB,
        threads: CROWD,
        rid_of: Duration::ZERO,
        run: tiny_messages,
    },
    Attack {
        name: "empty frames that are skipped",
        memory: 256 * KIB,
        threads: CROWD,
        rid_of: Duration::ZERO,
        run: skipped_frames,
    },
    Attack {
        name: "echoes of 10 KB, nothing read",
        memory: 2048 * KIB,
        threads: CROWD,
        rid_of: DEADLINE.saturating_mul(4),
        run: echoes_not_read,
    },
    Attack {
        name: "50 slow heads and 50 who do not read",
        memory: 1024 * KIB,
        threads: 2 * CROWD,
        rid_of: DEADLINE.saturating_mul(4),
        run: siege,
    },
    #[cfg(feature = "deflate")]
    Attack {
        name: "compressed, 1 KiB for a mebibyte",
        memory: 2048 * KIB,
        threads: 2 * CROWD,
        rid_of: DEADLINE,
        run: bombs,
    },
    #[cfg(feature = "tls")]
    Attack {
        name: "handshakes of TLS, reset when signed",
        memory: 32 * KIB,
        // This many accumulate if a busy machine allows it.
        threads: 10 * CROWD,
        rid_of: Duration::ZERO,
        run: signatures,
    },
];

/// Yields this many versions, all of them in turn.
fn versions(count: usize) -> impl Iterator<Item = Version> {
    Version::ALL.into_iter().cycle().take(count)
}

/// Opens clients, waits for their handshakes, and runs this on each.
fn open(
    site: &Site,
    versions: impl IntoIterator<Item = Version>,
    act: impl Fn(&mut Peer),
) -> Vec<Peer> {
    let open = |version| {
        let mut peer = Peer::open(site.address, version);
        act(&mut peer);
        peer
    };
    versions.into_iter().map(open).collect()
}

fn hybi(count: usize) -> impl Iterator<Item = Version> {
    HYBI.into_iter().cycle().take(count)
}

/// Opens clients that read nothing, and whose kernel buffers are small.
fn sleepers(site: &Site, versions: impl IntoIterator<Item = Version>) -> Vec<Peer> {
    let home = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let sleeper = |version| {
        let stream = dial_from(site.address, home, Some(8 * KIB));
        Peer::on(stream, version, &Head::of(version).bytes())
    };
    versions.into_iter().map(sleeper).collect()
}

/// Returns the bytes that these clients have written by now; their silence counts from now on.
fn written_by(peers: &[Peer]) -> Act {
    Act {
        attackers: peers.len(),
        bytes: peers.iter().map(|peer| peer.written).sum(),
        units: Some((peers.len() as u64, "connection")),
        since: Instant::now(),
    }
}

fn reset(stream: TcpStream) {
    sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
}

fn silent_from_the_start(site: &Site, done: &mut dyn FnMut(Act)) {
    let since = Instant::now();
    let _streams: Vec<TcpStream> = (0..CROWD).map(|_| dial(site.address)).collect();
    done(Act {
        attackers: CROWD,
        bytes: 0,
        units: Some((CROWD as u64, "connection")),
        since,
    });
}

/// Writes a byte to each of them in turn until the server has closed all; returns the number of
/// bytes.
fn drip(mut streams: Vec<(TcpStream, Vec<u8>)>) -> u64 {
    let mut bytes = 0;
    for at in 0.. {
        streams.retain_mut(|(stream, words)| {
            let byte = [words[at % words.len()]];
            bytes += 1;
            stream.write_all(&byte).is_ok()
        });
        if streams.is_empty() {
            break;
        }
        thread::sleep(Duration::from_millis(5));
    }
    bytes
}

fn slow_heads(site: &Site, done: &mut dyn FnMut(Act)) {
    let since = Instant::now();
    let slow = |version| {
        let head = Head::of(version).filled_to(16 * KIB).head();
        (dial(site.address), head)
    };
    let bytes = drip(versions(CROWD).map(slow).collect());
    done(Act {
        attackers: CROWD,
        bytes,
        units: None,
        since,
    });
}

fn without_key3(site: &Site, done: &mut dyn FnMut(Act)) {
    let since = Instant::now();
    let peers: Vec<Peer> = (0..CROWD)
        .map(|_| Peer::without_key3(site.address))
        .collect();
    done(Act {
        since,
        ..written_by(&peers)
    });
}

/// Returns the beginning of a message of a mebibyte.
fn beginning(version: Version) -> Vec<u8> {
    match version.framing() {
        Framing::Hixie => vec![0x00],
        Framing::Hybi => {
            let len = (1024 * KIB as u64).to_be_bytes();
            [&[0x82, 0xff][..], &len, &[0; 4]].concat()
        }
    }
}

fn slow_frames(site: &Site, done: &mut dyn FnMut(Act)) {
    let mut peers = open(site, versions(CROWD), |peer| {
        peer.write(&beginning(peer.version));
    });
    // For longer than any timeout: each byte is a sign of life.
    let until = Instant::now() + IDLE + DEADLINE / 2;
    while Instant::now() < until {
        for peer in &mut peers {
            peer.write(b"x");
        }
        thread::sleep(Duration::from_millis(5));
    }
    done(Act {
        units: None,
        ..written_by(&peers)
    });
}

fn declared(site: &Site, done: &mut dyn FnMut(Act)) {
    let peers = open(site, versions(CROWD), |peer| match peer.version.framing() {
        // The largest frame of an unknown type that is skipped.
        Framing::Hixie => peer.write(&[0x80, 0xbf, 0xff, 0x7f, b'x']),
        Framing::Hybi => peer.write(&[beginning(peer.version), vec![b'x'; 100]].concat()),
    });
    done(written_by(&peers));
}

fn impossible(site: &Site, done: &mut dyn FnMut(Act)) {
    let peers = open(site, versions(CROWD), |peer| match peer.version.framing() {
        Framing::Hixie => peer.write(&[0x80, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]),
        Framing::Hybi => {
            let len = match peer.version {
                Version::Hybi07 => 1_u64 << 32,
                Version::Hybi08 => (1 << 63) - 1,
                _ => u64::MAX,
            };
            peer.write(&[&[0x82, 0xff][..], &len.to_be_bytes()].concat());
        }
    });
    done(written_by(&peers));
}

/// Connects one client after another, sends these bytes, and checks the status of the response.
fn rejected(site: &Site, count: usize, bytes: impl Fn(u64) -> Vec<u8>, status: u16) -> Act {
    let mut written = 0;
    for at in 0..count as u64 {
        let bytes = bytes(at + 1);
        written += bytes.len() as u64;
        let mut stream = dial(site.address);
        stream.write_all(&bytes).unwrap();
        assert_eq!(read_answer(&mut stream).status(), status);
    }
    Act {
        attackers: count,
        bytes: written,
        units: Some((count as u64, "connection")),
        since: Instant::now(),
    }
}

fn garbage(site: &Site, done: &mut dyn FnMut(Act)) {
    let noise = |seed: u64| {
        let mut random = seed;
        let mut bytes: Vec<u8> = std::iter::repeat_with(|| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (random >> 32) as u8
        })
        .take(1000)
        .collect();
        bytes.extend(b"\r\n\r\n");
        bytes
    };
    done(rejected(site, 500, noise, 400));
}

fn endless_heads(site: &Site, done: &mut dyn FnMut(Act)) {
    let head = |_| Head::of(Version::Rfc6455).filled_to(16 * KIB + 1).head();
    done(rejected(site, 200, head, 431));
}

fn churn(site: &Site, done: &mut dyn FnMut(Act)) {
    const COUNT: usize = 2000;
    for _ in 0..COUNT {
        reset(dial(site.address));
    }
    done(Act {
        attackers: COUNT,
        bytes: 0,
        units: Some((COUNT as u64, "connection")),
        since: Instant::now(),
    });
}

fn churn_of_handshakes(site: &Site, done: &mut dyn FnMut(Act)) {
    const COUNT: usize = 1000;
    for version in versions(COUNT) {
        reset(Peer::open(site.address, version).stream);
    }
    done(Act {
        attackers: COUNT,
        bytes: 0,
        units: Some((COUNT as u64, "connection")),
        since: Instant::now(),
    });
}

fn half_closed(site: &Site, done: &mut dyn FnMut(Act)) {
    let peers = open(site, versions(CROWD), |peer| {
        peer.stream.shutdown(Shutdown::Write).unwrap();
    });
    done(written_by(&peers));
}

fn stayers(site: &Site, done: &mut dyn FnMut(Act)) {
    // Draft-75 has no close frame, only the end of TCP.
    let versions = Version::ALL[1..].iter().copied().cycle().take(CROWD);
    let peers = open(site, versions, |peer| {
        peer.start_close(1000, "");
        peer.expect_goodbye(1000, "");
    });
    done(written_by(&peers));
}

/// Each of these clients writes this many frames, and reads all replies.
fn flood_and_read(
    site: &Site,
    versions: impl Iterator<Item = Version>,
    frame: impl Fn(Version) -> Vec<u8> + Sync,
    unit: &'static str,
) -> Act {
    const EACH: usize = 50_000;
    const AT_ONCE: usize = 5000;
    let peers = open(site, versions, |_| {});
    let attackers = peers.len();
    let written = AtomicU64::new(0);
    thread::scope(|scope| {
        for mut peer in peers {
            let mut reader = peer.stream.try_clone().unwrap();
            scope.spawn(move || while let Ok(1..) = reader.read(&mut [0; 64 * KIB]) {});
            let (frame, written) = (&frame, &written);
            scope.spawn(move || {
                let frames = frame(peer.version).repeat(AT_ONCE);
                for _ in 0..EACH / AT_ONCE {
                    peer.write(&frames);
                }
                written.fetch_add(peer.written, Relaxed);
                peer.stream.shutdown(Shutdown::Write).unwrap();
            });
        }
    });
    Act {
        attackers,
        bytes: written.into_inner(),
        units: Some(((attackers * EACH) as u64, unit)),
        since: Instant::now(),
    }
}

fn pings_read(site: &Site, done: &mut dyn FnMut(Act)) {
    done(flood_and_read(site, hybi(6), |_| masked(0x89, b""), "ping"));
}

fn tiny_messages(site: &Site, done: &mut dyn FnMut(Act)) {
    let frame = |version| text(version, "x");
    done(flood_and_read(site, versions(10), frame, "message"));
}

fn skipped_frames(site: &Site, done: &mut dyn FnMut(Act)) {
    let hixie = HIXIE.into_iter().cycle().take(6);
    done(flood_and_read(site, hixie, |_| vec![0x80, 0x00], "frame"));
}

fn empty_fragments(site: &Site, done: &mut dyn FnMut(Act)) {
    const FRAGMENTS: usize = 131_072;
    let flood = |version| {
        let mut peer = Peer::open(site.address, version);
        peer.write(&masked(0x02, b""));
        peer.write(&masked(0x00, b"").repeat(FRAGMENTS));
        let code = if version == Version::Rfc6455 {
            1009
        } else {
            1004
        };
        peer.expect_goodbye(code, "message of more than 131072 fragments");
        peer
    };
    let peers: Vec<Peer> = hybi(6).map(flood).collect();
    done(Act {
        units: Some(((peers.len() * FRAGMENTS) as u64, "fragment")),
        ..written_by(&peers)
    });
}

/// Each of these clients writes the same frame for as long as the server takes it, and reads
/// nothing.
fn flood_and_sleep(peers: Vec<Peer>, frame: impl Fn(Version) -> Vec<u8> + Sync) -> u64 {
    let written = AtomicU64::new(0);
    thread::scope(|scope| {
        for mut peer in peers {
            let (frame, written) = (&frame, &written);
            scope.spawn(move || {
                let frames = frame(peer.version);
                while let Ok(bytes @ 1..) = peer.stream.write(&frames) {
                    written.fetch_add(bytes as u64, Relaxed);
                }
            });
        }
    });
    written.into_inner()
}

fn pings_not_read(site: &Site, done: &mut dyn FnMut(Act)) {
    let since = Instant::now();
    let peers = sleepers(site, hybi(6));
    let bytes = flood_and_sleep(peers, |_| masked(0x89, &[7; 125]).repeat(100));
    done(Act {
        attackers: 6,
        bytes,
        units: None,
        since,
    });
}

fn ten_kilobytes(version: Version) -> Vec<u8> {
    text(version, &"x".repeat(10_000))
}

fn echoes_not_read(site: &Site, done: &mut dyn FnMut(Act)) {
    let since = Instant::now();
    let peers = sleepers(site, versions(20));
    let bytes = flood_and_sleep(peers, ten_kilobytes);
    done(Act {
        attackers: 20,
        bytes,
        units: None,
        since,
    });
}

fn siege(site: &Site, done: &mut dyn FnMut(Act)) {
    let since = Instant::now();
    let slow = |version| {
        let head = Head::of(version).filled_to(16 * KIB).head();
        (dial(site.address), head)
    };
    let streams: Vec<(TcpStream, Vec<u8>)> = versions(CROWD).map(slow).collect();
    let peers = sleepers(site, versions(CROWD));
    let bytes = thread::scope(|scope| {
        let dripped = scope.spawn(|| drip(streams));
        let flooded = flood_and_sleep(peers, ten_kilobytes);
        dripped.join().unwrap() + flooded
    });
    done(Act {
        attackers: 2 * CROWD,
        bytes,
        units: None,
        since,
    });
}

/// Each message inflates to one byte more than the message limit.
#[cfg(feature = "deflate")]
fn bombs(site: &Site, done: &mut dyn FnMut(Act)) {
    let mut zip = flate2::Compress::new(flate2::Compression::best(), false);
    let mut bomb = Vec::with_capacity(16 * KIB);
    let words = vec![b'x'; 1024 * KIB + 1];
    let flushed = zip.compress_vec(&words, &mut bomb, flate2::FlushCompress::Sync);
    flushed.unwrap();
    let frame = masked(0xc1, &bomb[..bomb.len() - 4]);
    let head = Head::of(Version::Rfc6455).with("Sec-WebSocket-Extensions", "permessage-deflate");
    let explode = |_| {
        let mut peer = Peer::open_with(site.address, Version::Rfc6455, &head);
        peer.write(&frame);
        peer.expect_goodbye(1009, "message above 1048576 bytes");
        peer
    };
    let peers: Vec<Peer> = (0..2 * CROWD).map(explode).collect();
    done(Act {
        units: Some((peers.len() as u64, "mebibyte")),
        ..written_by(&peers)
    });
}

#[cfg(feature = "tls")]
fn signatures(site: &Site, done: &mut dyn FnMut(Act)) {
    const COUNT: usize = 300;
    let mut hello = Vec::new();
    let mut stream = crate::support::secure(dial(site.secure_address));
    stream.conn.write_tls(&mut hello).unwrap();
    for _ in 0..COUNT {
        let mut stream = dial(site.secure_address);
        stream.write_all(&hello).unwrap();
        stream.read_exact(&mut [0; 5]).unwrap();
        reset(stream);
    }
    done(Act {
        attackers: COUNT,
        bytes: (COUNT * hello.len()) as u64,
        units: Some((COUNT as u64, "handshake")),
        since: Instant::now(),
    });
}

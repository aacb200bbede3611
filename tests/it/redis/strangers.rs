//! Another program writes to the keys of the rooms, or a clock was wrong: messages may be lost behind a gap, and nothing
//! fails for good.

use stentor::Version;
use stentor::server::Gap;

use super::*;

const LOG: &str = "stentor:1:room:{lobby}:log";
const STATE: &str = "stentor:1:room:{lobby}:state";

fn members(servers: &[Loopback; 2]) -> [Peer; 2] {
    servers.each_ref().map(|server| {
        let mut peer = server.open(Version::Rfc6455);
        peer.resume("lobby", "last 0");
        peer
    })
}

/// Two servers whose members are told of gaps.
fn servers(redis: &RedisServer) -> [Loopback; 2] {
    let notice = |_: &str, gap: Gap| Some(format!("0-0 {gap}").into());
    [(); 2].map(|()| serve(options(&redis.address()).on_gap(notice)))
}

/// The clients have received the first message; a gap and these messages follow.
fn expect_reset_and(peers: &mut [Peer; 2], texts: &[String]) {
    for peer in peers {
        assert_eq!(peer.said().1, "0");
        assert_eq!(peer.said().1, "messages may be missing");
        assert_eq!(peer.texts(texts.len()), texts);
    }
}

#[test]
fn entries_of_another_program_are_skipped() {
    let Some(redis) = redis(&[]) else { return };
    let servers = two(&redis);
    let mut peers = members(&servers);
    let at = publish(&servers[0], "lobby", numbers(0..1))[0];
    // Where the next entry would be.
    let next = format!("{}-{}", at.epoch(), at.number() + 1);
    redis.execute(&["XADD", LOG, &next, "name", "value"]);
    redis.execute(&["PUBLISH", "stentor:1:room:{lobby}:new", "nonsense"]);
    let later = publish(&servers[1], "lobby", numbers(1..3));
    for peer in &mut peers {
        assert_eq!(peer.said().1, "0");
        // The number of the entry of the other program is no message.
        assert_eq!([peer.said().1, peer.said().1], ["1", "2"]);
    }
    let mut late = servers[0].open(Version::Draft76);
    assert!(late.resume("lobby", at).replayed >= 2);
    assert!(later[1].number() > at.number());
}

#[test]
fn an_epoch_from_the_future_is_followed_by_the_next_one() {
    let Some(mut redis) = redis(&[]) else { return };
    let servers = servers(&redis);
    let mut peers = members(&servers);
    publish(&servers[0], "lobby", numbers(0..1));
    // The clock of Redis was a century ahead when this epoch began, and is right after a restart.
    let future: u64 = 4_102_444_800_000_000;
    redis.execute(&["HSET", STATE, "e", &future.to_string(), "n", "0"]);
    redis.kill();
    redis.start();
    let positions = publish(&servers[1], "lobby", numbers(1..3));
    assert_eq!(
        positions
            .iter()
            .map(|at| (at.epoch(), at.number()))
            .collect::<Vec<_>>(),
        [(future + 1, 1), (future + 1, 2)]
    );
    expect_reset_and(&mut peers, &numbers(1..3));
}

#[test]
fn a_log_from_the_future_without_its_state_is_a_reset() {
    let Some(redis) = redis(&[]) else { return };
    let servers = servers(&redis);
    let mut peers = members(&servers);
    publish(&servers[0], "lobby", numbers(0..1));
    redis.execute(&["DEL", STATE, LOG]);
    redis.execute(&[
        "XADD",
        LOG,
        "4102444800000000-7",
        "h",
        "- 0 0\n1 t",
        "m",
        "of the future",
    ]);
    publish(&servers[1], "lobby", numbers(1..3));
    expect_reset_and(&mut peers, &numbers(1..3));
}

/// Scripts calculate with 53 bits.
#[test]
fn numbers_that_are_too_large_begin_another_epoch() {
    let Some(redis) = redis(&[]) else { return };
    for field in ["e", "n"] {
        redis.execute(&["FLUSHALL"]);
        let servers = servers(&redis);
        let mut peers = members(&servers);
        let before = publish(&servers[0], "lobby", numbers(0..1));
        redis.execute(&["HSET", STATE, field, "9007199254740993"]);
        let after = publish(&servers[1], "lobby", numbers(1..4));
        assert!(after[0].epoch() > before[0].epoch());
        expect_reset_and(&mut peers, &numbers(1..4));
    }
}

#[test]
fn rooms_with_any_name_are_apart() {
    let Some(redis) = redis(&[]) else { return };
    let [one, other] = two(&redis);
    let long = "\u{e4}".repeat(128);
    let names = [
        "{lobby}",
        "lobby}:log",
        "lobby{",
        "%7B",
        "\0",
        " ",
        "a\r\nb",
        &long,
    ];
    let mut peers: Vec<_> = names.iter().map(|_| other.open(Version::Rfc6455)).collect();
    for (peer, name) in peers.iter_mut().zip(names) {
        let mut follower = other
            .handle
            .follow(name, stentor::server::Since::Last(0))
            .unwrap();
        publish(&one, name, [name.len().to_string()]);
        let stentor::server::Followed::Entry(entry) = follower.next().unwrap() else {
            panic!("a gap");
        };
        assert!(
            entry
                .message
                .to_string()
                .ends_with(&format!(" {}", name.len()))
        );
        // No name of a room is a command of this test, nor a separator of its words.
        if !name.contains([' ', '|']) {
            assert_eq!(peer.resume(name, "last 9").replayed, 1);
        }
    }
    let keys = redis.execute(&["KEYS", "*:log"]);
    assert_eq!(keys.matches("}:log").count(), names.len(), "{keys:?}");
}

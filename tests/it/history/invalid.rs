//! Invalid input: a clear error to the client that sends it, and nothing else.

use super::*;
use stentor::server::{HistoryError, PublishError};

#[test]
fn a_malformed_position_is_an_error_for_its_client_only() {
    let server = serve(plenty());
    let positions = publish(&server, "lobby", numbers(0..3));
    let mut peer = server.open(Version::Rfc6455);
    let malformed = [
        "",
        "x",
        "1",
        "-1",
        "1-1-1",
        "\u{0}",
        "{}",
        "99999999999999999999-1",
    ];
    for since in malformed {
        peer.say(&format!("resume|lobby|{since}"));
        let error = peer.hear_text();
        assert!(error.contains("not the position of a message"), "{error}");
        assert!(error.len() < 500 && !error.contains('\0'), "{error}");
        peer.expect_text("error: NoHistory");
    }
    assert_eq!(peer.resume("lobby", positions[1]).replayed, 1);
}

#[test]
fn a_position_of_another_time_or_room_is_a_gap_of_unknown_size() {
    let server = serve(plenty());
    let own = publish(&server, "lobby", numbers(0..3));
    let other = publish(&server, "other", numbers(0..3));
    let epoch = own[0].epoch();
    let foreign = [
        format!("{epoch}-4"),
        format!("{epoch}-{}", u64::MAX),
        format!("{}-1", epoch + 1_000_000_000),
        "0-0".to_owned(),
        format!("{0}-{0}", u64::MAX),
        other[1].to_string(),
    ];
    for since in foreign {
        let mut peer = server.open(Version::Draft76);
        let welcome = peer.resume("lobby", &since);
        let expected = Welcome {
            at: own[2],
            gap: Some(None),
            replayed: 3,
        };
        assert_eq!(welcome, expected, "{since}");
        assert_eq!(peer.texts(3), numbers(0..3));
        let before = since.parse().unwrap();
        let error = server.handle.history("lobby", Some(before), 10);
        assert_eq!(error, Err(HistoryError::UnknownPosition(before)));
    }
}

#[test]
fn pages_have_a_limit() {
    let server = serve(plenty());
    let positions = publish(&server, "lobby", numbers(0..1500));
    let page = |before, most| server.handle.history("lobby", before, most);
    for most in [1001, usize::MAX] {
        assert_eq!(page(None, most), Err(HistoryError::LargePage(most)));
    }
    assert_eq!(
        page(None, 0).map(|page| (page.entries.len(), page.more)),
        Ok((0, true))
    );
    assert_eq!(page(None, 1000).map(|page| page.entries.len()), Ok(1000));
    let oldest = page(Some(positions[0]), 1000).unwrap();
    assert_eq!((oldest.entries.len(), oldest.more), (0, false));
    let zero: Position = format!("{}-0", positions[0].epoch()).parse().unwrap();
    assert_eq!(page(Some(zero), 10).map(|page| page.entries.len()), Ok(0));
    // A page of many bytes is cut, but has one message at least.
    publish(&server, "large", (0..3).map(|_| "x".repeat(700_000)));
    let large = server.handle.history("large", None, 1000).unwrap();
    assert_eq!((large.entries.len(), large.more), (1, true));
    let mut peer = server.open(Version::Draft75);
    peer.say("page|lobby||100000");
    assert!(
        peer.hear_text()
            .starts_with("error: a page of 100000 messages")
    );
    peer.say("page|lobby||1000");
    peer.expect_text("1000 true");
}

#[test]
fn a_rooms_name_may_have_any_characters_but_not_many() {
    let server = serve(plenty());
    for room in [
        "",
        "{room}",
        "a\0b",
        "line\nbreak",
        "%s",
        "\u{1f4a9}",
        "../../etc",
        &"n".repeat(256),
    ] {
        let positions = publish(&server, room, numbers(0..2));
        let mut peer = server.open(Version::Rfc6455);
        assert_eq!(peer.resume(room, positions[0]).replayed, 1, "{room:?}");
        assert_eq!(peer.texts(1), ["1"]);
    }
    let held = server.handle.counters().history;
    let long = "x".repeat(10 * 1024 * 1024);
    let room = server.handle.room(&long);
    assert_eq!(
        room.publish("text"),
        Err(PublishError::LongName(long.len()))
    );
    let error = HistoryError::LongName(long.len());
    assert_eq!(server.handle.history(&long, None, 1), Err(error));
    assert_eq!(
        server.handle.follow(&long, Since::Last(1)).unwrap_err(),
        error
    );
    room.broadcast("text");
    let counted = crate::support::eventually("the broadcast", || {
        let counters = server.handle.counters();
        (counters.not_published > 0).then_some(counters)
    });
    assert_eq!((counted.not_published, counted.history), (1, held));
    let mut peer = server.open(Version::Rfc6455);
    let name = "y".repeat(300);
    peer.say(&format!("resume|{name}|last 1"));
    peer.expect_text("error: Join(LongName(300))");
}

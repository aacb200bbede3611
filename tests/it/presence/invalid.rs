//! Invalid input: a clear error, and nothing else.

use super::*;

#[test]
fn what_a_member_brings_has_limits() {
    let server = Loopback::run(Server::builder().history(plenty()), |client| {
        let large = Publication::around("", "x".repeat(4097));
        let fits = Publication::from("x".repeat(4096));
        let members = [
            Member::new(key(1)).meta("x".repeat(1025)),
            Member::new(key(1)).joined(large.clone()),
            Member::new(key(1)).left(large),
            Member::new(key(1))
                .meta("x".repeat(1024))
                .joined(fits.clone())
                .left(fits),
        ];
        for member in members {
            let entered = client.enter("lobby", Since::Last(0), member, |_| None);
            client.send(entered.map_or_else(|error| error.to_string(), |_| "entered".into()))?;
        }
        let long = "n".repeat(10 * 1024 * 1024);
        let entered = client.enter(&long, Since::Last(0), member(key(1), "m"), |_| None);
        client.send(format!("{:?}", entered.err()))?;
        client.recv()?;
        Ok(())
    });
    let mut peer = server.open(Version::Rfc6455);
    assert!(peer.hear_text().contains("metadata has 1025 bytes"));
    for _ in 0..2 {
        assert!(peer.hear_text().contains("publication about the member"));
    }
    peer.expect_text("entered");
    peer.expect_text("Some(Resume(Join(LongName(10485760))))");
    assert_eq!(server.handle.present("lobby").unwrap().members.len(), 1);
    assert!(server.handle.present(&"n".repeat(257)).is_err());
}

#[test]
fn a_rooms_name_may_have_any_characters() {
    let server = serve(plenty());
    let mut peer = server.open(Version::Draft76);
    let long = "n".repeat(256);
    for room in [
        "",
        "{room}",
        "a\0b",
        "line\nbreak",
        "%s",
        "\u{1f4a9}",
        &long,
    ] {
        assert_eq!(
            peer.enter(room, 1, "Ann").list,
            list(&[(1, "Ann")]),
            "{room:?}"
        );
        peer.leave_room(room);
        assert_eq!(kinds(&server, room, 1), ["joined", "left"]);
    }
}

#[test]
fn a_server_without_history_has_no_members() {
    let server = Loopback::run(Server::builder(), obey);
    let mut peer = server.open(Version::Rfc6455);
    peer.say(&format!("enter|lobby|last 0|{}|Ann", key(1)));
    peer.expect_text("error: Resume(NoHistory)");
    assert!(server.handle.present("lobby").is_err());
}

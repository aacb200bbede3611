//! Sessions: two engines, moved step by step.

use stentor::Version;
use stentor::protocol::{Event, State};
use stentor_explain::Side::{Client, Server};
use stentor_explain::lab::{Action, Amount, Lab, Setup};

use super::{lab, setup};

/// Performs actions that must be possible.
#[track_caller]
fn perform(lab: &mut Lab, actions: &[Action]) {
    for action in actions {
        assert_eq!(lab.perform(action), Ok(()), "{action:?}");
    }
}

/// The texts that a side has received.
fn texts(lab: &Lab, by: stentor_explain::Side) -> Vec<String> {
    let messages = lab.events().iter().filter_map(|(side, event)| match event {
        Event::Message(message) if *side == by => message.as_text(),
        _ => None,
    });
    messages.map(str::to_owned).collect()
}

#[test]
fn a_handshake_a_message_and_a_close_work_in_all_versions() {
    for version in Version::ALL {
        let mut lab = lab(version);
        perform(&mut lab, &[Action::Run]);
        assert_eq!(
            (lab.state(Client), lab.state(Server)),
            (State::Ready, State::Ready)
        );
        let text = "grüß Gott".to_owned();
        perform(
            &mut lab,
            &[
                Action::Text(Client, text.clone()),
                Action::Text(Server, text.clone()),
                Action::Run,
                Action::Close(Client, None),
                Action::Run,
            ],
        );
        assert_eq!(
            texts(&lab, Client),
            std::slice::from_ref(&text),
            "{version}"
        );
        assert_eq!(texts(&lab, Server), [text], "{version}");
        assert!(lab.is_ended(Client) && lab.is_ended(Server), "{version}");
        let broken: Vec<_> = lab
            .notes()
            .into_iter()
            .filter(|note| note.is_broken())
            .collect();
        assert_eq!(broken, [], "{version}");
    }
}

#[test]
fn the_same_seed_leads_to_the_same_bytes_and_another_one_to_others() {
    let bytes = |seed| {
        let mut lab = Lab::new(Setup {
            seed,
            ..setup(Version::Rfc6455)
        });
        perform(
            &mut lab,
            &[Action::Run, Action::Text(Client, "Hello".to_owned())],
        );
        lab.sent(Client).to_vec()
    };
    assert_eq!(bytes(7), bytes(7));
    assert_ne!(bytes(7), bytes(8));
}

#[test]
fn two_sessions_at_a_time_do_not_disturb_each_other() {
    let alone = |lab: &mut Lab| perform(lab, &[Action::Run, Action::Text(Client, "a".to_owned())]);
    let (mut first, mut second, mut third) = (
        lab(Version::Rfc6455),
        lab(Version::Rfc6455),
        lab(Version::Rfc6455),
    );
    alone(&mut first);
    perform(&mut second, &[Action::Run]);
    perform(&mut third, &[Action::Run]);
    let text = Action::Text(Client, "a".to_owned());
    perform(&mut second, std::slice::from_ref(&text));
    perform(&mut third, std::slice::from_ref(&text));
    assert_eq!(first.sent(Client), second.sent(Client));
    assert_eq!(first.sent(Client), third.sent(Client));
}

#[test]
fn steps_read_a_byte_a_part_a_frame_or_all() {
    let mut lab = lab(Version::Rfc6455);
    let all = lab.sent(Client).len();
    let left = |lab: &Lab| lab.unread(Client).len();
    perform(&mut lab, &[Action::Read(Client, Amount::Bytes(1))]);
    assert_eq!(left(&lab), all - 1);
    perform(&mut lab, &[Action::Read(Client, Amount::Part)]);
    assert_eq!(left(&lab), all - "GET".len());
    perform(&mut lab, &[Action::Read(Client, Amount::Frame)]);
    assert_eq!(left(&lab), 0);
    perform(
        &mut lab,
        &[Action::Run, Action::Text(Client, "Hello".to_owned())],
    );
    assert_eq!(left(&lab), 11);
    // The parts of the first two bytes are bits, so the first bit ends with its byte.
    for rest in [10, 9, 5, 0] {
        perform(&mut lab, &[Action::Read(Client, Amount::Part)]);
        assert_eq!(left(&lab), rest);
    }
    let error = lab
        .perform(&Action::Read(Client, Amount::Part))
        .unwrap_err();
    assert!(error.contains("no bytes of the client"), "{error}");
}

#[test]
fn any_cut_delivers_the_same_message() {
    for version in Version::ALL {
        for cut in 1..=7 {
            let mut lab = lab(version);
            perform(
                &mut lab,
                &[Action::Run, Action::Text(Client, "grün".to_owned())],
            );
            while !lab.unread(Client).is_empty() {
                perform(&mut lab, &[Action::Read(Client, Amount::Bytes(cut))]);
            }
            assert_eq!(texts(&lab, Server), ["grün"], "{version}, {cut}");
        }
    }
}

#[test]
fn a_message_in_pieces_is_one_message_and_the_ping_between_is_answered() {
    for version in [Version::Hybi07, Version::Hybi08, Version::Rfc6455] {
        for from in [Client, Server] {
            let mut lab = lab(version);
            let pieces = Action::Pieces {
                from,
                text: "für alle".to_owned(),
                pieces: 5,
                ping: true,
            };
            perform(&mut lab, &[Action::Run, pieces, Action::Run]);
            assert_eq!(texts(&lab, from.other()), ["für alle"]);
            let pong = Event::Pong(b"still there?".to_vec());
            assert!(lab.events().contains(&(from, pong)), "{version}");
            assert!(!lab.is_by_hand(from));
        }
    }
    let pieces = Action::Pieces {
        from: Client,
        text: "abc".to_owned(),
        pieces: 2,
        ping: false,
    };
    let error = lab(Version::Draft76).perform(&pieces).unwrap_err();
    assert!(error.contains("draft-76 has no fragments"), "{error}");
}

#[test]
fn a_side_with_crafted_bytes_is_driven_by_hand() {
    let mut lab = lab(Version::Rfc6455);
    let ping = vec![0x89, 0x80, 0, 0, 0, 0];
    perform(
        &mut lab,
        &[Action::Run, Action::Raw(Client, ping.clone()), Action::Run],
    );
    assert!(lab.is_by_hand(Client) && !lab.is_by_hand(Server));
    assert!(lab.sent(Server).ends_with(&[0x8a, 0x00]));
    let error = lab
        .perform(&Action::Text(Client, "a".to_owned()))
        .unwrap_err();
    assert!(error.contains("driven by hand"), "{error}");
    perform(&mut lab, &[Action::Raw(Client, ping)]);
}

#[test]
fn bytes_that_were_not_read_can_be_replaced() {
    let mut lab = lab(Version::Rfc6455);
    perform(
        &mut lab,
        &[
            Action::Run,
            Action::Text(Server, "Hello".to_owned()),
            Action::Read(Server, Amount::Bytes(2)),
            Action::Replace(Server, b"HELLO".to_vec()),
            Action::Run,
        ],
    );
    assert_eq!(texts(&lab, Client), ["HELLO"]);
}

#[test]
fn a_session_is_bounded() {
    let mut lab = lab(Version::Rfc6455);
    let crafted = Action::Raw(Client, vec![0x89; 1000]);
    let results: Vec<_> = (0..5).map(|_| lab.perform(&crafted)).collect();
    assert!(results.iter().filter(|result| result.is_ok()).count() <= 4);
    assert!(results[4].as_ref().unwrap_err().contains("4096 bytes"));
    assert!(lab.sent(Client).len() <= 4096);
}

#[test]
fn compression_is_agreed_on_where_the_version_has_it() {
    for version in Version::ALL {
        let mut lab = Lab::new(Setup {
            compress: true,
            ..setup(version)
        });
        let text = "again and again and again and again".repeat(20);
        perform(
            &mut lab,
            &[Action::Run, Action::Text(Client, text.clone()), Action::Run],
        );
        assert_eq!(texts(&lab, Server), [text]);
        let is_compressed = lab
            .notes()
            .iter()
            .any(|note| note.part == stentor_explain::Part::DeflateBlock);
        assert_eq!(is_compressed, version == Version::Rfc6455, "{version}");
    }
}

//! Close codes, and that the close frame is the end.

use proptest::collection::vec;
use proptest::prelude::{any, prop_oneof, proptest};
use proptest::sample::select;
use stentor::protocol::{CloseFrame, Ending, Initiator, ProtocolError};
use stentor::{CloseCode, Version};

use super::always_the_same;
use super::said::{frames, versions};
use super::stream::read_by_a_client;
use crate::support::{Driven, HYBI, bye, close_frame};

proptest! {
    #![proptest_config(always_the_same())]

    #[test]
    fn a_close_code_is_echoed_or_refused_and_sent_or_refused_alike(
        version in select(&HYBI[..]),
        code in prop_oneof![any::<u16>(), 990..1020_u16, 2990..3010_u16, 4990..5010_u16],
        reason in "\\PC{0,20}",
    ) {
        let allowed = match code {
            1004 => version != Version::Rfc6455,
            code => matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999),
        };
        let frame = CloseFrame { code: CloseCode::new(code), reason: reason.clone() };

        let mut receiver = Driven::ready(version);
        receiver.receive(&close_frame(code, reason.as_bytes()));
        let closed = receiver.closed();
        let (told, protocol_error) = match allowed {
            true => (code, None),
            false => (1002, Some(ProtocolError::InvalidCloseCode(code))),
        };
        match allowed {
            true => assert_eq!(receiver.output, [&[0x88, 2][..], &told.to_be_bytes()].concat()),
            false => receiver.assert_failed_with(told, version.name()),
        }
        assert_eq!((closed.code.get(), closed.clean), (told, allowed));
        assert_eq!(closed.protocol_error, protocol_error);
        assert_eq!(closed.reason, if allowed { reason.as_str() } else { "" });

        let mut sender = Driven::ready(version);
        assert_eq!(sender.connection.close(Some(frame)).is_ok(), allowed);
        sender.drain();
        let body = [&code.to_be_bytes()[..], reason.as_bytes()].concat();
        let expected = if allowed { vec![(8, body)] } else { Vec::new() };
        assert_eq!(read_by_a_client(version, &sender.output), expected);
    }

    #[test]
    fn a_close_ends_the_connection_once_whichever_side_starts(
        version in versions(),
        ours in any::<bool>(),
        frames in vec(frames(), 0..3),
        late in vec(any::<u8>(), 0..30),
    ) {
        let mut driven = Driven::ready(version);
        if ours {
            driven.connection.close(None).unwrap();
            driven.drain();
        }
        for frame in frames.iter().filter(|frame| frame.is_harmless()) {
            driven.receive(&frame.of(version));
        }
        driven.receive(&bye(version));
        if version == Version::Draft75 {
            driven.end();
        }
        if ours {
            assert_eq!(driven.events.len(), 1, "only the end is reported behind our close frame");
        }
        let initiator = if ours { Initiator::Us } else { Initiator::Peer };
        assert_eq!((driven.closed().initiator, driven.closed().clean), (initiator, true));
        let (events, output) = (driven.events.len(), driven.output.len());
        driven.receive(&late).end();
        assert!(driven.connection.send(&"late".into()).is_err());
        driven.connection.close(None).unwrap();
        driven.drain();
        assert_eq!((driven.events.len(), driven.output.len()), (events, output));
        assert_eq!(driven.connection.close_expected(), Some(Ending::Linger));
    }
}

//! The positions at which a stream is cut never matter, and no input breaks the connection.

use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_oneof, proptest};
use proptest::sample::{Index, select};
use stentor::protocol::Config;

use super::always_the_same;
use super::said::{LINES, configs, frames, versions};
use super::stream::{pieces, received};
use crate::support::Head;

proptest! {
    #![proptest_config(always_the_same())]

    #[test]
    fn a_conversation_has_the_same_result_however_it_is_cut(
        version in versions(),
        config in configs(),
        frames in vec(frames(), 0..8),
        noise in vec((any::<Index>(), any::<u8>()), 0..3),
        cuts in vec(any::<Index>(), 0..8),
    ) {
        let mut bytes = Head::of(version).bytes();
        bytes.extend(frames.iter().flat_map(|frame| frame.of(version)));
        for (at, byte) in noise {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let whole = received(&config, &[&bytes]);
        for other in [
            received(&config, &pieces(&bytes, &cuts)),
            received(&config, &bytes.chunks(1).collect::<Vec<_>>()),
        ] {
            assert_eq!(other.events, whole.events);
            assert_eq!(other.output, whole.output);
            assert_eq!(other.transitions, whole.transitions);
        }
    }

    #[test]
    fn any_bytes_are_survived_as_a_request(
        lines in vec(prop_oneof![
            select(&LINES[..]).prop_map(|line| line.as_bytes().to_vec()),
            vec(any::<u8>(), 0..20),
        ], 0..12),
        cuts in vec(any::<Index>(), 0..6),
    ) {
        let bytes = lines.join(&b"\r\n"[..]);
        let whole = received(&Config::default(), &[&bytes]);
        let cut = received(&Config::default(), &pieces(&bytes, &cuts));
        assert_eq!(cut.events, whole.events);
        assert_eq!(cut.output, whole.output);
        assert!(whole.output.len() <= bytes.len() + 1000, "an answer that never ends");
    }
}

//! Draft-76's keys, made as clients make them.

use proptest::collection::vec;
use proptest::prelude::{any, proptest};
use proptest::sample::{Index, select};
use stentor::Version;
use stentor::protocol::version::draft76;
use stentor::protocol::{Config, Event};

use super::always_the_same;
use crate::support::{Driven, Head, KEY3};

proptest! {
    #![proptest_config(always_the_same())]

    /// Draft-76 §4.1 steps 16 to 22.
    #[test]
    fn a_key_made_as_the_draft_says_is_solved(
        spaces in 1..=12_u32,
        share in any::<u32>(),
        noise in vec((any::<Index>(), select(&b"!\"%/:@Zaz~"[..])), 1..=12),
        places in vec(any::<Index>(), 12),
    ) {
        let part = share / spaces;
        let mut key = (part * spaces).to_string().into_bytes();
        for (at, byte) in noise {
            key.insert(at.index(key.len() + 1), byte);
        }
        for at in places.iter().take(spaces as usize) {
            // Not at the start nor at the end.
            let inside = key.len() - 1;
            key.insert(1 + at.index(inside.max(1)), b' ');
        }
        assert_eq!(draft76::solve(&key), Ok(part), "{:?}", key.escape_ascii().to_string());
        let mut driven = Driven::new(&Config::default());
        driven.receive(&Head::of(Version::Draft76).set("Sec-WebSocket-Key1", &key).bytes());
        assert_eq!(driven.events, [Event::Request, Event::Open]);
        let proof = draft76::proof([part, 259_970_620], *KEY3);
        assert!(driven.output.ends_with(&proof));
    }
}

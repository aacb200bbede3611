//! The manner in which the client of a place connects: it belongs to the place, so that there are
//! always as many of each manner, and their cost for the server is the same at all times.

use std::fmt;

/// Of ten places, those whose clients are always healthy.
pub(crate) const HEALTHY: usize = 7;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Manner {
    /// Stentor's own client; the others are written by hand.
    pub(crate) own: bool,
    pub(crate) tls: bool,
    pub(crate) deflate: Deflate,
}

/// The compression that is offered to the server, and accepted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Deflate {
    No,
    /// Each message by itself.
    Alone,
    /// Messages refer to earlier ones, in both directions.
    Takeover,
}

impl Manner {
    /// Yields all manners.
    pub(crate) fn all() -> impl Iterator<Item = Manner> {
        let deflates = [Deflate::No, Deflate::Alone, Deflate::Takeover];
        deflates.into_iter().flat_map(|deflate| {
            [(false, false), (false, true), (true, false), (true, true)].map(|(own, tls)| Manner {
                own,
                tls,
                deflate,
            })
        })
    }

    /// Every tenth place has Stentor's own client, every third group of ten uses TLS, and every
    /// fifth place compresses.
    pub(crate) fn of(slot: usize) -> Manner {
        let (ten, place) = (slot / 10, slot % 10);
        Manner {
            own: place == 3,
            tls: ten % 3 == 0,
            deflate: match ten {
                // The server's memory for each is large; misbehaving clients come and go too fast.
                0 | 10 if place < HEALTHY => Deflate::Takeover,
                _ if ten % 5 == 0 => Deflate::Alone,
                _ => Deflate::No,
            },
        }
    }
}

impl fmt::Display for Manner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.own { "Stentor's own" } else { "by hand" })?;
        f.write_str(if self.tls { ", TLS" } else { "" })?;
        f.write_str(match self.deflate {
            Deflate::No => "",
            Deflate::Alone => ", deflate",
            Deflate::Takeover => ", takeover",
        })
    }
}

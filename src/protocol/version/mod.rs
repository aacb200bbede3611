//! Chapter 5: the five versions, and what each of them can carry.
//!
//! One file per version, oldest first, each with the same four headings. A version file holds only
//! the differences from its neighbour: its row of the table below; as a server, the check of the
//! request, and the response; as a client, the request, and the check of the response. Framing is not
//! theirs: there have only ever been two, in [`framing`](super::framing). *Hixie* are the drafts of Ian
//! Hickson, *hybi* those of the IETF's working group of that name, and the RFC.
//!
//! | | number | proof | origin in | framing | binary, ping | closing | codes |
//! |---|---|---|---|---|---|---|---|
//! | [draft-75](draft75) | – | none | `Origin` | hixie | no | TCP closes | no |
//! | [draft-76](draft76) | – | MD5 of two keys and 8 bytes | `Origin` | hixie | no | `FF 00` | no |
//! | [version 7](hybi07) | 7 | SHA-1 of a key | `Sec-WebSocket-Origin` | hybi | yes | close frame | yes |
//! | [version 8](hybi08) | 8 | the same | either name | hybi | yes | close frame | yes |
//! | [RFC 6455](rfc6455) | 13 | the same | `Origin` | hybi | yes | close frame | yes |

pub mod draft75;
pub mod draft76;
pub mod hybi07;
pub mod hybi08;
pub mod rfc6455;

mod name;

pub(crate) mod table;

pub use name::InvalidVersion;
pub use table::Closing;

pub(crate) use table::{Codes, Spec, Version, Versions};
use table::{check_hixie, check_upgrade, response_hixie};

//! The attacks, one module for each family. `SECURITY.md` says which test stands for which threat;
//! those that have a place elsewhere, with the rule that they break, are not repeated here.

mod sizes;

mod masks;

mod fields;

#[cfg(feature = "server")]
mod smuggling;

#[cfg(feature = "server")]
mod echoes;

/// It reads the processor time of a thread, which the standard library and `rustix` do not have on Windows.
#[cfg(unix)]
mod work;

#[cfg(feature = "server")]
mod floods;

#[cfg(feature = "server")]
mod leaving;

mod table;

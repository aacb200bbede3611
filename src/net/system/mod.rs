//! The system calls of sockets and of the process. Everything in which the platforms differ is in
//! `unix.rs` and `windows.rs`, which have the same functions.
//!
//! | | Unix | Windows |
//! |---|---|---|
//! | a read that blocks | `recv(2)`, blocking | a read that does not block, then `WSAPoll` for a second at most, again and again |
//! | a call that does not block | a flag of the call | the socket itself never blocks |
//! | another thread wakes a read | `shutdown(2)` | a flag in [`Shut`], seen within a second |
//! | a local pair of sockets | Unix sockets | TCP on the loopback address |
//! | unsent bytes in the kernel | exact to some kilobytes | only whether the socket's buffer is full |

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use unix::*;
#[cfg(windows)]
pub(crate) use windows::*;

/// The most pieces that leave in one system call.
pub(crate) const VECTORS: usize = 16;

/// A limit of the process's resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resource {
    /// The number of open files and sockets.
    Files,
    /// The bytes of address space.
    AddressSpace,
    /// The bytes of data.
    Data,
}

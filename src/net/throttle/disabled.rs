//! The rate limit, if the library was built without `server`: only clients of a server have one.

use crate::protocol::Event;

use super::connection::{Conversation, Step};
use super::deadline::Deadline;

impl Conversation {
    #[inline(always)]
    pub(super) fn is_limited(&self) -> bool {
        false
    }

    #[inline(always)]
    pub(super) fn most_at_once(&self) -> usize {
        usize::MAX
    }

    #[inline(always)]
    pub(super) fn charge_bytes(&mut self, _: usize) {}

    #[inline(always)]
    pub(super) fn charge_event(&mut self, _: &Event) {}

    #[inline(always)]
    pub(super) fn throttle(&mut self, _: &Deadline) -> Option<Step> {
        None
    }
}

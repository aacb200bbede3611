//! TLS: that all which is promised holds over it too, and what it adds.

mod conversations;

mod hostile;

mod identities;

mod slow;

//! TLS: that all which is promised holds over it too, and what it adds.

mod clients;

mod conversations;

mod floods;

mod hostile;

mod identities;

mod slow;

//! The attacks, one module for each family. `SECURITY.md` says which test stands for which threat;
//! those that have a place elsewhere, with the rule that they break, are not repeated here.

mod sizes;

mod masks;

mod fields;

mod smuggling;

mod echoes;

mod work;

mod floods;

mod leaving;

mod table;

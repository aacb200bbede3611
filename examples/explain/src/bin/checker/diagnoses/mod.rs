//! The catalogue: one file for each subject.

pub(crate) mod accept;
pub(crate) mod client;
pub(crate) mod client_close;
pub(crate) mod client_deflate;
pub(crate) mod client_frames;
pub(crate) mod client_reads;
pub(crate) mod client_rules;
pub(crate) mod closing;
pub(crate) mod compression;
pub(crate) mod cuts;
pub(crate) mod draft75;
pub(crate) mod draft76;
pub(crate) mod draft76_proof;
pub(crate) mod draft8;
pub(crate) mod draft_clients;
pub(crate) mod frames;
pub(crate) mod handshake;
pub(crate) mod hixie;
pub(crate) mod lengths;
pub(crate) mod messages;
pub(crate) mod refusing;

use crate::diagnosis::Diagnosis;

/// All groups: those of servers, newest version first, then those of clients.
pub(crate) static ALL: &[&[&Diagnosis]] = &[
    handshake::ALL,
    accept::ALL,
    frames::ALL,
    lengths::ALL,
    cuts::ALL,
    messages::ALL,
    closing::ALL,
    refusing::ALL,
    compression::ALL,
    draft75::ALL,
    hixie::ALL,
    draft76::ALL,
    draft76_proof::ALL,
    draft8::ALL,
    client::ALL,
    client_frames::ALL,
    client_reads::ALL,
    client_rules::ALL,
    client_close::ALL,
    client_deflate::ALL,
    draft_clients::ALL,
];

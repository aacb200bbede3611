//! The lessons, one file each.

mod l01;
mod l02;
mod l03;
mod l04;
mod l05;
mod l06;
mod l07;
mod l08;
mod l09;
mod l10;
mod l11;
mod l11_close;
mod l11_frames;
mod l11_hixie;
mod l12;
mod l12_client;

use crate::lesson::Lesson;

/// All lessons, in the order in which they are run.
pub(crate) static ALL: &[&Lesson] = &[
    &l01::LESSON,
    &l02::LESSON,
    // The handshake of versions 7 and 8, before their frames.
    &l10::LESSON,
    &l03::LESSON,
    &l04::LESSON,
    &l05::LESSON,
    &l06::LESSON,
    &l07::LESSON,
    &l08::LESSON,
    &l09::LESSON,
    &l11::LESSON,
    &l11_hixie::DRAFT75,
    &l11_hixie::DRAFT76,
    &l12::LESSON,
    &l12_client::LESSON,
];

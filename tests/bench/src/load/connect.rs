//! Open, handshake, close frame, the server closes TCP; and again. A few clients at a time.

use std::time::Instant;

use super::Target;
use super::members::Members;
use super::meter::{Figures, Meter};
use super::wire::Heard;
use crate::HandlerResult;

const AT_ONCE: usize = 16;

pub(crate) fn connect(target: &Target) -> HandlerResult<Figures> {
    let mut members = Members::new(target, 64)?;
    let mut dialled = [Instant::now(); AT_ONCE];
    let mut gone: Vec<usize> = (0..AT_ONCE).collect();
    let mut meter = Meter::start(target);
    while meter.goes_on()? {
        for index in gone.drain(..) {
            dialled[index] = Instant::now();
            members.dial(index)?;
        }
        members.batch(|index, client, received| {
            match received {
                Heard::Open => {
                    meter.took(dialled[index].elapsed());
                    client.start_close();
                }
                Heard::Gone if !client.open => return Err("closed before the response".into()),
                Heard::Gone => {
                    meter.count();
                    gone.push(index);
                }
                _ => {}
            }
            Ok(())
        })?;
    }
    meter.finish("CPU µs/connection", "1000 connections/s")
}

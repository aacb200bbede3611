//! The engine of shared rooms, made before the server's threads start.

use std::io;
use std::sync::Arc;

use crate::net::sync::Instant;
use crate::net::sync::channel::{Sender, unbounded};
use crate::net::waker;
use crate::server::counters::Totals;
use crate::server::history::History;
use crate::server::hub::Command;
use crate::server::journal::{Desk, EngineSide};

use super::engine::{Engine, READ};
use super::keys::{Keys, MachineId};
use super::options::Redis;
use super::scripts::LogBounds;
use super::session::{Config, Session};

/// A notification has the payloads up to so many bytes. Larger ones are read from the log: so they do not pile up in
/// Redis for each server.
const INLINE: u32 = 16 * 1024;

/// The seconds after which the position of a room that nobody uses is forgotten.
const STATE: u32 = 24 * 3600;

/// Makes the engine, and connects it.
///
/// # Errors
/// If Redis cannot be used, unless it may be down.
pub(crate) fn prepare(
    history: &History,
    redis: Redis,
    hub: &Sender<Command>,
    totals: &Arc<Totals>,
) -> io::Result<(Arc<Desk>, Engine)> {
    let (waker, sleeper) = waker::pair()?;
    let (orders, orders_in) = unbounded();
    let desk = Arc::new(Desk::shared(
        orders,
        waker,
        history.local.clone(),
        redis.times.publish,
    ));
    let mut engine = Engine {
        side: EngineSide::new(Arc::clone(&desk), orders_in, hub.clone()),
        session: Session::new(config(history, &redis)?, Instant::now()),
        target: redis.target()?,
        address: redis.address,
        on_gap: redis.on_gap,
        sleeper,
        totals: Arc::clone(totals),
        streams: None,
        buffer: vec![0; READ],
    };
    if !redis.may_be_down {
        engine.connect_first()?;
    }
    Ok((desk, engine))
}

/// Returns the settings of the session. Redis keeps as much of a room as a server's memory.
fn config(history: &History, redis: &Redis) -> io::Result<Config> {
    let bounds = history.bounds;
    let narrow = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let seconds = u32::try_from(bounds.age.as_secs()).unwrap_or(u32::MAX);
    let seconds = seconds.clamp(1, STATE);
    Ok(Config {
        keys: Keys::new(&redis.namespace),
        machine: MachineId(machine()?),
        user: redis.address.user.clone(),
        password: redis.address.password.clone(),
        database: redis.address.database,
        log: LogBounds {
            entries: narrow(bounds.entries).clamp(1, 1_000_000),
            bytes: bounds.bytes as u64,
            log_seconds: seconds,
            state_seconds: STATE,
            inline: INLINE,
        },
        newest: (
            narrow(bounds.entries).clamp(1, MOST_NEWEST),
            narrow(bounds.bytes).clamp(1, MOST_NEWEST_BYTES),
        ),
        times: redis.times,
    })
}

/// The most entries, and the most bytes, that are read when a room is attached.
const MOST_NEWEST: u32 = 1024;
const MOST_NEWEST_BYTES: u32 = 1024 * 1024;

/// Returns a number that no other server has.
fn machine() -> io::Result<u64> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(io::Error::from)?;
    Ok(u64::from_le_bytes(bytes))
}

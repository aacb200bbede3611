//! The processor time that messages cost Redis.

use super::{Link, Outcome, RedisServer};

/// Returns the processor time of Redis so far, in microseconds.
fn used(redis: &RedisServer) -> Result<f64, Box<dyn std::error::Error>> {
    let info = redis.command(&["INFO", "cpu"])?;
    let mut used = 0.0;
    for line in info.lines() {
        if let Some((name, seconds)) = line.split_once(':') {
            if ["used_cpu_sys", "used_cpu_user"].contains(&name) {
                used += seconds.trim().parse::<f64>()?;
            }
        }
    }
    Ok(used * 1e6)
}

#[test]
fn a_batch_costs_redis_less_than_its_messages_one_by_one() -> Outcome {
    const MESSAGES: u32 = 6400;
    let Some(redis) = RedisServer::start(&["--appendonly", "no"])? else {
        return Ok(());
    };
    let mut link = Link::open(&redis, 1)?;
    let channel = link.context.keys.channel("lobby");
    let mut subscribed = Vec::new();
    for _ in 0..8 {
        let mut other = Link::open(&redis, 2)?;
        other.command(&["SUBSCRIBE", &channel])?;
        let mut stream = other.stream.try_clone()?;
        // Its bytes are received, as a server does it.
        std::thread::spawn(move || std::io::copy(&mut stream, &mut std::io::sink()));
        subscribed.push(other);
    }
    let text = "x".repeat(100);
    let mut counter = 1;
    let mut costs = Vec::new();
    for size in [1, 8, 64] {
        let batch = vec![&text[..]; size as usize];
        let before = used(&redis)?;
        for _ in 0..MESSAGES / size {
            link.say("lobby", counter, &batch)?;
            counter += u64::from(size);
        }
        let cost = (used(&redis)? - before) / f64::from(MESSAGES);
        println!("batches of {size}: {cost:.1} µs of Redis for each message");
        costs.push(cost);
    }
    assert!(costs[2] * 2.0 < costs[0], "{costs:?}");
    // Four times what it costs on the machine of 2026 on which it was measured first.
    assert!(costs[2] < 48.0, "{costs:?}");
    for other in subscribed {
        other.stream.shutdown(std::net::Shutdown::Both)?;
    }
    Ok(())
}

//! The delays between attempts, as the events report them.

use std::time::Duration;

use stentor::CloseCode;
use stentor::client::Reconnect;

use super::{HOUR, LOST, MILLISECOND, Series, at_once, next, next_delay, stay};

/// 1, 2, 4, 8 ms, and no more.
fn doubling() -> Reconnect {
    let options = Reconnect::new().first_delay(MILLISECOND);
    options.max_delay(8 * MILLISECOND).jitter(false)
}

#[test]
fn delays_grow_while_attempts_fail() {
    let series = Series::run(|connections| {
        for _ in 0..5 {
            drop(connections.next_stream());
        }
    });
    let mut feed = stay(&series.url, doubling());
    let delays: Vec<_> = (0..5).map(|_| next_delay(&mut feed)).collect();
    assert_eq!(delays, [1, 2, 4, 8, 8].map(Duration::from_millis));
    series.join();
}

#[test]
fn a_server_that_accepts_and_closes_at_once_is_not_flooded() {
    let series = Series::run(|connections| {
        for number in 0..5 {
            let mut server = connections.next();
            if number % 2 == 0 {
                server.start_close(1001);
                server.expect_goodbye(1001);
            }
        }
    });
    let mut feed = stay(&series.url, doubling().stable_after(HOUR));
    let delays: Vec<_> = (0..5).map(|_| next_delay(&mut feed)).collect();
    assert_eq!(delays, [1, 2, 4, 8, 8].map(Duration::from_millis));
    series.join();
}

#[test]
fn a_connection_that_was_open_for_some_time_ends_the_row_of_failures() {
    let series = Series::run(|connections| {
        for _ in 0..3 {
            drop(connections.next_stream());
        }
        for _ in 0..3 {
            drop(connections.next());
        }
        drop(connections.next_stream());
    });
    let mut feed = stay(&series.url, doubling().stable_after(Duration::ZERO));
    let delays: Vec<_> = (0..7).map(|_| next_delay(&mut feed)).collect();
    assert_eq!(delays, [1, 2, 4, 1, 1, 1, 2].map(Duration::from_millis));
    series.join();
}

#[test]
fn the_delay_is_waited_for() {
    let series = Series::run(|connections| {
        drop(connections.next_stream());
        drop(connections.next());
    });
    let options = at_once().first_delay(super::super::SOON);
    let mut feed = stay(&series.url, options);
    assert_eq!(next_delay(&mut feed), super::super::SOON);
    let connected = super::super::takes_soon(|| next(&mut feed));
    assert_eq!(connected, "connected");
    series.join();
}

#[test]
fn random_delays_are_at_most_the_computed_ones() {
    let series = Series::run(|connections| {
        for _ in 0..20 {
            drop(connections.next_stream());
        }
    });
    let options = Reconnect::new().first_delay(MILLISECOND);
    let mut feed = stay(&series.url, options.max_delay(4 * MILLISECOND));
    let mut delays: Vec<_> = (0..20).map(|_| next_delay(&mut feed)).collect();
    let most = [1, 2, 4].into_iter().chain(std::iter::repeat(4));
    let most = most.map(Duration::from_millis);
    assert!(
        delays.iter().zip(most).all(|(delay, most)| *delay <= most),
        "{delays:?}"
    );
    delays.sort();
    delays.dedup();
    assert!(delays.len() > 10, "{delays:?}");
    series.join();
}

#[test]
fn the_time_that_a_server_asks_for_is_kept_within_the_maximum() {
    let series = Series::run(|connections| {
        connections.reject(503, "Retry-After: 0\r\n");
        connections.reject(429, "Retry-After: 3600\r\n");
        connections.reject(503, "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
        connections.reject(503, "Retry-After: soon\r\n");
        connections.reject(502, "");
    });
    let mut feed = stay(&series.url, at_once().max_delay(5 * MILLISECOND));
    let delays: Vec<_> = (0..5).map(|_| next_delay(&mut feed)).collect();
    assert_eq!(delays, [1, 6, 1, 1, 1].map(Duration::from_millis));
    series.join();
}

#[test]
fn the_client_gives_up_after_so_many_failures() {
    let series = Series::run(|connections| {
        for _ in 0..4 {
            drop(connections.next());
        }
        connections.next().say("a new beginning");
    });
    let mut feed = stay(&series.url, at_once().max_attempts(Some(3)));
    for _ in 0..2 {
        assert!(next(&mut feed).starts_with("connected"));
        assert_eq!(next(&mut feed), LOST);
    }
    // Twice, since each further call makes one more attempt.
    for _ in 0..2 {
        assert_eq!(next(&mut feed), "connected again");
        assert_eq!(feed.recv().unwrap_err().to_string(), LOST);
    }
    assert_eq!(next(&mut feed), "connected again");
    assert_eq!(next(&mut feed), "a new beginning");
    series.join();
}

#[test]
fn the_client_gives_up_after_so_much_time() {
    let series = Series::run(|connections| {
        drop(connections.next());
        let mut server = connections.next();
        server.start_close(1012);
        server.expect_goodbye(1012);
    });
    let options = at_once().give_up_after(Some(Duration::ZERO));
    let mut feed = stay(&series.url, options);
    assert_eq!(next(&mut feed), "connected");
    assert_eq!(feed.recv().unwrap_err().to_string(), LOST);
    assert_eq!(next(&mut feed), "connected again");
    assert_eq!(next(&mut feed), "over");
    assert_eq!(feed.closed().unwrap().code, CloseCode::SERVICE_RESTART);
    series.join();
}

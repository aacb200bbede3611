//! The metrics for Prometheus: every family, every label, and the numbers of conversations in each version.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::thread;
use std::time::Duration;

use prometheus_client::encoding::{prometheus_text, text};
use prometheus_client::registry::Registry;
use stentor::server::OnRateLimit;
use stentor::{Client, HandlerResult, RateLimit, Response, Server, ServerHandle, Version};

use crate::support::{Heard, Loopback, ROOT, ask, becomes, echo, eventually};

/// All families: name, type, unit.
const FAMILIES: [(&str, &str, &str); 36] = [
    ("stentor_build", "info", ""),
    ("stentor_live", "gauge", ""),
    ("stentor_ready", "gauge", ""),
    ("stentor_degraded", "gauge", ""),
    ("stentor_connections", "gauge", ""),
    ("stentor_clients", "gauge", ""),
    ("stentor_connections_accepted", "counter", ""),
    ("stentor_handshakes_completed", "counter", ""),
    ("stentor_requests_rejected", "counter", ""),
    ("stentor_http_responses", "counter", ""),
    ("stentor_messages_received", "counter", ""),
    ("stentor_messages_sent", "counter", ""),
    ("stentor_messages_dropped", "counter", ""),
    ("stentor_messages_skipped", "counter", ""),
    ("stentor_received_bytes", "counter", "bytes"),
    ("stentor_sent_bytes", "counter", "bytes"),
    ("stentor_send_queue_bytes", "gauge", "bytes"),
    ("stentor_incoming_bytes", "gauge", "bytes"),
    ("stentor_clients_disconnected", "counter", ""),
    ("stentor_closes", "counter", ""),
    ("stentor_clients_evicted", "counter", ""),
    ("stentor_clients_throttled", "counter", ""),
    ("stentor_rate_limit_exceeded", "counter", ""),
    ("stentor_incoming_limit_exceeded", "counter", ""),
    ("stentor_handlers_failed", "counter", ""),
    ("stentor_rooms", "gauge", ""),
    ("stentor_joins_refused", "counter", ""),
    ("stentor_history_bytes", "gauge", "bytes"),
    ("stentor_members", "gauge", ""),
    ("stentor_broadcasts_refused", "counter", ""),
    ("stentor_journal_errors", "counter", ""),
    ("stentor_hub_commands", "gauge", ""),
    ("stentor_hub_commands_limit", "gauge", ""),
    ("stentor_memberships", "gauge", ""),
    ("stentor_connections_limit", "gauge", ""),
    ("stentor_send_queue_limit_bytes", "gauge", "bytes"),
];

/// Those of shared rooms, which come before the hub's.
const OF_REDIS: [(&str, &str, &str); 6] = [
    ("stentor_redis_reconnects", "counter", ""),
    ("stentor_redis_batches", "counter", ""),
    ("stentor_redis_retried_batches", "counter", ""),
    ("stentor_redis_refused_messages", "counter", ""),
    ("stentor_redis_entries", "counter", ""),
    ("stentor_redis_gaps", "counter", ""),
];

fn families() -> Vec<(&'static str, &'static str, &'static str)> {
    let mut families = FAMILIES.to_vec();
    if cfg!(feature = "redis") {
        let hub = families
            .iter()
            .position(|(name, ..)| *name == "stentor_hub_commands");
        let hub = hub.unwrap();
        families.splice(hub..hub, OF_REDIS);
    }
    families
}

/// The page of a server, in OpenMetrics.
fn page(server: &ServerHandle) -> String {
    let mut page = String::new();
    text::encode(&mut page, &registry(server)).unwrap();
    page
}

fn registry(server: &ServerHandle) -> Registry {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(server.metrics()));
    registry
}

/// The series of a page, each with its number.
fn series(page: &str) -> BTreeMap<String, f64> {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            (series.to_owned(), value.parse().unwrap())
        })
        .collect()
}

/// Expects these numbers, as soon as the server has counted.
fn expect(server: &ServerHandle, expected: &[(&str, u32)]) {
    let named = |(name, value): &(&str, u32)| ((*name).to_owned(), f64::from(*value));
    let expected: BTreeMap<String, f64> = expected.iter().map(named).collect();
    becomes(&expected, || {
        let mut found = series(&page(server));
        found.retain(|name, _| expected.contains_key(name));
        found
    });
}

/// Joins the room `lobby`, and sends back all messages, except the one that makes the handler fail.
fn join_and_echo(client: &mut Client) -> HandlerResult {
    client.join("lobby");
    while let Some(message) = client.recv()? {
        if message.as_text() == Some("fail") {
            return Err("on purpose".into());
        }
        client.send(message)?;
    }
    Ok(())
}

#[test]
fn every_family_has_a_help_text_a_type_a_unit_and_a_series() {
    let server = Loopback::echo(Server::builder());
    let page = page(&server.handle);
    let mut found = Vec::new();
    for part in page.split("# HELP ").skip(1) {
        let (name, rest) = part.split_once(' ').unwrap();
        let mut lines = rest.lines();
        let help = lines.next().unwrap();
        assert!(help.ends_with('.') && help.len() > 15, "{name}: {help}");
        let kind = lines.next().unwrap().rsplit_once(' ').unwrap().1;
        let suffix = match kind {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        let (mut unit, mut count) = ("", 0);
        for line in lines.filter(|line| *line != "# EOF") {
            if let Some(described) = line.strip_prefix("# UNIT ") {
                unit = described.rsplit_once(' ').unwrap().1;
                continue;
            }
            let series = line.split(['{', ' ']).next().unwrap();
            assert_eq!(series, format!("{name}{suffix}"));
            count += 1;
        }
        assert!(count > 0, "{name} has no series");
        found.push((name, kind, unit));
    }
    assert_eq!(found, families());
    assert!(page.ends_with("\n# EOF\n"), "{page}");
}

#[test]
fn both_text_formats_have_the_same_series() {
    let server = Loopback::echo(Server::builder());
    let mut plain = String::new();
    prometheus_text::encode(&mut plain, &registry(&server.handle)).unwrap();
    let names = |page: &str| series(page).into_keys().collect::<BTreeSet<_>>();
    assert_eq!(names(&plain), names(&page(&server.handle)));
    assert!(plain.contains("# TYPE stentor_messages_received_total counter\n"));
}

#[test]
fn a_conversation_of_each_version_counts_in_its_series() {
    let builder = Server::builder().on_request(|request| match request.path() {
        "/page" => Response::html("a page").into(),
        _ => stentor::Reply::accept(),
    });
    let server = Loopback::run(builder, join_and_echo);
    let page = ask(server.address, b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(page.status(), 200);
    ask(server.address, b"POST /page HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut peers = server.open_all();
    for peer in &mut peers {
        peer.expect_echo("hello");
    }
    server.handle.broadcast("to all five");
    server.handle.broadcast(vec![1_u8, 2, 3]);
    for peer in &mut peers {
        peer.expect_text("to all five");
        if peer.version.has_binary() {
            assert_eq!(peer.hear(), Heard::Binary(vec![1, 2, 3]));
        }
    }
    let mut expected = vec![
        ("stentor_live", 1),
        ("stentor_ready", 1),
        ("stentor_degraded", 0),
        ("stentor_connections", 5),
        ("stentor_connections_accepted_total", 7),
        ("stentor_http_responses_total", 1),
        (r#"stentor_requests_rejected_total{reason="method"}"#, 1),
        (r#"stentor_requests_rejected_total{reason="timeout"}"#, 0),
        ("stentor_messages_received_total", 5),
        ("stentor_messages_sent_total", 5 + 5 + 3),
        ("stentor_messages_skipped_total", 2),
        ("stentor_rooms", 1),
        ("stentor_memberships", 5),
        ("stentor_handlers_failed_total", 0),
    ];
    let open = Version::ALL.map(|version| format!("stentor_clients{{version=\"{version}\"}}"));
    let opened = Version::ALL
        .map(|version| format!("stentor_handshakes_completed_total{{version=\"{version}\"}}"));
    expected.extend(open.iter().chain(&opened).map(|name| (&**name, 1)));
    expect(&server.handle, &expected);

    peers[4].say("fail");
    peers[4].answer_goodbye(1011, "");
    for peer in &mut peers[..4] {
        peer.leave();
    }
    let mut expected = vec![
        ("stentor_connections", 0),
        ("stentor_rooms", 0),
        ("stentor_memberships", 0),
        ("stentor_messages_received_total", 6),
        ("stentor_handlers_failed_total", 1),
        (r#"stentor_closes_total{code="1000"}"#, 2),
        (r#"stentor_closes_total{code="1005"}"#, 2),
        (r#"stentor_closes_total{code="1011"}"#, 1),
        (r#"stentor_closes_total{code="other"}"#, 0),
    ];
    expected.extend(open.iter().map(|name| (&**name, 0)));
    expected.extend(opened.iter().map(|name| (&**name, 1)));
    expect(&server.handle, &expected);
}

#[test]
fn the_bytes_are_those_of_handshakes_and_frames() {
    let server = Loopback::echo(Server::builder());
    let mut peers = server.open_all();
    for peer in &mut peers {
        peer.expect_echo("hello");
    }
    let written: u64 = peers.iter().map(|peer| peer.written).sum();
    let read: u64 = peers.iter().map(|peer| peer.read).sum();
    let [written, read] = [written, read].map(|bytes| u32::try_from(bytes).unwrap());
    expect(
        &server.handle,
        &[
            ("stentor_received_bytes_total", written),
            ("stentor_sent_bytes_total", read),
        ],
    );
}

#[test]
fn a_close_code_without_a_name_is_other() {
    let server = Loopback::echo(Server::builder());
    for (version, code) in [
        (Version::Rfc6455, 4999),
        (Version::Hybi08, 3999),
        (Version::Hybi07, 1001),
        (Version::Rfc6455, 3000),
    ] {
        let mut peer = server.open(version);
        peer.start_close(code, "");
        peer.expect_goodbye(code, "");
    }
    expect(
        &server.handle,
        &[
            (r#"stentor_closes_total{code="other"}"#, 2),
            (r#"stentor_closes_total{code="1001"}"#, 1),
            (r#"stentor_closes_total{code="3000"}"#, 1),
        ],
    );
}

#[test]
fn peers_add_no_series() {
    let server = Loopback::run(Server::builder(), |client| {
        let room = client.request().path().to_owned();
        client.join(&room);
        echo(client)
    });
    let names = || {
        series(&page(&server.handle))
            .into_keys()
            .collect::<Vec<_>>()
    };
    let before = names();
    for request in ["GET /a HTTP/1.1", "BREW /b HTTP/1.1", "GET /c HTTP/9.9"] {
        let request = format!("{request}\r\nHost: a\r\nUpgrade: h2c\r\n\r\n");
        ask(server.address, request.as_bytes());
    }
    for code in [1000, 3500, 4000, 4001, 4999] {
        let mut peer = server.open(Version::Rfc6455);
        peer.expect_echo("hello");
        peer.start_close(code, "");
        peer.expect_goodbye(code, "");
    }
    server.wait_until_empty();
    assert_eq!(names(), before);
}

#[test]
fn the_labels_are_all_names_that_the_source_has() {
    let server = Loopback::echo(Server::builder());
    let page = page(&server.handle);
    let source = |path: &str| fs::read_to_string(format!("{ROOT}/src/{path}")).unwrap();
    let rejections = source("protocol/error.rs");
    let names = rejections.split("pub fn name(&self)").nth(1).unwrap();
    let names = names.split("\n    }\n").next().unwrap();
    let names: BTreeSet<&str> = names.split('"').skip(1).step_by(2).collect();
    assert!(names.len() > 25, "{names:?}");
    for name in names {
        let series = format!("stentor_requests_rejected_total{{reason=\"{name}\"}} 0\n");
        assert!(page.contains(&series), "{series}");
    }
    let codes = source("protocol/close.rs");
    let codes = codes.split(": CloseCode = CloseCode(").skip(1);
    let codes: BTreeSet<&str> = codes.map(|rest| rest.split(')').next().unwrap()).collect();
    assert!(codes.len() > 15, "{codes:?}");
    for code in codes {
        let series = format!("stentor_closes_total{{code=\"{code}\"}} 0\n");
        assert!(page.contains(&series), "{series}");
    }
}

#[test]
fn clients_that_the_server_disconnects_count_by_reason() {
    let builder = Server::builder().close_timeout(Duration::from_millis(50));
    let server = Loopback::run(builder, |_| Ok(()));
    // This client does not answer the close frame.
    let mut peer = server.open(Version::Rfc6455);
    assert_eq!(peer.hear(), Heard::Close(1000, String::new()));
    peer.expect_end();
    let label = |reason| format!("stentor_clients_disconnected_total{{reason=\"{reason}\"}}");
    let (disconnected, not) = (label("close timeout"), label("pong timeout"));
    expect(&server.handle, &[(&disconnected, 1), (&not, 0)]);
}

#[test]
fn a_client_that_exceeds_its_rate_limit_counts_once() {
    let builder = Server::builder()
        .rate_limit(RateLimit::per_second().messages(1))
        .on_rate_limit(OnRateLimit::Close);
    let server = Loopback::echo(builder);
    let mut peer = server.open(Version::Rfc6455);
    for _ in 0..20 {
        peer.say("fast");
    }
    while !matches!(peer.hear(), Heard::Close(1008, _)) {}
    peer.start_close(1008, "");
    expect(
        &server.handle,
        &[
            ("stentor_rate_limit_exceeded_total", 1),
            (r#"stentor_closes_total{code="1008"}"#, 1),
        ],
    );
}

#[test]
fn no_counter_falls_while_clients_come_and_go() {
    let server = Loopback::echo(Server::builder());
    thread::scope(|scope| {
        let clients = scope.spawn(|| {
            for version in Version::ALL.into_iter().cycle().take(100) {
                let mut peer = server.open(version);
                peer.expect_echo("hello");
                peer.leave();
            }
        });
        let mut before = BTreeMap::new();
        while !clients.is_finished() {
            let counters = series(&page(&server.handle));
            for (name, value) in counters
                .into_iter()
                .filter(|(name, _)| name.contains("_total"))
            {
                let last = before.insert(name.clone(), value);
                assert!(
                    last.is_none_or(|last| last <= value),
                    "{name}: {last:?}, then {value}"
                );
            }
        }
        assert!(before["stentor_connections_accepted_total"] > 0.0);
    });
}

#[test]
fn a_server_is_not_ready_from_its_shutdown_on_and_not_live_from_its_end_on() {
    let mut server = Loopback::echo(Server::builder());
    let mut peer = server.open(Version::Rfc6455);
    peer.expect_echo("hello");
    let handle = server.handle.clone();
    // It waits for the client.
    let shutdown = thread::spawn(move || handle.shutdown(Duration::from_secs(60)));
    expect(
        &server.handle,
        &[
            ("stentor_ready", 0),
            ("stentor_live", 1),
            ("stentor_connections", 1),
        ],
    );
    shutdown.join().unwrap();
    peer.answer_goodbye(1001, "the server is going down");
    server.join();
    let ended = eventually("the end of the hub", || {
        let found = series(&page(&server.handle));
        (found["stentor_live"] == 0.0).then_some(found)
    });
    assert!(!ended.contains_key("stentor_rooms"), "{ended:?}");
    assert_eq!(ended["stentor_messages_received_total"], 1.0);
}

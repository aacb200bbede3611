//! The recipe "Metrics".

use stentor::Server;

use crate::cookbook;
use crate::support::{Loopback, ask, eventually};

#[test]
fn the_page_shows_the_counters_of_the_first_server_in_the_format_of_prometheus() {
    let server = Server::bind("127.0.0.1:0").unwrap();
    let metrics = super::serve_metrics("127.0.0.1:0", &server.handle()).unwrap();
    let address = metrics.local_addr().unwrap();
    let server = Loopback::start(server, super::echo);
    let mut socket = cookbook::open(server.address, "/");
    socket.send("hello").unwrap();
    assert_eq!(cookbook::text(&mut socket), "hello");
    let get = |path: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
        ask(address, request.as_bytes())
    };
    assert_eq!(get("/").status(), 404);
    let page = || {
        let answer = get("/metrics");
        assert_eq!(answer.status(), 200);
        let kind = answer.header("Content-Type").unwrap();
        assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
        String::from_utf8(answer.body).unwrap()
    };
    let open = page();
    for line in [
        "# TYPE stentor_clients gauge",
        "stentor_clients{version=\"RFC 6455\"} 1",
        "# TYPE stentor_messages_received_total counter",
        "stentor_messages_received_total 1",
        "stentor_messages_sent_total 1",
        "stentor_http_responses_total 0",
    ] {
        assert!(open.lines().any(|found| found == line), "{line} in {open}");
    }
    drop(socket);
    eventually("the close", || {
        let closed = "stentor_closes_total{code=\"1000\"} 1";
        page().lines().any(|found| found == closed).then_some(())
    });
    metrics.shutdown(std::time::Duration::from_secs(5)).unwrap();
}

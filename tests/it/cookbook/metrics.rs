//! The recipe "Metrics".

use crate::cookbook;
use crate::support::{Loopback, ask, eventually};

#[test]
fn the_page_shows_the_counters_in_the_format_of_prometheus() {
    let server = super::build("127.0.0.1:0").unwrap();
    let server = Loopback::start(server, super::echo);
    let mut socket = cookbook::open(server.address, "/");
    socket.send("hello").unwrap();
    assert_eq!(cookbook::text(&mut socket), "hello");
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {}\r\n\r\n", server.address);
    let page = || {
        let answer = ask(server.address, request.as_bytes());
        assert_eq!(answer.status(), 200);
        String::from_utf8(answer.body).unwrap()
    };
    let open = page();
    for line in [
        "# TYPE stentor_clients gauge",
        "stentor_clients 1",
        "# TYPE stentor_messages_in_total counter",
        "stentor_messages_in_total 1",
        "stentor_messages_out_total 1",
        "stentor_evicted_total 0",
    ] {
        assert!(open.lines().any(|found| found == line), "{line} in {open}");
    }
    // A line that is not a comment has a name and a number.
    for line in open.lines().filter(|line| !line.starts_with("# TYPE ")) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(
            name.starts_with("stentor_") && value.parse::<u64>().is_ok(),
            "{line}"
        );
    }
    drop(socket);
    eventually("the close", || {
        let closed = "stentor_closes_total{code=\"1000\"} 1";
        page().lines().any(|found| found == closed).then_some(())
    });
}

//! The page of metrics: its address, its formats, and the process.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use crate::support::{HandshakeResponse, ask, build};

/// A chat with metrics; killed when this is dropped.
struct Metered {
    child: Child,
    chat: SocketAddr,
    metrics: SocketAddr,
}

impl Metered {
    fn start(address: &str) -> Metered {
        let mut child = Command::new(build("chat"))
            .args(["--data", "none", "--metrics", address, "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut next = |words: &str, path: &str| {
            let line = lines.next().unwrap().unwrap();
            let url = line
                .strip_prefix(words)
                .and_then(|url| url.strip_suffix(path));
            url.unwrap_or_else(|| panic!("{line}")).parse().unwrap()
        };
        let metrics = next("metrics at http://", "/metrics");
        let chat = next("chatting at http://", "/");
        Metered {
            child,
            chat,
            metrics,
        }
    }

    fn get(&self, path: &str, header: &str) -> HandshakeResponse {
        let host = self.metrics;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{header}\r\n");
        ask(host, request.as_bytes())
    }

    /// The series of the page, each with its number.
    fn series(&self) -> BTreeMap<String, f64> {
        let page = String::from_utf8(self.get("/metrics", "").body).unwrap();
        let lines = page.lines().filter(|line| !line.starts_with('#'));
        let series = lines.map(|line| line.rsplit_once(' ').unwrap());
        series
            .map(|(name, value)| (name.to_owned(), value.parse().unwrap()))
            .collect()
    }
}

impl Drop for Metered {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_metrics_have_an_address_of_their_own() {
    let chat = Metered::start("0");
    assert!(chat.metrics.ip().is_loopback() && chat.metrics != chat.chat);
    assert_eq!(chat.get("/metrics", "").status(), 200);
    assert_eq!(chat.get("/", "").status(), 404);
    let request = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n";
    let public = ask(chat.chat, request.as_bytes());
    let page = String::from_utf8(public.body).unwrap();
    assert!(!page.contains("stentor_"), "{page}");
    // A name that a page of another site could make lead here.
    assert_eq!(ask(chat.metrics, request.as_bytes()).status(), 421);
}

#[test]
fn the_format_is_the_one_that_is_accepted() {
    let chat = Metered::start("127.0.0.1:0");
    let plain = chat.get("/metrics", "Accept: text/html,*/*;q=0.8\r\n");
    let kind = plain.header("Content-Type").unwrap();
    assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
    assert!(!plain.body.ends_with(b"# EOF\n"));
    // As Prometheus requests it.
    let accept = "Accept: application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.1\r\n";
    let open = chat.get("/metrics", accept);
    let kind = open.header("Content-Type").unwrap();
    let expected = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(kind, expected);
    assert!(open.body.ends_with(b"# EOF\n"));
}

#[cfg(target_os = "linux")]
#[test]
fn the_process_is_measured_in_base_units() {
    use std::time::SystemTime;
    let chat = Metered::start("0");
    let series = chat.series();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let age = now.unwrap().as_secs_f64() - series["process_start_time_seconds"];
    assert!((-2.0..600.0).contains(&age), "{age} s");
    let memory = series["process_resident_memory_bytes"];
    assert!((1e6..1e9).contains(&memory), "{memory} bytes");
    let descriptors = series["process_open_fds"];
    assert!((5.0..100.0).contains(&descriptors), "{descriptors}");
    let seconds = series["process_cpu_seconds_total"];
    assert!((0.0..60.0).contains(&seconds), "{seconds} s");
}

#[test]
fn an_address_that_is_none_is_an_error_with_an_example() {
    for address in ["localhost:9100", "65536", "", "127.0.0.1"] {
        let output = Command::new(build("chat"))
            .args(["--metrics", address])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2));
        let words = String::from_utf8(output.stderr).unwrap();
        assert!(words.contains("like 127.0.0.1:9100"), "{words}");
    }
}

//! The program `microscope`, from outside.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stentor::{CloseCode, Connector, WebSocket};

use crate::terminal::scratch;

/// The time that anything may take on a slow and busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running program; it ends with the test.
struct Microscope {
    child: Child,
    address: String,
}

impl Microscope {
    fn start() -> Microscope {
        Microscope::run(program().args(["--port", "0"]))
    }

    fn run(command: &mut Command) -> Microscope {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("microscope: http://127.0.0.1:");
        let port = address.and_then(|rest| rest.strip_suffix('/')).unwrap();
        Microscope {
            address: format!("127.0.0.1:{port}"),
            child,
        }
    }

    /// The next line of the error stream, which must be a pipe.
    fn error(&mut self) -> String {
        let mut line = String::new();
        let mut errors = BufReader::new(self.child.stderr.take().unwrap());
        errors.read_line(&mut line).unwrap();
        line
    }

    fn url(&self) -> String {
        format!("ws://{}/microscope?page=0123456789abcdef", self.address)
    }

    fn connect(&self) -> WebSocket {
        stentor::connect(&self.url()).unwrap()
    }

    /// The response to a request with this header block.
    fn request(&self, head: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        let mut response = Vec::new();
        stream.read_to_end(&mut response).unwrap();
        String::from_utf8(response).unwrap()
    }
}

impl Drop for Microscope {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_microscope"))
}

fn ask(socket: &mut WebSocket, question: &Value) -> Value {
    socket.send(question.to_string()).unwrap();
    let answer = socket.recv().unwrap().unwrap();
    serde_json::from_str(answer.as_text().unwrap()).unwrap()
}

#[test]
fn the_page_is_one_file_that_names_no_other_host() {
    let microscope = Microscope::start();
    let host = &microscope.address;
    let response = microscope.request(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    let (head, page) = response.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let policy = head
        .lines()
        .find(|line| line.starts_with("Content-Security-Policy: "));
    let policy = policy.unwrap();
    for part in [
        "default-src 'none'",
        "script-src 'sha256-",
        "connect-src 'self'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert!(page.ends_with("</html>\n"));
    // The chapters show addresses as text; nothing in them leads to another host.
    let (before, rest) = page.split_once("<article").unwrap();
    let (chapters, after) = rest.rsplit_once("</article>").unwrap();
    let own = [before, after].concat().replace("url(#", "");
    for foreign in ["http://", "https://", "src=", "@import", "url("] {
        assert!(!own.contains(foreign), "{foreign}");
    }
    for foreign in [
        "href=\"http",
        "href=\"//",
        "src=",
        "style",
        "<script",
        "<link",
    ] {
        assert!(!chapters.contains(foreign), "{foreign}");
    }
    let other = microscope.request(&format!("GET /etc/passwd HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    assert!(other.starts_with("HTTP/1.1 404 "), "{other}");
}

#[test]
fn another_host_and_another_origin_are_refused() {
    let microscope = Microscope::start();
    let page = microscope.request("GET / HTTP/1.1\r\nHost: attacker.example\r\n\r\n");
    assert!(page.starts_with("HTTP/1.1 421 "), "{page}");
    let host = &microscope.address;
    let upgrade = |host: &str, origin: &str| {
        microscope.request(&format!(
            "GET /microscope?page=0123456789abcdef HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nOrigin: {origin}\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        ))
    };
    let foreign = upgrade(host, "http://attacker.example");
    assert!(foreign.starts_with("HTTP/1.1 403 "), "{foreign}");
    let rebound = upgrade("attacker.example", "http://attacker.example");
    assert!(rebound.starts_with("HTTP/1.1 421 "), "{rebound}");
    let null = upgrade(host, "null");
    assert!(null.starts_with("HTTP/1.1 403 "), "{null}");
    let own = Connector::new().origin(&format!("http://{host}")).unwrap();
    let _page = own.connect(&microscope.url()).unwrap();
}

#[test]
fn a_question_that_is_too_large_ends_the_connection() {
    let microscope = Microscope::start();
    let mut socket = microscope.connect();
    socket.send("x".repeat(64 * 1024 + 1)).unwrap();
    assert_eq!(socket.recv().unwrap(), None);
    let closed = socket.closed().unwrap();
    assert_eq!(closed.code, CloseCode::TOO_LARGE, "{closed}");
    // The program is not harmed.
    let answer = ask(
        &mut microscope.connect(),
        &json!({ "ask": "breaks", "id": 3 }),
    );
    assert_eq!((&answer["id"], answer["ok"].is_array()), (&json!(3), true));
}

#[test]
fn what_is_no_question_has_an_error_for_an_answer() {
    let microscope = Microscope::start();
    let mut socket = microscope.connect();
    for (question, words) in [
        (json!("text"), "a JSON object"),
        (
            json!({ "ask": "opening", "page": "../.." }),
            "letters and digits",
        ),
        (json!({ "ask": "yours", "port": 70000 }), "from 1 to 65535"),
        (
            json!({ "ask": "yours-show", "port": 1, "number": 1 }),
            "no such tap",
        ),
    ] {
        let answer = ask(&mut socket, &question);
        let error = answer["error"].as_str().unwrap();
        assert!(error.contains(words), "{answer}");
    }
    socket.send(vec![0xff]).unwrap();
    let answer = socket.recv().unwrap().unwrap();
    assert!(answer.as_text().unwrap().contains("a question is a text"));
}

#[test]
fn the_page_sees_its_own_handshake_and_its_first_frame() {
    let microscope = Microscope::start();
    let mut socket = microscope.connect();
    let question = json!({ "id": 1, "ask": "opening", "page": "0123456789abcdef" });
    let mut answer = ask(&mut socket, &question);
    let opening = answer["ok"].take();
    let notes = opening["notes"].as_array().unwrap();
    let roots: Vec<&str> = notes
        .iter()
        .filter(|note| note.get("up").is_none())
        .filter_map(|note| note["part"].as_str())
        .collect();
    assert_eq!(roots, ["request", "response", "frame"]);
    let payload = notes.iter().find(|note| note["part"] == "payload").unwrap();
    assert!(
        payload["value"].as_str().unwrap().contains("opening"),
        "{payload}"
    );
    // The same later, when more frames were sent.
    assert_eq!(ask(&mut socket, &question)["ok"], opening);
}

#[test]
fn a_connection_of_the_learner_is_relayed_and_explained() {
    let microscope = Microscope::start();
    let mut socket = microscope.connect();
    let taps = ask(&mut socket, &json!({ "ask": "yours" }));
    let port = taps["ok"][0]["port"].as_u64().unwrap();
    let mut own = stentor::connect(&format!("ws://127.0.0.1:{port}/")).unwrap();
    own.send("Hello").unwrap();
    assert_eq!(own.recv().unwrap().unwrap().as_text(), Some("Hello"));
    drop(own);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let taps = ask(&mut socket, &json!({ "ask": "yours" }));
        if taps["ok"][0]["connections"][0]["ended"] == true {
            break;
        }
        assert!(Instant::now() < deadline, "{taps}");
        std::thread::yield_now();
    }
    let shown = ask(
        &mut socket,
        &json!({ "ask": "yours-show", "port": port, "number": 1 }),
    );
    let notes = shown["ok"]["notes"].as_array().unwrap();
    for side in ["client", "server"] {
        let is_hello = |note: &&Value| note["from"] == side && note["value"] == "Hello";
        assert!(notes.iter().any(|note| is_hello(&note)), "{side}");
    }
    let (_, own_port) = microscope.address.split_once(':').unwrap();
    let own_port: u64 = own_port.parse().unwrap();
    for port in [port, own_port] {
        let refused = ask(&mut socket, &json!({ "ask": "yours", "port": port }));
        assert!(
            refused["error"]
                .as_str()
                .unwrap()
                .contains("one of the microscope's own")
        );
    }
}

#[test]
fn an_exported_page_has_its_answers_in_itself() {
    let path = scratch("microscope.html");
    let export = || program().arg("--export").arg(&path).output().unwrap();
    let first = export();
    assert!(first.status.success(), "{first:?}");
    let page = std::fs::read_to_string(&path).unwrap();
    let begin = "<script type=\"application/json\" id=\"recorded\">";
    let (_, recorded) = page.split_once(begin).unwrap();
    let (recorded, _) = recorded.split_once("</script>").unwrap();
    let recorded: Vec<Value> = serde_json::from_str(recorded).unwrap();
    let asked = |ask: &str| {
        recorded
            .iter()
            .filter(|one| one["question"]["ask"] == ask)
            .count()
    };
    assert_eq!((asked("scenes"), asked("breaks"), asked("five")), (1, 1, 1));
    assert!(asked("lab") >= 5 && asked("break") >= 40);
    // A file that is there is kept.
    let second = export();
    assert_eq!(second.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&second.stderr).contains("there is such a file"));
}

#[test]
fn wrong_options_are_named() {
    for (words, expected) in [
        (&["--port", "x"][..], "\"x\" is no port"),
        (&["--port"], "--port needs a value"),
        (&["--open", "--port"], "--port needs a value"),
        (&["--serve"], "\"--serve\" is not understood"),
        (&["--open", "--help"], "\"--open --help\" is not understood"),
    ] {
        let ran = program().args(words).output().unwrap();
        assert_eq!(ran.status.code(), Some(2));
        let errors = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert!(errors.contains(expected), "{errors}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn open_gives_the_url_to_xdg_open_and_reports_its_failure() {
    let opener = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/opener");
    let opened = scratch("opened-url");
    let mut command = program();
    command
        .args(["--open", "--port", "0"])
        .stderr(Stdio::piped());
    let mut microscope = Microscope::run(command.env("PATH", opener).env("OPENED_URL", &opened));
    let url = format!("http://{}/", microscope.address);
    let error = microscope.error();
    assert_eq!(
        error,
        format!(
            "microscope: no browser was opened, since xdg-open failed with exit status: 3: open {url} yourself\n"
        )
    );
    assert_eq!(std::fs::read_to_string(&opened).unwrap(), url);
}

#[cfg(target_os = "linux")]
#[test]
fn open_without_xdg_open_says_so_and_serves_the_page() {
    let mut command = program();
    command
        .args(["--port", "0", "--open"])
        .stderr(Stdio::piped());
    let nowhere = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab");
    let mut microscope = Microscope::run(command.env("PATH", nowhere));
    let error = microscope.error();
    let begin = "microscope: no browser was opened, since xdg-open did not start (";
    assert!(error.starts_with(begin), "{error}");
    assert!(error.ends_with(&format!("open http://{}/ yourself\n", microscope.address)));
    let host = &microscope.address;
    let page = microscope.request(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    assert!(page.starts_with("HTTP/1.1 200 "), "{page}");
}

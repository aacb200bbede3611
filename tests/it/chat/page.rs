//! The chat's page, the paths beside it, and the places where the chat listens.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Command, Stdio};

use crate::support::{Chat, ask, build};

use super::get;

#[test]
fn the_page_runs_the_chats_own_script_only_and_in_no_frame() {
    let chat = Chat::start(&[]);
    let page = get(chat.address, "/lobby");
    assert_eq!(page.status(), 200);
    let policy = page.header("Content-Security-Policy").unwrap();
    let rules: Vec<&str> = policy.split("; ").collect();
    let address = chat.address;
    let connect = format!("connect-src 'self' ws://{address} wss://{address}");
    for rule in [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        &connect,
    ] {
        assert!(rules.contains(&rule), "{rule}: {policy}");
    }
    // So nothing may stand inline, where it would not run.
    let text = String::from_utf8(page.body).unwrap();
    for inline in ["<script>", "<style", "style=\"", "onclick", "javascript:"] {
        assert!(!text.contains(inline), "{inline}");
    }
    for (file, kind) in [("/chat.js", "text/javascript"), ("/chat.css", "text/css")] {
        assert!(text.contains(&format!("\"{file}\"")), "{file}");
        let answer = get(chat.address, file);
        let found = answer.header("Content-Type").unwrap();
        assert_eq!(
            (answer.status(), found),
            (200, &*format!("{kind}; charset=utf-8"))
        );
    }
}

#[test]
fn the_policy_names_no_host_that_would_change_it() {
    let chat = Chat::start(&[]);
    for host in ["a;script-src", "a'b", "*", "a,b", "[::1]:80", "a b"] {
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let page = ask(chat.address, request.as_bytes());
        // A host that is none may be refused, too.
        if let Some(policy) = page.header("Content-Security-Policy") {
            assert!(policy.contains("connect-src 'self'; "), "{policy}");
        }
    }
}

#[test]
fn a_port_in_use_is_an_error_that_names_the_remedy() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let output = Command::new(build("chat"))
        .args(["--data", "none", &address.to_string()])
        .output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(words.contains(&address.to_string()), "{words}");
    assert!(words.contains("or try 127.0.0.1:"), "{words}");
}

#[test]
fn all_addresses_are_printed_as_urls_that_work() {
    let mut child = Command::new(build("chat"))
        .args(["--data", "none", "0.0.0.0:0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || lines.next().unwrap().unwrap();
    let (here, others) = (next(), next());
    let mut statuses = Vec::new();
    // A machine without a network has no address for others, and is told so.
    for line in [&here, &others] {
        assert!(!line.contains("0.0.0.0"), "{line}");
        let (_, url) = line.split_once("://").unwrap();
        if let Ok(address) = url.trim_end_matches('/').parse() {
            statuses.push(get(address, "/health").status());
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(here.starts_with("chatting at http://127.0.0.1:"), "{here}");
    assert!(
        others.starts_with("from other devices at http://"),
        "{others}"
    );
    assert!(
        !statuses.is_empty() && statuses.iter().all(|status| *status == 200),
        "{statuses:?}"
    );
}

#[test]
fn the_chat_is_ready_until_it_shuts_down() {
    let chat = Chat::start(&[]);
    let answer = get(chat.address, "/ready");
    assert_eq!((answer.status(), &*answer.body), (200, &b"ready\n"[..]));
    #[cfg(unix)]
    {
        use std::io::{Read, Write};
        use std::net::TcpStream;

        use rustix::process::{Pid, Signal, kill_process};

        use crate::support::eventually;

        // The chat waits for this client, which does not answer the close frame.
        let (_member, _) = super::join(&chat, "Ann");
        kill_process(Pid::from_child(&chat.child), Signal::TERM).unwrap();
        eventually("a chat that gets no new clients", || {
            // Nobody listens any more, or what was accepted before is rejected.
            let Ok(mut stream) = TcpStream::connect(chat.address) else {
                return Some(());
            };
            let mut answer = String::new();
            let request = write!(stream, "GET /ready HTTP/1.1\r\nHost: a\r\n\r\n");
            let read = request.and_then(|()| stream.read_to_string(&mut answer));
            (read.is_err() || !answer.starts_with("HTTP/1.1 200 ")).then_some(())
        });
    }
}

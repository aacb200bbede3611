//! Servers that a test makes of a few lines, and runs of the checker against them.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use stentor::{Client, ServerBuilder};

/// The longest run that a test allows.
const LIMIT: Duration = Duration::from_secs(60);

/// The accept value for a key (RFC 6455, section 4.2.2).
pub(crate) fn accept_value(key: &str) -> String {
    let joined = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    BASE64.encode(sha1_smol::Sha1::from(joined).digest().bytes())
}

/// The first byte and the unmasked payload of a short masked frame.
pub(crate) fn read_frame(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let mut header = [0; 6];
    stream.read_exact(&mut header).ok()?;
    let mut payload = vec![0; usize::from(header[1] & 0x7f)];
    stream.read_exact(&mut payload).ok()?;
    let key = header[2..].iter().cycle();
    payload
        .iter_mut()
        .zip(key)
        .for_each(|(byte, key)| *byte ^= key);
    Some((header[0], payload))
}

/// A right response without its accept value.
pub(crate) const UPGRADED: &str =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";

/// Runs the checker; a run that hangs fails the test.
pub(crate) fn checker(arguments: &[&str]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_checker"))
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the checker");
    let mut stdout = child.stdout.take().expect("a pipe");
    let reader = thread::spawn(move || {
        let mut bytes = Vec::new();
        stdout.read_to_end(&mut bytes).map(|_| bytes)
    });
    let until = Instant::now() + LIMIT;
    while child.try_wait().expect("a child").is_none() {
        if Instant::now() > until {
            let _ = child.kill();
            panic!("the checker hangs with {arguments:?}");
        }
        thread::sleep(Duration::from_millis(10));
    }
    let mut output = child.wait_with_output().expect("a child");
    output.stdout = reader.join().expect("a reader").expect("the output");
    output
}

/// The output of a run in which all cases pass.
pub(crate) fn passed(arguments: &[&str]) -> String {
    let output = checker(arguments);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{text}");
    text
}

/// The diagnosis of the first failure.
pub(crate) fn first_diagnosis(url: &str) -> String {
    let output = checker(&["server", url, "--json", "--timeout", "0.3"]);
    assert_eq!(output.status.code(), Some(1));
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).expect("valid JSON");
    let failed = value["lessons"][0]["cases"]
        .as_array()
        .expect("cases")
        .last();
    failed.expect("a case")["failure"]["diagnosis"]
        .as_str()
        .unwrap_or("none")
        .to_owned()
}

/// The output of a lesson that fails.
pub(crate) fn lesson(url: &str, number: &str) -> String {
    let output = checker(&["server", url, "--timeout", "0.3", "--lesson", number]);
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The text with its lines joined.
pub(crate) fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The URL of an echo server that lives as long as the test.
pub(crate) fn echo_server(builder: ServerBuilder) -> String {
    let server = builder.listen("127.0.0.1:0").build().expect("a server");
    let address = server.local_addr().expect("an address");
    thread::spawn(move || server.run(echo));
    format!("ws://{address}")
}

pub(crate) fn echo(client: &mut Client) -> stentor::HandlerResult {
    while let Some(message) = client.recv()? {
        client.send(message)?;
    }
    Ok(())
}

/// The URL of a server that changes the response and the frames of another one.
pub(crate) fn relay(
    url: String,
    head: impl Fn(Vec<u8>) -> Vec<u8> + Send + Sync + Clone + 'static,
    frame: impl Fn(Vec<u8>) -> Vec<u8> + Send + Sync + Clone + 'static,
) -> String {
    peer(move |mut checker| {
        let address = url.trim_start_matches("ws://");
        let mut server = TcpStream::connect(address).expect("the server");
        let mut from = checker.try_clone().expect("a socket");
        let mut to = server.try_clone().expect("a socket");
        thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
        let mut sent = read_request(&mut server).map(|request| head(request.into_bytes()));
        while let Some(bytes) = sent {
            if checker.write_all(&bytes).is_err() {
                return;
            }
            sent = read_whole_frame(&mut server).map(&frame);
        }
        let _ = checker.shutdown(Shutdown::Write);
    })
}

/// The bytes of a frame without a mask.
pub(crate) fn read_whole_frame(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut frame = vec![0; 2];
    stream.read_exact(&mut frame).ok()?;
    let mut more = [0; 8];
    let more = match frame[1] {
        126 => &mut more[6..],
        127 => &mut more[..],
        _ => &mut more[..0],
    };
    stream.read_exact(more).ok()?;
    frame.extend_from_slice(more);
    let len = match more {
        [] => u64::from(frame[1]),
        more => more.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
    };
    stream.take(len).read_to_end(&mut frame).ok()?;
    Some(frame)
}

/// The URL of a server that does this with each connection.
pub(crate) fn peer(serve: impl Fn(TcpStream) + Send + Sync + Clone + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("ws://{}", listener.local_addr().expect("an address"));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = serve.clone();
            thread::spawn(move || serve(stream));
        }
    });
    url
}

/// The same, after a right handshake.
pub(crate) fn upgraded(serve: impl Fn(TcpStream) + Send + Sync + Clone + 'static) -> String {
    peer(move |mut stream| {
        if read_request(&mut stream).is_some() && stream.write_all(UPGRADED.as_bytes()).is_ok() {
            serve(stream);
        }
    })
}

/// The head of a request.
pub(crate) fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => request.push(byte[0]),
            _ => return None,
        }
    }
    String::from_utf8(request).ok()
}

//! Conversations to begin with.

use serde_json::{Value, json};

/// Returns the scenes: a title, a sentence, and a session.
pub(crate) fn list() -> Value {
    let run = json!({ "do": "run" });
    let hello = json!({ "do": "text", "from": "client", "text": "Hello" });
    let read = |amount: Value| json!({ "do": "read", "from": "client", "amount": amount });
    json!([
        scene(
            "The handshake",
            "13",
            "The client's request waits. Let the server read it, and look at the accept value.",
            json!([])
        ),
        scene(
            "A message",
            "13",
            "A client sends \"Hello\": a header of two bytes, a key, and five bytes under a mask.",
            json!([run, hello])
        ),
        scene(
            "A message in two reads",
            "13",
            "The server has read seven of eleven bytes. It waits for the others.",
            json!([run, hello, read(json!(7))])
        ),
        scene(
            "Fragments, and a ping between",
            "13",
            "A message in three frames. A control frame may stand between them.",
            json!([run, { "do": "pieces", "from": "client", "text": "one message", "pieces": 3, "ping": true }, run])
        ),
        scene(
            "The closing handshake",
            "13",
            "The client sends a close frame, the server answers, and closes TCP first.",
            json!([run, { "do": "close", "from": "client", "code": 1000, "reason": "done" }, run])
        ),
        scene(
            "Draft-75",
            "75",
            "The whole protocol stands between the bytes 00 and FF.",
            json!([run, hello, run])
        ),
        scene(
            "Draft-76",
            "76",
            "Two numbers among noise, eight bytes, and MD5: the server proves that it has read them.",
            json!([run, hello, run, { "do": "close", "from": "client" }, run])
        ),
    ])
}

fn scene(title: &str, version: &str, says: &str, actions: Value) -> Value {
    json!({ "title": title, "version": version, "says": says, "do": actions })
}

//! The chat as two processes with one Redis.

use serde_json::json;
use stentor::Version;

use super::*;
use crate::chat::{enter, next, send};
use crate::support::{Chat, Folder};

#[test]
fn a_room_that_an_operator_clears_is_cleared_in_both_chats() {
    let Some(redis) = redis(&[]) else { return };
    let folder = Folder::new();
    let file = folder.file("secret");
    std::fs::write(&file, "a long enough secret").unwrap();
    let options = [
        "--redis",
        &redis.address(),
        "--operator-file",
        &file.display().to_string(),
    ]
    .map(str::to_owned);
    let chats = [(); 2].map(|()| Chat::start(&options));
    let [mut ann, mut bob] = [(0, "Ann"), (1, "Bob")].map(|(place, name)| {
        let name = json!({"name": name});
        enter(&chats[place], Version::Rfc6455, "demo", &name).0
    });
    for number in 0..3 {
        let text = format!("text {number}");
        send(&mut ann, &json!({"type": "say", "text": text}));
        assert_eq!(next(&mut bob, "said")["text"], text);
    }
    let secret = json!({"type": "operator", "secret": "a long enough secret"});
    send(&mut ann, &secret);
    next(&mut ann, "operator");
    send(&mut ann, &json!({"type": "clear"}));
    let cleared = next(&mut bob, "cleared");
    // The other chat forgets when it follows the act.
    eventually("an empty page", || {
        let older = json!({"type": "older", "before": cleared["id"]});
        send(&mut bob, &older);
        let page = next(&mut bob, "older");
        let is_empty = page["entries"].as_array().unwrap().is_empty();
        is_empty.then(|| assert_eq!(page["more"], false))
    });
    let texts = json!({"type": "say", "text": "afterwards"});
    send(&mut bob, &texts);
    assert_eq!(next(&mut ann, "said")["text"], "afterwards");
}

#[test]
fn two_chats_are_one_room() {
    let Some(redis) = redis(&[]) else { return };
    let options = ["--redis".to_owned(), redis.address()];
    let chats = [(); 2].map(|()| Chat::start(&options));
    let [mut ann, mut bob] = [(0, "Ann", Version::Draft75), (1, "Bob", Version::Rfc6455)].map(
        |(place, name, version)| enter(&chats[place], version, "demo", &json!({"name": name})).0,
    );
    assert_eq!(next(&mut ann, "joined")["name"], "Ann");
    assert_eq!(next(&mut ann, "joined")["name"], "Bob");
    send(&mut ann, &json!({"type": "say", "text": "from the first"}));
    let said = next(&mut bob, "said");
    assert_eq!(
        (&said["name"], &said["text"]),
        (&json!("Ann"), &json!("from the first"))
    );
    assert_eq!(next(&mut ann, "said")["id"], said["id"]);
    drop(bob);
    send(&mut ann, &json!({"type": "say", "text": "while away"}));
    // On the other chat than before.
    let since = json!({"name": "Bob", "since": said["id"]});
    let (mut bob, welcome) = enter(&chats[0], Version::Hybi07, "demo", &since);
    assert!(welcome["gap"].is_null(), "{welcome}");
    assert_eq!(next(&mut bob, "said")["text"], "while away");
}

//! The chat as two processes with one Redis.

use serde_json::json;
use stentor::Version;

use super::*;
use crate::chat::{enter, next, send};
use crate::support::Chat;

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

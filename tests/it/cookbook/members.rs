//! The recipe "Members of a room".

use std::time::Duration;

use serde_json::Value;
use stentor::WebSocket;

fn next(socket: &mut WebSocket) -> Value {
    serde_json::from_str(&super::super::text(socket)).unwrap()
}

/// Returns the names of the members, in their order.
fn names(welcome: &Value) -> Vec<&str> {
    assert_eq!(welcome["type"], "welcome");
    let members = welcome["members"].as_array().unwrap().iter();
    let mut names: Vec<_> = members
        .map(|member| member["name"].as_str().unwrap())
        .collect();
    names.sort_unstable();
    names
}

#[test]
fn a_page_that_reloads_is_the_same_member() {
    let server = super::build("127.0.0.1:0", Duration::MAX).unwrap();
    let url = format!("ws://{}/", server.local_addr().unwrap());
    let handle = server.handle();
    let server = server.spawn(super::chat).unwrap();
    let mut ann = stentor::connect(&format!("{url}?name=Ann")).unwrap();
    assert_eq!(names(&next(&mut ann)), ["Ann"]);
    assert_eq!(next(&mut ann)["type"], "joined");
    let mut bob = stentor::connect(&format!("{url}?name=Bob")).unwrap();
    let welcome = next(&mut bob);
    assert_eq!(names(&welcome), ["Ann", "Bob"]);
    assert_eq!(next(&mut ann)["name"], "Bob");
    // Bob reloads his page: Ann sees only that he says something.
    let (key, at) = (&welcome["key"], &welcome["at"]);
    let query = format!(
        "?name=Bob&key={}&since={}",
        key.as_str().unwrap(),
        at.as_str().unwrap()
    );
    drop(bob);
    let mut bob = stentor::connect(&format!("{url}{query}")).unwrap();
    let again = next(&mut bob);
    assert_eq!(
        (names(&again), &again["missed"]),
        (vec!["Ann", "Bob"], &Value::from(0))
    );
    bob.send("hello").unwrap();
    let said = next(&mut ann);
    assert_eq!(
        (&said["type"], &said["text"]),
        (&"said".into(), &"hello".into())
    );
    bob.send("bye").unwrap();
    let left = next(&mut ann);
    assert_eq!(
        (&left["type"], &left["member"]),
        (&"left".into(), &said["member"])
    );
    assert_eq!(handle.present("lobby").unwrap().members.len(), 1);
    handle.shutdown(Duration::from_secs(5));
    drop((ann, bob));
    server.join().unwrap();
}

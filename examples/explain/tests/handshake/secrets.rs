//! No secret of a header gets into a note, unless the user wants to see it.

use stentor::Version;
use stentor_explain::{Explainer, Part, Side, Value};

use crate::support::all_of;
use crate::support::conversation::Conversation;
use crate::support::heads::Head;

const SECRET: &str = "open-sesame";

const NAMES: [&str; 4] = [
    "Cookie",
    "authorization",
    "PROXY-AUTHORIZATION",
    "Set-Cookie",
];

fn conversation() -> Conversation {
    let mut request = Head::request(Version::Rfc6455);
    let mut response = Head::response(Version::Rfc6455);
    for name in NAMES {
        let value = format!("a={SECRET}");
        request = request.with(name, &value);
        response = response.with(name, &value);
        // Lines that are wrong must not show more.
        request = request
            .with(name, format!("\x01{SECRET}"))
            .with(&format!("{name} "), SECRET);
        request = request.with(name, format!("a\r\n {SECRET}"));
    }
    let line = format!("Cookie {SECRET}\r\n\r\n");
    let request = String::from_utf8(request.bytes()).unwrap();
    let request = request.replace("\r\n\r\n", &format!("\r\n{line}"));
    Conversation::default()
        .client(request)
        .server(response.bytes())
        .ended()
}

#[test]
fn secrets_are_hidden() {
    let notes = conversation().notes();
    let shown = format!("{notes:?}");
    assert!(!shown.contains(SECRET), "{shown}");
    let hidden = all_of(&notes, Part::HeaderValue).into_iter();
    let hidden = hidden.filter(|note| matches!(note.value, Value::Hidden(_)));
    assert_eq!(hidden.count(), 4 * 4 + 4);
    let state = format!("{:?}", {
        let mut explainer = Explainer::new();
        explainer.feed(
            Side::Client,
            format!("GET / HTTP/1.1\r\nCookie: {SECRET}").as_bytes(),
        );
        explainer
    });
    assert!(!state.contains(SECRET), "{state}");
}

#[test]
fn secrets_are_shown_to_a_user_who_wants_to_see_them() {
    let mut explainer = Explainer::new();
    explainer.show_secrets(true);
    let notes = conversation().notes_of(explainer);
    let values = all_of(&notes, Part::HeaderValue).into_iter();
    let shown = values.filter(|note| format!("{note:?}").contains(SECRET));
    assert_eq!(shown.count(), 4 * 3 + 4);
}

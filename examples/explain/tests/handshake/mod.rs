//! The handshake, explained: what must be true of the notes about requests and responses.

mod agreement;
mod bounds;
mod cuts;
mod mistakes;
mod order;
mod reachable;
mod secrets;
mod tiling;

use serde_json::Value;
use stentor::Version;
use stentor::protocol::{Config, Connection, Event};
use stentor_explain::Side;

use crate::support;
use support::conversation::Conversation;
use support::vectors::{latin1, list, section, string};

/// Returns each handshake of the collection, with the response of the library's server.
fn vectors() -> impl Iterator<Item = (&'static str, Conversation)> {
    let handshakes = section("handshakes").iter().map(|vector| {
        let chunks = list(vector, "chunks_latin1").iter().map(latin1).collect();
        (string(vector, "id"), answered(chunks, &config(vector)))
    });
    let detected = section("version_detection").iter().map(|vector| {
        let request = vec![latin1(&vector["request_latin1"])];
        (string(vector, "id"), answered(request, &Config::default()))
    });
    handshakes.chain(detected)
}

/// Feeds a server with the reads of a client, and returns both directions in the order of time.
fn answered(reads: Vec<Vec<u8>>, config: &Config) -> Conversation {
    let mut server = Connection::new(config.clone().into());
    let mut conversation = Conversation::default();
    for read in reads {
        server.receive_data(&read);
        conversation = conversation.client(read);
        while let Some(event) = server.next_event() {
            if event == Event::Request {
                let accepted = server.accept(stentor::Accept::new());
                accepted.unwrap();
            }
        }
        let output: Vec<u8> = server.data_to_send().to_vec();
        if !output.is_empty() {
            conversation = conversation.server(output);
        }
    }
    conversation.end(Side::Client).end(Side::Server)
}

fn config(vector: &Value) -> Config {
    let strings = |name: &str| -> Vec<String> {
        let items = vector["config"][name].as_array();
        let items = items.map_or(&[][..], Vec::as_slice).iter();
        items
            .map(|item| item.as_str().unwrap().to_owned())
            .collect()
    };
    let mut config = Config::default();
    config.behind_tls = vector["secure"] == true;
    config.subprotocols = strings("protocols");
    if vector["config"]["origins"].is_array() {
        let origins = strings("origins");
        config.allowed_origins = Some(origins.iter().map(|one| one.parse().unwrap()).collect());
    }
    config
}

#[test]
fn a_valid_handshake_of_each_version_breaks_no_rule() {
    for version in Version::ALL {
        let notes = support::heads::handshake(version).notes();
        assert_eq!(support::broken(&notes), [], "{version}");
        assert_eq!(support::choices(&notes), [], "{version}");
        let kept = support::kept(&notes);
        assert!(kept.len() > 8, "{version}: {kept:?}");
    }
}

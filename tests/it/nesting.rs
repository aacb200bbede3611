//! A stack overflow aborts the whole process: the stacks of clients' threads are large enough for what
//! handlers ordinarily do.

use serde::Deserialize;
use stentor::{Server, Version};

use crate::support::Loopback;

/// The most levels that serde_json reads.
const LEVELS: usize = 127;

/// A recursive type of the usual kind: an expression. serde keeps room for each variant's fields on
/// the stack, at each level.
#[derive(Deserialize)]
#[serde(tag = "op")]
#[allow(dead_code, reason = "only what they take on the stack is of interest")]
enum Expression {
    Value {
        number: f64,
        unit: Option<String>,
    },
    Not {
        of: Box<Expression>,
    },
    All {
        of: Vec<Expression>,
        name: Option<String>,
    },
    Compare {
        left: Box<Expression>,
        right: Box<Expression>,
        by: String,
    },
    Choose {
        when: Box<Expression>,
        then: Box<Expression>,
        otherwise: Option<Box<Expression>>,
    },
}

impl Expression {
    fn depth(&self) -> usize {
        match self {
            Expression::Not { of } => 1 + of.depth(),
            _ => 1,
        }
    }
}

fn nested(levels: usize) -> String {
    let opening = r#"{"op":"Not","of":"#.repeat(levels - 1);
    let closing = "}".repeat(levels - 1);
    format!(r#"{opening}{{"op":"Value","number":1}}{closing}"#)
}

#[test]
fn a_deeply_nested_message_is_handled_on_the_default_stack() {
    let server = Loopback::run(Server::builder(), |client| {
        while let Some(message) = client.recv()? {
            let text = message.as_text().unwrap_or_default();
            client.send(match serde_json::from_str::<Expression>(text) {
                Ok(expression) => format!("{} levels", expression.depth()),
                Err(error) => error.to_string(),
            })?;
        }
        Ok(())
    });
    for version in Version::ALL {
        let mut peer = server.open(version);
        peer.say(&nested(LEVELS));
        assert_eq!(peer.hear_text(), format!("{LEVELS} levels"), "{version}");
        // One level more is an error of serde_json's: it stops before the stack ends.
        peer.say(&nested(LEVELS + 1));
        let answer = peer.hear_text();
        assert!(answer.starts_with("recursion limit"), "{answer}");
    }
}

//! The examples as processes: they are built once, and the chat is started.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use super::ROOT;

/// The chat; killed when this is dropped.
pub(crate) struct Chat {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
}

/// The folder of the examples, if they are built already: where cargo does not run, as under Wine.
const BUILT_BEFORE: &str = "STENTOR_EXAMPLES";

/// An example, built as this test was, and once: cargo does that by itself only where it runs all tests.
pub(crate) fn build(example: &'static str) -> PathBuf {
    if let Some(folder) = std::env::var_os(BUILT_BEFORE) {
        return PathBuf::from(folder).join(example);
    }
    static BUILT: Mutex<BTreeMap<&str, PathBuf>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let path = built
        .entry(example)
        .or_insert_with(|| build_with_cargo(example));
    path.clone()
}

fn build_with_cargo(example: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let profile = own.parent().and_then(|deps| deps.parent()).unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--example", example, "--target-dir"]);
    cargo.arg(profile.parent().unwrap());
    // The variables that cargo sets for this test would be new to build scripts, and everything
    // that depends on them would be compiled anew.
    let of_this_test =
        |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in std::env::vars().filter(|(name, _)| of_this_test(name)) {
        cargo.env_remove(name);
    }
    for (feature, is_on) in [
        ("deflate", cfg!(feature = "deflate")),
        ("prometheus", cfg!(feature = "prometheus")),
        ("systemd", cfg!(feature = "systemd")),
        ("tls", cfg!(feature = "tls")),
        ("self-signed", cfg!(feature = "self-signed")),
        ("redis", cfg!(feature = "redis")),
    ] {
        // The examples in a crate of their own use none.
        if is_on && !example.starts_with("embed_") {
            cargo.args(["--features", feature]);
        }
    }
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    let built = cargo.current_dir(ROOT).status();
    assert!(built.unwrap().success());
    profile.join("examples").join(example)
}

impl Chat {
    /// Starts it on a port of its own, with `options`, which come first, and its messages in memory.
    pub(crate) fn start(options: &[String]) -> Chat {
        Chat::start_at("127.0.0.1:0", options)
    }

    /// The same on this address.
    pub(crate) fn start_at(address: &str, options: &[String]) -> Chat {
        let mut child = Command::new(build("chat"))
            .args(options)
            .args(["--data", "none", address])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut lines = output.lines().map_while(Result::ok);
        // The port is the last address that it listens on.
        let address = lines.find_map(|line| {
            let (_, address) = line.split_once("://")?;
            address.trim_end_matches('/').parse().ok()
        });
        Chat {
            child,
            address: address.expect("a port"),
        }
    }
}

impl Drop for Chat {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! The cost of attacks. Each attack runs against a server in a process of its own, and this prints
//! its cost for that server: processor time, memory, threads, the time until the attackers were
//! gone; and how long other clients had to wait meanwhile. Bounds that hold on any machine are
//! asserted; processor time is only printed. `SECURITY.md` has the table of one run.
//!
//! ```sh
//! cargo test --release --test costs            # all of them
//! cargo test --release --test costs -- ping    # those with this in their names
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    reason = "a test that panics is a test that fails"
)]

#[cfg(target_os = "linux")]
mod attacks;

#[cfg(target_os = "linux")]
mod bill;

#[cfg(target_os = "linux")]
mod site;

#[cfg(target_os = "linux")]
#[allow(
    dead_code,
    unused_imports,
    reason = "what the other tests use of it is not used here"
)]
#[path = "../it/support/mod.rs"]
mod support;

#[cfg(target_os = "linux")]
fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == site::SERVE) {
        return site::serve();
    }
    let wanted: Vec<&String> = arguments
        .iter()
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    if arguments.iter().any(|argument| argument == "--list") {
        return;
    }
    let is_wanted =
        |name: &str| wanted.is_empty() || wanted.iter().any(|word| name.contains(*word));
    let attacks = attacks::ATTACKS
        .iter()
        .filter(|attack| is_wanted(attack.name));
    for (number, attack) in attacks.enumerate() {
        if number == 0 {
            println!("{}", bill::HEADING);
        }
        let bill = bill::Bill::of(attack);
        println!("{bill}");
        bill.assert_bounded();
    }
}

/// The numbers come from `/proc`.
#[cfg(not(target_os = "linux"))]
fn main() {}

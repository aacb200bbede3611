//! Writes the programs of `docs/cookbook.md` into files, so that the tests can run them: the first
//! program below each heading, into a file with the heading's name.

#![allow(
    clippy::expect_used,
    reason = "a panic here fails the build, with its reason"
)]

use std::path::Path;
use std::{env, fs};

const COOKBOOK: &str = "../docs/cookbook.md";

fn main() {
    println!("cargo::rerun-if-changed={COOKBOOK}");
    println!("cargo::rerun-if-changed=build.rs");
    let folder = env::var("OUT_DIR").expect("cargo sets it");
    let text = fs::read_to_string(COOKBOOK).expect("the cookbook");
    for section in text.split("\n## ").skip(1) {
        let (heading, rest) = section.split_once('\n').expect("a text below each heading");
        let (_, rest) = rest.split_once("\n```rust,no_run\n").expect("a program");
        let (program, _) = rest.split_once("```\n").expect("the end of the program");
        let name = heading.to_lowercase().replace(' ', "_");
        let file = Path::new(&folder).join(name + ".rs");
        fs::write(file, program).expect("a file in cargo's folder");
    }
}

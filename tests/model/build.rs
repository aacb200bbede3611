//! Replaces the real sockets, locks and clock by the model's.

fn main() {
    println!("cargo::rustc-cfg=stentor_model");
    println!("cargo::rustc-check-cfg=cfg(stentor_model, fuzzing)");
    println!("cargo::rustc-check-cfg=cfg(feature, values(any()))");
    println!("cargo::rerun-if-changed=build.rs");
}

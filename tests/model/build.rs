//! Puts the model's sockets, locks and clock in the place of the real ones.

fn main() {
    println!("cargo::rustc-cfg=stentor_model");
    println!("cargo::rustc-check-cfg=cfg(stentor_model, fuzzing)");
    println!("cargo::rustc-check-cfg=cfg(feature, values(any()))");
    println!("cargo::rerun-if-changed=build.rs");
}

//! Asks the linker for a function table that can grow: code made at run time in the page goes there.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "wasm32") {
        println!("cargo::rustc-link-arg=--growable-table");
        println!("cargo::rustc-link-arg=--export-table");
    }
}

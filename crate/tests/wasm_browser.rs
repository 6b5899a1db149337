//! The tests of the wasm surface once more, set to run in a page: `wasm-pack test --headless` skips suites that are not,
//! and succeeds.

#![cfg(target_arch = "wasm32")]

#[path = "wasm.rs"]
mod wasm;

wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);

//! Runs `wasm-bindgen-test` tests in Node or in a browser; cargo calls it with the test's wasm file.

fn main() -> anyhow::Result<()> {
    env_logger::init();
    wasm_bindgen_cli::wasm_bindgen_test_runner::run_cli_with_args(std::env::args_os())
}

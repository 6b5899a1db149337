#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tabvisor_fuzz::bodies::ir::run(input));

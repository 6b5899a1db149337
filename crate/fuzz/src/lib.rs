//! The bodies of the fuzz targets. `crate/tests/fuzz_corpus.rs` includes the same files, so that the ordinary tests run
//! every target over its seeds without a fuzzer.

pub mod bodies;

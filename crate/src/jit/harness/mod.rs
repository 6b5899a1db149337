//! Regions through the back ends, against the reference interpreter of the intermediate representation. The back ends' own
//! tests include these files, and so does the fuzz target `ir` (`crate/fuzz/src/bodies`), which is why they name the
//! library as an outsider does.

pub mod native;
pub mod wasm;

//! The fuzz targets over their seeds: what they once found stays found.

#[path = "../fuzz/targets/all.rs"]
mod all;

use std::fs;
use std::path::Path;

/// Runs `target` over every file in `crate/fuzz/seeds/<name>`, and over each cut short at every sixteenth of it.
fn replay(name: &str, target: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/seeds")
        .join(name);
    let mut seeds = 0;
    for file in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        for sixteenth in 0..=16 {
            target(&bytes[..bytes.len() * sixteenth / 16]);
        }
        seeds += 1;
    }
    assert!(seeds > 0, "{} has no seeds", folder.display());
}

#[test]
fn decoder() {
    replay("decoder", all::decoder);
}

#[test]
fn image() {
    replay("image", all::image);
}

#[test]
fn boot() {
    replay("boot", all::boot);
}

#[test]
fn virtqueue() {
    replay("virtqueue", all::virtqueue);
}

#[test]
fn virtio() {
    replay("virtio", all::virtio);
}

#[test]
fn p9() {
    replay("p9", all::p9);
}

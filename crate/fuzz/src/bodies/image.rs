//! Firmware, kernel and initial RAM disk, of any content: loaded into RAM where nothing else lies, or an error in words.

use std::ops::Range;

use tabvisor::machine::image::{Image, ImageError, Loader};
use tabvisor::machine::map;
use tabvisor::mem::Ram;

use super::Input;

const MEMORY: u64 = 8 << 20;

/// First byte: which images there are; then, but for the last, each with its length in two bytes before it.
pub fn run(input: &[u8]) {
    let mut input = Input(input);
    let which = input.u8();
    let mut image = |bit: u8, last: bool| {
        if which & bit == 0 {
            return None;
        }
        let length = if last { usize::MAX } else { input.u16().into() };
        Some(Image::new("image", input.bytes(length)))
    };
    let (bios, initrd, kernel) = (image(1, false), image(2, false), image(4, true));
    let mut ram = Ram::new(map::RAM_BASE, MEMORY).expect("8 MiB");
    let mut loader = Loader::new(&mut ram);
    let mut placed: Vec<Range<u64>> = Vec::new();
    let mut entries = Vec::new();
    for outcome in [
        bios.map(|bios| loader.firmware(&bios)),
        kernel.map(|kernel| loader.kernel(&kernel)),
    ] {
        match outcome {
            Some(Ok(loaded)) => {
                placed.push(loaded.range);
                entries.push(loaded.entry);
            }
            Some(Err(error)) => return check_error(&error),
            None => {}
        }
    }
    match initrd.map(|initrd| loader.initrd(&initrd)) {
        Some(Ok(range)) => placed.push(range),
        Some(Err(error)) => return check_error(&error),
        None => {}
    }
    for range in &placed {
        assert!(ram.contains(range.start, range.end - range.start), "{range:x?}");
    }
    for entry in entries {
        assert!(ram.contains(entry, 2), "entry {entry:#x}");
    }
    placed.retain(|range| !range.is_empty());
    placed.sort_by_key(|range| range.start);
    for pair in placed.windows(2) {
        assert!(pair[0].end <= pair[1].start, "{pair:x?} overlap");
    }
}

/// A message is for people: it does not repeat the file.
fn check_error(error: &ImageError) {
    let text = error.to_string();
    assert!(text.len() < 1000, "a message of {} bytes", text.len());
}

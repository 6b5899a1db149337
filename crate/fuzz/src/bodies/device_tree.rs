//! The device tree with any command line: well-formed, and it says that command line.

use tabvisor::machine::device_tree::{BoardShape, DeviceTreeError, Mmu, build};
use tabvisor::machine::image::Loader;
use tabvisor::machine::map;
use tabvisor::mem::{MAX_NODES, Ram, split_nodes};

use super::Input;

/// First four bytes: what the board has; then the command line.
pub fn run(input: &[u8]) {
    let mut input = Input(input);
    let (harts, slots, initrd, size) = (input.u8(), input.u8(), input.u8(), input.u8());
    let append = String::from_utf8_lossy(input.0);
    let ram_size = u64::from(size % 64 + 1) << 20;
    let harts_and_mmu = harts;
    let harts = usize::from(harts % 8) + 1;
    let nodes = usize::from(slots >> 5) % MAX_NODES + 1;
    let memory = split_nodes(map::RAM_BASE, ram_size, nodes.min(harts));
    let memory = memory.or_else(|| split_nodes(map::RAM_BASE, ram_size, 1));
    let shape = BoardShape {
        harts,
        memory: &memory.expect("one node has any memory"),
        mmu: [Mmu::Sv39, Mmu::Sv48, Mmu::Sv57][usize::from(harts_and_mmu >> 4) % 3],
        virtio_slots: 0..usize::from(slots) % (map::VIRTIO_SLOTS + 1),
        append: &append,
        initrd: (initrd & 1 != 0).then(|| map::KERNEL..map::KERNEL + u64::from(initrd)),
        rng_seed: (initrd & 2 != 0).then_some([initrd; 32]),
    };
    let blob = match build(&shape) {
        Ok(blob) => blob,
        Err(DeviceTreeError::NulInAppend(at)) => return assert_eq!(append.find('\0'), Some(at)),
        Err(error) => panic!("{error}"),
    };
    let bootargs = bootargs(&blob).expect("a well-formed tree with a command line");
    let (text, nul) = bootargs.split_at(bootargs.len() - 1);
    assert!(text == append.as_bytes() && nul == [0]);
    let mut ram = Ram::new(map::RAM_BASE, ram_size).expect("at most 64 MiB");
    if let Ok(at) = Loader::new(&mut ram).device_tree(&blob) {
        assert_eq!(ram.slice(at, blob.len() as u64).expect("in RAM"), blob);
    }
}

/// Walks the whole tree (Devicetree specification 0.4, chapter 5) and returns the property `bootargs`.
fn bootargs(blob: &[u8]) -> Option<&[u8]> {
    let word = |at: usize| Some(u32::from_be_bytes(*blob.get(at..)?.first_chunk()?) as usize);
    assert_eq!(word(0)?, 0xd00d_feed);
    assert_eq!(word(4)?, blob.len());
    let (mut at, strings, end) = (word(8)?, word(12)?, word(8)? + word(36)?);
    let text = |at: usize| blob.get(at..)?.split(|&byte| byte == 0).next();
    let mut depth = 0;
    let mut found = None;
    loop {
        let token = word(at)?;
        at += 4;
        match token {
            1 => {
                at += (text(at)?.len() + 1).next_multiple_of(4);
                depth += 1;
            }
            2 => depth -= 1,
            3 => {
                let (length, name) = (word(at)?, text(strings + word(at + 4)?)?);
                let value = blob.get(at + 8..)?.get(..length)?;
                if name == b"bootargs" {
                    assert!(found.replace(value).is_none(), "two command lines");
                }
                at += 8 + length.next_multiple_of(4);
            }
            4 => {}
            9 => break,
            other => panic!("token {other}"),
        }
    }
    assert!(depth == 0 && at == end, "depth {depth} at {at}, end {end}");
    found
}

//! Images made here byte by byte, whole and damaged.

use std::io::Write;

use super::*;
use crate::machine::map;
use crate::mem::Ram;

const MIB: u64 = 1 << 20;

fn ram(mib: u64) -> Ram {
    Ram::new(map::RAM_BASE, mib * MIB).unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

/// Linux's EFI image that unpacks itself.
fn zboot(method: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = b"MZ\0\0zimg".to_vec();
    bytes.extend(64u32.to_le_bytes());
    bytes.extend((payload.len() as u32).to_le_bytes());
    bytes.resize(24, 0);
    bytes.extend(method.as_bytes());
    bytes.resize(64, 0);
    bytes.extend(payload);
    bytes.extend([0xee; 32]);
    bytes
}

/// A Linux `Image` of 4 KiB filled with 0x13.
fn linux(text_offset: u64, image_size: u64) -> Vec<u8> {
    let mut bytes = vec![0x13; 4096];
    bytes[..8].copy_from_slice(b"MZ\0\0\0\0\0\0");
    bytes[8..16].copy_from_slice(&text_offset.to_le_bytes());
    bytes[16..24].copy_from_slice(&image_size.to_le_bytes());
    bytes[24..32].fill(0);
    bytes[0x38..0x3c].copy_from_slice(b"RSC\x05");
    bytes
}

/// A segment of the ELF files made here.
#[derive(Clone, Copy)]
struct Program {
    vaddr: u64,
    paddr: u64,
    memsz: u64,
    contents: &'static [u8],
}

fn elf_file(kind: u16, entry: u64, programs: &[Program]) -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
    bytes.resize(16, 0);
    bytes.extend(kind.to_le_bytes());
    bytes.extend(243u16.to_le_bytes());
    bytes.extend(1u32.to_le_bytes());
    for field in [entry, 64, 0] {
        bytes.extend(field.to_le_bytes());
    }
    bytes.extend(0u32.to_le_bytes());
    for field in [64, 56, programs.len() as u16, 64, 0, 0] {
        bytes.extend(field.to_le_bytes());
    }
    let mut offset = 64 + 56 * programs.len() as u64;
    for program in programs {
        bytes.extend(1u32.to_le_bytes());
        bytes.extend(5u32.to_le_bytes());
        let len = program.contents.len() as u64;
        for field in [offset, program.vaddr, program.paddr, len, program.memsz, 8] {
            bytes.extend(field.to_le_bytes());
        }
        offset += len;
    }
    for program in programs {
        bytes.extend(program.contents);
    }
    bytes
}

const TEXT: Program = Program {
    vaddr: 0xffff_ffff_8000_0000,
    paddr: 0x8020_0000,
    memsz: 0x1000,
    contents: b"text",
};
const DATA: Program = Program {
    vaddr: 0xffff_ffff_8000_1000,
    paddr: 0x8020_1000,
    memsz: 0x2000,
    contents: b"data",
};

/// Loads it as a kernel into 32 MiB.
fn kernel(bytes: impl Into<Vec<u8>>) -> Result<Loaded, ImageError> {
    Loader::new(&mut ram(32)).kernel(&Image::new("vmlinux", bytes))
}

#[test]
fn raw_images_go_to_their_usual_places() {
    let mut ram = ram(32);
    let mut loader = Loader::new(&mut ram);
    let firmware = loader.firmware(&Image::new("fw", b"firmware")).unwrap();
    assert_eq!(firmware.entry, 0x8000_0000);
    let kernel = loader.kernel(&Image::new("kernel", b"kernel")).unwrap();
    assert_eq!(kernel.range, 0x8020_0000..0x8020_0006);
    assert_eq!(ram.slice(0x8000_0000, 8), Ok(&b"firmware"[..]));
    assert_eq!(ram.slice(0x8020_0000, 6), Ok(&b"kernel"[..]));
}

#[test]
fn linux_images_say_where_they_go() {
    let loaded = kernel(linux(0x40_0000, 0x10_0000)).unwrap();
    assert_eq!(loaded.entry, 0x8040_0000);
    assert_eq!(loaded.range, 0x8040_0000..0x8050_0000);
    assert_eq!(kernel(linux(0, 0)).unwrap().range, 0x8020_0000..0x8020_1000);
    for (text_offset, image_size) in [(0x20_0000, 33 * MIB), (u64::MAX, 0), (0x20_0000, u64::MAX)] {
        let error = kernel(linux(text_offset, image_size)).unwrap_err();
        assert!(
            matches!(error, ImageError::OutsideRam { offset: 8, .. }),
            "{error}"
        );
    }
}

#[test]
fn kernels_for_other_machines_are_told_apart() {
    let mut arm = vec![0; 4096];
    arm[0x38..0x3c].copy_from_slice(b"ARM\x64");
    let mut x86 = vec![0; 4096];
    x86[0x202..0x206].copy_from_slice(b"HdrS");
    let mut x86_elf = elf_file(2, TEXT.vaddr, &[TEXT]);
    x86_elf[18] = 62;
    let mut elf32 = elf_file(2, TEXT.vaddr, &[TEXT]);
    elf32[4] = 1;
    let mut big_endian = linux(0x20_0000, 0);
    big_endian[24] = 1;
    for (bytes, offset, word) in [
        (arm, 0x38, "arm64"),
        (x86, 0x202, "x86"),
        (x86_elf, 18, "machine 62"),
        (elf32, 4, "[1, 1]"),
        (big_endian, 24, "big-endian"),
    ] {
        let error = kernel(bytes).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with(&format!("vmlinux: at offset {offset:#x}:")),
            "{text}"
        );
        assert!(text.contains(word), "{text}");
    }
}

#[test]
fn compressed_kernels_are_unpacked() {
    let image = linux(0x20_0000, 0);
    let expected = kernel(image.clone()).unwrap();
    for packed in [
        gzip(&image),
        zstd(&image),
        zboot("gzip", &gzip(&image)),
        zboot("zstd22", &zstd(&image)),
    ] {
        let mut ram = ram(32);
        let loaded = Loader::new(&mut ram)
            .kernel(&Image::new("Image.gz", packed))
            .unwrap();
        assert_eq!(loaded, expected);
        assert_eq!(ram.slice(loaded.entry, 4096), Ok(&image[..]));
    }
}

#[test]
fn bad_compression_is_an_error() {
    let packed = gzip(&[7; 100_000]);
    let truncated = kernel(&packed[..packed.len() - 9]).unwrap_err();
    assert!(
        matches!(truncated, ImageError::Decompression { method: "gzip", .. }),
        "{truncated}"
    );
    let truncated = kernel(&zstd(&[7; 100_000])[..9]).unwrap_err();
    assert!(
        matches!(truncated, ImageError::Decompression { method: "zstd", .. }),
        "{truncated}"
    );
    // 64 MiB of zeroes in a few kilobytes, for 32 MiB of memory.
    for bomb in [gzip(&vec![0; 64 << 20]), zstd(&vec![0; 64 << 20])] {
        let error = kernel(bomb).unwrap_err();
        assert!(
            matches!(
                error,
                ImageError::TooBig {
                    limit: 0x200_0000,
                    ..
                }
            ),
            "{error}"
        );
    }
    let xz = kernel(b"\xfd7zXZ\0...").unwrap_err();
    assert!(xz.to_string().contains("compressed with xz"), "{xz}");
    let lzma = kernel(zboot("lzma", b"....")).unwrap_err();
    assert!(
        lzma.to_string().contains("at offset 0x40: compressed with lzma"),
        "{lzma}"
    );
    let mut outside = zboot("gzip", &gzip(b"x"));
    outside[12..16].fill(0xff);
    assert!(matches!(
        kernel(outside),
        Err(ImageError::Format { offset: 8, .. })
    ));
    assert!(matches!(kernel(gzip(b"")), Err(ImageError::Empty { .. })));
    assert!(matches!(kernel(b""), Err(ImageError::Empty { .. })));
}

#[test]
fn elf_segments_go_to_their_physical_addresses() {
    let mut ram = ram(32);
    ram.slice_mut(0x8020_0000, 0x4000).unwrap().fill(0xff);
    // The entry is virtual.
    let file = elf_file(2, DATA.vaddr + 2, &[TEXT, DATA]);
    let loaded = Loader::new(&mut ram)
        .kernel(&Image::new("vmlinux", file))
        .unwrap();
    assert_eq!(loaded.entry, 0x8020_1002);
    assert_eq!(loaded.range, 0x8020_0000..0x8020_3000);
    assert_eq!(ram.slice(0x8020_0ffe, 8), Ok(&b"\0\0data\0\0"[..]));
    assert_eq!(ram.read_u8(0x8020_2fff), Ok(0));
    assert_eq!(ram.read_u8(0x8020_3000), Ok(0xff));
    // The entry is physical.
    assert_eq!(
        kernel(elf_file(2, 0x8020_0004, &[TEXT])).unwrap().entry,
        0x8020_0004
    );
}

#[test]
fn position_independent_firmware_is_moved_to_ram() {
    let text = Program {
        vaddr: 0,
        paddr: 0,
        ..TEXT
    };
    let file = elf_file(3, 0x10, &[text]);
    let mut ram = ram(32);
    let loaded = Loader::new(&mut ram)
        .firmware(&Image::new("fw.elf", file))
        .unwrap();
    assert_eq!(loaded.entry, 0x8000_0010);
    assert_eq!(loaded.range, 0x8000_0000..0x8000_1000);
}

#[test]
fn damaged_elf_files_name_the_place() {
    let outside = Program {
        paddr: 0x1000,
        ..TEXT
    };
    let wrapping = Program {
        memsz: u64::MAX,
        ..TEXT
    };
    let shrunk = Program { memsz: 2, ..TEXT };
    let overlapping = Program {
        paddr: 0x8020_0800,
        ..DATA
    };
    let entry = TEXT.vaddr;
    for (programs, entry, text) in [
        (
            vec![outside],
            entry,
            "offset 0x40: to be loaded at 0x1000..0x2000",
        ),
        (
            vec![wrapping],
            entry,
            "offset 0x40: to be loaded at 0x80200000..0xffffffffffffffff",
        ),
        (
            vec![shrunk],
            entry,
            "offset 0x40: expected a segment no larger in the file",
        ),
        (
            vec![TEXT, overlapping],
            entry,
            "offset 0x78: to be loaded at 0x80200800..0x80202800, where vmlinux lies",
        ),
        (
            vec![TEXT],
            0x9000,
            "offset 0x18: expected an entry address inside",
        ),
        (
            vec![],
            entry,
            "offset 0x38: expected 1 to 64 segments to load, found none",
        ),
        (vec![DATA; 65], entry, "found more"),
    ] {
        let error = kernel(elf_file(2, entry, &programs)).unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    }
    let whole = elf_file(2, entry, &[TEXT]);
    let error = kernel(&whole[..whole.len() - 1]).unwrap_err();
    assert!(
        matches!(error, ImageError::Format { offset: 0x40, .. }),
        "{error}"
    );
    assert!(kernel(&whole[..80]).is_err());
}

#[test]
fn the_initrd_lies_between_kernel_and_device_tree() {
    let initrd = Image::new("initrd", vec![1; 3 << 20]);
    let place = |mib: u64, kernel_size: u64| {
        let mut ram = ram(mib);
        let mut loader = Loader::new(&mut ram);
        loader.kernel(&Image::new("Image", linux(0x20_0000, kernel_size)))?;
        let initrd = loader.initrd(&initrd)?;
        Ok::<_, ImageError>((initrd.start, loader.device_tree(b"tree")?))
    };
    // As QEMU: half of memory above the kernel, 128 MiB at most; the tree 2 MiB below the end of RAM.
    assert_eq!(place(512, 0).unwrap(), (0x8820_0000, 0x9fe0_0000));
    assert_eq!(place(64, 0).unwrap(), (0x8220_0000, 0x83e0_0000));
    // A kernel that reaches further pushes it up.
    assert_eq!(place(64, 50 * MIB).unwrap().0, 0x8340_0000);
    // Little room: right above the kernel.
    assert_eq!(place(8, 0).unwrap(), (0x8020_1000, 0x807f_0000));
    let error = place(64, 60 * MIB).unwrap_err();
    let room = ImageError::NoRoom {
        image: "initrd".into(),
        size: 3 * MIB,
        room: 0,
    };
    assert_eq!(error, room);
}

#[test]
fn the_device_tree_stays_below_3_gib() {
    let mut ram = ram(1536);
    let mut loader = Loader::new(&mut ram);
    assert_eq!(loader.device_tree(b"tree").unwrap(), 0xbfe0_0000);
    let next = loader.firmware_info(0x8020_0000).unwrap();
    assert!(loader.device_tree(&vec![0; 2 << 20]).is_err());
    assert_eq!(ram.slice(0xbfe0_0000, 4), Ok(&b"tree"[..]));
    assert_eq!(ram.read_u64(next), Ok(0x4942_534f));
    assert_eq!(ram.read_u64(next + 16), Ok(0x8020_0000));
    let mut tiny = Ram::new(map::RAM_BASE, 0x1000).unwrap();
    assert!(matches!(
        Loader::new(&mut tiny).device_tree(b"tree"),
        Err(ImageError::OutsideRam { .. })
    ));
}

#[test]
fn firmware_and_kernel_must_not_overlap() {
    let mut ram = ram(32);
    let mut loader = Loader::new(&mut ram);
    loader.firmware(&Image::new("fw.bin", vec![1; 3 << 20])).unwrap();
    let error = loader.kernel(&Image::new("kernel", b"x")).unwrap_err();
    assert!(error.to_string().contains("where fw.bin lies already"), "{error}");
}

#[cfg(not(target_arch = "wasm32"))]
mod hostile {
    use proptest::prelude::*;

    use super::*;

    /// A valid image of each kind.
    fn valid() -> impl Strategy<Value = Vec<u8>> {
        let image = linux(0x20_0000, 0);
        prop::sample::select(vec![
            image.clone(),
            gzip(&image),
            zstd(&image),
            zboot("gzip", &gzip(&image)),
            zboot("zstd", &zstd(&image)),
            elf_file(2, TEXT.vaddr, &[TEXT, DATA]),
            elf_file(3, TEXT.vaddr, &[TEXT, DATA]),
        ])
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        /// Whatever bytes of a good image are changed, wherever it is cut: loaded or refused, and what is loaded is
        /// inside RAM.
        #[test]
        fn damaged_images_do_not_panic(
            mut bytes in valid(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
            header in prop::collection::vec((0usize..128, prop::sample::select(vec![0, 1, 0x7f, 0x80, 0xff])), 0..4),
            keep in prop::option::of(any::<prop::sample::Index>()),
        ) {
            for (at, value) in changes {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            for (at, value) in header {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = value;
                }
            }
            if let Some(keep) = keep {
                bytes.truncate(keep.index(bytes.len()));
            }
            let mut ram = ram(4);
            let mut loader = Loader::new(&mut ram);
            if let Ok(loaded) = loader.kernel(&Image::new("fuzz", bytes)) {
                let _ = loader.initrd(&Image::new("initrd", b"initrd"));
                prop_assert!(ram.contains(loaded.range.start, loaded.range.end - loaded.range.start));
                prop_assert!(loaded.range.contains(&loaded.entry));
            }
        }

        #[test]
        fn any_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let mut ram = ram(4);
            let mut loader = Loader::new(&mut ram);
            let _ = loader.firmware(&Image::new("fuzz", bytes));
        }
    }
}

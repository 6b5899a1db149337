//! What cannot run is refused in words, or does nothing worse than not to run.

use tabvisor::machine::{Exit, Image, Machine, MachineConfig};
use tabvisor::storage::{BlockBackend, MemoryDisk};

use crate::engines::Engine;
use crate::harness::{Guest, bare, guest_file};

under_every_engine!(
    a_kernel_of_garbage_is_soon_found_to_be_lost,
    linux_panics_in_words_without_a_root,
);

fn refusal(config: MachineConfig) -> String {
    match Machine::new(config) {
        Ok(_) => panic!("the machine is made"),
        Err(error) => error.to_string(),
    }
}

fn with_kernel(name: &str, bytes: Vec<u8>) -> MachineConfig {
    MachineConfig {
        kernel: Some(Image::new(name, bytes)),
        ..bare(64, 1)
    }
}

#[test]
fn a_kernel_that_ends_too_early() {
    let whole = guest_file("debian/initrd.gz").bytes;
    let error = refusal(with_kernel("half.gz", whole[..whole.len() / 2].to_vec()));
    assert!(
        error.starts_with("half.gz: the gzip data that starts at offset 0x0 cannot be unpacked"),
        "{error}"
    );

    let mut elf = b"\x7fELF\x02\x01\x01".to_vec();
    elf.resize(40, 0);
    let error = refusal(with_kernel("short.elf", elf));
    assert!(error.starts_with("short.elf: at offset 0x"), "{error}");

    let error = refusal(with_kernel("empty", Vec::new()));
    assert_eq!(error, "empty: the file is empty");
}

fn a_kernel_of_garbage_is_soon_found_to_be_lost(engine: Engine) {
    for (byte, harts) in [(0x00, 1), (0xff, 4), (0x13, 1), (0x73, 2)] {
        let config = MachineConfig {
            harts,
            ..with_kernel("garbage", vec![byte; 1 << 20])
        };
        let mut machine = engine.machine(config).expect("any bytes may be a raw kernel");
        let mut exit = Exit::Budget;
        for _ in 0..20 {
            exit = machine.run(500_000);
            if exit != Exit::Budget {
                break;
            }
        }
        let Exit::Lost { text } = exit else {
            panic!("{byte:#x}: {exit:?}");
        };
        let words = "hart 0 is lost: the handler of its traps, at 0x0, traps itself (cause 0x1, value 0x0)";
        assert!(text.starts_with(words), "{text}");
    }
}

#[test]
fn an_initrd_larger_than_memory() {
    let error = refusal(MachineConfig {
        initrd: Some(Image::new("huge.cpio", vec![1; 70 << 20])),
        ..with_kernel("kernel", vec![0x13; 4096])
    });
    assert!(
        error.starts_with("huge.cpio: needs 73400320 bytes of memory"),
        "{error}"
    );
    assert!(error.ends_with("give the machine more memory"), "{error}");
}

#[test]
fn a_machine_of_the_wrong_shape() {
    assert_eq!(refusal(bare(64, 9)), "9 harts: a machine has 1 to 8");
    assert_eq!(refusal(bare(64, 0)), "0 harts: a machine has 1 to 8");
    assert_eq!(
        refusal(bare(64, 1)),
        "there is nothing to run: give a kernel or firmware"
    );
    let disks = (0..9).map(|_| Box::new(MemoryDisk::blank(4096)) as Box<dyn BlockBackend>);
    let error = refusal(MachineConfig {
        disks: disks.collect(),
        ..bare(64, 1)
    });
    assert!(
        error.contains("virtio devices, but the board has 8 slots"),
        "{error}"
    );
    let error = refusal(MachineConfig {
        memory_bytes: 12_345,
        ..bare(64, 1)
    });
    assert!(error.contains("12345 bytes is not a whole"), "{error}");
    let error = refusal(MachineConfig {
        memory_bytes: 1 << 50,
        ..bare(64, 1)
    });
    assert!(error.contains("cannot give"), "{error}");
}

#[test]
fn a_kernel_without_room() {
    let error = refusal(MachineConfig {
        kernel: Some(guest_file("debian/kernel")),
        ..bare(16, 1)
    });
    assert!(
        error.starts_with("debian/kernel: ") && error.contains("more memory"),
        "{error}"
    );
}

fn linux_panics_in_words_without_a_root(engine: Engine) {
    let mut guest = Guest::start(
        engine,
        MachineConfig {
            kernel: Some(guest_file("debian/kernel")),
            append: "earlycon=sbi console=ttyS0 panic=1".into(),
            ..bare(128, 1)
        },
    );
    guest.expect("Kernel panic - not syncing: VFS: Unable to mount root fs");
    assert_eq!(guest.until_exit(), Exit::Reset);
}

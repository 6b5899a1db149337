//! Files shared over 9p, both ways: a directory of the host, the same read-only, and a tree in memory.

use std::fs;

use tabvisor::machine::MachineConfig;
use tabvisor::storage::fs::{HostFs, MemoryFs};

use crate::engines::Engine;
use crate::harness::{Guest, crc32, linux, noise};

under_every_engine!(files_go_both_ways);

const FILES: usize = 300;
const LARGE: usize = 8 << 20;
const MEMORY_LIMIT: u64 = 12 << 20;

fn files_go_both_ways(engine: Engine) {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let large = noise(LARGE);
    fs::write(path("large"), &large).unwrap();
    fs::create_dir(path("many")).unwrap();
    let mut all = Vec::new();
    for index in 0..FILES {
        let text = format!("file number {index}\n").repeat(index);
        all.extend_from_slice(text.as_bytes());
        fs::write(path(&format!("many/{index:03}")), text).unwrap();
    }
    let tree = MemoryFs::new(MEMORY_LIMIT);
    tree.write_file("inbox/note", &large[..100_000]).unwrap();

    let mut guest = Guest::boot(
        engine,
        MachineConfig {
            shares: vec![
                (
                    "host".into(),
                    Box::new(HostFs::new(folder.path(), false).unwrap()),
                ),
                (
                    "fixed".into(),
                    Box::new(HostFs::new(folder.path(), true).unwrap()),
                ),
                ("tree".into(), Box::new(tree.clone())),
            ],
            ..linux(1)
        },
    );
    // In.
    assert_eq!(guest.run("ls /mnt | xargs"), "fixed host tree");
    assert_eq!(guest.run("crc32 </mnt/host/large"), crc32(&large));
    assert_eq!(guest.run("ls /mnt/host/many | wc -l"), FILES.to_string());
    assert_eq!(guest.run("cat /mnt/host/many/* | crc32"), crc32(&all));
    assert_eq!(guest.run("crc32 </mnt/tree/inbox/note"), crc32(&large[..100_000]));

    // Out, to the host's directory.
    guest.run("mkdir /mnt/host/out && cp /mnt/host/large /mnt/host/out/copy && cd /mnt/host/out");
    guest.run("for i in $(seq 100); do echo $i >new-$i && mv new-$i moved-$i; done");
    guest.run("ln -s moved-7 link && chmod 640 moved-8 && rm moved-9 && echo more >>moved-10 && cat link");
    assert!(fs::read(path("out/copy")).unwrap() == large);
    assert_eq!(fs::read_dir(path("out")).unwrap().count(), 101);
    assert_eq!(fs::read_link(path("out/link")).unwrap().to_str(), Some("moved-7"));
    assert_eq!(fs::read_to_string(path("out/moved-10")).unwrap(), "10\nmore\n");
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path("out/moved-8")).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o640);

    // Nothing, where it may only be read.
    let (output, status) = guest.run_status("echo x 2>&1 >/mnt/fixed/x");
    assert!(status != 0 && !path("x").exists(), "{output}");
    assert_eq!(guest.run("cat /mnt/fixed/out/moved-10 | xargs"), "10 more");

    // Out, to the tree in memory, and no more than it may hold.
    guest.run("cp /mnt/host/large /mnt/tree/inbox/large && cd /mnt/tree && mkdir -p a/b && echo deep >a/b/c");
    assert!(tree.read_file("inbox/large").unwrap() == large);
    assert_eq!(tree.read_file("a/b/c").unwrap(), b"deep\n");
    let (output, status) = guest.run_status("cp /mnt/host/large /mnt/tree/again 2>&1");
    assert!(status != 0 && output.contains("No space left"), "{output}");
    assert_eq!(guest.run("rm /mnt/tree/again && cat /mnt/tree/a/b/c"), "deep");
    tree.write_file("late", b"from outside").unwrap();
    assert_eq!(guest.run("cat /mnt/tree/late"), "from outside");
}

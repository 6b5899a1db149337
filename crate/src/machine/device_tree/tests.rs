//! The tree is read back with a small parser of the flattened format, and shown to `dtc` where that is installed.

use std::collections::BTreeMap;

use super::*;

/// All memory in one node.
const ONE_NODE: &[Node] = &[Node {
    base: map::RAM_BASE,
    size: 3 << 30,
}];

/// The same in three.
const THREE_NODES: &[Node] = &[
    Node {
        base: map::RAM_BASE,
        size: 1 << 30,
    },
    Node {
        base: map::RAM_BASE + (1 << 30),
        size: 1 << 30,
    },
    Node {
        base: map::RAM_BASE + (2 << 30),
        size: 1 << 30,
    },
];

fn shape(harts: usize) -> BoardShape<'static> {
    BoardShape {
        harts,
        memory: ONE_NODE,
        mmu: Mmu::Sv57,
        virtio_slots: 0..map::VIRTIO_SLOTS,
        append: "console=ttyS0 quiet",
        initrd: Some(0x8800_0000..0x8812_3456),
        rng_seed: Some([0xa5; 32]),
    }
}

/// Every property of a flattened tree, by its path.
fn properties(blob: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let word = |at: usize| u32::from_be_bytes(blob[at..at + 4].try_into().unwrap()) as usize;
    let text = |at: usize| {
        let len = blob[at..].iter().position(|&byte| byte == 0).unwrap();
        (str::from_utf8(&blob[at..at + len]).unwrap(), len)
    };
    assert_eq!(word(0), 0xd00d_feed);
    assert_eq!(word(4), blob.len());
    let (mut at, strings) = (word(8), word(12));
    let mut path = Vec::new();
    let mut found = BTreeMap::new();
    loop {
        at += 4;
        match word(at - 4) {
            1 => {
                let (name, len) = text(at);
                path.push(name);
                at += (len + 4) & !3;
            }
            2 => {
                path.pop().unwrap();
            }
            3 => {
                let (len, name) = (word(at), text(strings + word(at + 4)).0);
                let key = format!("{}/{name}", path.join("/"));
                assert!(
                    found.insert(key, blob[at + 8..at + 8 + len].to_vec()).is_none(),
                    "{name} twice"
                );
                at += 8 + len.div_ceil(4) * 4;
            }
            9 => break,
            token => panic!("token {token} at {at:#x}"),
        }
    }
    assert!(path.is_empty());
    found
}

fn cells(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|cell| cell.to_be_bytes()).collect()
}

#[test]
fn the_tree_describes_the_map() {
    let tree = properties(&build(&shape(2)).unwrap());
    let expect =
        |path: &str, value: &[u8]| assert_eq!(tree.get(path).map(Vec::as_slice), Some(value), "{path}");
    expect("/chosen/bootargs", b"console=ttyS0 quiet\0");
    expect("/chosen/stdout-path", b"/soc/serial@10000000\0");
    expect("/chosen/linux,initrd-start", &0x8800_0000u64.to_be_bytes());
    expect("/chosen/linux,initrd-end", &0x8812_3456u64.to_be_bytes());
    expect("/chosen/rng-seed", &[0xa5; 32]);
    expect("/memory@80000000/reg", &cells(&[0, 0x8000_0000, 0, 0xc000_0000]));
    expect("/cpus/timebase-frequency", &cells(&[10_000_000]));
    expect("/cpus/cpu@1/mmu-type", b"riscv,sv57\0");
    expect(
        "/cpus/cpu@1/riscv,isa",
        b"rv64imafdc_zicbom_zicboz_zicntr_zicsr_zifencei_zba_zbb_zbs_sstc_svadu_svinval_svpbmt\0",
    );
    assert!(tree["/cpus/cpu@0/riscv,isa-extensions"].starts_with(b"i\0m\0a\0f\0d\0c\0zicbom\0"));
    expect("/soc/serial@10000000/interrupts", &cells(&[10]));
    expect("/soc/virtio_mmio@10008000/interrupts", &cells(&[8]));
    expect(
        "/soc/virtio_mmio@10001000/reg",
        &cells(&[0, 0x1000_1000, 0, 0x1000]),
    );
    expect("/soc/plic@c000000/riscv,ndev", &cells(&[95]));
    // The PLIC's contexts: M and S of hart 0, then of hart 1.
    let intc = |hart: usize| {
        let phandle = &tree[&format!("/cpus/cpu@{hart}/interrupt-controller/phandle")];
        u32::from_be_bytes(phandle.as_slice().try_into().unwrap())
    };
    let (first, second) = (intc(0), intc(1));
    expect(
        "/soc/plic@c000000/interrupts-extended",
        &cells(&[first, 11, first, 9, second, 11, second, 9]),
    );
    expect(
        "/soc/clint@2000000/interrupts-extended",
        &cells(&[first, 3, first, 7, second, 3, second, 7]),
    );
    expect("/cpus/cpu-map/cluster0/core1/cpu", &tree["/cpus/cpu@1/phandle"]);
    expect("/poweroff/regmap", &tree["/soc/test@100000/phandle"]);
}

#[test]
fn phandles_are_unique() {
    let tree = properties(&build(&shape(8)).unwrap());
    let mut phandles: Vec<_> = tree
        .iter()
        .filter(|(path, _)| path.ends_with("/phandle"))
        .collect();
    phandles.sort_by_key(|(_, value)| *value);
    assert_eq!(phandles.len(), 2 * 8 + 2);
    assert!(
        phandles.windows(2).all(|pair| pair[0].1 != pair[1].1),
        "{phandles:?}"
    );
}

#[test]
fn what_is_not_there_is_not_mentioned() {
    let tree = properties(
        &build(&BoardShape {
            virtio_slots: 0..0,
            initrd: None,
            rng_seed: None,
            ..shape(1)
        })
        .unwrap(),
    );
    assert!(
        !tree
            .keys()
            .any(|path| path.contains("virtio_mmio") || path.contains("initrd"))
    );
    assert!(!tree.contains_key("/chosen/rng-seed"));
    assert!(
        !tree
            .keys()
            .any(|path| path.contains("numa") || path.contains("distance"))
    );
}

#[test]
fn nodes_have_their_memory_harts_and_distances() {
    let tree = properties(
        &build(&BoardShape {
            memory: THREE_NODES,
            ..shape(4)
        })
        .unwrap(),
    );
    let expect = |path: &str, values: &[u32]| assert_eq!(tree.get(path), Some(&cells(values)), "{path}");
    expect("/memory@80000000/numa-node-id", &[0]);
    expect("/memory@100000000/reg", &[1, 0, 0, 0x4000_0000]);
    expect("/memory@100000000/numa-node-id", &[2]);
    for (hart, node) in [0, 0, 1, 2].into_iter().enumerate() {
        expect(&format!("/cpus/cpu@{hart}/numa-node-id"), &[node]);
    }
    expect(
        "/distance-map/distance-matrix",
        &[0, 0, 10, 0, 1, 20, 0, 2, 20, 1, 1, 10, 1, 2, 20, 2, 2, 10],
    );
    assert_eq!(tree["/distance-map/compatible"], b"numa-distance-map-v1\0");
}

#[test]
fn a_command_line_with_nul_is_refused() {
    let error = build(&BoardShape {
        append: "quiet\0init=/bin/sh",
        ..shape(1)
    })
    .unwrap_err();
    assert!(error.to_string().contains("byte 5"), "{error}");
}

/// `dtc` checks more of the specification than the parser here: names against addresses, cell counts, interrupt maps.
#[cfg(not(target_arch = "wasm32"))]
#[test]
fn dtc_has_nothing_to_complain_about() {
    use std::io::Write;
    use std::process::{Command, Stdio};

    let tree = build(&BoardShape {
        memory: THREE_NODES,
        ..shape(4)
    })
    .unwrap();
    let spawned = Command::new("dtc")
        .args(["-I", "dtb", "-O", "dts"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    // Not every machine has dtc; the tests above stand without it.
    let Ok(mut dtc) = spawned else { return };
    dtc.stdin.take().unwrap().write_all(&tree).unwrap();
    let output = dtc.wait_with_output().unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaints}");
    assert_eq!(complaints, "");
}

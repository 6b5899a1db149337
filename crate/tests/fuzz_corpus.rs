//! The fuzz targets (`crate/fuzz`) without a fuzzer: every target over its seeds, and over mutations of them that are
//! the same each time. `npm run fuzz` searches longer and knows where it has been.

#![cfg(not(target_arch = "wasm32"))]

use std::path::Path;
use std::time::Instant;

use proptest::prelude::*;
use tabvisor::isa::riscv::insn::Op;

#[path = "../fuzz/src/bodies/mod.rs"]
mod bodies;

/// Mutations tried of each target's seeds, together.
const MUTATIONS: usize = 3000;
/// The longest input.
const LONGEST: usize = 4096;

/// The seeds of a target.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/seeds")
        .join(target);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let seeds: Vec<_> = files.iter().map(|file| std::fs::read(file).unwrap()).collect();
    assert!(!seeds.is_empty(), "{} is empty", folder.display());
    seeds
}

/// A generator of numbers that look random (xorshift64*).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 32) as usize % limit.max(1)
    }
}

/// What a fuzzer does to an input, a few times over.
fn mutate(input: &mut Vec<u8>, other: &[u8], numbers: &mut Numbers) {
    const TELLING: [u8; 8] = [0, 1, 0x7f, 0x80, 0xff, 0xfe, 0x10, 0x40];
    for _ in 0..=numbers.below(6) {
        let at = numbers.below(input.len());
        let some = 1 + numbers.below(16);
        let end = (at + some).min(input.len());
        match numbers.below(7) {
            0 if !input.is_empty() => input[at] ^= 1 << numbers.below(8),
            1 if !input.is_empty() => input[at] = TELLING[numbers.below(TELLING.len())],
            2 if !input.is_empty() => input[at] = numbers.next() as u8,
            3 => drop(input.drain(at..end)),
            4 => {
                let new = (0..some).map(|_| numbers.next() as u8).collect::<Vec<_>>();
                input.splice(at..at, new);
            }
            5 => {
                let again = input[at..end].to_vec();
                input.splice(at..at, again);
            }
            _ => {
                let from = numbers.below(other.len());
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
        }
    }
    input.truncate(LONGEST);
}

fn try_target(name: &str) {
    let (_, run) = bodies::ALL.iter().find(|(known, _)| *known == name).unwrap();
    let seeds = seeds(name);
    let start = Instant::now();
    run(&[]);
    for seed in &seeds {
        run(seed);
    }
    let mut numbers = Numbers(0x7ab_0152);
    for count in 0..MUTATIONS {
        let mut input = seeds[count % seeds.len()].clone();
        mutate(&mut input, &seeds[numbers.below(seeds.len())], &mut numbers);
        let outcome = std::panic::catch_unwind(|| run(&input));
        assert!(outcome.is_ok(), "mutation {count}, bytes {input:02x?}");
    }
    // Shown with --nocapture.
    println!(
        "{name}: {:.0} a second",
        MUTATIONS as f64 / start.elapsed().as_secs_f64()
    );
}

macro_rules! targets {
    ($($name:ident)*) => {
        $(#[test] fn $name() { try_target(stringify!($name)); })*

        #[test]
        fn every_target_is_tried() {
            let names: Vec<_> = bodies::ALL.iter().map(|(name, _)| *name).collect();
            assert_eq!(names, [$(stringify!($name)),*]);
        }
    };
}

targets! { cpio decoder device_tree execute image ir ir_text p9 registers virtio virtqueue }

#[test]
fn every_compressed_encoding_decodes_within_its_ranges() {
    let legal = (0..=u16::MAX)
        .filter(|half| half & 3 != 3)
        .filter(|&half| bodies::decoder::check(half.into()).op != Op::Illegal);
    // RV64C leaves few encodings without a meaning.
    assert!(legal.count() > 40_000);
}

/// The major opcodes with a meaning.
const OPCODES: &[u32] = &[
    0x03, 0x07, 0x0f, 0x13, 0x17, 0x1b, 0x23, 0x27, 0x2f, 0x33, 0x37, 0x3b, 0x43, 0x47, 0x4b, 0x4f, 0x53,
    0x63, 0x67, 0x6f, 0x73,
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 200_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn encodings_decode_within_their_ranges(bits: u32, opcode in proptest::sample::select(OPCODES)) {
        bodies::decoder::check(bits);
        bodies::decoder::check(bits & !0x7f | opcode);
    }
}

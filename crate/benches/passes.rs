//! What the passes over the intermediate representation do to lifted guest code, and what they cost.
//!
//! ```sh
//! cargo bench -p tabvisor --bench passes -- --quick              over the guest code of tests/golden
//! TEXT=kernel.bin BASE=80200000 cargo bench -p tabvisor --bench passes -- --quick     over code at that address
//! ```
//!
//! For code of a file, a region is formed at each address that follows a region, as a boot would.

use std::collections::HashMap;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use tabvisor::ir::{
    Inst, Region,
    passes::{self, Level, PASSES, PassSet},
};
use tabvisor::isa::riscv::{decode::decode, insn::Insn};
use tabvisor::jit::region::{Limits, NoProfile, Source, form};

/// Instructions by their addresses.
#[derive(Default)]
struct Listing(HashMap<u64, Insn>);

impl Source for Listing {
    fn instruction(&mut self, pc: u64) -> Option<Insn> {
        self.0.get(&pc).copied()
    }
}

/// Code from an address on.
struct Code {
    base: u64,
    bytes: Vec<u8>,
}

impl Source for Code {
    fn instruction(&mut self, pc: u64) -> Option<Insn> {
        let at = usize::try_from(pc.checked_sub(self.base)?).ok()?;
        let half = |at: usize| Some(u16::from_le_bytes(self.bytes.get(at..at + 2)?.try_into().ok()?));
        let low = half(at)?;
        let high = if low & 3 == 3 { half(at + 2)? } else { 0 };
        Some(decode(u32::from(low) | u32::from(high) << 16))
    }
}

/// Most regions of a file's code.
const REGIONS: usize = 4000;

fn regions(limits: &Limits) -> Vec<Region> {
    if let Some(path) = std::env::var_os("TEXT") {
        let base = std::env::var("BASE").unwrap_or_default();
        let base = u64::from_str_radix(&base, 16).expect("BASE is a hexadecimal address");
        let mut code = Code {
            base,
            bytes: std::fs::read(path).expect("TEXT is a file"),
        };
        let end = base + code.bytes.len() as u64;
        let mut regions = Vec::new();
        let mut pc = base;
        while pc < end && regions.len() < REGIONS {
            let formed = form(pc, &mut code, limits, &NoProfile);
            let passed = formed
                .as_ref()
                .map_or(1, |formed| formed.region.guest_instructions().max(1));
            pc += u64::from(passed) * 4;
            regions.extend(formed.map(|formed| formed.region));
        }
        return regions;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("golden files")
        .map(|entry| entry.expect("a file").path())
        .collect();
    files.sort();
    files.iter().filter_map(|path| golden(path, limits)).collect()
}

/// The region of a golden file's guest code.
fn golden(path: &Path, limits: &Limits) -> Option<Region> {
    let text = std::fs::read_to_string(path).ok()?;
    let mut entry = None;
    let mut listing = Listing::default();
    let lines = text.lines().skip_while(|line| *line != "guest:").skip(1);
    for line in lines
        .take_while(|line| *line != "lifted:")
        .filter(|line| !line.is_empty())
    {
        let mut words = line.split_whitespace();
        let mut hex = || u64::from_str_radix(words.next()?, 16).ok();
        let (address, bits) = (hex()?, hex()?);
        entry.get_or_insert(address);
        listing.0.insert(address, decode(bits as u32));
    }
    form(entry?, &mut listing, limits, &NoProfile).map(|formed| formed.region)
}

fn optimised(regions: &[Region], level: Level, passes: PassSet) -> (Vec<Region>, Duration) {
    let mut regions = regions.to_vec();
    let start = Instant::now();
    for region in &mut regions {
        passes::shape(region, passes);
        passes::optimise(region, level, passes);
    }
    (regions, start.elapsed())
}

/// What there is in regions.
#[derive(Default)]
struct Counts {
    insts: usize,
    blocks: usize,
    /// Reads and writes of slots that are in memory, and all.
    memory_slots: usize,
    slots: usize,
    checks: usize,
}

impl Counts {
    fn of(regions: &[Region]) -> Self {
        let mut counts = Counts::default();
        for region in regions {
            counts.blocks += region.blocks.len();
            for inst in region.blocks.iter().flat_map(|block| &block.insts) {
                counts.insts += 1;
                match inst {
                    Inst::Get(slot) | Inst::Set(slot, _) => {
                        counts.slots += 1;
                        counts.memory_slots += usize::from(!region.locals.contains(*slot));
                    }
                    Inst::Window { .. } | Inst::Load { via: None, .. } | Inst::Store { via: None, .. } => {
                        counts.checks += 1;
                    }
                    _ => {}
                }
            }
        }
        counts
    }
}

fn table(name: &str, regions: &[Region], level: Level) {
    let guest: u32 = regions.iter().map(Region::guest_instructions).sum();
    println!("{name}: {} regions, {guest} guest instructions", regions.len());
    println!(
        "| passes | instructions | blocks | slots read, written | in memory | checks | ns a guest instruction |"
    );
    println!("|---|---|---|---|---|---|---|");
    let without = PASSES.map(|(pass, name)| (format!("without {name}"), PassSet::ALL.without(pass)));
    let sets = [
        ("none".to_owned(), PassSet::NONE),
        ("all".to_owned(), PassSet::ALL),
    ];
    for (name, passes) in sets.into_iter().chain(without) {
        let mut best = Duration::MAX;
        let mut result = Vec::new();
        for _ in 0..5 {
            let (regions, time) = optimised(regions, level, passes);
            best = best.min(time);
            result = regions;
        }
        let counts = Counts::of(&result);
        println!(
            "| {name} | {} | {} | {} | {} | {} | {:.0} |",
            counts.insts,
            counts.blocks,
            counts.slots,
            counts.memory_slots,
            counts.checks,
            best.as_nanos() as f64 / f64::from(guest.max(1)),
        );
    }
    println!();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for (name, level, limits) in [
        ("quick", Level::Quick, Limits::QUICK),
        ("hot", Level::Hot, Limits::HOT),
    ] {
        let regions = regions(&limits);
        table(name, &regions, level);
        let mut group = criterion.benchmark_group("passes");
        group.throughput(Throughput::Elements(
            regions
                .iter()
                .map(|region| u64::from(region.guest_instructions()))
                .sum(),
        ));
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(optimised(&regions, level, PassSet::ALL)));
        });
        group.finish();
    }
    criterion.final_summary();
}

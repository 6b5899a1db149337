//! Machine code by Cranelift: how long it takes to make, and how fast it is.
//!
//! * `compile`: what one guest instruction costs each tier, over loops and over generated regions.
//! * `loop`: four loops of guest code over 32 KiB, each access checked against the fast table, beside the same in Rust.
//!
//! The number of bytes of code for each guest instruction is printed first.
//!
//! ```sh
//! cargo bench -p tabvisor --bench native_code -- --quick
//! ```

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use tabvisor::{
    ir::{Abi, Region, generate, interpret::State, scene::Scene},
    isa::riscv::{decode::decode, insn::Insn},
    jit::{
        Backend, Code, Job, Tier,
        native::{NativeBackend, Options, Threading},
        region::{self, Limits, NoProfile, Source, slots},
    },
};

/// Where the loops' data lies for the guest: below the 16 pages that the fast table has.
const DATA: u64 = 0x8000_0000;
/// Double words of data.
const WORDS: usize = 4096;
/// Where code lies.
const TEXT: u64 = 0x1000;
/// An address that nothing is left for.
const NOWHERE: u64 = 0x5a81_0246_8ace_13b7;

/// A loop from a0 to a1 that ends with `ret`.
struct Loop {
    name: &'static str,
    code: &'static [u32],
    /// Bytes that a0 moves on each time round.
    step: u64,
    /// The same in Rust.
    rust: fn(&mut [u64]) -> u64,
}

const LOOPS: [Loop; 4] = [
    // ld a3,0(a0); add a2,a2,a3; addi a0,a0,8; bne a0,a1,.-12
    Loop {
        name: "sum",
        code: &[0x0005_3683, 0x00d6_0633, 0x0085_0513, 0xfeb5_1ae3, 0x8067],
        step: 8,
        rust: |data| data.iter().fold(0, |sum, &word| black_box(sum + word)),
    },
    // lbu a3,0(a0); sb a3,0(a0); addi a0,a0,1; bne a0,a1,.-12
    Loop {
        name: "bytes",
        code: &[0x0005_4683, 0x00d5_0023, 0x0015_0513, 0xfeb5_1ae3, 0x8067],
        step: 1,
        rust: |data| {
            for byte in data.iter_mut().flat_map(|word| [*word as u8; 8]) {
                black_box(byte);
            }
            0
        },
    },
    // lw a3,0(a0); slliw a4,a3,13; srliw a5,a3,19; or a4,a4,a5; addw a2,a2,a4; xor a2,a2,a3; mulw a2,a2,a6;
    // sw a2,0(a0); addi a0,a0,4; bne a0,a1,.-36
    Loop {
        name: "mix",
        code: &[
            0x0005_2683,
            0x00d6_971b,
            0x0136_d79b,
            0x00f7_6733,
            0x00e6_063b,
            0x00d6_4633,
            0x0306_063b,
            0x00c5_2023,
            0x0045_0513,
            0xfcb5_1ee3,
            0x8067,
        ],
        step: 4,
        rust: |data| {
            let mut hash = 0u32;
            for word in data {
                for half in [*word as u32, (*word >> 32) as u32] {
                    hash = (hash.wrapping_add(half.rotate_left(13)) ^ half).wrapping_mul(0x9e37);
                }
                *word = hash.into();
            }
            hash.into()
        },
    },
    // fld fa1,0(a0); fld fa2,8(a0); fmul.d fa1,fa1,fa2; fadd.d fa0,fa0,fa1; addi a0,a0,16; bne a0,a1,.-20
    Loop {
        name: "dot",
        code: &[
            0x0005_3587,
            0x0085_3607,
            0x12c5_f5d3,
            0x02b5_7553,
            0x0105_0513,
            0xfeb5_16e3,
            0x8067,
        ],
        step: 16,
        rust: |data| {
            let pairs = data
                .chunks(2)
                .map(|pair| f64::from_bits(pair[0]) * f64::from_bits(pair[1]));
            pairs
                .fold(0.0, |sum: f64, product| black_box(sum + product))
                .to_bits()
        },
    },
];

impl Source for &Loop {
    fn instruction(&mut self, pc: u64) -> Option<Insn> {
        self.code
            .get((pc.checked_sub(TEXT)? / 4) as usize)
            .map(|&bits| decode(bits))
    }
}

impl Loop {
    fn region(&self) -> Region {
        region::form(TEXT, &mut &*self, &Limits::HOT, &NoProfile)
            .expect("the loops can be compiled")
            .region
    }
}

fn abi() -> Abi {
    Abi {
        slots: slots::slot_infos(|slot| 1024 + u32::from(slot.0) * 8),
        ..generate::abi(8)
    }
}

extern "C" fn no_helper(_: *mut u8, addr: u64, _: u64, _: u64, code: u32) -> u64 {
    eprintln!("a helper was called: {addr:#x}, {code}");
    std::process::abort()
}

/// A state, and what it points to.
struct Hart {
    abi: Abi,
    state: Vec<u64>,
    data: Vec<u64>,
    _table: Vec<u64>,
    _targets: Vec<u64>,
}

impl Hart {
    fn new() -> Self {
        let abi = abi();
        let data = vec![1.5f64.to_bits(); WORDS];
        let mut state = vec![0u64; 256];
        let mut table = Vec::new();
        for page in 0..16u64 {
            let tag = DATA + page * 4096;
            table.extend([tag, tag, (data.as_ptr() as u64).wrapping_sub(DATA), 0]);
        }
        let layout = &abi.target_layout;
        let targets = vec![NOWHERE; ((layout.set_mask + 1) * layout.ways * 4) as usize];
        state[abi.table as usize / 8] = table.as_ptr() as u64;
        state[abi.targets as usize / 8] = targets.as_ptr() as u64;
        let helper: extern "C" fn(*mut u8, u64, u64, u64, u32) -> u64 = no_helper;
        state[abi.helpers as usize / 8..][..6].fill(helper as usize as u64);
        Self {
            abi,
            state,
            data,
            _table: table,
            _targets: targets,
        }
    }

    /// Runs a loop over the data.
    fn run(&mut self, backend: &NativeBackend, code: Code) -> u64 {
        let mut start = State {
            slots: vec![0; 65],
            retired: 0,
            run_until: u64::MAX,
            inexact: true,
            rounding: 0,
        };
        // mstatus: floating-point registers are on, and dirty.
        start.slots[64] = 3 << 13;
        (start.slots[10], start.slots[11], start.slots[16]) = (DATA, DATA + WORDS as u64 * 8, 0x9e37);
        // SAFETY: the state's own memory, as bytes.
        let bytes =
            unsafe { std::slice::from_raw_parts_mut(self.state.as_mut_ptr().cast(), self.state.len() * 8) };
        Scene::write_state(&self.abi, &start, bytes);
        // SAFETY: the state is laid out as the back end was told, and the code is its own.
        let reason = unsafe { backend.call(code.function, bytes.as_mut_ptr(), 0) };
        assert_eq!(reason, 0);
        self.state[self.abi.retired as usize / 8]
    }
}

fn compile(backend: &mut NativeBackend, region: Region, tier: Tier) -> Code {
    let job = Job {
        number: 0,
        region,
        tier,
    };
    let mut finished = Vec::new();
    assert!(backend.submit(job).is_ok(), "nothing else waits");
    backend.finished(&mut finished);
    let done = finished.pop().expect("compiled here");
    done.result.expect("regions can be compiled")
}

fn main() {
    let mut c = Criterion::default().configure_from_args();
    let mut backend = NativeBackend::new(abi(), Options::usual(Threading::Here))
        .expect("a host for which code can be made");
    let generated: Vec<Region> = (0..64)
        .map(|seed| generate::case_of_seed(seed, 60).region)
        .collect();
    let sets = [
        ("loops", LOOPS.iter().map(Loop::region).collect()),
        ("generated", generated),
    ];
    let tiers = [("quick", Tier::Quick), ("hot", Tier::Hot)];
    let mut group = c.benchmark_group("compile");
    for ((set, regions), (name, tier)) in sets.iter().flat_map(|set| tiers.map(|tier| (set, tier))) {
        let instructions: u64 = regions
            .iter()
            .map(|region| u64::from(region.guest_instructions()))
            .sum();
        let mut bytes = 0;
        for region in regions {
            let code = compile(&mut backend, region.clone(), tier);
            bytes += code.bytes;
            backend.release(code);
        }
        println!(
            "{set}, {name}: {:.1} bytes of code for a guest instruction",
            bytes as f64 / instructions as f64
        );
        group.throughput(Throughput::Elements(instructions));
        group.bench_function(BenchmarkId::new(*set, name), |b| {
            b.iter(|| {
                for region in regions {
                    let code = compile(&mut backend, region.clone(), tier);
                    backend.release(code);
                }
            });
        });
    }
    group.finish();

    let mut group = c.benchmark_group("loop");
    let mut hart = Hart::new();
    for kernel in &LOOPS {
        group.throughput(Throughput::Elements(WORDS as u64 * 8 / kernel.step));
        for (name, tier) in tiers {
            let code = compile(&mut backend, kernel.region(), tier);
            group.bench_function(BenchmarkId::new(kernel.name, name), |b| {
                hart.data.fill(1.5f64.to_bits());
                b.iter(|| hart.run(&backend, code));
            });
        }
        group.bench_function(BenchmarkId::new(kernel.name, "rust"), |b| {
            hart.data.fill(1.5f64.to_bits());
            b.iter(|| (kernel.rust)(black_box(&mut hart.data)));
        });
    }
    group.finish();
}

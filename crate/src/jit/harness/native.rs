//! Machine code, called with a [`Scene`] for a world.

use tabvisor::ir::abi::Helper;
use tabvisor::ir::generate::{self, STATE_BYTES};
use tabvisor::ir::interpret::{self, State};
use tabvisor::ir::passes::PassSet;
use tabvisor::ir::scene::Scene;
use tabvisor::ir::verify::verify;
use tabvisor::ir::{Abi, PointId, Region};
use tabvisor::jit::native::{NativeBackend, Options, Threading};
use tabvisor::jit::{Backend, Code, Finished, Job, Tier};

/// Where the state for tests has the pointer to its scene.
const SCENE: usize = 1000;

/// An address that no region is left for.
pub const NOWHERE: u64 = 0x5a81_0246_8ace_13b7;

/// The number that regions are given.
const NUMBER: u32 = 77;

/// A back end that compiles here, and a state and a scene for its code.
#[derive(Debug)]
pub struct Bench {
    /// The back end.
    pub backend: NativeBackend,
    /// Where its code finds everything.
    pub abi: Abi,
    state: Vec<u64>,
    /// What the code that ran last left.
    pub scene: Box<Scene>,
    table: Vec<u8>,
    /// The branch-target cache.
    pub targets: Vec<u64>,
}

extern "C" fn help<const N: u32>(state: *mut u8, a: u64, b: u64, c: u64, code: u32) -> u64 {
    let abi = generate::abi(8);
    // SAFETY: the bench laid its state out so, and waits while compiled code uses it.
    let (scene, memory) = unsafe {
        let scene = &mut **state.add(SCENE).cast::<*mut Scene>();
        (scene, std::slice::from_raw_parts_mut(state, STATE_BYTES))
    };
    let mut run_until = u64::from_le_bytes(memory[abi.run_until as usize..][..8].try_into().unwrap());
    let flags = &mut memory[abi.float_flags as usize];
    let mut inexact = *flags & abi.inexact != 0;
    let made = scene.help(
        Helper::ALL[N as usize],
        [a, b, c],
        code,
        &mut run_until,
        &mut inexact,
    );
    *flags |= if inexact { abi.inexact } else { 0 };
    memory[abi.run_until as usize..][..8].copy_from_slice(&run_until.to_le_bytes());
    memory[abi.trapped as usize] = made.is_none().into();
    made.unwrap_or(0x5a5a_5a5a_5a5a_5a5a)
}

impl Bench {
    /// One that does these passes first.
    pub fn new(passes: PassSet) -> Self {
        let abi = generate::abi(8);
        let ways = abi.target_layout.ways as usize;
        Self {
            backend: NativeBackend::new(
                abi.clone(),
                Options {
                    passes,
                    ..Options::usual(Threading::Here)
                },
            )
            .unwrap(),
            state: vec![0; STATE_BYTES / 8],
            scene: Box::default(),
            table: Vec::new(),
            targets: vec![NOWHERE; (abi.target_layout.set_mask as usize + 1) * ways * 4],
            abi,
        }
    }

    /// Compiles a region as its tier is compiled on this host.
    pub fn compile(&mut self, region: &Region, number: u32, tier: Tier) -> Code {
        verify(region, &self.abi).unwrap();
        let region = region.clone();
        let mut job = Job { number, region, tier };
        match self.backend.compile_now(&mut job) {
            Some(Finished { number: done, result }) => {
                assert_eq!(done, number);
                result.unwrap()
            }
            None => {
                assert!(!self.backend.is_immediate(), "our own compiler refused a region");
                self.compile_by_cranelift(job)
            }
        }
    }

    fn compile_by_cranelift(&mut self, job: Job) -> Code {
        let number = job.number;
        self.backend.submit(job).unwrap();
        let mut finished = Vec::new();
        self.backend.finished(&mut finished);
        let Some(Finished { number: done, result }) = finished.pop() else {
            panic!("nothing was finished")
        };
        assert_eq!(done, number);
        result.unwrap()
    }

    fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the state's memory, as bytes.
        unsafe { std::slice::from_raw_parts_mut(self.state.as_mut_ptr().cast(), STATE_BYTES) }
    }

    fn put(&mut self, offset: u32, value: u64) {
        self.bytes()[offset as usize..][..8].copy_from_slice(&value.to_le_bytes());
    }

    fn word(&mut self, offset: u32) -> u32 {
        u32::from_le_bytes(self.bytes()[offset as usize..][..4].try_into().unwrap())
    }

    /// Runs code from a state. The reason, the state afterwards, and the program counter or point that was stored.
    pub fn run(&mut self, code: Code, state: &State, entry: u32) -> (u32, State, u64, u32) {
        let abi = self.abi.clone();
        self.state.fill(0);
        Scene::write_state(&abi, state, self.bytes());
        let host = self.scene.memory.as_mut_ptr() as u64;
        self.table = Scene::table(&abi, host);
        let (table, targets) = (self.table.as_ptr() as u64, self.targets.as_ptr() as u64);
        self.put(abi.table, table);
        self.put(abi.targets, targets);
        let helpers = [
            help::<0>, help::<1>, help::<2>, help::<3>, help::<4>, help::<5>, help::<6>,
        ];
        for (number, &helper) in helpers.iter().enumerate() {
            let helper: extern "C" fn(*mut u8, u64, u64, u64, u32) -> u64 = helper;
            self.put(abi.helpers + number as u32 * 8, helper as usize as u64);
        }
        let scene = &raw mut *self.scene as u64;
        self.put(SCENE as u32, scene);
        let memory = self.state.as_mut_ptr().cast();
        // SAFETY: the state is laid out as the back end was told, and the code is its own.
        let reason = unsafe { self.backend.call(code.function, memory, entry) };
        let after = Scene::read_state(&abi, self.bytes());
        let pc = u64::from_le_bytes(self.bytes()[abi.pc as usize..][..8].try_into().unwrap());
        (reason, after, pc, self.word(abi.point))
    }

    /// Compiles a region, runs it, and holds it against the reference. Both compilers do it, as a host may have either.
    pub fn check(&mut self, region: &Region, entry: usize, state: &State, tier: Tier) {
        let mut reference = state.clone();
        let mut world = Scene::default();
        let Ok(left) = interpret::run(region, entry, &mut reference, &mut world, 100_000) else {
            return;
        };
        let own = self.compile(region, NUMBER, tier);
        let cranelifts = self.compile_by_cranelift(Job {
            number: NUMBER,
            region: region.clone(),
            tier,
        });
        for code in [own, cranelifts] {
            *self.scene = Scene::default();
            let (reason, mut after, pc, point) = self.run(code, state, entry as u32);
            assert_eq!(reason, left.leave as u32, "{:?}", left.leave);
            match left.point {
                Some(expected) => {
                    assert_eq!(PointId(point), expected);
                    assert_eq!(self.word(self.abi.region), NUMBER);
                    after.retired += u64::from(region.point(expected).done);
                }
                None => assert_eq!(pc, left.pc),
            }
            assert_eq!(after, reference);
            assert_eq!(*self.scene, world);
            self.backend.release(code);
        }
    }
}

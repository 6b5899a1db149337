//! A machine as the worker drives it.

use std::fmt;
use std::future::Future;
use std::task::{Context, Poll, Waker};

use wasm_bindgen::JsError;
use wasm_bindgen::prelude::wasm_bindgen;

use super::ExitKind;
use super::heap;
use super::host::PausableClock;
use crate::engine::profile::Profile;
use crate::jit::gc::GcStats;
use crate::machine::{Exit, Machine};
use crate::storage::fs::{FsResult, MemoryFs};

/// Entries that [`WebMachine::list_files`] returns at most: a guest may make any number.
const MOST_LISTED: usize = 1000;
/// Folders within folders that it looks into.
const MOST_DEEP: u32 = 16;

/// A machine with an in-memory share, on the host's clock.
#[wasm_bindgen]
pub struct WebMachine {
    machine: Machine,
    files: MemoryFs,
    clock: PausableClock,
    software: String,
    idle_until_ns: Option<u64>,
    /// Guest time in milliseconds at which the machine fell idle; the machine itself counts idleness when it ends.
    idle_since: Option<f64>,
    exit_code: u16,
    /// Why the guest cannot go on.
    lost: String,
}

/// Counters since power-on, as JavaScript's numbers.
#[wasm_bindgen]
#[derive(Debug, Clone, Copy)]
pub struct Counters {
    /// Instructions retired by all harts.
    pub instructions: f64,
    /// Milliseconds with every hart waiting.
    #[wasm_bindgen(js_name = idleMs)]
    pub idle_ms: f64,
    /// Loads and stores.
    pub accesses: f64,
    /// Loads and stores whose address the fast table did not have.
    #[wasm_bindgen(js_name = tlbMisses)]
    pub tlb_misses: f64,
    /// Walks of the page table.
    #[wasm_bindgen(js_name = tlbWalks)]
    pub tlb_walks: f64,
    /// Fences of the guest over translations, of any kind.
    #[wasm_bindgen(js_name = tlbFences)]
    pub tlb_fences: f64,
    /// Bytes of guest memory.
    #[wasm_bindgen(js_name = ramBytes)]
    pub ram_bytes: f64,
    /// Bytes of it that were ever touched: the page never gets them back, but the next machine does.
    #[wasm_bindgen(js_name = ramInUseBytes)]
    pub ram_in_use_bytes: f64,
}

/// The compiler's figures since power-on, as JavaScript's numbers.
#[wasm_bindgen]
#[derive(Debug, Clone, Copy)]
pub struct JitCounters {
    /// Instructions retired by compiled code.
    pub instructions: f64,
    /// Regions formed for the quick tier.
    #[wasm_bindgen(js_name = quickRegions)]
    pub quick_regions: f64,
    /// Regions formed for the hot tier.
    #[wasm_bindgen(js_name = hotRegions)]
    pub hot_regions: f64,
    /// Of those, regions formed at the first arrivals, since a profile had their entries.
    pub foreseen: f64,
    /// Pages of code that the profile knows.
    #[wasm_bindgen(js_name = profilePages)]
    pub profile_pages: f64,
    /// Regions held now.
    pub regions: f64,
    /// WebAssembly modules that hold code now.
    pub modules: f64,
    /// Bytes of code held now.
    #[wasm_bindgen(js_name = codeBytes)]
    pub code_bytes: f64,
    /// Look-ups of the targets of jumps that found compiled code.
    #[wasm_bindgen(js_name = targetHits)]
    pub target_hits: f64,
    /// Look-ups that found none.
    #[wasm_bindgen(js_name = targetMisses)]
    pub target_misses: f64,
    /// The longest that the guest has stood still while code was compiled or handed to the browser, in milliseconds.
    #[wasm_bindgen(js_name = longestStallMs)]
    pub longest_stall_ms: f64,
    gc: GcStats,
}

/// Counters of the collector, by the names that JavaScript has for them.
macro_rules! gc_counters {
    ($($field:ident as $getter:ident: $name:literal, $what:literal;)*) => {
        #[wasm_bindgen]
        impl JitCounters {
            $(
                #[doc = $what]
                #[wasm_bindgen(getter, js_name = $name)]
                pub fn $getter(&self) -> f64 {
                    self.gc.$field as f64
                }
            )*

            /// How translations are collected.
            #[wasm_bindgen(getter, js_name = "gcMode")]
            pub fn gc_mode(&self) -> String {
                self.gc.mode.to_string()
            }

            /// What the longest pause was for: `look`, `free`, `flush`, `choose`, `copy`, `make` or `place`; `none` if there was none.
            #[wasm_bindgen(getter, js_name = "pauseMaxWork")]
            pub fn pause_max_work(&self) -> String {
                self.gc.pause_max_work.to_string()
            }

            /// How many steps of collections took up to 1, 2, 4, 8… microseconds.
            #[wasm_bindgen(getter, js_name = "pausesByDoublingUs")]
            pub fn pauses_by_doubling_us(&self) -> Vec<f64> {
                self.gc.pauses_by_doubling_us.iter().map(|&count| count as f64).collect()
            }
        }
    };
}

gc_counters! {
    minor as minor_collections: "minorCollections", "Minor collections.";
    major as major_collections: "majorCollections", "Major collections.";
    young_bytes as young_bytes: "youngBytes", "Bytes of young translations.";
    old_bytes as old_bytes: "oldBytes", "Bytes of old ones.";
    asleep_bytes as asleep_bytes: "asleepBytes", "Bytes of those that sleep.";
    promoted as promoted: "promoted", "Translations that have become old.";
    freed as freed: "freed", "Translations freed because they were not used.";
    revived as revived: "revived", "Translations whose source turned out to be what it was.";
    recompiled as recompiled: "recompiled", "Regions compiled again that had been given back.";
    moved as moved: "moved", "Regions moved into new modules.";
    returned_bytes as returned_bytes: "returnedBytes", "Bytes of modules given back.";
    pause_total_us as pause_total_us: "pauseTotalUs", "How long all pauses took, in microseconds.";
    pause_p50_us as pause_p50_us: "pauseP50Us", "What half of the pauses did not exceed, in microseconds.";
    pause_p99_us as pause_p99_us: "pauseP99Us", "What 99 in 100 pauses did not exceed, in microseconds.";
    pause_max_us as pause_max_us: "pauseMaxUs", "The longest pause, in microseconds.";
}

/// One entry of the share.
#[wasm_bindgen(getter_with_clone)]
#[derive(Debug, Clone)]
pub struct FileInfo {
    /// Path from the share's root, without a leading slash.
    pub path: String,
    /// `file` or `directory`.
    pub kind: String,
    /// Bytes.
    pub size: f64,
}

impl fmt::Debug for WebMachine {
    /// Short: a machine's whole state fills pages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebMachine")
            .field("stats", &self.machine.stats())
            .finish_non_exhaustive()
    }
}

impl WebMachine {
    pub(super) fn new(machine: Machine, files: MemoryFs, clock: PausableClock, software: String) -> Self {
        Self {
            machine,
            files,
            clock,
            software,
            idle_until_ns: None,
            idle_since: None,
            exit_code: 0,
            lost: String::new(),
        }
    }
}

#[wasm_bindgen]
impl WebMachine {
    /// Runs about `instructions` instructions, fewer when something else ends the slice.
    pub fn run(&mut self, instructions: u32) -> ExitKind {
        heap::keep_ahead();
        self.idle_since = None;
        match self.machine.run(u64::from(instructions)) {
            Exit::Budget => ExitKind::Budget,
            Exit::Idle { until_ns } => {
                self.idle_until_ns = until_ns;
                self.idle_since = Some(self.clock.now_ms());
                ExitKind::Idle
            }
            Exit::PowerOff => ExitKind::PowerOff,
            Exit::Reset => ExitKind::Reset,
            Exit::Failed { code } => {
                self.exit_code = code;
                ExitKind::Failed
            }
            Exit::Lost { text } => {
                self.lost = text;
                ExitKind::Lost
            }
        }
    }

    /// After [`ExitKind::Idle`]: guest time in milliseconds at which to run again; infinity if only input can wake it.
    #[wasm_bindgen(js_name = idleUntilMs)]
    pub fn idle_until_ms(&self) -> f64 {
        self.idle_until_ns.map_or(f64::INFINITY, |ns| ns as f64 / 1e6)
    }

    /// Guest time in milliseconds.
    #[wasm_bindgen(js_name = nowMs)]
    pub fn now_ms(&self) -> f64 {
        self.clock.now_ms()
    }

    /// The guest's exit status after [`ExitKind::Failed`].
    #[wasm_bindgen(js_name = exitCode)]
    pub fn exit_code(&self) -> u16 {
        self.exit_code
    }

    /// Why the guest cannot go on, after [`ExitKind::Lost`].
    pub fn lost(&self) -> String {
        self.lost.clone()
    }

    /// Lets guest time run. It stands still until this is called.
    #[wasm_bindgen(js_name = resumeClock)]
    pub fn resume_clock(&self) {
        self.clock.resume();
    }

    /// Stops guest time.
    #[wasm_bindgen(js_name = pauseClock)]
    pub fn pause_clock(&self) {
        self.clock.pause();
    }

    /// Boots again, like the reset button.
    pub fn reset(&mut self) -> Result<(), JsError> {
        self.idle_since = None;
        Ok(self.machine.reset()?)
    }

    /// Types at the console. Returns how many bytes were taken; the rest is to be offered again.
    pub fn input(&mut self, bytes: &[u8]) -> usize {
        self.machine.console_input(bytes)
    }

    /// What the console has printed since the last call.
    #[wasm_bindgen(js_name = takeOutput)]
    pub fn take_output(&mut self) -> Vec<u8> {
        self.machine.take_console_output()
    }

    /// Tells the guest the size of its terminal.
    pub fn resize(&mut self, cols: u16, rows: u16) {
        self.machine.console_resize(cols, rows);
    }

    /// Counters since power-on.
    pub fn stats(&self) -> Counters {
        let stats = self.machine.stats();
        let idle_now = self.idle_since.map_or(0.0, |since| self.clock.now_ms() - since);
        Counters {
            instructions: stats.instructions as f64,
            idle_ms: stats.idle_ns as f64 / 1e6 + idle_now,
            accesses: stats.accesses as f64,
            tlb_misses: stats.tlb_misses as f64,
            tlb_walks: stats.tlb.walks as f64,
            tlb_fences: stats.tlb.fences() as f64,
            ram_bytes: stats.ram_bytes as f64,
            ram_in_use_bytes: self.machine.memory_use().ram_in_use_bytes as f64,
        }
    }

    /// The compiler's counters since power-on; none under the interpreter.
    #[wasm_bindgen(js_name = jitStats)]
    pub fn jit_stats(&self) -> Option<JitCounters> {
        let stats = self.machine.stats().jit?;
        Some(JitCounters {
            instructions: stats.instructions as f64,
            quick_regions: stats.quick_regions as f64,
            hot_regions: stats.hot_regions as f64,
            foreseen: stats.foreseen as f64,
            profile_pages: stats.profile_pages as f64,
            regions: stats.regions as f64,
            modules: stats.modules as f64,
            code_bytes: stats.code_bytes as f64,
            target_hits: stats.target_hits as f64,
            target_misses: stats.target_misses as f64,
            longest_stall_ms: stats.longest_stall_us as f64 / 1e3,
            gc: stats.gc,
        })
    }

    /// What the machine boots, in a name that is the same for the same contents of kernel and firmware, and another for others.
    pub fn software(&self) -> String {
        self.software.clone()
    }

    /// What was learned of the guest's code, to be given to the next run of the same guest; nothing under the interpreter.
    pub fn profile(&self) -> Option<Vec<u8>> {
        Some(self.machine.profile()?.to_bytes())
    }

    /// Takes in what [`Self::profile`] gave in another run. Best before the machine runs.
    #[wasm_bindgen(js_name = useProfile)]
    pub fn use_profile(&mut self, bytes: &[u8]) -> Result<(), JsError> {
        let profile = Profile::from_bytes(bytes)
            .map_err(|error| JsError::new(&format!("the profile cannot be used: {error}")))?;
        self.machine.use_profile(profile);
        Ok(())
    }

    /// Where guest-virtual addresses lie in guest-physical memory, as a hart has them mapped; all ones where nothing is.
    pub fn translate(&self, hart: u32, addresses: &[u64]) -> Result<Vec<u64>, JsError> {
        // To its end at once: the machine must not be borrowed while the event loop has a turn.
        let mut work = std::pin::pin!(self.machine.translate_many(hart as usize, addresses, usize::MAX));
        let mut context = Context::from_waker(Waker::noop());
        loop {
            if let Poll::Ready(found) = work.as_mut().poll(&mut context) {
                let found = found.ok_or_else(|| JsError::new(&format!("there is no hart {hart}")))?;
                return Ok(found.into_iter().map(|at| at.unwrap_or(u64::MAX)).collect());
            }
        }
    }

    /// The share's entries in the order of their paths, up to a bound.
    #[wasm_bindgen(js_name = listFiles)]
    pub fn list_files(&self) -> Vec<FileInfo> {
        let mut found = Vec::new();
        self.list_folder("", MOST_DEEP, &mut found);
        found
    }

    /// Writes a file of the share, making folders on the way and replacing a file that is there.
    #[wasm_bindgen(js_name = writeFile)]
    pub fn write_file(&self, path: &str, contents: &[u8]) -> Result<(), JsError> {
        named(path, self.files.write_file(path, contents))
    }

    /// The contents of a file of the share.
    #[wasm_bindgen(js_name = readFile)]
    pub fn read_file(&self, path: &str) -> Result<Vec<u8>, JsError> {
        named(path, self.files.read_file(path))
    }

    /// Removes a file or an empty folder from the share.
    #[wasm_bindgen(js_name = removeFile)]
    pub fn remove_file(&self, path: &str) -> Result<(), JsError> {
        named(path, self.files.remove_file(path))
    }
}

impl WebMachine {
    /// Adds what is in `folder` and below it. A folder that cannot be read, or has just gone, is left out.
    fn list_folder(&self, folder: &str, depth: u32, found: &mut Vec<FileInfo>) {
        let entries = self.files.list(folder).unwrap_or_default();
        for entry in entries {
            if found.len() >= MOST_LISTED {
                return;
            }
            let path = if folder.is_empty() {
                entry.name
            } else {
                format!("{folder}/{}", entry.name)
            };
            found.push(FileInfo {
                path: path.clone(),
                kind: if entry.directory { "directory" } else { "file" }.into(),
                size: entry.size as f64,
            });
            if entry.directory && depth > 0 {
                self.list_folder(&path, depth - 1, found);
            }
        }
    }
}

/// Puts the path into the words of what went wrong with it.
fn named<T>(path: &str, result: FsResult<T>) -> Result<T, JsError> {
    result.map_err(|error| JsError::new(&format!("\"{path}\": {error}")))
}

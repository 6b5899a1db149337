//! Putting a machine together, one part at a time.

use std::sync::Arc;

use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsError, JsValue};
use web_sys::Blob;

use super::host::{PausableClock, entropy, epoch_ns};
use super::machine::WebMachine;
use crate::engine::profile;
use crate::engine::tiered::TierConfig;
use crate::engine::{Engine, EngineConfig, GcConfig};
use crate::ir::passes::PassSet;
use crate::machine::{Clock, Image, Machine, MachineConfig};
use crate::mem::HugePages;
use crate::mem::tlb::TlbConfig;
use crate::storage::fs::MemoryFs;
use crate::storage::{BlockBackend, BrowserFile, Overlay, RemoteDisk, remote};

/// The guest for who has none at hand.
const MONITOR: &[u8] = include_bytes!("../../../tests/guests/monitor/monitor.elf");

/// Bytes of a disk that the guest may change: they are kept in the page's memory.
const OVERLAY_LIMIT: u64 = 512 << 20;

/// Bytes that the share takes at most, file names and attributes included.
const SHARE_LIMIT: u64 = 256 << 20;

/// An image on its way into the module. It arrives in pieces that are copied here one by one, so that no second copy of
/// the whole lies in JavaScript's memory.
#[wasm_bindgen]
#[derive(Debug, Default)]
pub struct ImageBytes(Vec<u8>);

#[wasm_bindgen]
impl ImageBytes {
    /// Nothing yet.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes room for `bytes` more.
    pub fn reserve(&mut self, bytes: u32) -> Result<(), JsError> {
        self.0
            .try_reserve_exact(bytes as usize)
            .map_err(|_| JsError::new(&format!("there is no memory for an image of {bytes} bytes")))
    }

    /// Adds a piece.
    pub fn append(&mut self, piece: &[u8]) -> Result<(), JsError> {
        self.0
            .try_reserve(piece.len())
            .map_err(|_| JsError::new("there is no memory for the whole image"))?;
        self.0.extend_from_slice(piece);
        Ok(())
    }
}

/// A disk on a web server, open.
#[wasm_bindgen]
#[derive(Debug)]
pub struct RemoteFile(RemoteDisk);

#[wasm_bindgen]
impl RemoteFile {
    /// Opens the file at `url`, whose server must serve parts. `wake` is called when parts have arrived that a machine waits
    /// for.
    pub async fn open(url: String, wake: js_sys::Function) -> Result<RemoteFile, JsError> {
        let wake = Callback(wake);
        let wake = Arc::new(move || wake.call());
        Ok(RemoteFile(
            RemoteDisk::open(&url, remote::Options::default(), wake).await?,
        ))
    }
}

/// A function of the page's.
struct Callback(js_sys::Function);

// SAFETY: without shared memory a module has one thread, so nothing is ever sent or shared.
#[cfg(not(target_feature = "atomics"))]
unsafe impl Send for Callback {}
// SAFETY: as above.
#[cfg(not(target_feature = "atomics"))]
unsafe impl Sync for Callback {}

impl Callback {
    fn call(&self) {
        // If it throws, the machine sees what has arrived when it runs next.
        let _ = self.0.call0(&JsValue::NULL);
    }
}

/// Collects what a machine is made of; `build` makes it.
#[wasm_bindgen]
#[derive(Debug)]
pub struct MachineBuilder {
    memory_bytes: u64,
    harts: usize,
    append: String,
    engine: Engine,
    tlb: TlbConfig,
    gc: GcConfig,
    passes: PassSet,
    tiers: TierConfig,
    bios: Option<Image>,
    kernel: Option<Image>,
    initrd: Option<Image>,
    disks: Vec<Box<dyn BlockBackend>>,
    share: Option<String>,
}

#[wasm_bindgen]
impl MachineBuilder {
    /// `memory_mib` MiB of guest memory and `harts` guest processors.
    #[wasm_bindgen(constructor)]
    pub fn new(memory_mib: u32, harts: u32) -> Self {
        Self {
            memory_bytes: u64::from(memory_mib) << 20,
            harts: harts as usize,
            append: String::new(),
            engine: Engine::Auto,
            tlb: TlbConfig::default(),
            gc: GcConfig::default(),
            passes: PassSet::ALL,
            tiers: TierConfig::default(),
            bios: None,
            kernel: None,
            initrd: None,
            disks: Vec::new(),
            share: None,
        }
    }

    /// Sets the kernel command line.
    pub fn append(&mut self, text: String) {
        self.append = text;
    }

    /// Chooses how guest code is executed: `interp`, `jit` or `auto`.
    pub fn engine(&mut self, name: &str) -> Result<(), JsError> {
        self.engine = match name {
            "interp" => Engine::Interp,
            "jit" => Engine::Jit,
            "auto" => Engine::Auto,
            _ => {
                return Err(JsError::new(&format!(
                    "there is no engine \"{name}\": there are interp, jit and auto"
                )));
            }
        };
        Ok(())
    }

    /// Chooses how translations of addresses are remembered: words as [`TlbConfig::parse`] takes them.
    pub fn tlb(&mut self, words: &str) -> Result<(), JsError> {
        self.tlb = TlbConfig::parse(words)?;
        Ok(())
    }

    /// Chooses how compiled code is collected: words as [`GcConfig::parse`] takes them.
    pub fn gc(&mut self, words: &str) -> Result<(), JsError> {
        self.gc = GcConfig::parse(words)?;
        Ok(())
    }

    /// Chooses what the compiler does to make code faster: words as [`PassSet::parse`] takes them.
    pub fn passes(&mut self, words: &str) -> Result<(), JsError> {
        self.passes = PassSet::parse(words)?;
        Ok(())
    }

    /// Chooses what is compiled when: words as [`TierConfig::parse`] takes them.
    pub fn tiers(&mut self, words: &str) -> Result<(), JsError> {
        self.tiers = TierConfig::parse(words)?;
        Ok(())
    }

    /// M-mode firmware to run in place of our own. `name` is what messages call it.
    pub fn bios(&mut self, name: String, bytes: ImageBytes) {
        self.bios = Some(Image::new(name, bytes.0));
    }

    /// The kernel. Without one the embedded monitor runs.
    pub fn kernel(&mut self, name: String, bytes: ImageBytes) {
        self.kernel = Some(Image::new(name, bytes.0));
    }

    /// The initial RAM disk.
    pub fn initrd(&mut self, name: String, bytes: ImageBytes) {
        self.initrd = Some(Image::new(name, bytes.0));
    }

    /// Adds a disk. It is read from `contents` piece by piece; what the guest writes stays in memory. Only in a worker.
    pub fn disk(&mut self, contents: Blob, read_only: bool) -> Result<(), JsError> {
        self.add_disk(Box::new(BrowserFile::new(contents)?), read_only)
    }

    /// Adds a disk that a web server has. It is read in parts, as the guest asks for them; what the guest writes stays in
    /// memory.
    #[wasm_bindgen(js_name = remoteDisk)]
    pub fn remote_disk(&mut self, file: RemoteFile, read_only: bool) -> Result<(), JsError> {
        self.add_disk(Box::new(file.0), read_only)
    }

    /// Gives the guest an in-memory directory to share with the page, mounted over 9p by this tag.
    pub fn share(&mut self, tag: String) {
        self.share = Some(tag);
    }

    /// Makes the machine; the builder is used up.
    pub fn build(self) -> Result<WebMachine, JsError> {
        let mut kernel = self.kernel;
        if kernel.is_none() && self.bios.is_none() {
            kernel = Some(Image::new("monitor.elf", MONITOR));
        }
        let software = software(kernel.as_ref(), self.bios.as_ref());
        let clock = PausableClock::default();
        let files = MemoryFs::new(SHARE_LIMIT);
        let guest_clock = clock.clone();
        let machine = Machine::new(MachineConfig {
            memory_bytes: self.memory_bytes,
            harts: self.harts,
            numa: 1,
            huge_pages: HugePages::Auto,
            bios: self.bios,
            kernel,
            initrd: self.initrd,
            append: self.append,
            disks: self.disks,
            shares: self
                .share
                .map(|tag| (tag, Box::new(files.clone()) as _))
                .into_iter()
                .collect(),
            net: None,
            entropy: Box::new(entropy),
            engine: EngineConfig {
                tlb: self.tlb,
                gc: self.gc,
                passes: self.passes,
                tiers: self.tiers,
                ..self.engine.into()
            },
            clock: Clock::Host(Box::new(move || guest_clock.now_ns())),
            epoch_ns: epoch_ns(),
        })?;
        Ok(WebMachine::new(machine, files, clock, software))
    }
}

impl MachineBuilder {
    fn add_disk(&mut self, disk: Box<dyn BlockBackend>, read_only: bool) -> Result<(), JsError> {
        self.disks.push(if read_only {
            disk
        } else {
            Box::new(Overlay::new(disk, OVERLAY_LIMIT)?)
        });
        Ok(())
    }
}

/// A name for what a machine boots that tells other contents apart.
fn software(kernel: Option<&Image>, bios: Option<&Image>) -> String {
    let part = |image: Option<&Image>| {
        let bytes = image.map_or(&[][..], |image| &image.bytes);
        format!("{:016x}-{}", profile::contents(bytes), bytes.len())
    };
    format!("{}-{}", part(kernel), part(bios))
}

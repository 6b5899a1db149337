//! From what was typed to what a machine is made of.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use tabvisor::engine::EngineConfig;
use tabvisor::machine::{Clock, Image, MachineConfig};
use tabvisor::net::NetBackend;
use tabvisor::net::user::{UserConfig, UserNetwork};
use tabvisor::storage::{BlockBackend, FileDisk, Overlay, RemoteDisk, remote};

use tabvisor::storage::fs::{FileSystem, HostFs};

use super::inbox::Inbox;
use super::terminal;
use crate::args::{Compiler, DiskArgument, DiskPlace, Engine, Network, RunArguments};
use crate::guest::{self, Manifest};

/// The guest that is always there: a monitor in supervisor mode.
const MONITOR: &[u8] = include_bytes!("../../../../../tests/guests/monitor/monitor.elf");

/// How long an instruction takes in a lockstep: as long as it does the interpreter, about.
const LOCKSTEP_NS: u64 = 10;
/// Bytes of a disk on a web server that the guest may change.
const OVERLAY_LIMIT: u64 = 4 << 30;
/// When it is in a lockstep: the middle of November 2023.
const LOCKSTEP_EPOCH_NS: u64 = 1_700_000_000_000_000_000;

/// Reads all files and opens all disks. `start` is when the guest's time begins.
pub fn machine(
    arguments: &RunArguments,
    net: Network,
    inbox: &Inbox,
    start: Instant,
) -> Result<MachineConfig> {
    let software = software(arguments)?;
    let disks = arguments
        .disks
        .iter()
        .map(|argument| disk(argument, inbox, arguments.lockstep));
    let disks = disks.collect::<Result<_>>()?;
    let mut shares = Vec::new();
    for share in &arguments.shares {
        let folder = HostFs::new(&share.folder, share.read_only)?;
        shares.push((share.tag.clone(), Box::new(folder) as Box<dyn FileSystem>));
    }
    let epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(MachineConfig {
        memory_bytes: arguments.memory,
        harts: arguments.harts,
        numa: arguments.numa,
        huge_pages: arguments.huge_pages.into(),
        bios: software.bios,
        kernel: software.kernel,
        initrd: software.initrd,
        append: software.append,
        disks,
        shares,
        net: network(net, inbox)?,
        entropy: Box::new(|bytes| {
            getrandom::fill(bytes).expect("the host's random source does not fail once it has begun");
        }),
        engine: EngineConfig {
            engine: match arguments.engine {
                Engine::Interp => tabvisor::engine::Engine::Interp,
                Engine::Jit => tabvisor::engine::Engine::Jit,
                Engine::Auto => tabvisor::engine::Engine::Auto,
            },
            compiler: match arguments.compiler {
                Compiler::Own => tabvisor::engine::Compiler::Own,
                Compiler::Cranelift => tabvisor::engine::Compiler::Cranelift,
            },
            passes: arguments.passes,
            tlb: arguments.tlb,
            gc: arguments.gc,
            tiers: arguments.tiers,
            ..EngineConfig::default()
        },
        // A count of nanoseconds fits 64 bits for five centuries.
        clock: Clock::Host(Box::new(move || start.elapsed().as_nanos() as u64)),
        epoch_ns: epoch.as_nanos() as u64,
    })
}

/// What [`machine`] says, for one of the two machines of a lockstep: nothing that happens is of the host's making.
pub fn in_lockstep(arguments: &RunArguments, inbox: &Inbox, start: Instant) -> Result<MachineConfig> {
    let writable = arguments.disks.iter().find(|disk| !disk.read_only);
    if let Some(disk) = writable {
        bail!(
            "two machines cannot write to one disk: give {},ro with --lockstep",
            disk.place
        );
    }
    if let Some(share) = arguments.shares.iter().find(|share| !share.read_only) {
        bail!(
            "two machines cannot write to one folder: give {}={},ro with --lockstep",
            share.tag,
            share.folder.display()
        );
    }
    let mut config = machine(arguments, Network::None, inbox, start)?;
    config.engine.engine = tabvisor::engine::Engine::Jit;
    config.clock = Clock::Virtual {
        ns_per_instruction: LOCKSTEP_NS,
    };
    // Random enough to boot with.
    let mut state = 0_u64;
    config.entropy = Box::new(move |bytes| {
        for byte in bytes {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *byte = (state >> 56) as u8;
        }
    });
    config.epoch_ns = LOCKSTEP_EPOCH_NS;
    Ok(config)
}

/// Opens a disk. What a guest writes to one on a web server stays in memory. With `patient`, whose machine nobody wakes, its
/// reads wait for the server.
fn disk(argument: &DiskArgument, inbox: &Inbox, patient: bool) -> Result<Box<dyn BlockBackend>> {
    let url = match &argument.place {
        DiskPlace::File(file) => return Ok(Box::new(FileDisk::open(file, argument.read_only)?)),
        DiskPlace::Web(url) => url,
    };
    let options = remote::Options {
        patient,
        ..remote::Options::default()
    };
    let inbox = inbox.clone();
    let disk = RemoteDisk::open(url, options, Arc::new(move || inbox.put_arrival()))?;
    Ok(if argument.read_only {
        Box::new(disk)
    } else {
        Box::new(Overlay::new(Box::new(disk), OVERLAY_LIMIT)?)
    })
}

fn network(kind: Network, inbox: &Inbox) -> Result<Option<Box<dyn NetBackend>>> {
    match kind {
        Network::None => Ok(None),
        Network::User => {
            let inbox = inbox.clone();
            let network = UserNetwork::start(UserConfig::from_host(), Arc::new(move || inbox.put_arrival()))?;
            Ok(Some(Box::new(network)))
        }
    }
}

/// What the machine boots from.
#[derive(Debug, Default)]
struct Software {
    bios: Option<Image>,
    kernel: Option<Image>,
    initrd: Option<Image>,
    append: String,
}

fn software(arguments: &RunArguments) -> Result<Software> {
    let folder = guest::folder()?;
    let mut software = match (arguments.guest.as_deref(), &arguments.kernel) {
        (Some("none"), _) | (None, Some(_)) => Software::default(),
        (Some(name), _) => named(&folder, name)?,
        (None, None) if folder.join("debian/manifest.json").exists() => named(&folder, "debian")?,
        (None, None) => named(&folder, "monitor")?,
    };
    if let Some(file) = &arguments.kernel {
        software.kernel = Some(image(file)?);
    }
    if let Some(file) = &arguments.initrd {
        software.initrd = Some(image(file)?);
    }
    if let Some(file) = &arguments.bios {
        software.bios = Some(firmware(&folder, file)?);
    }
    if let Some(append) = &arguments.append {
        software.append.clone_from(append);
    }
    Ok(software)
}

/// What a guest's manifest says.
fn named(folder: &Path, name: &str) -> Result<Software> {
    if name == "monitor" {
        let kernel = Some(Image::new("monitor.elf", MONITOR));
        return Ok(Software {
            kernel,
            ..Software::default()
        });
    }
    let at = folder.join(name);
    let Some(manifest) = manifest_of(folder, name)? else {
        let mut names = guest::names(folder)?;
        names.insert(0, "monitor".to_owned());
        bail!(
            "there is no guest {name} in {}: there are {}; `tabvisor guest list` tells which can be fetched",
            folder.display(),
            names.join(", ")
        );
    };
    let file = |name: &Option<String>| name.as_ref().map(|name| image(&at.join(name))).transpose();
    Ok(Software {
        bios: file(&manifest.bios)?,
        kernel: file(&manifest.kernel)?,
        initrd: file(&manifest.initrd)?,
        append: with_terminal(manifest.append),
    })
}

/// A serial line does not know its terminal: the kernel hands words it does not know to the guest's first process, as
/// its environment.
fn with_terminal(mut append: String) -> String {
    if let (false, Some((columns, rows))) = (append.is_empty(), terminal::size()) {
        append += &format!(" COLUMNS={columns} LINES={rows}");
        let plain = |name: &String| {
            name.chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_.+".contains(c))
        };
        if let Some(name) = std::env::var("TERM").ok().filter(plain) {
            append += &format!(" TERM={name}");
        }
    }
    append
}

fn manifest_of(folder: &Path, name: &str) -> Result<Option<Manifest>> {
    // A name, not a path that leads elsewhere.
    if name.is_empty() || name.starts_with('.') || name.contains('/') {
        return Ok(None);
    }
    guest::manifest(&folder.join(name))
}

/// Firmware: a file, or the name of a guest that has some.
fn firmware(folder: &Path, file: &Path) -> Result<Image> {
    if !file.exists()
        && let Some(name) = file.to_str()
        && let Some(Manifest { bios: Some(bios), .. }) = manifest_of(folder, name)?
    {
        return image(&folder.join(name).join(bios));
    }
    image(file)
}

fn image(file: &Path) -> Result<Image> {
    let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(Image::new(file.display().to_string(), bytes))
}

//! What can be typed.

use std::fmt;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use tabvisor::engine::GcConfig;
use tabvisor::engine::tiered::TierConfig;
use tabvisor::ir::passes::PassSet;
use tabvisor::mem::tlb::TlbConfig;

/// A virtual machine for real 64-bit operating systems.
#[derive(Debug, Parser)]
#[command(name = "tabvisor", version)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Boot a guest in this terminal; Ctrl-A X leaves it
    Run(Box<RunArguments>),
    /// Guests that can be run by name
    #[command(subcommand)]
    Guest(GuestCommand),
}

/// The exit status is the guest's: 0 when it powers off, its code when it says it failed. A guest stopped by --timeout
/// gives 124. Ctrl-A H shows the keys.
#[derive(Debug, Args)]
#[command(after_help = RUN_HELP)]
pub struct RunArguments {
    /// Guest to boot, by name; `none` for nothing but what other options give
    #[arg(long, value_name = "NAME")]
    pub guest: Option<String>,
    /// Kernel: an Image, raw or compressed, or an ELF file
    #[arg(long, value_name = "FILE")]
    pub kernel: Option<PathBuf>,
    /// Initial RAM disk
    #[arg(long, value_name = "FILE")]
    pub initrd: Option<PathBuf>,
    /// Kernel command line
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub append: Option<String>,
    /// Machine-mode firmware, or the name of a guest that is one; without it Tabvisor's own SBI answers
    #[arg(long, value_name = "FILE")]
    pub bios: Option<PathBuf>,
    /// Disk image, or the address of one on a web server that serves parts of files: it is read as the guest asks for it,
    /// and what the guest writes is kept in memory. With `,ro` the guest cannot write to it. May be given more than once
    #[arg(long = "disk", value_name = "FILE|URL[,ro]", value_parser = parse_disk)]
    pub disks: Vec<DiskArgument>,
    /// RAM: a number with K, M or G, or of mebibytes
    #[arg(long, value_name = "SIZE", default_value = "256M", value_parser = parse_memory)]
    pub memory: u64,
    /// Harts (processors), 1 to 8
    #[arg(long, value_name = "NUMBER", default_value = "1")]
    pub harts: usize,
    /// Memory nodes (NUMA) of the guest, 1 to 8 and not more than harts: memory and harts are shared out among them, and
    /// the memory of each comes from one node of this computer, if it has several
    #[arg(long, value_name = "NUMBER", default_value = "1")]
    pub numa: usize,
    /// Whether guest memory is in huge pages of this computer: faster, and a little more of it; auto for what is usually best
    #[arg(long, value_name = "auto|on|off", value_enum, default_value_t = HugePages::Auto, hide_possible_values = true)]
    pub huge_pages: HugePages,
    /// Whether pages of guest memory that are all zero are looked for while the guest is idle, and given back
    #[arg(long, value_name = "on|off", value_enum, default_value_t = Switch::On, hide_possible_values = true)]
    pub trim: Switch,
    /// Folder to share over 9p, and its tag; with `,ro` the guest cannot write to it. May be given more than once
    #[arg(long = "share", value_name = "TAG=DIR[,ro]", value_parser = parse_share)]
    pub shares: Vec<ShareArgument>,
    /// Network
    #[arg(long, value_enum, default_value_t = Network::User)]
    pub net: Network,
    /// How guest code is run
    #[arg(long, value_enum, default_value_t = Engine::Auto)]
    pub engine: Engine,
    /// Look for mistakes of the engine (the jit, whatever --engine says): the guest also runs on a second machine that interprets it
    /// instruction by instruction, and the first difference ends the run. Slow. Time is virtual, 10 ns an instruction,
    /// the same numbers are random each time, there is no network, and disks and shares must be read-only (`,ro`)
    #[arg(long)]
    pub lockstep: bool,
    /// What makes machine code: tabvisor's own compiler, which is quick, or Cranelift
    #[arg(long, value_enum, default_value_t = Compiler::Own)]
    pub compiler: Compiler,
    /// What the compiler is to know of the guest's code from runs before, and what this run adds to it at its end. The file is made
    /// if it does not exist
    #[arg(long, value_name = "FILE")]
    pub profile: Option<PathBuf>,
    /// How translations of addresses are remembered, in words separated by commas: fast, unified, per-cpu or concurrent; lru, plru, lfu,
    /// fifo or random; prefetch=PAGES; adaptive; walk-cache. no- before one of the last three turns it off
    #[arg(long, value_name = "WORDS", default_value = "", hide_default_value = true, value_parser = TlbConfig::parse)]
    pub tlb: TlbConfig,
    /// How compiled code is collected, in words separated by commas: generational, simple or off; budget=MIB for how much is
    /// kept
    #[arg(long, value_name = "WORDS", default_value = "", hide_default_value = true, value_parser = GcConfig::parse)]
    pub gc: GcConfig,
    /// When code is compiled, in words separated by commas: quick=ARRIVALS at an address before it is, retry=ARRIVALS before trying again,
    /// hot=TURNS of the guest that end in it before it is with every optimisation, or no-hot; look=INSTRUCTIONS between two
    /// looks at where branches go, 0 for none
    #[arg(long, value_name = "WORDS", default_value = "", hide_default_value = true, value_parser = TierConfig::parse)]
    pub tiers: TierConfig,
    /// What the compiler does to make code faster, such as all,-windows: to see what that is worth
    #[arg(long, value_name = "LIST", default_value = "all", value_parser = PassSet::parse)]
    pub passes: PassSet,
    /// What to log to standard error, separated by commas: trap, mmio, sbi, virtio, net, jit, numa, or all
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub trace: Vec<String>,
    /// Leave with status 0 once the guest has written this; any other end is then a failure
    #[arg(long, value_name = "TEXT")]
    pub exit_on: Option<String>,
    /// Leave with status 124 after so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub timeout: Option<f64>,
    /// At the end write the machine's figures to standard error, as JSON
    #[arg(long)]
    pub stats: bool,
    /// Write them every so many seconds while the guest runs, a line each time
    #[arg(long, value_name = "SECONDS", value_parser = parse_interval)]
    pub stats_every: Option<f64>,
}

const RUN_HELP: &str = "\
Without --guest, --kernel or --bios the guest is debian if it has been fetched, else monitor, which is built in.
--kernel, --initrd, --append and --bios replace what the guest named by --guest has.

Examples:
  tabvisor run
  tabvisor run --memory 1G --harts 4 --share host=. --disk disk.img
  tabvisor run --guest debian --bios opensbi
  tabvisor run --kernel Image --initrd initrd.gz --append console=ttyS0";

/// A disk image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskArgument {
    pub place: DiskPlace,
    pub read_only: bool,
}

/// Where a disk image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DiskPlace {
    /// A file of the host.
    File(PathBuf),
    /// On a web server.
    Web(String),
}

impl fmt::Display for DiskPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DiskPlace::File(path) => path.display().fmt(f),
            DiskPlace::Web(url) => f.write_str(url),
        }
    }
}

/// A folder of the host and what the guest knows it by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareArgument {
    pub tag: String,
    pub folder: PathBuf,
    pub read_only: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Network {
    /// DHCP, DNS and connections out, through this user's own sockets
    User,
    /// No network device
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    On,
    Off,
}

/// Whether guest memory is in huge pages of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum HugePages {
    /// As was measured to be best
    Auto,
    /// Yes
    On,
    /// No
    Off,
}

impl From<HugePages> for tabvisor::mem::HugePages {
    fn from(choice: HugePages) -> Self {
        match choice {
            HugePages::Auto => Self::Auto,
            HugePages::On => Self::On,
            HugePages::Off => Self::Off,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// The interpreter
    Interp,
    /// The interpreter, and a compiler for what is hot
    Jit,
    /// The fastest that this computer can do
    Auto,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Compiler {
    /// Tabvisor's own: code is there as soon as it is asked for
    #[default]
    Own,
    /// Cranelift, on a thread of its own
    Cranelift,
}

#[derive(Debug, Subcommand)]
pub enum GuestCommand {
    /// Get guests from Debian's packages: debian, opensbi, u-boot; all of them when none is named
    Fetch {
        /// Guests to get
        names: Vec<String>,
        /// Look for newer packages even if the guest is here
        #[arg(long)]
        update: bool,
    },
    /// Say which guests there are
    List,
}

fn read_only_suffix(text: &str) -> (&str, bool) {
    text.strip_suffix(",ro")
        .map_or((text, false), |rest| (rest, true))
}

fn parse_disk(text: &str) -> Result<DiskArgument, String> {
    let (file, read_only) = read_only_suffix(text);
    if file.is_empty() {
        return Err("names no file".to_owned());
    }
    let is_web = ["http://", "https://"]
        .iter()
        .any(|scheme| file.starts_with(scheme));
    Ok(DiskArgument {
        place: if is_web {
            DiskPlace::Web(file.to_owned())
        } else {
            DiskPlace::File(file.into())
        },
        read_only,
    })
}

fn parse_share(text: &str) -> Result<ShareArgument, String> {
    let (rest, read_only) = read_only_suffix(text);
    match rest.split_once('=') {
        Some((tag, folder)) if !tag.is_empty() && !folder.is_empty() && !tag.contains('/') => {
            Ok(ShareArgument {
                tag: tag.to_owned(),
                folder: folder.into(),
                read_only,
            })
        }
        _ => Err("is not TAG=DIR, a tag without slashes and a folder".to_owned()),
    }
}

fn parse_memory(text: &str) -> Result<u64, String> {
    let (number, shift) = match text.as_bytes().last().map(u8::to_ascii_uppercase) {
        Some(b'K') => (&text[..text.len() - 1], 10),
        Some(b'M') => (&text[..text.len() - 1], 20),
        Some(b'G') => (&text[..text.len() - 1], 30),
        _ => (text, 20),
    };
    let number: u64 = number
        .parse()
        .map_err(|_| "is not a size such as 512M or 2G".to_owned())?;
    number
        .checked_mul(1 << shift)
        .ok_or_else(|| "is more than 64 bits of address can hold".to_owned())
}

fn parse_seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        // What a Duration takes; nobody waits a thousand years.
        Ok(seconds) if (0.0..3e10).contains(&seconds) => Ok(seconds),
        _ => Err("is not a number of seconds".to_owned()),
    }
}

/// Shortest time between two lines of figures: less would take a machine's time for nothing.
const SHORTEST_INTERVAL: f64 = 0.01;

fn parse_interval(text: &str) -> Result<f64, String> {
    match parse_seconds(text) {
        Ok(seconds) if seconds >= SHORTEST_INTERVAL => Ok(seconds),
        _ => Err(format!(
            "is not a number of seconds from {SHORTEST_INTERVAL} upwards"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn sizes() {
        assert_eq!(parse_memory("64"), Ok(64 << 20));
        assert_eq!(parse_memory("4096k"), Ok(4 << 20));
        assert_eq!(parse_memory("2G"), Ok(2 << 30));
        for bad in ["", "M", "-1M", "1.5G", "99999999999G", "1é"] {
            assert!(parse_memory(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn intervals() {
        assert_eq!(parse_interval("10"), Ok(10.0));
        assert_eq!(parse_interval("0.01"), Ok(0.01));
        for bad in ["", "0", "0.001", "-1", "nan", "inf", "1e11", "1s"] {
            assert!(parse_interval(bad).is_err(), "{bad}");
        }
        let typed = ["tabvisor", "run", "--stats-every", "2.5"];
        let Command::Run(run) = Arguments::parse_from(typed).command else {
            panic!("another command was meant");
        };
        assert_eq!((run.stats_every, run.stats), (Some(2.5), false));
        assert!(Arguments::try_parse_from(["tabvisor", "run", "--stats-every"]).is_err());
    }

    #[test]
    fn disks_and_shares() {
        assert_eq!(
            parse_disk("a,b.img"),
            Ok(DiskArgument {
                place: DiskPlace::File("a,b.img".into()),
                read_only: false
            })
        );
        assert_eq!(
            parse_disk("a.img,ro"),
            Ok(DiskArgument {
                place: DiskPlace::File("a.img".into()),
                read_only: true
            })
        );
        assert_eq!(
            parse_disk("https://host/a.img,ro"),
            Ok(DiskArgument {
                place: DiskPlace::Web("https://host/a.img".into()),
                read_only: true
            })
        );
        assert!(parse_disk(",ro").is_err());
        let share = ShareArgument {
            tag: "t".to_owned(),
            folder: "/a=b".into(),
            read_only: true,
        };
        assert_eq!(parse_share("t=/a=b,ro"), Ok(share));
        for bad in ["t", "=d", "t=", "a/b=d"] {
            assert!(parse_share(bad).is_err(), "{bad}");
        }
    }
}

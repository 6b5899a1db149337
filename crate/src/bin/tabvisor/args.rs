//! What can be typed.

use clap::{Parser, Subcommand};

/// A virtual machine for real 64-bit operating systems.
#[derive(Debug, Parser)]
#[command(name = "tabvisor", version)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Guests that can be run by name
    #[command(subcommand)]
    Guest(GuestCommand),
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

//! The command line.

#[cfg(not(target_arch = "wasm32"))]
mod args;
#[cfg(not(target_arch = "wasm32"))]
mod guest;

#[cfg(not(target_arch = "wasm32"))]
fn main() -> std::process::ExitCode {
    use args::{Args, Command, GuestCommand};
    use clap::Parser;
    use std::process::ExitCode;

    let result = match Args::parse().command {
        Command::Guest(GuestCommand::Fetch { names, update }) => guest::fetch::fetch(&names, update),
        Command::Guest(GuestCommand::List) => guest::list(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tabvisor: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// There is no command line in a browser.
#[cfg(target_arch = "wasm32")]
fn main() {}

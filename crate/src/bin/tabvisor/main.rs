//! The command line.

#[cfg(not(target_arch = "wasm32"))]
mod args;
#[cfg(not(target_arch = "wasm32"))]
mod guest;
#[cfg(not(target_arch = "wasm32"))]
mod run;

#[cfg(not(target_arch = "wasm32"))]
fn main() -> std::process::ExitCode {
    use args::{Arguments, Command, GuestCommand};
    use clap::Parser;
    use std::process::ExitCode;

    let success = |()| ExitCode::SUCCESS;
    let result = match Arguments::parse().command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Guest(GuestCommand::Fetch { names, update }) => {
            guest::fetch::fetch(&names, update).map(success)
        }
        Command::Guest(GuestCommand::List) => guest::list().map(success),
    };
    result.unwrap_or_else(|error| {
        eprintln!("tabvisor: {error:#}");
        ExitCode::FAILURE
    })
}

/// There is no command line in a browser.
#[cfg(target_arch = "wasm32")]
fn main() {}

//! What is known of a guest's code, in a file: read before a run if it exists, written after it.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::Path;

use anyhow::{Context, Result, bail};
use tabvisor::engine::profile::Profile;
use tabvisor::engine::profile::format::{MOST_BYTES, ProfileError};

use super::driven::Guest;

/// Reads a profile; an empty one if there is no such file.
pub fn read(file: &Path) -> Result<Profile> {
    let cannot = || format!("cannot read the profile {}", file.display());
    let opened = match File::open(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Profile::default()),
        opened => opened.with_context(cannot)?,
    };
    let mut bytes = Vec::new();
    // One byte too many tells that it is too long. A pipe has no length that could be asked for.
    let most = MOST_BYTES as u64 + 1;
    opened.take(most).read_to_end(&mut bytes).with_context(cannot)?;
    if bytes.len() as u64 == most {
        let length = fs::metadata(file).map_or(most, |metadata| metadata.len().max(most));
        return Err(ProfileError::TooLong(length)).with_context(cannot);
    }
    Profile::from_bytes(&bytes).with_context(cannot)
}

/// Gives a machine that has not run yet what is known.
pub fn give(machine: &mut Guest, known: Profile) -> Result<()> {
    if machine.profile().is_none() {
        bail!("a profile is the compiler's: give --engine jit with --profile");
    }
    log::info!(target: "jit", "the profile knows {} pages with {} entries", known.len(), known.entries());
    machine.use_profile(known);
    Ok(())
}

/// Writes what is known now, so that there is either the old file or the new one, whatever happens.
pub fn write(file: &Path, machine: &Guest) -> Result<()> {
    let Some(profile) = machine.profile() else {
        return Ok(());
    };
    let cannot = || format!("cannot write the profile {}", file.display());
    let mut new = file.as_os_str().to_owned();
    new.push(".new");
    fs::write(&new, profile.to_bytes()).with_context(cannot)?;
    fs::rename(&new, file).with_context(cannot)
}

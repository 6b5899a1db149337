//! Guests: where they are kept, what one is made of, how they are got.

mod apt;
mod cpio;
pub mod fetch;
mod initramfs;
mod modules;
mod progress;
mod python;
mod strip;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

/// Names the folder guests are kept in.
const FOLDER_VARIABLE: &str = "TABVISOR_GUESTS";

/// `manifest.json` in a guest's folder: what the guest boots from. File names are relative to that folder.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// What it is, in a few words.
    pub description: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initrd: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bios: Option<String>,
    /// The kernel's command line.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub append: String,
    /// Versions of the packages it was made from.
    #[serde(default)]
    pub packages: BTreeMap<String, String>,
    /// Tells a guest made by an older Tabvisor from a current one.
    #[serde(default)]
    pub recipe: String,
}

impl Manifest {
    /// Names and versions of the packages, the first few of them.
    fn packages_in_words(&self) -> String {
        let shown = 2;
        let mut words: Vec<_> = self
            .packages
            .iter()
            .take(shown)
            .map(|(name, version)| format!("{name} {version}"))
            .collect();
        if self.packages.len() > shown {
            words.push(format!("{} more", self.packages.len() - shown));
        }
        words.join(", ")
    }
}

/// Where guests are kept: `$TABVISOR_GUESTS`, else `build/guests` of the workspace we are run in, else the user's data
/// folder.
pub fn folder() -> Result<PathBuf> {
    let variable = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    if let Some(folder) = variable(FOLDER_VARIABLE) {
        // Programs started in other folders are handed paths below it.
        return std::path::absolute(&folder)
            .with_context(|| format!("{FOLDER_VARIABLE}={}", folder.display()));
    }
    let here = std::env::current_dir().context("cannot tell the current folder")?;
    if let Some(workspace) = here
        .ancestors()
        .find(|folder| folder.join("crate/src/bin/tabvisor").is_dir())
    {
        return Ok(workspace.join("build/guests"));
    }
    let data = variable("XDG_DATA_HOME").or_else(|| variable("HOME").map(|home| home.join(".local/share")));
    match data {
        Some(data) => Ok(data.join("tabvisor/guests")),
        None => bail!("neither {FOLDER_VARIABLE} nor HOME is set: cannot tell where guests are kept"),
    }
}

/// Reads a guest's manifest. `None` where there is no such guest.
pub fn manifest(folder: &Path) -> Result<Option<Manifest>> {
    let path = folder.join("manifest.json");
    if !path.exists() {
        return Ok(None);
    }
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text)
        .map(Some)
        .with_context(|| format!("{} is not a guest's manifest", path.display()))
}

/// Prints what there is.
pub fn list() -> Result<()> {
    println!("monitor    Tabvisor's own monitor, built in");
    let folder = folder()?;
    for name in names(&folder)? {
        if let Some(manifest) = manifest(&folder.join(&name))? {
            println!(
                "{name:<10} {} ({})",
                manifest.description,
                manifest.packages_in_words()
            );
        }
    }
    for (name, description) in fetch::KNOWN {
        if !folder.join(name).join("manifest.json").exists() {
            println!("{name:<10} {description}: not here yet, `tabvisor guest fetch {name}`");
        }
    }
    Ok(())
}

/// The guests that have been got, sorted.
pub fn names(folder: &Path) -> Result<Vec<String>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let entry = entry?;
        if entry.path().join("manifest.json").exists() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// The one entry of `folder` whose name begins with `prefix`.
fn only_child(folder: &Path, prefix: &str) -> Result<PathBuf> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut found: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(prefix))
        })
        .collect();
    match (found.pop(), found.is_empty()) {
        (Some(path), true) => Ok(path),
        _ => bail!("{} should hold exactly one {prefix}*", folder.display()),
    }
}

//! Kernel modules: finds those wanted in an unpacked kernel package, with what they depend on, and writes the
//! index files that `modprobe` reads. (Debian runs `depmod` when a kernel is installed; here it never is.)

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use elf::ElfBytes;
use elf::endian::LittleEndian;

use super::strip::strip;

/// A module, decompressed and stripped, and what its `.modinfo` says.
#[derive(Debug)]
pub struct Module {
    /// Path below `/lib/modules/VERSION`, ending in `.ko`.
    pub path: String,
    pub contents: Vec<u8>,
    depends: Vec<String>,
    softdeps: Vec<String>,
    aliases: Vec<String>,
}

/// The modules chosen, by name with underscores.
pub type Modules = BTreeMap<String, Module>;

/// Reads `wanted` and all they depend on from `folder` (`…/lib/modules/VERSION`). A wanted module that is not there is
/// taken to be built into the kernel; a dependency must be there.
pub fn collect(folder: &Path, wanted: &[&str]) -> Result<Modules> {
    let mut files = BTreeMap::new();
    index(folder, &mut files)?;
    let mut modules = Modules::new();
    let mut queue: Vec<String> = wanted
        .iter()
        .filter(|name| files.contains_key(**name))
        .map(ToString::to_string)
        .collect();
    while let Some(name) = queue.pop() {
        if modules.contains_key(&name) {
            continue;
        }
        let Some(file) = files.get(&name) else {
            bail!("kernel module {name} is not in {}", folder.display());
        };
        let module = read(folder, file)?;
        queue.extend(module.depends.iter().cloned());
        queue.extend(
            module
                .softdeps
                .iter()
                .filter(|soft| files.contains_key(*soft))
                .cloned(),
        );
        modules.insert(name, module);
    }
    Ok(modules)
}

/// `modules.dep`: each module with all it needs, last the one to be loaded first.
pub fn dependency_index(modules: &Modules) -> String {
    let mut text = String::new();
    for module in modules.values() {
        let mut order = Vec::new();
        closure(
            modules,
            module,
            &mut order,
            &mut BTreeSet::from([module.path.as_str()]),
        );
        let paths: Vec<_> = order.iter().rev().map(|needed| needed.path.as_str()).collect();
        let _ = writeln!(text, "{}: {}", module.path, paths.join(" "));
    }
    text
}

/// `modules.alias`: which module serves which device or file system.
pub fn alias_index(modules: &Modules) -> String {
    let mut text = String::new();
    for (name, module) in modules {
        for alias in &module.aliases {
            let _ = writeln!(text, "alias {alias} {name}");
        }
    }
    text
}

/// Appends what `module` needs to `order`, each after all that it needs itself.
fn closure<'a>(
    modules: &'a Modules,
    module: &'a Module,
    order: &mut Vec<&'a Module>,
    seen: &mut BTreeSet<&'a str>,
) {
    for name in module.depends.iter().chain(&module.softdeps) {
        if let Some(needed) = modules.get(name).filter(|needed| seen.insert(&needed.path)) {
            closure(modules, needed, order, seen);
            order.push(needed);
        }
    }
}

/// Finds all module files below `folder`.
fn index(folder: &Path, files: &mut BTreeMap<String, PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_dir() {
            index(&entry.path(), files)?;
        } else if let Some((stem, "" | ".xz" | ".zst" | ".gz")) = name.split_once(".ko") {
            files.insert(stem.replace('-', "_"), entry.path());
        }
    }
    Ok(())
}

fn read(folder: &Path, file: &Path) -> Result<Module> {
    let context = || format!("kernel module {}", file.display());
    let raw = fs::read(file).with_context(context)?;
    let contents = decompress(&raw).with_context(context)?;
    let mut module = Module {
        path: module_path(folder, file),
        depends: Vec::new(),
        softdeps: Vec::new(),
        aliases: Vec::new(),
        contents: Vec::new(),
    };
    let elf = ElfBytes::<LittleEndian>::minimal_parse(&contents).with_context(context)?;
    let section = elf
        .section_header_by_name(".modinfo")
        .with_context(context)?
        .with_context(|| format!("{}: no .modinfo section", file.display()))?;
    let (info, _) = elf.section_data(&section).with_context(context)?;
    for item in info.split(|byte| *byte == 0) {
        let item = String::from_utf8_lossy(item);
        match item.split_once('=') {
            Some(("depends", names)) => {
                module
                    .depends
                    .extend(names.split(',').filter(|name| !name.is_empty()).map(underscored));
            }
            Some(("softdep", names)) => module.softdeps.extend(
                names
                    .strip_prefix("pre:")
                    .unwrap_or("")
                    .split_whitespace()
                    .map(underscored),
            ),
            Some(("alias", alias)) => module.aliases.push(alias.to_owned()),
            _ => {}
        }
    }
    module.contents = strip(&contents).with_context(context)?;
    Ok(module)
}

fn underscored(name: &str) -> String {
    name.replace('-', "_")
}

fn module_path(folder: &Path, file: &Path) -> String {
    let path = file.strip_prefix(folder).unwrap_or(file).to_string_lossy();
    path.rsplit_once(".ko")
        .map_or_else(|| path.to_string(), |(stem, _)| format!("{stem}.ko"))
}

/// Modules are stored as they are, or compressed in one of three ways, told apart by their first bytes.
fn decompress(raw: &[u8]) -> Result<Vec<u8>> {
    let mut contents = Vec::new();
    match raw {
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
            lzma_rs::xz_decompress(&mut &raw[..], &mut contents)
                .map_err(|error| anyhow::anyhow!("xz: {error:?}"))?;
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            let mut decoder =
                ruzstd::decoding::StreamingDecoder::new(raw).map_err(|error| anyhow::anyhow!("{error}"))?;
            std::io::Read::read_to_end(&mut decoder, &mut contents)?;
        }
        [0x1f, 0x8b, ..] => {
            std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(raw), &mut contents)?;
        }
        _ => contents.extend_from_slice(raw),
    }
    Ok(contents)
}

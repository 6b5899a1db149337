//! Takes out of a kernel module what only a linker or debugger would want.
//!
//! RISC-V objects keep a symbol for every local label; in Debian's ext4 module they are three quarters of its seven
//! megabytes. A module's signature goes with them, so the kernel says once that it is tainted, and loads it anyway.

use std::collections::HashSet;

use anyhow::{Result, anyhow};
use object::build::Id;
use object::build::elf::{Builder, SectionData};
use object::elf::{STB_LOCAL, STT_SECTION};

/// The same module without local symbols that nothing refers to, and without the names of local labels.
pub fn strip(module: &[u8]) -> Result<Vec<u8>> {
    let mut elf = Builder::read(module).map_err(|error| anyhow!("not an ELF file: {error}"))?;
    let mut referred = HashSet::new();
    for section in &elf.sections {
        if let SectionData::Relocation(relocations) = &section.data {
            referred.extend(
                relocations
                    .iter()
                    .filter_map(|relocation| Some(relocation.symbol?.index())),
            );
        }
    }
    for symbol in &mut elf.symbols {
        let label = symbol.name.starts_with(b".L");
        if symbol.st_bind() != STB_LOCAL {
            continue;
        }
        if !referred.contains(&symbol.id().index()) && (label || symbol.st_type() == STT_SECTION) {
            symbol.delete = true;
        } else if label {
            symbol.name = Vec::new().into();
        }
    }
    elf.set_section_sizes();
    let mut stripped = Vec::new();
    elf.write(&mut stripped)
        .map_err(|error| anyhow!("cannot rewrite it: {error}"))?;
    Ok(stripped)
}

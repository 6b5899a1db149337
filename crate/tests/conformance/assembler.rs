//! Assembling the sources of `tests/conformance` with the bare-metal GNU tools.

use crate::elf;
use crate::image::BASE;
use std::path::PathBuf;
use std::process::Command;

const MARCH: &str = "-march=rv64gc_zba_zbb_zbs_zicsr_zifencei";

/// The folder of the assembly sources.
pub fn sources() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/conformance")
}

/// Assembles `source` with the given preprocessor options; returns an executable for the start of RAM.
pub fn elf(source: &str, defines: &[&str]) -> Vec<u8> {
    elf::write(&[(BASE, flat(source, defines))])
}

/// Assembles `source` with the given preprocessor options; returns its bytes as they stand from the start of RAM.
pub fn flat(source: &str, defines: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (linked, output) = (folder.path().join("out.elf"), folder.path().join("out.bin"));
    tool(
        Command::new("riscv64-unknown-elf-gcc")
            .args([MARCH, "-mabi=lp64d", "-mcmodel=medany"])
            .args([
                "-nostdlib",
                "-nostartfiles",
                "-static",
                "-Wl,-Ttext=0x80000000",
                "-Wl,--build-id=none",
                "-o",
            ])
            .arg(&linked)
            .args(defines)
            .arg("-I")
            .arg(sources())
            .arg(sources().join(source)),
        source,
    );
    tool(
        Command::new("riscv64-unknown-elf-objcopy")
            .args(["-O", "binary"])
            .arg(&linked)
            .arg(&output),
        source,
    );
    std::fs::read(&output).expect("reading the assembled program")
}

/// Disassembles `code`: the mnemonic of each instruction.
pub fn disassemble(code: &[u8]) -> Vec<String> {
    // Through the assembler, so that the object file says which extensions are meant.
    let mut source = String::from(".text\n");
    let mut rest = code;
    while let [low, _, ..] = *rest {
        let size = if low & 3 == 3 { 4 } else { 2 };
        let (now, later) = rest.split_at(size);
        let word = now
            .iter()
            .rev()
            .fold(0u32, |word, &byte| word << 8 | u32::from(byte));
        source += &format!(".insn {size}, {word:#x}\n");
        rest = later;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (input, output) = (folder.path().join("in.S"), folder.path().join("out.o"));
    std::fs::write(&input, source).expect("writing the code as assembly");
    tool(
        Command::new("riscv64-unknown-elf-gcc")
            .args([MARCH, "-mabi=lp64d", "-c", "-o"])
            .arg(&output)
            .arg(&input),
        "the generated code",
    );
    let listing = tool(
        Command::new("riscv64-unknown-elf-objdump")
            .args(["-d", "-M", "no-aliases"])
            .arg(&output),
        "the generated code",
    );
    listing
        .lines()
        .filter_map(|line| {
            // Address, bytes, mnemonic, operands.
            let (_, rest) = line.trim().split_once(":\t")?;
            rest.split('\t').nth(1).map(str::to_owned)
        })
        .collect()
}

fn tool(command: &mut Command, source: &str) -> String {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().unwrap_or_else(|e| {
        panic!("cannot start {name} ({e}): install it, on Debian the package gcc-riscv64-unknown-elf")
    });
    assert!(
        output.status.success(),
        "{name} refused {source}:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

//! The reference: Debian's `qemu-system-riscv64`, with the CPU narrowed to Tabvisor's extensions.

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// QEMU 7.2's `rv64` without what Tabvisor does not have, and with what it has and QEMU leaves off.
/// Zicbom, Zicboz and Svadu are unknown to 7.2: their tests check themselves.
const CPU: &str =
    "rv64,priv_spec=v1.12.0,h=off,v=off,zbc=off,sscofpmf=off,Zfh=off,Zfhmin=off,svinval=on,svpbmt=on,sstc=on";

/// Runs `elf` as firmware on one hart and returns what it wrote on the serial line.
pub fn run(elf: &[u8]) -> String {
    run_on(elf, 1)
}

/// Runs `elf` as firmware on so many harts.
pub fn run_on(elf: &[u8], harts: usize) -> String {
    let file = tempfile::Builder::new()
        .suffix(".elf")
        .tempfile()
        .expect("a temporary file for the program");
    std::fs::write(file.path(), elf).expect("writing the program to a temporary file");
    let mut child = Command::new("qemu-system-riscv64")
        .args([
            "-machine",
            "virt",
            "-cpu",
            CPU,
            "-m",
            "128M",
            "-nographic",
            "-monitor",
            "none",
        ])
        .args([
            "-smp",
            &harts.to_string(),
            "-serial",
            "stdio",
            "-no-reboot",
            "-bios",
        ])
        .arg(file.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| {
            panic!(
                "cannot start qemu-system-riscv64 ({e}): install it, on Debian the package qemu-system-misc"
            )
        });
    let mut stdout = child.stdout.take().expect("stdout is piped");
    let mut stderr = child.stderr.take().expect("stderr is piped");
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        stdout.read_to_end(&mut text).map(|_| text)
    });
    let deadline = Instant::now() + Duration::from_secs(60);
    let status = loop {
        match child.try_wait().expect("waiting for qemu-system-riscv64") {
            Some(status) => break Some(status),
            None if Instant::now() > deadline => {
                child.kill().expect("stopping qemu-system-riscv64");
                child.wait().expect("waiting for qemu-system-riscv64");
                break None;
            }
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    let text = reader
        .join()
        .expect("the reader of QEMU's output")
        .expect("reading QEMU's output");
    let text = String::from_utf8_lossy(&text).into_owned();
    match status {
        Some(status) if status.success() => text,
        Some(status) => {
            let mut complaint = String::new();
            stderr
                .read_to_string(&mut complaint)
                .expect("reading QEMU's messages");
            panic!("qemu-system-riscv64 ended with {status}: {complaint}");
        }
        None => panic!(
            "the program did not end within 60 s under QEMU; its output ends with:\n{}",
            tail(&text)
        ),
    }
}

/// The last lines of a program's output.
pub fn tail(text: &str) -> &str {
    let start = text.len().saturating_sub(1000);
    let start = (start..text.len())
        .find(|&i| text.is_char_boundary(i))
        .unwrap_or(text.len());
    &text[start..]
}

//! The initramfs of the Linux guest: busybox, the kernel modules a virtual machine needs, and the scripts beside this
//! file.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::cpio::Archive;
use super::modules;

/// What `modprobe` may be asked for by name, by device or by file system.
const MODULES: [&str; 12] = [
    "virtio_mmio",
    "virtio_blk",
    "virtio_net",
    "virtio_rng",
    "virtio_balloon",
    "9pnet_virtio",
    "9p",
    "ext4",
    "crc32c_generic", // ext4 asks for it by what it does
    "squashfs",
    "overlay",
    "af_packet",
];

const INIT: &str = include_str!("init.sh");
const SHELL: &str = include_str!("shell.sh");
const PROFILE: &str = include_str!("profile.sh");
const UDHCPC: &str = include_str!("udhcpc.sh");

/// Changes whenever the archive's contents do for the same packages.
pub fn recipe() -> String {
    let texts = [INIT, SHELL, PROFILE, UDHCPC].concat() + &MODULES.join(" ");
    format!("3-{:016x}", fingerprint(&texts))
}

/// FNV-1a: for a cache, against nobody's malice.
pub fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

/// Begins the archive: all of it that comes from a busybox executable and the kernel package's `lib/modules/VERSION`
/// folder.
pub fn base(busybox: &[u8], modules_folder: &Path) -> Result<Archive> {
    let mut archive = Archive::default();
    for path in [
        "bin",
        "dev",
        "etc",
        "lib",
        "lib/modules",
        "mnt",
        "proc",
        "root",
        "run",
        "sys",
        "usr",
        "var",
    ] {
        archive.directory(path, 0o755);
    }
    archive.directory("tmp", 0o1777);
    archive.symlink("sbin", "bin");
    archive.symlink("usr/bin", "../bin");
    archive.symlink("usr/sbin", "../bin");
    archive.symlink("var/run", "../run");

    archive.file("bin/busybox", 0o755, busybox);
    let applets = applets(busybox);
    ensure!(
        applets.contains(&"sh") && applets.contains(&"modprobe"),
        "busybox: found no list of applets in it"
    );
    for applet in applets {
        archive.symlink(&format!("bin/{applet}"), "busybox");
    }

    archive.file("init", 0o755, INIT.as_bytes());
    archive.file("etc/shell", 0o755, SHELL.as_bytes());
    archive.file("etc/udhcpc", 0o755, UDHCPC.as_bytes());
    archive.file("etc/profile", 0o644, PROFILE.as_bytes());
    archive.file(
        "etc/passwd",
        0o644,
        b"root::0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n",
    );
    archive.file("etc/group", 0o644, b"root:x:0:\nnogroup:x:65534:\n");
    archive.file("etc/hosts", 0o644, b"127.0.0.1 localhost\n127.0.1.1 tabvisor\n");

    let version = modules_folder
        .file_name()
        .context("the modules' folder has no name")?
        .to_string_lossy();
    let modules = modules::collect(modules_folder, &MODULES)?;
    let at = format!("lib/modules/{version}");
    for module in modules.values() {
        let path = format!("{at}/{}", module.path);
        archive.parents(&path);
        archive.file(&path, 0o644, &module.contents);
    }
    archive.file(
        &format!("{at}/modules.dep"),
        0o644,
        modules::dependency_index(&modules).as_bytes(),
    );
    archive.file(
        &format!("{at}/modules.alias"),
        0o644,
        modules::alias_index(&modules).as_bytes(),
    );

    Ok(archive)
}

/// Ends the archive in the form the kernel is given.
pub fn pack(archive: Archive) -> Result<Vec<u8>> {
    // Stored, not compressed: unpacking would cost the guest more than the bytes cost the host.
    let mut gzip = GzEncoder::new(Vec::new(), Compression::none());
    gzip.write_all(&archive.finish())?;
    Ok(gzip.finish()?)
}

/// The names busybox answers to: its own sorted table of NUL-ended names, which begins with `[` and `[[`.
fn applets(busybox: &[u8]) -> Vec<&str> {
    let start = b"[\0[[\0";
    let Some(at) = busybox.windows(start.len()).position(|window| window == start) else {
        return Vec::new();
    };
    busybox[at..]
        .split(|byte| *byte == 0)
        .map_while(|name| std::str::from_utf8(name).ok().filter(|name| is_applet(name)))
        .filter(|name| *name != "busybox")
        .collect()
}

fn is_applet(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "[_-.".contains(c);
    !name.is_empty() && name.chars().all(letter)
}

#[cfg(test)]
mod tests {
    use super::applets;

    #[test]
    fn applet_names_end_where_the_table_does() {
        assert_eq!(
            applets(b"[[\0junk[\0[[\0ash\0busybox\0sh\0\0zz\0"),
            ["[", "[[", "ash", "sh"]
        );
        assert!(applets(b"nothing here").is_empty());
    }
}

//! `tabvisor guest fetch`: guests out of Debian's packages.

use std::cell::OnceCell;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::apt::{self, Apt, Package};
use super::cpio::Archive;
use super::progress::Progress;
use super::{Manifest, folder, initramfs, manifest, only_child, python};

/// What can be got.
pub const KNOWN: [(&str, &str); 4] = [
    ("debian", "Debian's Linux kernel with a busybox shell"),
    (
        "python",
        "the same with Debian's Python and part of its test suite",
    ),
    ("opensbi", "OpenSBI, the reference firmware"),
    ("u-boot", "U-Boot, a boot loader"),
];

/// The kernel's command line. The virtio console tells the guest the terminal's size; until its driver is there the
/// firmware's console speaks, and where there is none the guest's init falls back to the serial port.
const LINUX_APPEND: &str = "earlycon=sbi console=hvc0";

/// Gets the guests named, or all. Those already here stay as they are unless `update` asks for newer packages.
pub fn fetch(names: &[String], update: bool) -> Result<()> {
    for name in names {
        if !KNOWN.iter().any(|(known, _)| known == name) {
            let known: Vec<_> = KNOWN.iter().map(|(name, _)| *name).collect();
            bail!(
                "there is no guest {name} to fetch: there are {}",
                known.join(", ")
            );
        }
    }
    let folder = folder()?;
    let mut wanted = Vec::new();
    for (name, _) in KNOWN {
        let asked = names.is_empty() || names.iter().any(|asked| asked == name);
        if asked && (update || !is_current(&folder.join(name), name)?) {
            wanted.push(name);
        }
    }
    if wanted.is_empty() {
        return Ok(());
    }

    let progress = Progress::new();
    let work = folder.join(".fetch");
    let downloads = work.join("packages");
    fs::create_dir_all(&downloads).with_context(|| format!("cannot make {}", downloads.display()))?;
    let apt = Apt::new(&work.join("apt"), "riscv64", &progress)?;
    let source = Source {
        apt,
        work,
        downloads,
        progress,
        linux: OnceCell::new(),
    };
    for name in wanted {
        let target = folder.join(name);
        fs::create_dir_all(&target).with_context(|| format!("cannot make {}", target.display()))?;
        // Without its manifest a guest that was half replaced counts as absent.
        let _ = fs::remove_file(target.join("manifest.json"));
        let manifest = match name {
            "debian" => source.debian(&target)?,
            "python" => source.python(&target)?,
            "opensbi" => source.opensbi(&target)?,
            _ => source.u_boot(&target)?,
        };
        write(
            &target.join("manifest.json"),
            serde_json::to_string_pretty(&manifest)?.as_bytes(),
        )?;
        let packages = manifest.packages_in_words();
        let line = format!("guest {name}: {packages} in {}", target.display());
        source.progress.finished(&line);
    }
    fs::remove_dir_all(&source.work).with_context(|| format!("cannot remove {}", source.work.display()))
}

/// Whether the guest is here and made the way this version makes it.
fn is_current(folder: &Path, name: &str) -> Result<bool> {
    Ok(manifest(folder)?.is_some_and(|manifest| manifest.recipe == recipe(name)))
}

fn recipe(name: &str) -> String {
    match name {
        "debian" => initramfs::recipe(),
        "python" => python::recipe(),
        _ => "1".to_owned(),
    }
}

/// What guests are made from.
#[derive(Debug)]
struct Source {
    apt: Apt,
    work: PathBuf,
    downloads: PathBuf,
    progress: Progress,
    linux: OnceCell<Linux>,
}

/// What all guests with Linux share.
#[derive(Debug)]
struct Linux {
    packages: [Package; 2],
    kernel: Vec<u8>,
    /// Busybox, kernel modules, scripts.
    initramfs: Archive,
}

impl Source {
    fn debian(&self, target: &Path) -> Result<Manifest> {
        let linux = self.linux()?;
        linux_guest("debian", target, linux, linux.initramfs.clone(), &[])
    }

    fn python(&self, target: &Path) -> Result<Manifest> {
        let linux = self.linux()?;
        let mut packages = Vec::new();
        let mut folders = Vec::new();
        for name in python::PACKAGES {
            let (package, folder) = self.unpacked(name)?;
            packages.push(package);
            folders.push(folder);
        }
        self.progress.step("adding Python to the initramfs");
        let mut initramfs = linux.initramfs.clone();
        python::add(&mut initramfs, &folders)?;
        linux_guest("python", target, linux, initramfs, &packages)
    }

    fn linux(&self) -> Result<&Linux> {
        match self.linux.get() {
            Some(linux) => Ok(linux),
            None => {
                let linux = self.get_linux()?;
                Ok(self.linux.get_or_init(|| linux))
            }
        }
    }

    fn get_linux(&self) -> Result<Linux> {
        // A package without files of its own that depends on the current kernel.
        let meta = self.apt.show("linux-image-riscv64")?;
        let name = meta
            .depends
            .split([',', '|', ' '])
            .find(|word| word.starts_with("linux-image-"))
            .with_context(|| format!("linux-image-riscv64 depends on no kernel: {}", meta.depends))?;
        let (kernel, kernel_files) = self.unpacked(name)?;
        let (busybox, busybox_files) = self.unpacked("busybox-static")?;

        self.progress.step("building the initramfs");
        let image = only_child(&kernel_files.join("boot"), "vmlinu")?;
        let modules = ["usr/lib/modules", "lib/modules"]
            .iter()
            .find_map(|folder| only_child(&kernel_files.join(folder), "").ok())
            .with_context(|| format!("{name} holds no folder of kernel modules"))?;
        let busybox_file = ["usr/bin/busybox", "bin/busybox"]
            .iter()
            .find_map(|file| fs::read(busybox_files.join(file)).ok())
            .context("busybox-static holds no busybox")?;
        Ok(Linux {
            packages: [kernel, busybox],
            kernel: read(&image)?,
            initramfs: initramfs::base(&busybox_file, &modules)?,
        })
    }

    fn opensbi(&self, target: &Path) -> Result<Manifest> {
        let (package, files) = self.unpacked("opensbi")?;
        for file in ["fw_dynamic.bin", "fw_jump.bin"] {
            write(
                &target.join(file),
                &read(&files.join("usr/lib/riscv64-linux-gnu/opensbi/generic").join(file))?,
            )?;
        }
        Ok(Manifest {
            bios: Some("fw_dynamic.bin".to_owned()),
            ..described("opensbi", &[package])
        })
    }

    fn u_boot(&self, target: &Path) -> Result<Manifest> {
        let (package, files) = self.unpacked("u-boot-qemu")?;
        for (board, file) in [
            ("qemu-riscv64_smode", "u-boot.bin"),
            ("qemu-riscv64", "u-boot-machine.bin"),
        ] {
            write(
                &target.join(file),
                &read(&files.join("usr/lib/u-boot").join(board).join("u-boot.bin"))?,
            )?;
        }
        // The supervisor-mode build: it runs above an SBI as a kernel does.
        Ok(Manifest {
            kernel: Some("u-boot.bin".to_owned()),
            ..described("u-boot", &[package])
        })
    }

    /// Downloads and unpacks a package.
    fn unpacked(&self, name: &str) -> Result<(Package, PathBuf)> {
        let package = self.apt.show(name)?;
        let file = self.apt.download(&package, &self.downloads, &self.progress)?;
        let folder = self.work.join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        self.progress.step(&format!("unpacking {name}"));
        apt::unpack(&file, &folder)?;
        Ok((package, folder))
    }
}

/// Writes a guest with Linux, made of `extra` packages besides Linux's own.
fn linux_guest(
    name: &str,
    target: &Path,
    linux: &Linux,
    initramfs: Archive,
    extra: &[Package],
) -> Result<Manifest> {
    write(&target.join("kernel"), &linux.kernel)?;
    write(&target.join("initrd.gz"), &initramfs::pack(initramfs)?)?;
    Ok(Manifest {
        kernel: Some("kernel".to_owned()),
        initrd: Some("initrd.gz".to_owned()),
        append: LINUX_APPEND.to_owned(),
        ..described(name, &[&linux.packages[..], extra].concat())
    })
}

fn described(name: &str, packages: &[Package]) -> Manifest {
    let description = KNOWN
        .iter()
        .find(|(known, _)| *known == name)
        .map_or("", |(_, description)| description);
    Manifest {
        description: description.to_owned(),
        packages: packages
            .iter()
            .map(|package| (package.name.clone(), package.version.clone()))
            .collect(),
        recipe: recipe(name),
        ..Manifest::default()
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Replaces a file in one step, so that a reader never sees half of it.
fn write(path: &Path, contents: &[u8]) -> Result<()> {
    let part = path.with_extension("part");
    fs::write(&part, contents).with_context(|| format!("cannot write {}", part.display()))?;
    fs::rename(&part, path).with_context(|| format!("cannot write {}", path.display()))
}

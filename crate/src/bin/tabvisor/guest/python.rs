//! Debian's Python on top of the Linux guest: the interpreter, its library, and those of its own tests that say most
//! about a machine.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use elf::ElfBytes;
use elf::abi::DT_NEEDED;
use elf::endian::LittleEndian;

use super::cpio::Archive;
use super::initramfs;

/// Python, and the libraries its modules are linked with.
pub const PACKAGES: [&str; 18] = [
    "python3.13-minimal",
    "libpython3.13-minimal",
    "libpython3.13-stdlib",
    "libpython3.13-testsuite",
    "libc6",
    "libgcc-s1", // the C library loads it when a thread ends
    "libbz2-1.0",
    "libexpat1",
    "libffi8",
    "liblzma5",
    "libncursesw6",
    "libreadline8t64",
    "libsqlite3-0",
    "libssl3t64",
    "libtinfo6",
    "libuuid1",
    "libzstd1",
    "zlib1g",
];

const PROGRAM: &str = "bin/python3.13";

/// What stays out: all of it would be in the guest's memory. Paths, and beginnings of paths, below `lib`.
const LEFT_OUT: [&str; 9] = [
    "binfmt.d/",
    "python3.13/config-3.13-",
    "python3.13/lib-dynload/_dbm.", // needs Berkeley DB
    "python3.13/pydoc_data/",
    "python3.13/sitecustomize.py", // a link to Debian's crash reporter
    "python3.13/turtle.py",
    "riscv64-linux-gnu/engines-3/",
    "riscv64-linux-gnu/gconv/",
    "riscv64-linux-gnu/ossl-modules/",
];

const TESTS: &str = "python3.13/test/";

/// Of Python's tests, beginnings of paths below [`TESTS`]: `python3 -m test` and what it can be asked for.
const TESTS_KEPT: [&str; 11] = [
    "__init__.py",
    "__main__.py",
    "libregrtest/",
    "mathdata/",
    "support/",
    "test_float.py",
    "test_iter.py", // test_math takes a class from it
    "test_json/",
    "test_math.py",
    "test_struct.py",
    "test_zlib.py",
];

/// Changes whenever the archive's contents do for the same packages.
pub fn recipe() -> String {
    let lists = [&PACKAGES[..], &LEFT_OUT, &TESTS_KEPT].concat().join(" ");
    format!(
        "{} python-1-{:016x}",
        initramfs::recipe(),
        initramfs::fingerprint(&lists)
    )
}

/// Adds what is wanted of the unpacked packages.
pub fn add(archive: &mut Archive, packages: &[PathBuf]) -> Result<()> {
    // Debian keeps everything below /usr, the initramfs everything above it.
    archive.symlink("usr/lib", "../lib");
    let mut libraries = Libraries::default();
    for package in packages {
        add_folder(archive, &package.join("usr"), "", &mut libraries)?;
    }
    archive.symlink("bin/python3", "python3.13");
    archive.symlink("bin/python", "python3.13");
    libraries.check()
}

/// Adds what is wanted below `root/path`.
fn add_folder(archive: &mut Archive, root: &Path, path: &str, libraries: &mut Libraries) -> Result<()> {
    let folder = root.join(path);
    let context = || format!("cannot read {}", folder.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).with_context(context)? {
        names.push(
            entry
                .with_context(context)?
                .file_name()
                .to_string_lossy()
                .into_owned(),
        );
    }
    // The same packages give the same archive.
    names.sort();
    for name in names {
        let path = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}/{name}")
        };
        let file = root.join(&path);
        let kind = fs::symlink_metadata(&file).with_context(|| format!("cannot read {}", file.display()))?;
        if kind.is_dir() {
            add_folder(archive, root, &path, libraries)?;
        } else if is_wanted(&path) {
            archive.parents(&path);
            libraries.present.insert(name);
            if kind.is_symlink() {
                let target =
                    fs::read_link(&file).with_context(|| format!("cannot read {}", file.display()))?;
                archive.symlink(&path, &target.to_string_lossy());
            } else {
                let contents = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
                libraries.look_at(&path, &contents)?;
                archive.file(&path, kind.permissions().mode() & 0o777, &contents);
            }
        }
    }
    Ok(())
}

fn is_wanted(path: &str) -> bool {
    let Some(path) = path.strip_prefix("lib/") else {
        return path == PROGRAM;
    };
    match path.strip_prefix(TESTS) {
        Some(test) => TESTS_KEPT.iter().any(|kept| test.starts_with(kept)),
        None => !LEFT_OUT.iter().any(|out| path.starts_with(out)),
    }
}

/// The shared libraries that are there and those that something is linked with.
#[derive(Debug, Default)]
struct Libraries {
    present: BTreeSet<String>,
    /// With who asks for them.
    needed: BTreeSet<(String, String)>,
}

impl Libraries {
    /// Notes what a file is linked with, if it is one that can be.
    fn look_at(&mut self, path: &str, contents: &[u8]) -> Result<()> {
        if !contents.starts_with(b"\x7fELF") {
            return Ok(());
        }
        let elf = ElfBytes::<LittleEndian>::minimal_parse(contents).with_context(|| path.to_owned())?;
        let (Some(entries), Some((_, names))) = (
            elf.dynamic().with_context(|| path.to_owned())?,
            elf.dynamic_symbol_table().with_context(|| path.to_owned())?,
        ) else {
            return Ok(());
        };
        for entry in entries.iter().filter(|entry| entry.d_tag == DT_NEEDED) {
            let name = names
                .get(entry.d_val() as usize)
                .with_context(|| path.to_owned())?;
            self.needed.insert((name.to_owned(), path.to_owned()));
        }
        Ok(())
    }

    /// All that is needed must be there: Debian's newer packages may be linked with more.
    fn check(&self) -> Result<()> {
        for (name, by) in &self.needed {
            ensure!(
                self.present.contains(name),
                "{by} is linked with {name}, which is in none of the packages taken: {}",
                PACKAGES.join(", ")
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Libraries, is_wanted};

    #[test]
    fn programs_libraries_and_chosen_tests_are_wanted() {
        for path in [
            "bin/python3.13",
            "lib/riscv64-linux-gnu/libc.so.6",
            "lib/python3.13/os.py",
            "lib/python3.13/test/support/__init__.py",
            "lib/python3.13/test/test_json/test_float.py",
        ] {
            assert!(is_wanted(path), "{path}");
        }
        for path in [
            "bin/other",
            "share/doc/libc6/copyright",
            "lib/riscv64-linux-gnu/gconv/UTF-16.so",
            "lib/python3.13/test/test_socket.py",
        ] {
            assert!(!is_wanted(path), "{path}");
        }
    }

    #[test]
    fn a_library_that_nobody_brings_is_named() {
        let mut libraries = Libraries::default();
        libraries
            .needed
            .insert(("libz.so.1".into(), "bin/python3.13".into()));
        let error = libraries.check().unwrap_err().to_string();
        assert!(
            error.starts_with("bin/python3.13 is linked with libz.so.1, which"),
            "{error}"
        );
        libraries.present.insert("libz.so.1".into());
        libraries.check().unwrap();
    }
}

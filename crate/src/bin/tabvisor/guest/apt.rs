//! A private apt: Debian packages of another architecture, checked against the archive's signatures, with the
//! machine's own apt state left alone and no root needed.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};

use super::progress::Progress;

/// Where the archive's keys are, in Debian and in what derives from it.
const KEYRINGS: [&str; 2] = [
    "/usr/share/keyrings/debian-archive-keyring.gpg",
    "/usr/share/keyrings/debian-archive-keyring.pgp",
];

/// Names the archive when the machine's own apt sources do not.
pub const MIRROR_VARIABLE: &str = "TABVISOR_DEBIAN_MIRROR";

/// The suite all guests come from.
const SUITE: &str = "trixie";

/// An apt configuration of its own in a folder of its own.
#[derive(Debug)]
pub struct Apt {
    folder: PathBuf,
}

/// One package of the archive.
#[derive(Debug, Clone)]
pub struct Package {
    pub name: String,
    pub version: String,
    /// The `Depends` field as it stands.
    pub depends: String,
}

impl Apt {
    /// Writes the configuration below `folder` and reads the package lists of `architecture`.
    pub fn new(folder: &Path, architecture: &str, progress: &Progress) -> Result<Apt> {
        let mirror = mirror()?;
        let keyring = KEYRINGS
            .iter()
            .find(|path| Path::new(path).exists())
            .with_context(|| {
                format!(
                    "{} is missing: install the package debian-archive-keyring",
                    KEYRINGS[0]
                )
            })?;
        for sub in [
            "lists/partial",
            "cache/archives/partial",
            "state",
            "parts",
            "preferences",
        ] {
            fs::create_dir_all(folder.join(sub))
                .with_context(|| format!("cannot make {}", folder.join(sub).display()))?;
        }
        let sources = format!(
            "Types: deb\nURIs: {mirror}\nSuites: {SUITE}\nComponents: main\nArchitectures: {architecture}\n\
             Signed-By: {keyring}\n"
        );
        fs::write(folder.join("tabvisor.sources"), sources)?;
        fs::write(folder.join("status"), "")?;
        let at = folder.display();
        // Proxies and the like still come from the machine; the rest of its configuration does not.
        let config = format!(
            "{acquire}\n\
             APT::Architecture \"{architecture}\";\n\
             APT::Architectures {{ \"{architecture}\"; }};\n\
             APT::Sandbox::User \"root\";\n\
             APT::Install-Recommends \"false\";\n\
             Acquire::Languages \"none\";\n\
             Dir::Etc::sourcelist \"{at}/tabvisor.sources\";\n\
             Dir::Etc::sourceparts \"/dev/null\";\n\
             Dir::Etc::parts \"{at}/parts\";\n\
             Dir::Etc::main \"/dev/null\";\n\
             Dir::Etc::preferences \"/dev/null\";\n\
             Dir::Etc::preferencesparts \"{at}/preferences\";\n\
             Dir::State \"{at}/state\";\n\
             Dir::State::lists \"{at}/lists\";\n\
             Dir::State::status \"{at}/status\";\n\
             Dir::Cache \"{at}/cache\";\n\
             Dir::Cache::pkgcache \"packages.bin\";\n\
             Dir::Cache::srcpkgcache \"\";\n",
            acquire = acquire_settings()?,
        );
        fs::write(folder.join("apt.conf"), config)?;
        let apt = Apt {
            folder: folder.to_owned(),
        };
        progress.step("reading Debian's package lists");
        apt.run("apt-get", &["-qq", "update"], None)?;
        Ok(apt)
    }

    /// Looks a package up.
    pub fn show(&self, name: &str) -> Result<Package> {
        let text = self.run("apt-cache", &["show", "--no-all-versions", name], None)?;
        let field = |key: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))
                .map(|value| value.trim().to_owned())
        };
        Ok(Package {
            name: field("Package").unwrap_or_else(|| name.to_owned()),
            version: field("Version").with_context(|| format!("apt-cache show {name} gave no version"))?,
            depends: field("Depends").unwrap_or_default(),
        })
    }

    /// Downloads a package into `folder` unless that version is there already; gives the path of its file.
    pub fn download(&self, package: &Package, folder: &Path, progress: &Progress) -> Result<PathBuf> {
        let what = format!("{}={}", package.name, package.version);
        let listing = self.run("apt-get", &["--print-uris", "download", &what], Some(folder))?;
        // 'URI' FILE SIZE HASH; no such line when apt finds the file there already, whole.
        let Some(line) = listing.lines().rfind(|line| line.starts_with('\'')) else {
            let prefix = format!("{}_{}_", package.name, package.version.replace(':', "%3a"));
            return super::only_child(folder, &prefix);
        };
        let mut words = line.split(' ').skip(1);
        let (Some(file), Some(size)) = (words.next(), words.next().and_then(|size| size.parse().ok())) else {
            bail!("apt-get --print-uris download {what}: cannot read {line}");
        };
        let path = folder.join(file);
        // apt checks the hash of what it got before it exits with success.
        progress.bytes(&format!("downloading {} {}", package.name, package.version), size);
        let (done, finished) = channel::<()>();
        std::thread::scope(|scope| {
            let watched = path.clone();
            scope.spawn(move || {
                while finished.recv_timeout(Duration::from_millis(100)) == Err(RecvTimeoutError::Timeout) {
                    progress.at(fs::metadata(&watched).map_or(0, |found| found.len()));
                }
            });
            let result = self.run("apt-get", &["-qq", "download", &what], Some(folder));
            drop(done);
            result
        })?;
        if !path.exists() {
            bail!("apt-get download {what}: {} did not appear", path.display());
        }
        Ok(path)
    }

    fn run(&self, program: &str, arguments: &[&str], folder: Option<&Path>) -> Result<String> {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env("APT_CONFIG", self.folder.join("apt.conf"));
        if let Some(folder) = folder {
            command.current_dir(folder);
        }
        output_of(&mut command)
    }
}

/// Unpacks a package's files below `folder`.
pub fn unpack(package: &Path, folder: &Path) -> Result<()> {
    output_of(Command::new("dpkg-deb").arg("-x").arg(package).arg(folder)).map(drop)
}

/// Runs a program to its end; its standard output, or an error with what it said.
fn output_of(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).env("LC_ALL", "C").output().map_err(|error| {
        if error.kind() == ErrorKind::NotFound {
            anyhow!(
                "`{program}` is not installed. Guests are got from Debian's archive with apt-get and dpkg-deb, so this \
                 needs Debian or a system derived from it; `tabvisor run --guest monitor` works without."
            )
        } else {
            anyhow!("cannot run {program}: {error}")
        }
    })?;
    if !output.status.success() {
        let arguments: Vec<_> = command
            .get_args()
            .map(|argument| argument.to_string_lossy())
            .collect();
        bail!(
            "{program} {} failed ({}):\n{}",
            arguments.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// How this machine reaches archives: its `Acquire::` settings, among them proxies.
fn acquire_settings() -> Result<String> {
    let dump = output_of(Command::new("apt-config").arg("dump"))?;
    let lines = dump
        .lines()
        .filter(|line| line.starts_with("Acquire::") && !line.contains("::IndexTargets"));
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

/// The address of Debian's main archive.
fn mirror() -> Result<String> {
    if let Some(mirror) = std::env::var(MIRROR_VARIABLE)
        .ok()
        .filter(|mirror| !mirror.is_empty())
    {
        return Ok(mirror);
    }
    let listing = output_of(Command::new("apt-get").args(["--print-uris", "update"]))?;
    main_archive(&listing).with_context(|| {
        format!(
            "this machine's apt sources do not name Debian's main archive: set {MIRROR_VARIABLE} to the address of a \
             mirror (the folder that holds `dists` and `pool`)"
        )
    })
}

/// Finds the main archive among the addresses `apt-get --print-uris update` lists, one quoted address a line.
fn main_archive(listing: &str) -> Option<String> {
    listing.lines().find_map(|line| {
        let address = line.split('\'').nth(1)?;
        let (archive, _) = address.split_once("/dists/")?;
        let archive = archive.trim_end_matches('/');
        // The security and ports archives lie beside it under other names.
        archive.ends_with("/debian").then(|| archive.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::main_archive;

    #[test]
    fn the_main_archive_is_chosen_whatever_the_order() {
        let listing = "'http://mirror.invalid/debian-security/dists/bookworm-security/InRelease' a 0\n\
                       'http://mirror.invalid/sub/debian/dists/bookworm/InRelease' b 0\n";
        assert_eq!(
            main_archive(listing).as_deref(),
            Some("http://mirror.invalid/sub/debian")
        );
        assert_eq!(
            main_archive("'http://mirror.invalid/ubuntu/dists/noble/InRelease' c 0\n"),
            None
        );
        assert_eq!(main_archive("no quotes here\n"), None);
    }
}

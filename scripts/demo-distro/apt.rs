//! apt with a state of its own: the machine's mirror, nothing else of the machine.
//!
//! apt resolves dependencies as for an empty system, downloads, and verifies Debian's signatures.
//! Nothing is installed and no file outside the given directory changes.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use color_eyre::eyre::{Context as _, Result, bail};
use fs_err as fs;

use crate::control::{self, Stanza};
use crate::sources_list;

/// A Debian package of one version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Candidate {
    /// Its name.
    pub name: String,
    /// Its Debian version.
    pub version: String,
    /// The name of the file that apt makes of it.
    pub file: String,
}

impl Candidate {
    /// As apt's commands take it.
    fn word(&self) -> String {
        format!("{}={}", self.name, self.version)
    }
}

/// apt, bound to a directory.
#[derive(Debug)]
pub struct Apt {
    config: PathBuf,
}

impl Apt {
    /// Prepares the directory: configuration, an empty `status` and the list of sources.
    pub fn open(root: &Path) -> Result<Self> {
        for directory in ["state/lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(root.join(directory))?;
        }
        let root = fs::canonicalize(root)?;
        fs::write(root.join("status"), "")?;
        fs::write(root.join("machine.sources"), sources_list::of_machine()?)?;
        let config = root.join("apt.conf");
        fs::write(&config, configuration(&root))?;
        Ok(Self { config })
    }

    /// Fetches the lists of packages and of sources.
    pub fn update(&self) -> Result<()> {
        self.run("apt-get", &["update", "-q", "--error-on=any"], Path::new(".")).map(drop)
    }

    /// What an empty system would install to get the packages.
    pub fn closure(&self, roots: &[String]) -> Result<Vec<Candidate>> {
        let mut args = vec!["install", "-y", "--print-uris"];
        args.extend(roots.iter().map(String::as_str));
        let text = self.run("apt-get", &args, Path::new("."))?;
        let mut candidates: Vec<_> = text.lines().filter_map(candidate).collect();
        candidates.sort();
        Ok(candidates)
    }

    /// The control stanzas of packages.
    pub fn show(&self, candidates: &[Candidate]) -> Result<Vec<Stanza>> {
        let words: Vec<String> = candidates.iter().map(Candidate::word).collect();
        let mut args = vec!["show"];
        args.extend(words.iter().map(String::as_str));
        Ok(control::parse(&self.run("apt-cache", &args, Path::new("."))?))
    }

    /// Downloads packages into a directory. Files that are there already are only verified.
    pub fn download(&self, candidates: &[Candidate], directory: &Path) -> Result<()> {
        fs::create_dir_all(directory)?;
        let words: Vec<String> = candidates.iter().map(Candidate::word).collect();
        let mut args = vec!["download", "-q"];
        args.extend(words.iter().map(String::as_str));
        self.run("apt-get", &args, directory).map(drop)
    }

    /// Downloads the source of a package (`.dsc`, `orig` tarball, Debian's changes). A mirror may
    /// list a version that it does not have: then another one is taken.
    pub fn download_source(&self, name: &str, directory: &Path) -> Result<()> {
        fs::create_dir_all(directory)?;
        let download = |name: &str| {
            self.run("apt-get", &["source", "-q", "--download-only", name], directory).map(drop)
        };
        let Err(error) = download(name) else { return Ok(()) };
        let listed = self.run("apt-cache", &["showsrc", "--only-source", name], directory)?;
        let versions = listed.lines().filter_map(|line| line.strip_prefix("Version: "));
        let found =
            versions.map(|version| download(&format!("{name}={version}"))).any(|one| one.is_ok());
        if found { Ok(()) } else { Err(error) }
    }

    /// Runs one of apt's programs; returns what it printed.
    fn run(&self, program: &str, args: &[&str], directory: &Path) -> Result<String> {
        let output = Command::new(program)
            .arg("-c")
            .arg(&self.config)
            .args(args.iter().map(OsStr::new))
            .current_dir(directory)
            .env("LC_ALL", "C.UTF-8")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .output()
            .with_context(|| format!("`{program}` does not start"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("`{program} {}` failed: {}", args.first().unwrap_or(&""), said.trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// apt.conf: every path below `root`, the machine's hooks and preferences off.
fn configuration(root: &Path) -> String {
    let root = root.display();
    format!(
        r#"#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
#clear DPkg::Pre-Install-Pkgs;
Dir::Etc::sourcelist "{root}/machine.sources";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "{root}/state";
Dir::State::status "{root}/status";
Dir::Cache "{root}/cache";
Dir::Cache::pkgcache "pkgcache.bin";
Dir::Cache::srcpkgcache "srcpkgcache.bin";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::Retries "3";
APT::Install-Recommends "false";
APT::Sandbox::User "";
Debug::NoLocking "true";
"#
    )
}

/// `'URI' name_version_arch.deb size hash`; the file's name has the version's colon as `%3a`.
fn candidate(line: &str) -> Option<Candidate> {
    let file = line.strip_prefix('\'')?.split_once("' ")?.1.split(' ').next()?;
    let (name, rest) = file.split_once('_')?;
    let (version, _) = rest.strip_suffix(".deb")?.rsplit_once('_')?;
    Some(Candidate {
        name: name.to_owned(),
        version: version.replace("%3a", ":"),
        file: file.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_are_read() {
        let line = "'http://m.invalid/pool/g/git_2.39.5-0%2bdeb12u3_amd64.deb' \
            git_1%3a2.39.5-0+deb12u3_amd64.deb 7264380 SHA256:00";
        let git = candidate(line).unwrap();
        assert_eq!(git.word(), "git=1:2.39.5-0+deb12u3");
        assert_eq!(git.file, "git_1%3a2.39.5-0+deb12u3_amd64.deb");
        assert!(candidate("The following NEW packages will be installed:").is_none());
    }
}

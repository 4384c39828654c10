//! `demo-distro build`: fetch, plan, convert; nothing when the repository is up to date.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use color_eyre::eyre::Result;
use fs_err as fs;
use melange2::apk::key::{Existing, Signer};
use melange2::apk::pkginfo::PkgInfo;
use melange2::apk::writer::{DataWriter, write_apk};
use melange2::digest::Sha256;
use melange2::fsutil::{FileLock, write_atomic};

use crate::apt::{Apt, Candidate};
use crate::content::{self, Content};
use crate::convert::{self, Job};
use crate::tree::Tree;
use crate::{layout, note, select};

/// The texts of the modules that decide what is in the apks: when one changes, so may the apks.
const PROGRAM: [&str; 7] = [
    include_str!("convert.rs"),
    include_str!("layout.rs"),
    include_str!("scan.rs"),
    include_str!("select.rs"),
    include_str!("tree.rs"),
    include_str!("version.rs"),
    content::TEXT,
];

/// Whether the package lists are fetched again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// What was made stays, whatever Debian has published since.
    Keep,
    /// Newer Debian packages make a newer repository.
    Refresh,
}

/// Makes `DIR/repo` (packages and signed index) and `DIR/keys` (`demo.rsa`, `demo.rsa.pub`).
pub fn run(directory: &Path, freshness: Freshness) -> Result<()> {
    let begin = Instant::now();
    let _lock = FileLock::exclusive(&directory.join("lock"))?;
    let stamp = directory.join("stamp");
    let program = program_digest()?;
    let made = fs::read_to_string(&stamp).unwrap_or_default();
    let same_program = made.lines().next() == Some(program.as_str());
    if same_program && freshness == Freshness::Keep {
        note("demo distribution: up to date");
        return Ok(());
    }
    let content = Content::parse(content::TEXT)?;
    let apt = Apt::open(&directory.join("apt"))?;
    note("demo distribution: fetching Debian's package lists");
    let updated = apt.update();
    let candidates = match (apt.closure(&content.roots), updated) {
        (Ok(candidates), Ok(())) => candidates,
        (Ok(candidates), Err(error)) => {
            note(&format!("demo distribution: the lists of last time are used: {error:#}"));
            candidates
        }
        // Without lists nothing is found: the reason is the better message.
        (Err(_), Err(error)) => return Err(error),
        (Err(error), Ok(())) => return Err(error),
    };
    let wanted = std::iter::once(program)
        .chain(
            candidates.iter().map(|candidate| format!("{}={}", candidate.name, candidate.version)),
        )
        .collect::<Vec<_>>()
        .join("\n");
    if made == wanted {
        note("demo distribution: Debian has nothing newer");
        return Ok(());
    }
    let count = make(directory, &content, &apt, &candidates)?;
    write_atomic(&stamp, wanted.as_bytes())?;
    let seconds = begin.elapsed().as_secs_f64();
    note(&format!("demo distribution: {count} packages in {seconds:.1} s"));
    Ok(())
}

fn make(directory: &Path, content: &Content, apt: &Apt, candidates: &[Candidate]) -> Result<usize> {
    let mut plans = select::plan(content, &apt.show(candidates)?);
    plans.extend(layout::plans());
    let wanted: Vec<Candidate> = candidates
        .iter()
        .filter(|candidate| plans.iter().any(|plan| plan.members.contains(&candidate.name)))
        .cloned()
        .collect();
    note(&format!("demo distribution: fetching {} Debian packages", wanted.len()));
    let downloads = directory.join("debian");
    apt.download(&wanted, &downloads)?;
    let debs: BTreeMap<String, PathBuf> = wanted
        .iter()
        .map(|candidate| (candidate.name.clone(), downloads.join(&candidate.file)))
        .collect();
    let signer = signer(&directory.join("keys"))?;
    // Made beside the old one, which is there until the new one is whole.
    let fresh = directory.join("repo.new");
    if fresh.exists() {
        fs::remove_dir_all(&fresh)?;
    }
    note(&format!("demo distribution: writing {} apks", plans.len()));
    let job = Job { content, debs: &debs, signer: &signer, repository: &fresh };
    let count = convert::convert(&job, plans)?;
    replace(&fresh, &directory.join("repo"))?;
    Ok(count)
}

/// Gives a finished directory its name.
fn replace(fresh: &Path, target: &Path) -> Result<()> {
    let old = target.with_extension("old");
    if old.exists() {
        fs::remove_dir_all(&old)?;
    }
    if target.exists() {
        fs::rename(target, &old)?;
    }
    fs::rename(fresh, target)?;
    if old.exists() {
        fs::remove_dir_all(&old)?;
    }
    Ok(())
}

/// The key, made the first time.
fn signer(directory: &Path) -> Result<Signer> {
    let private = directory.join("demo.rsa");
    if !private.exists() {
        fs::create_dir_all(directory)?;
        // Half a pair is of no use: replaced.
        Signer::generate(2048, "demo.rsa.pub")?.write_files(&private, Existing::Replace)?;
    }
    Ok(Signer::from_file(&private)?)
}

/// A digest of all that decides what is in the apks besides Debian's packages: this program's
/// texts, and how the library writes an apk, told by the bytes of a small one.
fn program_digest() -> Result<String> {
    let mut tree = Tree::default();
    tree.file("usr/share/sample/file", "text");
    tree.symlink("usr/share/sample/link", "file");
    let directory = tempfile::tempdir()?;
    let mut writer = DataWriter::create(directory.path(), 1)?;
    tree.write(&mut writer)?;
    let info = PkgInfo { name: "sample".into(), version: "1-r0".into(), ..PkgInfo::default() };
    let target = directory.path().join("sample.apk");
    write_apk(&target, writer.finish()?, &info, &[], 0, None)?;
    let apk = Sha256::of(&fs::read(target)?);
    Ok(Sha256::of(format!("{apk}\0{}", PROGRAM.join("\0")).as_bytes()).to_string())
}

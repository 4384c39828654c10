//! Debian packages to apks: each unpacked, changed, scanned and written, on all cores.
//!
//! Two passes, because a dependency on a shared library (`so:`) is only written where some apk of
//! the repository provides it: first all data segments, then the packages around them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use color_eyre::eyre::{Context as _, ContextCompat as _, Result, bail};
use melange2::apk::index::{Entry, Index};
use melange2::apk::key::Signer;
use melange2::apk::pkginfo::PkgInfo;
use melange2::apk::reader::Apk;
use melange2::apk::writer::{Data, DataWriter, write_apk};
use melange2::arch::Arch;

use crate::content::Content;
use crate::layout;
use crate::scan::{self, Scan};
use crate::select::{Plan, one_provider_each};
use crate::tree::Tree;

/// What a conversion needs.
#[derive(Debug)]
pub struct Job<'a> {
    /// The list.
    pub content: &'a Content,
    /// Debian packages by name: their files.
    pub debs: &'a BTreeMap<String, PathBuf>,
    /// The key that signs packages and index.
    pub signer: &'a Signer,
    /// The repository's directory; packages go to `ARCH/` in it.
    pub repository: &'a Path,
}

/// An apk whose data segment is written.
struct Piece {
    plan: Plan,
    data: Data,
    scan: Scan,
    newest: i64,
}

/// Makes all apks and the index. Returns how many.
pub fn convert(job: &Job<'_>, plans: Vec<Plan>) -> Result<usize> {
    let directory = job.repository.join(Arch::host().apk());
    fs_err::create_dir_all(&directory)?;
    let plans = largest_first(job, plans);
    let pieces = in_parallel(plans, |plan| {
        let name = plan.name.clone();
        unpack(job, plan, &directory).with_context(|| format!("`{name}` is not converted"))
    })?;
    let pieces = relate(pieces);
    let mut entries = in_parallel(pieces, |piece| pack(job, piece, &directory))?;
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    let count = entries.len();
    let index = Index { description: "melange2 demo distribution".to_owned(), entries };
    let archive = index.to_archive(Some(job.signer))?;
    fs_err::write(directory.join("APKINDEX.tar.gz"), archive)?;
    Ok(count)
}

/// The largest first, so that the cores end together.
fn largest_first(job: &Job<'_>, plans: Vec<Plan>) -> Vec<Plan> {
    let size = |plan: &Plan| -> u64 {
        let files = plan.members.iter().filter_map(|member| job.debs.get(member));
        files.filter_map(|file| fs_err::metadata(file).ok()).map(|metadata| metadata.len()).sum()
    };
    let mut plans: Vec<_> = plans.into_iter().map(|plan| (size(&plan), plan)).collect();
    plans.sort_by(|(a, first), (b, second)| b.cmp(a).then_with(|| first.name.cmp(&second.name)));
    plans.into_iter().map(|(_, plan)| plan).collect()
}

/// Runs a function over items on as many threads as there are cores. The first error stops it.
fn in_parallel<T: Send, R: Send>(
    items: Vec<T>,
    work: impl Fn(T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let items: Vec<Mutex<Option<T>>> =
        items.into_iter().map(|item| Mutex::new(Some(item))).collect();
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    let worker = || {
        while let Some(slot) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            let item = slot.lock().ok().and_then(|mut slot| slot.take());
            let Some(result) = item.map(&work) else { return };
            if result.is_err() {
                next.store(items.len(), Ordering::Relaxed);
            }
            if let Ok(mut results) = results.lock() {
                results.push(result);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(worker);
        }
    });
    let results = results.into_inner().ok().context("a worker did not end well")?;
    results.into_iter().collect()
}

/// Reads a plan's Debian packages, changes the tree and writes it as a data segment.
fn unpack(job: &Job<'_>, plan: Plan, directory: &Path) -> Result<Piece> {
    let mut tree = Tree::default();
    for member in &plan.members {
        let deb = job.debs.get(member).with_context(|| format!("`{member}` was not fetched"))?;
        read_deb(deb, &mut tree)?;
    }
    layout::finish(&plan.name, job.content.links(&plan.name), &mut tree)?;
    let scan = scan::scan(&tree, &plan.version);
    let mut writer = DataWriter::create(directory, 1)?;
    tree.write(&mut writer)?;
    Ok(Piece { newest: tree.newest(), data: writer.finish()?, plan, scan })
}

/// dpkg-deb knows the compressions; what it writes is a tar archive.
fn read_deb(deb: &Path, tree: &mut Tree) -> Result<()> {
    let mut child = Command::new("dpkg-deb")
        .arg("--fsys-tarfile")
        .arg(deb)
        .stdout(Stdio::piped())
        .spawn()
        .context("`dpkg-deb` does not start")?;
    let stdout = child.stdout.take().context("`dpkg-deb` has no output")?;
    let mut stdout = std::io::BufReader::with_capacity(1 << 16, stdout);
    let read = tree.extend_from_tar(&mut stdout);
    // Padding behind the archive's end is read, or dpkg-deb would fail to write it.
    let drained = std::io::copy(&mut stdout, &mut std::io::sink());
    let status = child.wait()?;
    read?;
    drained?;
    if !status.success() {
        bail!("`dpkg-deb --fsys-tarfile {}` failed", deb.display());
    }
    Ok(())
}

/// Turns what was found in the trees into relations between the packages.
fn relate(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut plans = BTreeMap::new();
    let mut rest = BTreeMap::new();
    for mut piece in pieces {
        piece.plan.provides.append(&mut piece.scan.provides);
        let name = piece.plan.name.clone();
        plans.insert(name.clone(), std::mem::take(&mut piece.plan));
        rest.insert(name, piece);
    }
    one_provider_each(&mut plans);
    let provided: BTreeSet<String> = plans
        .values()
        .flat_map(|plan| &plan.provides)
        .filter_map(|provided| Some(provided.split_once('=')?.0.to_owned()))
        .collect();
    let join = |(mut plan, mut piece): (Plan, Piece)| {
        let own = |need: &str| {
            plan.provides.iter().any(|provided| {
                provided.split_once('=').is_some_and(|(provided, _)| provided == need)
            })
        };
        let needs: Vec<_> = piece
            .scan
            .needs
            .iter()
            .filter(|need| provided.contains(*need) && !own(need))
            .cloned()
            .collect();
        plan.depends.extend(needs);
        piece.plan = plan;
        piece
    };
    plans.into_values().zip(rest.into_values()).map(join).collect()
}

/// Writes the package around a data segment and describes it for the index.
fn pack(job: &Job<'_>, piece: Piece, directory: &Path) -> Result<Entry> {
    let Piece { plan, data, newest, .. } = piece;
    let target = directory.join(format!("{}-{}.apk", plan.name, plan.version));
    let info = PkgInfo {
        name: plan.name,
        version: plan.version,
        arch: Arch::host().apk().to_owned(),
        origin: plan.origin,
        description: plan.description,
        url: plan.url,
        build_date: newest,
        depends: plan.depends.into_iter().collect(),
        provides: plan.provides.into_iter().collect(),
        ..PkgInfo::default()
    };
    let written = write_apk(&target, data, &info, &[], newest, Some(job.signer))?;
    Ok(Entry::of_apk(&Apk::open(&written.path)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_worked_on_once() {
        let mut numbers = in_parallel((0..100).collect(), |number: i32| Ok(number)).unwrap();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn an_error_comes_through() {
        let result = in_parallel(vec![1, 2, 3], |number: i32| match number {
            2 => bail!("two"),
            other => Ok(other),
        });
        assert_eq!(result.unwrap_err().to_string(), "two");
    }
}

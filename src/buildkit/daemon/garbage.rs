//! Garbage collection of the private daemon: what was not used for longest goes when the disk fills up.
//!
//! Part of stage 4. Called by the supervisor. BuildKit could do it by itself, by rules with sizes; but to
//! know how much there is it counts its records, up to once a minute while builds run. A cache mount
//! that is being counted is locked, and a step that wants it then gets a new one, empty, under the same
//! id; which of the two later steps get is chance (BuildKit 0.32: `DiskUsage` in cache/manager.go,
//! `getRefCacheDirNoCache` in solver/llbsolver/mounts/mount.go). `buildctl du` does the same. Rules without
//! sizes count nothing: so the disk is looked at here, and BuildKit is told ages alone.
//!
//! Results of steps go first, cache mounts only when the disk is nearly full.

use std::ffi::OsString;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::paths::Paths;
use crate::buildkit::{process, tools};

/// How often the disk is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// How long it is left alone when it is too full and nothing helps: others may have filled it, and to
/// find that out costs a look at all of the state.
const PAUSE: Duration = Duration::from_secs(600);
/// How long BuildKit may take to delete.
const BOUND: Duration = Duration::from_secs(600);
/// What the state may take in any case, in percent of the disk.
const RESERVED: u64 = 10;
/// What is deleted, and until how much of the disk is free, in percent.
const KINDS: [(&str, u64); 2] = [("type!=exec.cachemount", 20), ("type==exec.cachemount", 5)];
const HOUR: u64 = 3600;
/// Unused for how long, in seconds: from one to the next until enough is free.
const AGES: [u64; 7] = [720 * HOUR, 168 * HOUR, 48 * HOUR, 12 * HOUR, HOUR, 600, 0];

/// Looks after the disk, for ever.
pub(super) fn watch(paths: &Paths) -> ! {
    loop {
        let asked = |filter: &str, age: u64| prune(&paths.addr(), filter, age);
        let still_full = collect(|| Disk::of(&paths.root()), || taken(&paths.root()), asked);
        match still_full {
            Ok(false) => thread::sleep(LOOK_EVERY),
            Ok(true) => thread::sleep(PAUSE),
            Err(error) => {
                tracing::warn!("garbage collection: {error}");
                thread::sleep(PAUSE);
            }
        }
    }
}

/// What a directory and all below it take on its disk, in bytes.
///
/// Nothing that is mounted there, and nothing that can't be read, such as what belongs to the
/// subordinate users of a rootless daemon.
pub(super) fn taken(directory: &Path) -> u64 {
    let entries = walkdir::WalkDir::new(directory).same_file_system(true);
    let blocks = entries.into_iter().filter_map(|entry| {
        let metadata = entry.ok()?.metadata().ok()?;
        // Each of a file's links has its share.
        let links = if metadata.is_file() { metadata.nlink().max(1) } else { 1 };
        Some(metadata.blocks() / links)
    });
    blocks.sum::<u64>() * 512
}

/// A disk, in bytes.
#[derive(Clone, Copy, Debug)]
struct Disk {
    size: u64,
    free: u64,
}

impl Disk {
    fn of(directory: &Path) -> io::Result<Self> {
        let disk = rustix::fs::statvfs(directory)?;
        Ok(Self { size: disk.f_blocks * disk.f_frsize, free: disk.f_bavail * disk.f_frsize })
    }

    fn has_free(self, percent: u64) -> bool {
        self.free >= self.size / 100 * percent
    }
}

/// Deletes, oldest first, until enough is free or little is left. Whether the disk is too full still.
fn collect(
    disk: impl Fn() -> io::Result<Disk>,
    taken: impl Fn() -> u64,
    prune: impl Fn(&str, u64) -> io::Result<()>,
) -> io::Result<bool> {
    for (filter, enough) in KINDS {
        for age in AGES {
            let now = disk()?;
            if now.has_free(enough) || taken() < now.size / 100 * RESERVED {
                break;
            }
            prune(filter, age)?;
        }
    }
    Ok(!disk()?.has_free(KINDS[0].1))
}

fn prune(addr: &str, filter: &str, age: u64) -> io::Result<()> {
    tracing::info!("the disk fills up: deleting what was unused for {age} s ({filter})");
    let keep = format!("{age}s");
    let mut words = vec!["--addr", addr, "prune", "--filter", filter];
    if age > 0 {
        words.extend(["--keep-duration", &keep]);
    }
    let argv: Vec<OsString> = words.into_iter().map(OsString::from).collect();
    let buildctl = tools::find("buildctl").map_err(io::Error::other)?;
    let output = process::capture(&buildctl, &argv, BOUND)?;
    if output.status.success() {
        return Ok(());
    }
    Err(io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    /// What is asked for on a disk of 1,000 bytes, of which each request frees some.
    fn asked(free: u64, taken: u64, frees: u64) -> (Vec<String>, bool) {
        let (free, taken, asked) = (Cell::new(free), Cell::new(taken), RefCell::default());
        let prune = |filter: &str, age: u64| {
            RefCell::<Vec<String>>::borrow_mut(&asked).push(format!("{filter} {age}"));
            free.set(free.get() + frees);
            taken.set(taken.get().saturating_sub(frees));
            Ok(())
        };
        let disk = || Ok(Disk { size: 1000, free: free.get() });
        let still_full = collect(disk, || taken.get(), prune).unwrap();
        (asked.into_inner(), still_full)
    }

    #[test]
    fn the_oldest_go_first_and_no_more_than_must() {
        assert_eq!(asked(200, 700, 100), (Vec::new(), false));
        let (requests, still_full) = asked(50, 700, 50);
        assert_eq!(
            requests,
            ["2592000", "604800", "172800"].map(|age| format!("type!=exec.cachemount {age}"))
        );
        assert!(!still_full);
    }

    #[test]
    fn cache_mounts_go_only_when_the_disk_is_nearly_full() {
        let (requests, _) = asked(60, 900, 0);
        assert_eq!(requests.len(), AGES.len());
        assert!(requests.iter().all(|request| request.starts_with("type!=")), "{requests:?}");
        let (requests, _) = asked(10, 900, 5);
        assert_eq!(requests.len(), AGES.len() + 1);
        assert_eq!(requests.last().unwrap(), "type==exec.cachemount 2592000");
    }

    #[test]
    fn a_disk_that_others_have_filled_costs_us_little() {
        assert_eq!(asked(0, 99, 0), (Vec::new(), true));
        let (requests, _) = asked(0, 300, 110);
        assert_eq!(requests.len(), 2, "{requests:?}");
    }

    #[test]
    fn what_a_directory_takes_is_counted_once() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("file");
        fs_err::write(&file, vec![1; 1 << 20]).unwrap();
        fs_err::hard_link(&file, home.path().join("link")).unwrap();
        let taken = taken(home.path());
        assert!((1 << 20..(1 << 20) + (64 << 10)).contains(&taken), "{taken}");
        assert_eq!(super::taken(&home.path().join("none")), 0);
    }
}

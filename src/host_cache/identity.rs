//! Who a directory is: a random number in it.
//!
//! Part of the host cache. The number is in the mount's id, so that no two directories share a
//! mount by accident: not those of two users who build in the same place of two machines, nor a
//! directory that was deleted and made anew. A copy has the number of what it was copied from; the
//! inode of the file, which stands beside the number, tells that it is one.

use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fs_err as fs;

use super::listing::CONTROL;
use crate::buildkit;
use crate::digest::hex;
use crate::fsutil::{AtomicFile, FileLock};
use crate::ui::Reporter;

/// The name of the file, below our own directory.
const FILE: &str = "identity";

/// A number that nobody else has, in hex.
pub(super) fn random() -> io::Result<String> {
    let mut bytes = [0; 10];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| io::Error::other("the system gives no random numbers"))?;
    Ok(hex(&bytes))
}

/// The identity of a directory, `None` if it has none, or one that belongs to another.
pub(super) fn read(directory: &Path) -> Option<String> {
    let path = directory.join(CONTROL).join(FILE);
    let inode = fs::symlink_metadata(&path).ok()?.ino();
    let text = fs::read_to_string(&path).ok()?;
    let (identity, recorded) = text.trim_end().split_once(' ')?;
    let sane = identity.len() == 20 && identity.bytes().all(|byte| byte.is_ascii_hexdigit());
    (sane && recorded == inode.to_string()).then(|| identity.to_owned())
}

/// Gives a directory an identity. The lock must be held.
pub(super) fn write(directory: &Path, identity: &str) -> io::Result<()> {
    let mut file = AtomicFile::create(&directory.join(CONTROL).join(FILE))?;
    let inode = file.file().metadata()?.ino();
    writeln!(file, "{identity} {inode}")?;
    file.commit()
}

/// How long a wait has no word.
const SILENCE: Duration = Duration::from_secs(2);

/// Waits until no other build works with the directory, which is made when missing. What others do
/// with it may take long: the wait is told, and ends with ^C.
pub(super) fn lock(directory: &Path, reporter: &mut dyn Reporter) -> io::Result<FileLock> {
    let mut told = false;
    let give_up = |waited| {
        if waited >= SILENCE && !told {
            told = true;
            let directory = directory.display();
            reporter.phase(&format!("waiting for another build that uses `{directory}`"));
        }
        buildkit::cancelled()
    };
    let lock = FileLock::exclusive_unless(&directory.join(CONTROL).join("lock"), give_up)?;
    lock.ok_or_else(|| io::Error::new(io::ErrorKind::Interrupted, "cancelled"))
}

/// A directory of our own below `directory`, for what is on its way. Deleted with the value.
pub(super) fn scratch(directory: &Path) -> io::Result<tempfile::TempDir> {
    tempfile::Builder::new().prefix("transfer-").tempdir_in(directory.join(CONTROL))
}

/// What killed processes left. The lock must be held.
pub(super) fn clean(directory: &Path) -> io::Result<()> {
    let ours: PathBuf = directory.join(CONTROL);
    for entry in fs::read_dir(ours)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("transfer-") {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::Silent;

    #[test]
    fn a_copy_is_another_directory_and_a_moved_one_is_not() {
        let root = tempfile::tempdir().unwrap();
        let (one, moved, copy) =
            (root.path().join("one"), root.path().join("moved"), root.path().join("copy"));
        let _lock = lock(&one, &mut Silent).unwrap();
        assert_eq!(read(&one), None);
        let identity = random().unwrap();
        write(&one, &identity).unwrap();
        assert_eq!(read(&one), Some(identity.clone()));
        fs::rename(&one, &moved).unwrap();
        assert_eq!(read(&moved), Some(identity));
        fs::create_dir_all(copy.join(CONTROL)).unwrap();
        fs::copy(moved.join(CONTROL).join(FILE), copy.join(CONTROL).join(FILE)).unwrap();
        assert_eq!(read(&copy), None);
    }

    #[test]
    fn leftovers_are_removed() {
        let root = tempfile::tempdir().unwrap();
        let _lock = lock(root.path(), &mut Silent).unwrap();
        let left = scratch(root.path()).unwrap().keep();
        clean(root.path()).unwrap();
        assert!(!left.exists());
        assert!(root.path().join(CONTROL).join("lock").exists());
    }
}

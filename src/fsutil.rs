//! Files that appear whole or not at all, and locks between processes.
//!
//! A leaf: knows nothing of stages or formats. Every file that this program leaves behind goes
//! through [`AtomicFile`]: a temporary file in the same directory, fsync, rename, fsync of the
//! directory.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fs_err as fs;

/// A file that takes its name only when [`AtomicFile::commit`] is called.
///
/// Dropped before that, it leaves nothing.
#[derive(Debug)]
pub struct AtomicFile {
    file: tempfile::NamedTempFile,
    target: PathBuf,
    mode: u32,
}

impl AtomicFile {
    /// Starts a file that will be `target`, with mode 0644. The directory is made when missing.
    pub fn create(target: &Path) -> io::Result<Self> {
        Self::create_with_mode(target, 0o644)
    }

    /// Like [`AtomicFile::create`], with other permission bits (0600 for a private key: the file
    /// never exists with wider ones).
    pub fn create_with_mode(target: &Path, mode: u32) -> io::Result<Self> {
        let directory = parent(target);
        fs::create_dir_all(directory)?;
        let file = tempfile::Builder::new().prefix(".tmp-").tempfile_in(directory)?;
        Ok(Self { file, target: target.to_owned(), mode })
    }

    /// The open file.
    pub fn file(&mut self) -> &mut File {
        self.file.as_file_mut()
    }

    /// Gives the file its name, replacing what had it.
    pub fn commit(mut self) -> io::Result<()> {
        use std::os::unix::fs::PermissionsExt as _;
        self.file.flush()?;
        let file = self.file.as_file();
        file.set_permissions(std::fs::Permissions::from_mode(self.mode))?;
        file.sync_all()?;
        let directory = parent(&self.target).to_owned();
        self.file.persist(&self.target).map_err(|failed| {
            let text = format!("failed to rename to `{}`: {}", self.target.display(), failed.error);
            io::Error::new(failed.error.kind(), text)
        })?;
        fs::File::open(directory)?.sync_all()
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Writes a whole file at once through an [`AtomicFile`].
pub fn write_atomic(target: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = AtomicFile::create(target)?;
    file.write_all(bytes)?;
    file.commit()
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Where this user's regenerable files go: `$XDG_CACHE_HOME/melange2`, `~/.cache/melange2`.
pub fn user_cache_dir() -> PathBuf {
    user_dir("XDG_CACHE_HOME", ".cache")
}

/// Where this user's state goes: `$XDG_STATE_HOME/melange2`, `~/.local/state/melange2`.
pub fn user_state_dir() -> PathBuf {
    user_dir("XDG_STATE_HOME", ".local/state")
}

fn user_dir(variable: &str, below_home: &str) -> PathBuf {
    let absolute = |name: &str| {
        std::env::var_os(name).map(PathBuf::from).filter(|directory| directory.is_absolute())
    };
    absolute(variable)
        .or_else(|| absolute("HOME").map(|home| home.join(below_home)))
        .unwrap_or_else(std::env::temp_dir)
        .join("melange2")
}

/// A lock between processes (`flock`): held while the value lives, released by the kernel when
/// the process dies.
#[derive(Debug)]
pub struct FileLock {
    _file: File,
}

impl FileLock {
    /// Waits until nobody else holds the lock.
    pub fn exclusive(path: &Path) -> io::Result<Self> {
        let file = lock_file(path)?;
        file.lock()?;
        Ok(Self { _file: file })
    }

    /// Waits until nobody else holds the lock, or `give_up` says so, which is told from time to time
    /// how long that has taken; then `None`.
    pub fn exclusive_unless(
        path: &Path,
        mut give_up: impl FnMut(Duration) -> bool,
    ) -> io::Result<Option<Self>> {
        let begin = Instant::now();
        loop {
            if let Some(lock) = Self::try_exclusive(path)? {
                return Ok(Some(lock));
            }
            if give_up(begin.elapsed()) {
                return Ok(None);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until nobody holds the lock exclusively; several may hold it together.
    pub fn shared(path: &Path) -> io::Result<Self> {
        let file = lock_file(path)?;
        file.lock_shared()?;
        Ok(Self { _file: file })
    }

    /// Takes the lock exclusively, or returns `None` at once when somebody holds it.
    pub fn try_exclusive(path: &Path) -> io::Result<Option<Self>> {
        let file = lock_file(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(std::fs::TryLockError::WouldBlock) => Ok(None),
            Err(std::fs::TryLockError::Error(error)) => Err(error),
        }
    }
}

fn lock_file(path: &Path) -> io::Result<File> {
    fs::create_dir_all(parent(path))?;
    let file =
        fs::OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path)?;
    Ok(file.into_parts().0)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn nothing_is_left_of_a_dropped_file() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("deep/file");
        AtomicFile::create(&target).unwrap().write_all(b"half").unwrap();
        assert!(fs::read_dir(target.parent().unwrap()).unwrap().next().is_none());
    }

    #[test]
    fn a_committed_file_is_whole_and_has_its_mode() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("key");
        let mut file = AtomicFile::create_with_mode(&target, 0o600).unwrap();
        file.write_all(b"whole").unwrap();
        file.commit().unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"whole");
        assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn an_exclusive_lock_excludes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let held = FileLock::shared(&path).unwrap();
        let _second_reader = FileLock::shared(&path).unwrap();
        assert!(FileLock::try_exclusive(&path).unwrap().is_none());
        let mut asked = 0;
        let soon = |_| {
            asked += 1;
            asked == 3
        };
        assert!(FileLock::exclusive_unless(&path, soon).unwrap().is_none());
        assert_eq!(asked, 3);
        drop((held, _second_reader));
        assert!(FileLock::exclusive_unless(&path, |_| true).unwrap().is_some());
    }
}

//! Packages take their names: all of them, or none.
//!
//! Part of stage 5. Everything is written below a hidden directory beside the packages; publishing
//! is renaming. Knows files, not their content.
//!
//! A process that is killed leaves its directory behind. Each is locked by who makes packages in it,
//! so that the next to come can tell which are nobody's any more.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;

use super::Error;

/// What the names of hidden directories begin with.
const PREFIX: &str = ".tmp-";

/// A hidden directory in which packages are made. Dropped, it leaves nothing.
pub struct Staging {
    directory: tempfile::TempDir,
    target: PathBuf,
    /// The directory, locked: somebody is at work in it.
    _in_use: File,
}

/// A package that has taken its name, and what had the name before.
struct Renamed {
    target: PathBuf,
    previous: Option<PathBuf>,
}

impl Staging {
    /// Makes the directory below `target`, which is made too when missing.
    pub fn create(target: &Path) -> io::Result<Self> {
        fs::create_dir_all(target)?;
        // Between its making and its locking it would look like nobody's.
        let _alone = lock(target)?;
        sweep(target);
        let directory = tempfile::Builder::new().prefix(PREFIX).tempdir_in(target)?;
        let in_use = lock(directory.path())?;
        Ok(Self { directory, target: target.to_owned(), _in_use: in_use })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Renames files of the directory, then runs `then`, which makes them known. If anything fails
    /// everything is as it was. Other processes that publish to the same place wait meanwhile, and
    /// whoever has waited asks once more whether it was `cancelled`.
    pub fn publish(
        self,
        names: &[String],
        cancelled: fn() -> bool,
        then: impl FnOnce() -> Result<(), Error>,
    ) -> Result<(), Error> {
        let directory = lock(&self.target)?;
        if cancelled() {
            return Err(Error::Cancelled);
        }
        let mut renamed = Vec::new();
        let outcome = self
            .rename_all(names, &mut renamed)
            .and_then(|()| directory.sync_all())
            .map_err(Error::from)
            .and_then(|()| then());
        if outcome.is_err() {
            undo(renamed);
        }
        outcome
    }

    fn rename_all(&self, names: &[String], renamed: &mut Vec<Renamed>) -> io::Result<()> {
        for name in names {
            let target = self.target.join(name);
            let previous = self.path().join(format!("{name}.previous"));
            let previous = match fs::hard_link(&target, &previous) {
                Ok(()) => Some(previous),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                // No hard links here: the name is gone for a moment.
                Err(_) => fs::rename(&target, &previous).map(|()| Some(previous))?,
            };
            renamed.push(Renamed { target: target.clone(), previous });
            fs::rename(self.path().join(name), &target)?;
        }
        Ok(())
    }
}

/// Waits for a directory to be nobody else's. A lock on the directory itself leaves no file behind;
/// the kernel frees it.
fn lock(directory: &Path) -> io::Result<File> {
    let directory = fs::File::open(directory)?.into_parts().0;
    directory.lock()?;
    Ok(directory)
}

/// Deletes the hidden directories of processes that are gone. What can't be deleted is in nobody's
/// way.
fn sweep(target: &Path) {
    let Ok(entries) = fs::read_dir(target) else { return };
    for entry in entries.filter_map(Result::ok) {
        let hidden = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if !hidden || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let Ok(directory) = fs::File::open(entry.path()) else { continue };
        if directory.file().try_lock().is_ok()
            && let Err(error) = fs::remove_dir_all(entry.path())
        {
            tracing::debug!("failed to delete what another process left: {error}");
        }
    }
}

/// Gives back what had the names. What can't be undone is told: the first failure is the one that
/// the user gets to see.
fn undo(renamed: Vec<Renamed>) {
    for Renamed { target, previous } in renamed.into_iter().rev() {
        let outcome = match &previous {
            Some(previous) => fs::rename(previous, &target),
            None => match fs::remove_file(&target) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                outcome => outcome,
            },
        };
        if let Err(error) = outcome {
            tracing::warn!("failed to take back `{}`: {error}", target.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(directory: &Path) -> Vec<(String, String)> {
        let mut found: Vec<_> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                (name, fs::read_to_string(path).unwrap())
            })
            .collect();
        found.sort();
        found
    }

    fn staged(directory: &Path, names: &[&str]) -> Staging {
        let staging = Staging::create(directory).unwrap();
        for name in names {
            fs::write(staging.path().join(name), "new").unwrap();
        }
        staging
    }

    #[test]
    fn what_a_killed_process_left_is_deleted_and_what_is_in_use_stays() {
        let directory = tempfile::tempdir().unwrap();
        let left = directory.path().join(".tmp-left");
        fs::create_dir(&left).unwrap();
        fs::write(left.join("half.apk"), "half").unwrap();
        fs::write(directory.path().join(".tmp-file"), "not ours").unwrap();
        let at_work = staged(directory.path(), &["a"]);
        assert!(!left.exists());
        let second = staged(directory.path(), &["b"]);
        assert!(at_work.path().join("a").exists() && second.path().join("b").exists());
        drop(second);
        at_work.publish(&["a".to_owned()], || false, || Ok(())).unwrap();
        let expected = [(".tmp-file", "not ours"), ("a", "new")];
        assert_eq!(content(directory.path()), expected.map(|(a, b)| (a.into(), b.into())));
    }

    #[test]
    fn all_files_take_their_names() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("a"), "old").unwrap();
        let names = ["a".to_owned(), "b".to_owned()];
        staged(directory.path(), &["a", "b"]).publish(&names, || false, || Ok(())).unwrap();
        let expected = ["a", "b"].map(|name| (name.to_owned(), "new".to_owned()));
        assert_eq!(content(directory.path()), expected);
    }

    #[test]
    fn what_is_cancelled_takes_no_name() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("a"), "old").unwrap();
        let names = ["a".to_owned(), "b".to_owned()];
        let staging = staged(directory.path(), &["a", "b"]);
        let error = staging.publish(&names, || true, || panic!("published")).unwrap_err();
        assert!(matches!(error, Error::Cancelled), "{error}");
        assert_eq!(content(directory.path()), [("a".to_owned(), "old".to_owned())]);
    }

    #[test]
    fn a_failure_at_any_point_takes_everything_back() {
        let old = [("a".to_owned(), "old".to_owned())];
        let names = ["a", "b", "c"].map(str::to_owned);
        for present in [vec!["a"], vec!["a", "b"], vec!["a", "b", "c"]] {
            let directory = tempfile::tempdir().unwrap();
            fs::write(directory.path().join("a"), "old").unwrap();
            let staging = staged(directory.path(), &present);
            let no_index = || Err(io::Error::other("no index").into());
            staging.publish(&names, || false, no_index).unwrap_err();
            assert_eq!(content(directory.path()), old, "{present:?}");
        }
    }
}

//! What lies where in the private daemon's directory.
//!
//! Part of stage 4, beneath the rest of `daemon`. Decides names only.

use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use fs_err as fs;

use crate::fsutil;

/// The longest path that a Unix socket's address holds.
const LONGEST_SOCKET: usize = 107;
/// From this size on the log starts anew.
const LONGEST_LOG: u64 = 4 << 20;

/// The private daemon's directory.
#[derive(Clone, Debug)]
pub(super) struct Paths {
    dir: PathBuf,
}

impl Paths {
    /// Names below a directory; `None` is the user's state directory.
    pub(super) fn new(dir: Option<&Path>) -> io::Result<Self> {
        let dir = match dir {
            Some(dir) => std::path::absolute(dir)?,
            None => fsutil::user_state_dir().join("daemon"),
        };
        let paths = Self { dir };
        let socket = paths.socket();
        if socket.as_os_str().len() > LONGEST_SOCKET || socket.to_str().is_none() {
            let text = format!(
                "`{}` can't be a socket's address (more than {LONGEST_SOCKET} bytes, or not \
                 UTF-8): choose a shorter directory with `--daemon-dir`",
                socket.display()
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        Ok(paths)
    }

    /// Makes the directory, for its owner alone; refuses one that belongs to somebody else.
    pub(super) fn create(&self) -> io::Result<()> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.dir).map_err(
            |error| {
                let text = format!("failed to create directory `{}`", self.dir.display());
                io::Error::new(error.kind(), format!("{text}: {error}"))
            },
        )?;
        if fs::metadata(&self.dir)?.uid() != rustix::process::geteuid().as_raw() {
            let text = format!("`{}` belongs to another user", self.dir.display());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
        }
        Ok(())
    }

    /// The directory itself.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// buildkitd's root: everything that survives its end.
    pub(super) fn root(&self) -> PathBuf {
        self.dir.join("root")
    }

    /// buildkitd's configuration.
    pub(super) fn config(&self) -> PathBuf {
        self.dir.join("buildkitd.toml")
    }

    /// BuildKit's API.
    pub(super) fn socket(&self) -> PathBuf {
        self.dir.join("buildkitd.sock")
    }

    /// BuildKit's API as an address.
    pub(super) fn addr(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// `XDG_RUNTIME_DIR` of buildkitd: a user without a login session has none.
    pub(super) fn runtime(&self) -> PathBuf {
        self.dir.join("run")
    }

    /// Where steps' traces go; by default all daemons of a machine share one.
    pub(super) fn otel(&self) -> PathBuf {
        self.dir.join("otel.sock")
    }

    /// The supervisor's requests.
    pub(super) fn control(&self) -> PathBuf {
        self.dir.join("control.sock")
    }

    /// Held shared by every user.
    pub(super) fn users_lock(&self) -> PathBuf {
        self.dir.join("users.lock")
    }

    /// Held by the supervisor.
    pub(super) fn supervisor_lock(&self) -> PathBuf {
        self.dir.join("supervisor.lock")
    }

    /// Held by a client while it starts a supervisor.
    pub(super) fn start_lock(&self) -> PathBuf {
        self.dir.join("start.lock")
    }

    /// What supervisor and buildkitd write.
    pub(super) fn log(&self) -> PathBuf {
        self.dir.join("daemon.log")
    }

    /// Opens the log for appending; a long one is set aside first.
    pub(super) fn open_log(&self) -> io::Result<std::fs::File> {
        let path = self.log();
        if fs::metadata(&path).is_ok_and(|metadata| metadata.len() > LONGEST_LOG) {
            fs::rename(&path, self.dir.join("daemon.log.old"))?;
        }
        let file = fs::OpenOptions::new().create(true).append(true).open(path)?;
        Ok(file.into_parts().0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_too_long_for_a_socket_is_refused() {
        let long = format!("/{}", "d".repeat(100));
        let error = Paths::new(Some(Path::new(&long))).unwrap_err();
        assert!(error.to_string().contains("--daemon-dir"), "{error}");
        assert!(Paths::new(Some(Path::new("/short"))).is_ok());
    }
}

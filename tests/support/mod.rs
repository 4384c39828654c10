//! The harness: a hermetic environment for the program under test, and its output as one text.

pub mod buildkit;
pub mod certificates;
pub mod disk;
pub mod fault;
pub mod lab;
pub mod namespace;
pub mod parts;
mod required;
pub mod search;
pub mod serve;

use std::path::{Path, PathBuf};
use std::process::Command;

/// A temporary home, in which the program runs with nothing of the caller's environment.
pub struct TestEnv {
    root: tempfile::TempDir,
}

impl TestEnv {
    /// Makes one.
    pub fn new() -> Self {
        let root = tempfile::Builder::new().prefix("melange2-test-").tempdir().unwrap();
        for directory in ["home", "work", "tmp"] {
            fs_err::create_dir(root.path().join(directory)).unwrap();
        }
        Self { root }
    }

    /// The directory in which commands run.
    pub fn work(&self) -> PathBuf {
        self.root.path().join("work")
    }

    /// The directory of temporary files.
    pub fn tmp(&self) -> PathBuf {
        self.root.path().join("tmp")
    }

    /// Writes a file below [`TestEnv::work`].
    pub fn write(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.work().join(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(&path, content).unwrap();
        path
    }

    /// Makes another user the owner of all of it.
    pub fn give_to(&self, id: u32) {
        for entry in walkdir::WalkDir::new(self.root.path()) {
            std::os::unix::fs::lchown(entry.unwrap().path(), Some(id), Some(id)).unwrap();
        }
    }

    /// A command with a clean environment.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.work())
            .env_clear()
            .env("HOME", self.root.path().join("home"))
            .env("TMPDIR", self.root.path().join("tmp"))
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("COLUMNS", "100")
            .env("LC_ALL", "C.UTF-8");
        command
    }

    /// Runs `melange2` and returns everything it said: to be snapshotted whole.
    pub fn run(&self, args: &[&str]) -> String {
        let output = self.command(env!("CARGO_BIN_EXE_melange2")).args(args).output().unwrap();
        self.text(&output)
    }

    /// Exit status, stdout and stderr as one text, with this environment's paths replaced.
    pub fn text(&self, output: &std::process::Output) -> String {
        let root = self.root.path().display().to_string();
        let clean = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&root, "$TEST");
        let status = output.status.code().map_or("killed".to_owned(), |code| code.to_string());
        format!(
            "exit: {status}\n--- stdout\n{}--- stderr\n{}",
            clean(&output.stdout),
            clean(&output.stderr)
        )
    }
}

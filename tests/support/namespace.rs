//! Commands in a mount namespace of their own, where files of the test stand in for the machine's,
//! and as another user: so that nothing of the machine is changed.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::TestEnv;

/// A user that exists in the namespaces of one test only, with ranges of subordinate ids.
pub const USER: &str = "melange2-tester";
/// The user's id, and the id of its group.
pub const UID: u32 = 64_123;

/// What is different inside.
#[derive(Default)]
pub struct Namespace {
    binds: Vec<(PathBuf, PathBuf)>,
    unprivileged: bool,
}

impl Namespace {
    /// Shows a file or directory at another place, which must exist.
    pub fn bind(mut self, from: impl Into<PathBuf>, to: impl Into<PathBuf>) -> Self {
        self.binds.push((from.into(), to.into()));
        self
    }

    /// Runs commands as [`USER`], to whom the test's directory is given.
    pub fn unprivileged(mut self, env: &TestEnv) -> Self {
        let accounts = fs_err::read_to_string("/etc/passwd").unwrap();
        let account = format!("{accounts}{USER}:x:{UID}:{UID}::/nonexistent:/bin/sh\n");
        let ranges = format!("{USER}:200000:65536\n");
        for (file, text) in [("passwd", &account), ("subuid", &ranges), ("subgid", &ranges)] {
            let path = env.write(format!("etc/{file}"), text);
            self.binds.push((path, Path::new("/etc").join(file)));
        }
        env.give_to(UID);
        self.unprivileged = true;
        self
    }

    /// The command, to be run inside.
    pub fn enter(&self, command: &Command) -> Command {
        let mut words: Vec<OsString> = vec!["--mount".into(), "--".into()];
        words.extend(["sh", "-ec", SCRIPT, "sh"].map(OsString::from));
        words.push(self.binds.len().to_string().into());
        for (from, to) in &self.binds {
            words.extend([from.into(), to.into()]);
        }
        if self.unprivileged {
            let id = UID.to_string();
            let setpriv = ["setpriv", "--reuid", &id, "--regid", &id, "--clear-groups", "--"];
            words.extend(setpriv.map(OsString::from));
        }
        words.push(command.get_program().to_owned());
        words.extend(command.get_args().map(ToOwned::to_owned));
        let mut inside = Command::new("unshare");
        inside.args(words).env_clear();
        inside.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        if let Some(directory) = command.get_current_dir() {
            inside.current_dir(directory);
        }
        inside
    }
}

/// Mounts as many pairs as the first argument says, then becomes the command that follows them.
const SCRIPT: &str = "n=$1; shift
while [ \"$n\" -gt 0 ]; do mount --bind \"$1\" \"$2\"; shift 2; n=$((n - 1)); done
exec \"$@\"";

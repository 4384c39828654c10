//! Real parts for live tests: a BuildKit daemon of their own, a signed apk repository, peers,
//! sources served on loopback.
//!
//! `scripts/test` provides all of them and sets `MELANGE2_TEST_REQUIRE`; without that, a test whose
//! parts are missing says so and passes.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::TestEnv;

/// The real parts.
pub struct Lab {
    /// Directory with `buildctl`, `buildkitd`, `apko` and `melange`.
    pub tools: PathBuf,
    /// The demo distribution: a signed apk repository.
    pub repository: PathBuf,
    /// Its public key.
    pub key: PathBuf,
    /// Upstream's release tarballs.
    pub sources: PathBuf,
    /// State of the daemon that all live tests of one run share.
    pub daemon: PathBuf,
}

impl Lab {
    /// The parts, or `None` with a note where some are missing.
    pub fn find() -> Option<&'static Lab> {
        static LAB: OnceLock<Result<Lab, String>> = OnceLock::new();
        match LAB.get_or_init(Self::look) {
            Ok(lab) => Some(lab),
            Err(missing) => {
                super::parts::without(missing);
                None
            }
        }
    }

    fn look() -> Result<Self, String> {
        let part = |name: &str| {
            let value = std::env::var_os(name).ok_or(format!("{name} is not set"))?;
            let path = PathBuf::from(value);
            path.exists().then(|| path.clone()).ok_or(format!("`{}` is missing", path.display()))
        };
        Ok(Self {
            tools: part("MELANGE2_TEST_TOOLS")?,
            repository: part("MELANGE2_TEST_REPO")?,
            key: part("MELANGE2_TEST_KEY")?,
            sources: part("MELANGE2_TEST_SOURCES")?,
            daemon: part("MELANGE2_TEST_DAEMON")?,
        })
    }

    /// `$PATH` with the tools first.
    pub fn path(&self) -> std::ffi::OsString {
        let own = std::env::var_os("PATH").unwrap_or_default();
        let paths = std::iter::once(self.tools.clone()).chain(std::env::split_paths(&own));
        std::env::join_paths(paths).unwrap()
    }

    /// `melange2`, with the tools on its PATH and the shared daemon and package cache.
    pub fn melange2(&self, env: &TestEnv) -> Command {
        let mut command = env.command(env!("CARGO_BIN_EXE_melange2"));
        command
            .env("PATH", self.path())
            .env("MELANGE2_DAEMON_DIR", &self.daemon)
            // Whatever daemon this machine has is left alone.
            .env("BUILDKIT_HOST", "private")
            .env("XDG_CACHE_HOME", self.daemon.join("cache"));
        command
    }

    /// `melange2 build RECIPE` against the demo distribution, signed with the key in the work
    /// directory, which is made when missing.
    pub fn build(&self, env: &TestEnv, recipe: &str) -> Command {
        self.keygen(env);
        let mut command = self.melange2(env);
        command.args(["build", recipe, "--signing-key", "test.rsa"]);
        self.repository_flags(&mut command);
        command
    }

    /// `-r` and `-k` for the demo distribution.
    pub fn repository_flags(&self, command: &mut Command) {
        command.arg("-r").arg(&self.repository).arg("-k").arg(&self.key);
    }

    /// Starts the shared daemon if it does not run, and tells its address.
    pub fn daemon_address(&self, env: &TestEnv) -> String {
        self.ok(env, self.melange2(env).args(["daemon", "start"]));
        let text = self.ok(env, self.melange2(env).args(["daemon", "status"]));
        text.split_whitespace().find(|word| word.starts_with("unix://")).unwrap().to_owned()
    }

    /// Makes `test.rsa` and `test.rsa.pub` in the work directory, once.
    pub fn keygen(&self, env: &TestEnv) {
        if !env.work().join("test.rsa").exists() {
            let output =
                self.melange2(env).args(["keygen", "--key-size", "2048", "test.rsa"]).output();
            success(env, &output.unwrap());
        }
    }

    /// Runs and returns everything that was said; the test fails where the command does.
    #[track_caller]
    pub fn ok(&self, env: &TestEnv, command: &mut Command) -> String {
        let output = command.output().unwrap();
        success(env, &output)
    }

    /// Installs packages by real apko into a directory, from the demo distribution and from the
    /// packages in the work directory.
    #[track_caller]
    pub fn apko_install(&self, env: &TestEnv, packages: &[&str]) -> PathBuf {
        let root = env.work().join("rootfs");
        let _ = fs_err::remove_dir_all(&root);
        fs_err::create_dir_all(&root).unwrap();
        let list: String = packages.iter().map(|name| format!("    - {name}\n")).collect();
        let yaml = format!(
            "contents:\n  repositories:\n    - {}\n    - {}\n  keyring:\n    - {}\n    - {}\n  \
             packages:\n{list}",
            self.repository.display(),
            env.work().join("packages").display(),
            self.key.display(),
            env.work().join("test.rsa.pub").display(),
        );
        env.write("apko.yaml", yaml);
        let tar = env.work().join("rootfs.tar");
        let mut apko = env.command(self.tools.join("apko"));
        apko.args(["build-minirootfs", "--build-arch", "x86_64", "apko.yaml"]).arg(&tar);
        self.ok(env, &mut apko);
        let mut extract = Command::new("tar");
        extract.arg("-C").arg(&root).arg("-xpf").arg(&tar);
        self.ok(env, &mut extract);
        root
    }
}

/// What a command said, as long as it succeeded.
#[track_caller]
pub fn success(env: &TestEnv, output: &Output) -> String {
    let text = env.text(output);
    assert!(output.status.success(), "{text}");
    text
}

/// A name that no other test and no other run has: steps whose text holds it are not cached.
pub fn nonce() -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{:x}-{}-{count}", time.as_nanos(), std::process::id())
}

/// Lines of `packages/` below the work directory: paths of everything that was written.
pub fn written(env: &TestEnv) -> Vec<String> {
    let root = env.work().join("packages");
    let mut paths: Vec<String> = walkdir::WalkDir::new(&root)
        .into_iter()
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| relative(&root, entry.path()))
        .collect();
    paths.sort();
    paths
}

fn relative(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap().display().to_string()
}

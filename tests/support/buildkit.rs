//! The harness for tests that need BuildKit: a private daemon of the test's own, and specs small
//! enough to write by hand.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::Duration;

use melange2::buildkit::{Caches, Connection, DaemonOptions, PRIVATE, RunOptions};
use melange2::cache::RemoteCaches;
use melange2::dockerfile::{Context, Spec};
use melange2::ui::{Reporter, StepReport};

/// `PATH` with the folder of the BuildKit to test first, or `None` (with a note) without one.
///
/// `MELANGE2_TEST_TOOLS` is a directory that has them; otherwise `PATH` is looked at.
pub fn tools_path() -> Option<std::ffi::OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    if let Some(tools) = std::env::var_os("MELANGE2_TEST_TOOLS") {
        folders.insert(0, tools.into());
    }
    let has = |name: &str| folders.iter().any(|folder| folder.join(name).is_file());
    if !has("buildkitd") || !has("buildctl") || !has("busybox") {
        super::parts::without("there is no buildkitd, buildctl or static busybox");
        return None;
    }
    if !rustix::process::geteuid().is_root() {
        super::parts::without("this is not root");
        return None;
    }
    Some(std::env::join_paths(folders).unwrap())
}

/// A directory with a private daemon in it, which is stopped with the value.
pub struct TestDaemon {
    root: tempfile::TempDir,
    path: std::ffi::OsString,
}

impl TestDaemon {
    /// Starts nothing yet. `None`: there is no BuildKit to test with.
    pub fn new() -> Option<Self> {
        let path = tools_path()?;
        let root = tempfile::Builder::new().prefix("m2-").tempdir().unwrap();
        for folder in ["home", "bin", "rootfs/bin", "rootfs/tmp"] {
            fs_err::create_dir_all(root.path().join(folder)).unwrap();
        }
        let busybox = std::env::split_paths(&path)
            .map(|folder| folder.join("busybox"))
            .find(|file| file.is_file())
            .unwrap();
        fs_err::copy(busybox, root.path().join("rootfs/bin/busybox")).unwrap();
        for applet in ["sh", "sleep", "echo", "cat", "mkdir", "touch", "date", "seq", "mkfifo"] {
            let link = root.path().join("rootfs/bin").join(applet);
            std::os::unix::fs::symlink("busybox", link).unwrap();
        }
        Some(Self { root, path })
    }

    /// A path below the test's directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// The daemon's state directory.
    pub fn dir(&self) -> PathBuf {
        self.path("d")
    }

    /// Puts a shell script on the `PATH` of the commands.
    pub fn script(&self, name: &str, text: &str) {
        let file = self.path("bin").join(name);
        fs_err::write(&file, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs_err::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A command with a clean environment that uses this daemon.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut path = self.path("bin").into_os_string();
        path.push(":");
        path.push(&self.path);
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", path)
            .env("MELANGE2_TOOLS", self.path("bin"))
            .env("HOME", self.path("home"))
            .env("LC_ALL", "C.UTF-8")
            .env("MELANGE2_DAEMON_DIR", self.dir())
            .env("MELANGE2_DAEMON_LINGER", "1h");
        command
    }

    /// Runs `melange2 daemon …`.
    pub fn daemon(&self, args: &[&str]) -> Output {
        let mut command = self.command(env!("CARGO_BIN_EXE_melange2"));
        command.arg("daemon").args(args).output().unwrap()
    }

    /// A line of `melange2 daemon status`.
    pub fn status(&self, key: &str) -> Option<String> {
        let output = self.daemon(&["status"]);
        let text = String::from_utf8(output.stdout).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        line.map(|line| line.trim().to_owned())
    }

    /// The process that a line of the status names.
    pub fn process(&self, key: &str) -> rustix::process::Pid {
        let line = self.status(key).expect("the daemon does not run");
        let pid: i32 = line.strip_prefix("process ").unwrap().parse().unwrap();
        rustix::process::Pid::from_raw(pid).unwrap()
    }

    /// `buildctl` at this daemon.
    pub fn buildctl(&self, args: &[&str]) -> Output {
        let addr = format!("unix://{}", self.dir().join("buildkitd.sock").display());
        self.command("buildctl").args(["--addr", &addr]).args(args).output().unwrap()
    }

    /// How the library finds this daemon.
    pub fn options(&self) -> DaemonOptions {
        DaemonOptions {
            addr: Some(PRIVATE.to_owned()),
            linger: Some(Duration::from_secs(3600)),
            state_dir: Some(self.dir()),
            program: Some(env!("CARGO_BIN_EXE_melange2").into()),
            ..DaemonOptions::default()
        }
    }

    /// Waits until no supervisor is left.
    pub fn wait_for_end(&self) {
        melange2::fsutil::FileLock::exclusive(&self.dir().join("supervisor.lock")).unwrap();
    }
}

impl Drop for TestDaemon {
    fn drop(&mut self) {
        self.daemon(&["stop", "--force"]);
    }
}

/// A spec whose steps run these lines in a root file system, and which exports `/out`.
pub fn spec(rootfs: &Path, steps: &[&str]) -> Spec {
    let mut text = "FROM scratch AS step-00\nCOPY --from=root / /\n".to_owned();
    for (index, step) in steps.iter().enumerate() {
        let number = index + 1;
        text.push_str(&format!("FROM step-{index:02} AS step-{number:02}\nRUN {step}\n"));
    }
    let last = steps.len();
    text.push_str(&format!("FROM scratch AS out\nCOPY --from=step-{last:02} /out /\n"));
    Spec {
        text,
        contexts: vec![Context::Local { name: "root".into(), dir: rootfs.to_owned() }],
        stages: (0..steps.len()).map(|index| (format!("step-{:02}", index + 1), index)).collect(),
        target: "out".into(),
        secrets: Vec::new(),
        entitlements: Vec::new(),
        platform: melange2::arch::Arch::host().platform(),
        files: Vec::new(),
        notes: Vec::new(),
        ssh: Vec::new(),
    }
}

/// What [`in_a_child`] is to do.
#[derive(serde::Serialize, serde::Deserialize)]
pub struct Job {
    /// Lines for [`spec`].
    pub steps: Vec<String>,
    /// The steps' root file system.
    pub rootfs: PathBuf,
    /// The daemon; [`PRIVATE`] is the test's own.
    pub addr: String,
    /// The private daemon's state.
    pub dir: PathBuf,
    /// `HTTP_PROXY` of the steps.
    pub proxy: Option<String>,
    /// Whether the spec asks for `security.insecure`.
    pub insecure: bool,
    /// Whether who reads the output gives up at its first byte.
    pub fail: bool,
    /// How many seconds who reads the output takes before its second byte. What buildctl's memory
    /// has grown to meanwhile is reported.
    pub pause: u64,
}

const JOB: &str = "MELANGE2_TEST_JOB";

impl TestDaemon {
    /// A job at this daemon.
    pub fn job(&self, steps: &[&str]) -> Job {
        Job {
            steps: steps.iter().map(|&step| step.to_owned()).collect(),
            rootfs: self.path("rootfs"),
            addr: PRIVATE.to_owned(),
            dir: self.dir(),
            proxy: None,
            insecure: false,
            fail: false,
            pause: 0,
        }
    }

    /// Runs a spec in a process of its own, which signals and crashes may hit.
    pub fn spawn(&self, job: &Job) -> Running {
        let mut command = self.command(std::env::current_exe().unwrap());
        command
            .args(["--exact", "support::buildkit::in_a_child", "--nocapture"])
            .env(JOB, serde_json::to_string(job).unwrap())
            .stdout(Stdio::piped())
            .process_group(0);
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        end_when_it_hangs(&child);
        Running { child, lines, said: String::new() }
    }

    /// Runs a spec and returns the exit code and what was reported.
    pub fn run(&self, job: &Job) -> (i32, String) {
        self.spawn(job).finish()
    }
}

/// Kills a child after far more time than it takes, so that its test fails instead of never ending.
fn end_when_it_hangs(child: &Child) {
    use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    let process = pidfd_open(pid, PidfdFlags::empty()).unwrap();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(600));
        let _ = pidfd_send_signal(&process, Signal::KILL);
    });
}

/// A spec that runs in a process of its own.
pub struct Running {
    pub child: Child,
    lines: BufReader<ChildStdout>,
    said: String,
}

impl Running {
    /// Waits until a line with this text was reported.
    pub fn wait_for(&mut self, text: &str) {
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            assert_ne!(self.lines.read_line(&mut line).unwrap(), 0, "{}", self.said);
            self.said.push_str(&line);
        }
    }

    /// Waits for its end: the exit code and what was reported.
    pub fn finish(mut self) -> (i32, String) {
        self.lines.read_to_string(&mut self.said).unwrap();
        let status = self.child.wait().unwrap();
        (status.code().unwrap_or(-1), self.said)
    }

    /// Sends a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.child.id()).unwrap();
        rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), signal)
            .unwrap();
    }
}

/// Not a test of its own: what [`TestDaemon::spawn`] runs.
#[test]
fn in_a_child() {
    let Ok(job) = std::env::var(JOB) else { return };
    let code = match work(&serde_json::from_str(&job).unwrap()) {
        Ok(bytes) => {
            println!("output of {bytes} bytes");
            0
        }
        Err(error) => {
            println!("error: {error}");
            error.hints().iter().for_each(|hint| println!("help: {hint}"));
            error.kind().exit_code()
        }
    };
    #[expect(clippy::exit, reason = "the test harness has exit codes of its own")]
    std::process::exit(code.into());
}

fn work(job: &Job) -> melange2::error::Result<u64> {
    let options = DaemonOptions {
        addr: Some(job.addr.clone()),
        state_dir: Some(job.dir.clone()),
        program: Some(env!("CARGO_BIN_EXE_melange2").into()),
        ..DaemonOptions::default()
    };
    let connection = Connection::open(&options)?;
    let mut caches = Caches::look_up(&connection, RemoteCaches::default(), job.dir.clone());
    let steps: Vec<&str> = job.steps.iter().map(String::as_str).collect();
    let mut spec = spec(&job.rootfs, &steps);
    if job.insecure {
        spec.entitlements.push("security.insecure".into());
    }
    let proxy = job.proxy.iter().map(|proxy| ("HTTP_PROXY".to_owned(), proxy.clone()));
    let options = RunOptions { build_args: proxy.collect(), ..RunOptions::default() };
    let labels: Vec<String> = (1..=steps.len()).map(|number| format!("step {number}")).collect();
    let (fail, pause) = (job.fail, job.pause);
    let bytes = caches.run(&connection, &spec, &options, &labels, &mut Said, |stream| {
        if fail {
            stream.read_exact(&mut [0])?;
            return Err(melange2::error::Error::config("the reader gave up"));
        }
        if pause > 0 {
            stream.read_exact(&mut [0])?;
            println!("buildctl's memory: {} KiB", largest_memory(connection.addr(), pause));
            return Ok(1 + std::io::copy(stream, &mut std::io::sink())?);
        }
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes)?;
        let whole = bytes.len() >= 1024 && bytes.ends_with(&[0; 1024]);
        if whole {
            Ok(bytes.len() as u64)
        } else {
            Err(melange2::error::Error::config("cut short"))
        }
    })?;
    Ok(bytes)
}

/// The most that the buildctl at an address has had in memory, in KiB, as far as some seconds tell.
fn largest_memory(addr: &str, seconds: u64) -> u64 {
    let of = |process: fs_err::DirEntry| {
        let line = fs_err::read(process.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        let is_it = line.contains(&format!("buildctl --addr {addr} build"));
        let status =
            is_it.then(|| fs_err::read_to_string(process.path().join("status")).ok())??;
        let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        most.trim().strip_suffix(" kB")?.parse::<u64>().ok()
    };
    let glance = |_| {
        std::thread::sleep(Duration::from_millis(20));
        fs_err::read_dir("/proc").unwrap().filter_map(Result::ok).filter_map(of).max()
    };
    (0..seconds * 50).filter_map(glance).max().expect("buildctl runs")
}

/// Reports on stdout.
struct Said;

impl Reporter for Said {
    fn phase(&mut self, text: &str) {
        println!("phase {text}");
    }
    fn step_started(&mut self, name: &str) {
        println!("started {name}");
    }
    fn step_log(&mut self, name: &str, line: &str) {
        println!("log {name}: {line}");
    }
    fn step_ended(&mut self, report: &StepReport) {
        println!("{:?} {}", report.outcome, report.name);
    }
    fn warning(&mut self, text: &str) {
        println!("warning {text}");
    }
}

/// The processes whose command line contains a text, this one's aside.
pub fn processes_with(text: &str) -> Vec<String> {
    let processes = fs_err::read_dir("/proc").unwrap();
    processes
        .filter_map(|entry| fs_err::read(entry.ok()?.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(text))
        .collect()
}

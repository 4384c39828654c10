//! The private daemon: shared, found again, stopped in time, and never in the way of the next run.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use melange2::buildkit::{Connection, DaemonOptions, PrivateDaemon};
use melange2::fsutil::FileLock;
use rustix::process::{Signal, kill_process};
use std::time::Duration;

use crate::support::buildkit::{TestDaemon, processes_with};
use crate::support::disk::Disk;

#[test]
fn concurrent_starts_are_one_daemon() {
    let Some(daemon) = TestDaemon::new() else { return };
    let outputs: Vec<_> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..4).map(|_| scope.spawn(|| daemon.daemon(&["start"]))).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    for output in outputs {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let config = daemon.dir().join("buildkitd.toml");
    let running = processes_with(&format!("--config {}", config.display()));
    assert_eq!(running.len(), 1, "{running:?}");
    assert_eq!(daemon.status("users").unwrap(), "0");
}

#[test]
fn an_unused_daemon_stops_and_keeps_its_state() {
    let Some(daemon) = TestDaemon::new() else { return };
    let output = daemon.daemon(&["start", "--daemon-linger", "0"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    daemon.wait_for_end();
    assert_eq!(daemon.status("state").unwrap(), "not running");
    assert!(!daemon.dir().join("buildkitd.sock").exists());
    assert!(daemon.dir().join("root").is_dir());
}

#[test]
fn a_daemon_in_use_is_not_stopped() {
    let Some(daemon) = TestDaemon::new() else { return };
    let options = daemon.options();
    let connection = Connection::open(&options).unwrap();
    assert!(connection.is_private());
    // Another user, whose wish for no linger time must not count while the first is there.
    assert!(daemon.daemon(&["start", "--daemon-linger", "0"]).status.success());
    assert_eq!(PrivateDaemon::new(&options).unwrap().users(), 1);
    let refused = daemon.daemon(&["stop"]);
    assert_eq!(refused.status.code(), Some(3));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("used by 1 processes") && said.contains("--force"), "{said}");
    drop(connection);
    daemon.wait_for_end();
    assert_eq!(daemon.status("state").unwrap(), "not running");
}

#[test]
fn it_stays_for_ten_minutes_unless_somebody_says_otherwise() {
    let Some(daemon) = TestDaemon::new() else { return };
    let mut start = daemon.command(env!("CARGO_BIN_EXE_melange2"));
    start.args(["daemon", "start"]).env_remove("MELANGE2_DAEMON_LINGER");
    let output = start.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(daemon.status("linger").unwrap(), "600s");
    // The last one to come decides: the variable, then the library, which says nothing.
    assert!(daemon.daemon(&["start"]).status.success());
    assert_eq!(daemon.status("linger").unwrap(), "3600s");
    let options = DaemonOptions { linger: None, ..daemon.options() };
    let connection = Connection::open(&options).unwrap();
    assert_eq!(daemon.status("linger").unwrap(), "600s");
    drop(connection);
}

#[test]
fn a_build_by_hand_is_not_ended_with_the_linger_time() {
    let Some(daemon) = TestDaemon::new() else { return };
    let options = DaemonOptions { linger: Some(Duration::ZERO), ..daemon.options() };
    let connection = Connection::open(&options).unwrap();
    let text = "FROM scratch\nCOPY . /\nRUN echo at work; sleep 3; echo all done\n";
    fs_err::write(daemon.path("rootfs/Dockerfile"), text).unwrap();
    let folder = daemon.path("rootfs").display().to_string();
    let [context, dockerfile] = ["context", "dockerfile"].map(|name| format!("{name}={folder}"));
    let mut command = daemon.command("buildctl");
    command.args(["--addr", connection.addr(), "build", "--frontend", "dockerfile.v0"]);
    command.args(["--local", &context, "--local", &dockerfile, "--progress", "plain"]);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    // It has begun when the step speaks, not when its line is shown.
    assert!(lines.any(|line| line.ends_with(" at work")), "the step runs");
    drop(connection);
    let rest: Vec<String> = lines.collect();
    assert!(child.wait().unwrap().success(), "{rest:#?}");
    assert!(rest.iter().any(|line| line.ends_with(" all done")), "{rest:#?}");
    // And then it ends, with nobody to ask it.
    daemon.wait_for_end();
}

#[test]
fn the_directory_is_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let Some(daemon) = TestDaemon::new() else { return };
    assert!(daemon.daemon(&["start"]).status.success());
    let mode = fs_err::metadata(daemon.dir()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn a_daemon_that_can_not_start_says_why() {
    let Some(daemon) = TestDaemon::new() else { return };
    daemon.script("buildkitd", "echo 'no space for anything' >&2; exit 1");
    let output = daemon.daemon(&["start"]);
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("no space for anything"), "{said}");
    assert!(said.contains("could not be started: buildkitd ended at once"), "{said}");
    // Nothing is in the way of a later start.
    fs_err::remove_file(daemon.path("bin/buildkitd")).unwrap();
    assert!(daemon.daemon(&["start"]).status.success());
}

#[test]
fn cache_mounts_outlive_garbage_collection_and_prune() {
    let Some(daemon) = TestDaemon::new() else { return };
    let step = "--mount=type=cache,id=m2-gc,target=/m touch /m/kept; mkdir -p /out";
    let (code, said) = daemon.run(&daemon.job(&[step]));
    assert_eq!(code, 0, "{said}");
    let workers = Connection::open(&daemon.options()).unwrap().workers().unwrap();
    let rules: Vec<&str> = workers.split("GC Policy rule#").skip(1).collect();
    // One without sizes: to compare sizes BuildKit counts mounts, and what it counts is lost to a step
    // that starts then.
    assert_eq!(rules.len(), 1, "{workers}");
    assert!(rules[0].contains("type==source.local") && !rules[0].contains("exec.cachemount"));
    let lines = rules[0].lines().filter_map(|line| line.split_once(':'));
    let keys: Vec<&str> = lines.map(|(key, _)| key.trim()).collect();
    assert_eq!(keys, ["0", "All", "Filters", "Keep duration"], "{workers}");
    assert_eq!(daemon.status("garbage").as_deref(), Some("by age"));
    let mounts = || {
        let output =
            daemon.buildctl(&["du", "--filter", "type==exec.cachemount", "--format={{json .}}"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().matches("exec.cachemount").count()
    };
    let all = || String::from_utf8(daemon.buildctl(&["du", "-v"]).stdout).unwrap();
    // The daemon writes down what a directory is for some time after the step has ended.
    let mut looked = 0;
    while mounts() == 0 && looked < 300 {
        std::thread::sleep(Duration::from_millis(100));
        looked += 1;
    }
    assert_eq!(mounts(), 1, "{said}{}", all());
    assert!(daemon.daemon(&["prune"]).status.success());
    assert_eq!(mounts(), 1, "{}", all());
    let output = daemon.daemon(&["prune", "--all"]);
    assert!(String::from_utf8(output.stderr).unwrap().contains("warning:"));
    assert_eq!(mounts(), 0);
}

#[test]
fn a_disk_that_fills_up_costs_results_and_no_cache_mounts() {
    let Some(daemon) = TestDaemon::new() else { return };
    let state = daemon.dir();
    let disk = Disk::mount(&state, "256m");
    let mount = "--mount=type=cache,id=m2-full,target=/m";
    let fill = "busybox dd if=/dev/zero of=/big bs=1M count=215; mkdir /out";
    let (code, said) = daemon.run(&daemon.job(&[&format!("{mount} touch /m/kept"), fill]));
    assert_eq!(code, 0, "{said}");
    assert!(disk.used() > 80, "{} %", disk.used());
    // It looks at the disk when it has started, and then each minute.
    assert!(daemon.daemon(&["stop", "--force"]).status.success());
    assert!(daemon.daemon(&["start"]).status.success());
    disk.wait_for_room(40, || {});
    let look = format!("{mount} [ -e /m/kept ] && mkdir /out");
    let (code, said) = daemon.run(&daemon.job(&[&look]));
    assert_eq!(code, 0, "{said}");
}

#[test]
fn a_killed_buildkitd_is_broken_and_the_next_run_is_fine() {
    let Some(daemon) = TestDaemon::new() else { return };
    let mut run = daemon.spawn(&daemon.job(&["echo running; sleep 86401"]));
    // It is started again and the step with it, some times; then whoever kills it has had his way.
    for _ in 0..4 {
        run.wait_for("log step 1: running");
        kill_process(daemon.process("buildkitd"), Signal::KILL).unwrap();
    }
    let (code, said) = run.finish();
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("was lost") && said.contains("(attempt 4 of 4)"), "{said}");
    daemon.wait_for_end();
    assert_eq!(processes_with("sleep 86401"), [""; 0]);
    let mounts = fs_err::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(daemon.dir().to_str().unwrap()), "{mounts}");
    let (code, said) = daemon.run(&daemon.job(&["mkdir /out"]));
    assert_eq!(code, 0, "{said}");
}

#[test]
fn a_killed_supervisor_is_replaced_and_the_daemon_goes_on() {
    let Some(daemon) = TestDaemon::new() else { return };
    let mut run = daemon.spawn(&daemon.job(&["mkdir /out; mkfifo /p; echo running; sleep 2"]));
    run.wait_for("log step 1: running");
    let buildkitd = daemon.process("buildkitd");
    kill_process(daemon.process("supervisor"), Signal::KILL).unwrap();
    daemon.wait_for_end();
    let (code, said) = daemon.run(&daemon.job(&["mkdir -p /out"]));
    assert_eq!(code, 0, "{said}");
    assert_eq!(daemon.process("buildkitd"), buildkitd);
    let (code, said) = run.finish();
    assert_eq!(code, 0, "{said}");
    assert!(daemon.daemon(&["stop"]).status.success());
    assert_eq!(daemon.status("state").unwrap(), "not running");
}

#[test]
fn a_killed_user_leaves_no_lock() {
    let Some(daemon) = TestDaemon::new() else { return };
    let mut run = daemon.spawn(&daemon.job(&["echo running; sleep 86402"]));
    run.wait_for("log step 1: running");
    run.signal(Signal::KILL);
    run.finish();
    // Nobody holds the users' lock any more.
    drop(FileLock::exclusive(&daemon.dir().join("users.lock")).unwrap());
    assert!(daemon.daemon(&["stop", "--force"]).status.success());
    assert_eq!(processes_with("sleep 86402"), [""; 0]);
}

#[test]
fn every_place_that_was_looked_at_is_named() {
    let Some(daemon) = TestDaemon::new() else { return };
    let mut command = daemon.command(env!("CARGO_BIN_EXE_melange2"));
    let output =
        command.args(["daemon", "status", "--addr", "unix:///nowhere/at.sock"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("help: looked at `--addr`: `unix:///nowhere/at.sock`"), "{said}");
}

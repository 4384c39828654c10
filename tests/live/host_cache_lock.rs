//! Waiting for the host's cache directory, which one build at a time brings in or home.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use melange2::fsutil::FileLock;

use super::faults::doorbell;
use super::recipe;
use crate::support::TestEnv;
use crate::support::lab::{Lab, nonce};

const WAITS: &str = "waiting for another build that uses `/";

/// Starts a command whose words go to a file.
fn start(command: &mut Command, log: &Path) -> Child {
    let file = fs_err::File::create(log).unwrap().into_parts().0;
    command.stdout(Stdio::null()).stderr(file).spawn().unwrap()
}

fn wait_for(log: &Path, text: &str) {
    let begin = Instant::now();
    while !fs_err::read_to_string(log).unwrap().contains(text) {
        let said = || fs_err::read_to_string(log).unwrap();
        assert!(begin.elapsed() < Duration::from_secs(100), "{}", said());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_wait_for_another_build_is_told_and_control_c_ends_it() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    let (port, rung) = doorbell();
    let script = format!(
        "# {}\nwget -q -O /dev/null http://127.0.0.1:{port}/ || :\necho 1 > /var/cache/melange/one\n\
         mkdir -p ${{{{targets.destdir}}}}/usr",
        nonce()
    );
    let text = recipe("stores", &[("store", &script)]);
    env.write("stores.yaml", text.replace("- busybox", "- busybox\n      - wget"));
    env.write("melange-cache/before", "1");
    let (lock, log) = (env.work().join("melange-cache/.melange2/lock"), env.work().join("log"));
    // Before the build …
    let held = FileLock::exclusive(&lock).unwrap();
    let mut child = start(&mut lab.build(&env, "stores.yaml"), &log);
    wait_for(&log, WAITS);
    assert!(rung.try_recv().is_err(), "nothing runs meanwhile");
    drop(held);
    // … and after it: the step has run, and what it stored can't be fetched.
    rung.recv_timeout(Duration::from_secs(100)).unwrap();
    let held = FileLock::exclusive(&lock).unwrap();
    let said = |log: &Path| fs_err::read_to_string(log).unwrap().matches(WAITS).count();
    let begin = Instant::now();
    while said(&log) < 2 {
        assert!(begin.elapsed() < Duration::from_secs(100) && child.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(50));
    }
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(!env.work().join("melange-cache/one").exists());
    drop(held);
}

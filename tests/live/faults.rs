//! Things that go wrong: signals, daemons that die, builds that run at once.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{counter, recipe};
use crate::support::TestEnv;
use crate::support::lab::{Lab, nonce, success, written};

/// Starts a command whose output is kept.
fn start(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until a condition holds; far longer than it could take, so that it is no timed test.
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..1200 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("never happened: {what}");
}

/// A recipe whose step tells the test through a loopback port that it runs, then sleeps.
fn sleeper(port: u16) -> String {
    let script = format!(
        "# {}\nwget -q -O /dev/null http://127.0.0.1:{port}/ || true\nsleep 600\ntouch /var/cache/melange/never",
        nonce()
    );
    recipe("sleeper", &[("sleep", &script)]).replace("- busybox", "- busybox\n      - wget")
}

/// A port on which somebody waits for one connection.
pub(super) fn doorbell() -> (u16, std::sync::mpsc::Receiver<()>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let _connection = listener.accept();
        let _ = sender.send(());
    });
    (port, receiver)
}

fn signal(child: &Child, signal: &str) {
    let status = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

#[test]
fn control_c_in_a_step_cancels_the_solve_and_leaves_nothing() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    let (port, rung) = doorbell();
    env.write("sleeper.yaml", sleeper(port));
    let child = start(&mut lab.build(&env, "sleeper.yaml"));
    rung.recv_timeout(Duration::from_secs(300)).unwrap();
    // All of it is there, to be found again below if it stays.
    assert!(is_running(port), "the step runs");
    assert_eq!((hidden(&env).len(), temporary(&env).len()), (1, 1));
    signal(&child, "-INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", env.text(&output));
    assert_eq!(written(&env), [] as [&str; 0]);
    assert_eq!((hidden(&env), temporary(&env)), (vec![], vec![]));
    // The step's own process is gone, too.
    eventually("the step ends", || !is_running(port));
}

/// Whether a process of the step that was told of this port is there.
fn is_running(port: u16) -> bool {
    let processes = Command::new("pgrep").args(["-f", &format!("127.0.0.1:{port}")]).output();
    !processes.unwrap().stdout.is_empty()
}

/// What a run has in the directory of temporary files.
fn temporary(env: &TestEnv) -> Vec<std::path::PathBuf> {
    let entries = fs_err::read_dir(env.tmp()).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn a_build_that_is_cancelled_while_it_packages_publishes_nothing() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    let (port, rung) = doorbell();
    let script = format!(
        "# {}\nwget -q -O /dev/null http://127.0.0.1:{port}/ || true\n\
         mkdir -p ${{{{targets.destdir}}}}/usr",
        nonce()
    );
    let text = recipe("late", &[("make", &script)]);
    env.write("late.yaml", text.replace("- busybox", "- busybox\n      - wget"));
    let child = start(&mut lab.build(&env, "late.yaml"));
    rung.recv_timeout(Duration::from_secs(300)).unwrap();
    // Packages take their names under this lock.
    let directory = fs_err::File::open(env.work().join("packages/x86_64")).unwrap();
    directory.file().lock().unwrap();
    eventually("the package is complete", || {
        hidden(&env).iter().any(|it| it.join("late-1.0.0-r0.apk").exists())
    });
    signal(&child, "-INT");
    // Nothing shows that a signal was taken note of: far longer than that could take.
    std::thread::sleep(Duration::from_secs(2));
    drop(directory);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", env.text(&output));
    assert_eq!(written(&env), [] as [&str; 0]);
    assert_eq!(hidden(&env), [""; 0].map(std::path::PathBuf::from));
}

#[test]
fn a_build_that_takes_too_long_is_ended() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    let (port, _rung) = doorbell();
    env.write("sleeper.yaml", sleeper(port).replace("epoch: 0", "epoch: 0\n  timeout: 1h"));
    let output = lab.build(&env, "sleeper.yaml").args(["--timeout", "5s"]).output().unwrap();
    let text = env.text(&output);
    assert!(text.starts_with("exit: 1\n"), "{text}");
    assert!(text.contains("longer than its timeout of 5s") && text.contains("--timeout"), "{text}");
    assert_eq!(written(&env), [] as [&str; 0]);
    eventually("the step ends", || !is_running(port));
}

/// The private daemon is named after its state directory.
fn kill_daemon(state: &std::path::Path) {
    let pattern = format!("buildkitd.*{}", state.display());
    let status = Command::new("pkill").args(["-KILL", "-f", &pattern]).status().unwrap();
    assert!(status.success(), "there is a daemon in `{}`", state.display());
}

#[test]
fn a_killed_private_daemon_is_started_again_and_the_build_goes_on() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    let state = env.work().join("daemon");
    // Tells the step how long to sleep: the first time for long, then not at all.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, rung) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for (stream, time) in listener.incoming().flatten().zip(["600", "0", "0"]) {
            let answer = format!("HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n{time}", time.len());
            let _ = std::io::Write::write_all(&mut &stream, answer.as_bytes());
            let _ = sender.send(());
        }
    });
    let script = format!(
        "# {}\nsleep $(wget -q -O - http://127.0.0.1:{port}/)\nmkdir -p ${{{{targets.destdir}}}}/usr",
        nonce()
    );
    let text = recipe("sleeper", &[("sleep", &script)]);
    env.write("sleeper.yaml", text.replace("- busybox", "- busybox\n      - wget"));
    let child = start(lab.build(&env, "sleeper.yaml").env("MELANGE2_DAEMON_DIR", &state));
    rung.recv_timeout(Duration::from_secs(300)).unwrap();
    kill_daemon(&state);
    let text = success(&env, &child.wait_with_output().unwrap());
    assert!(text.contains("was lost") && text.contains("trying again in 1 s"), "{text}");
    assert!(written(&env).contains(&"x86_64/sleeper-1.0.0-r0.apk".to_owned()));
    let mut stop = lab.melange2(&env);
    lab.ok(&env, stop.args(["daemon", "stop"]).env("MELANGE2_DAEMON_DIR", &state));
}

#[test]
fn a_killed_daemon_is_exit_code_3_and_the_next_run_is_fine() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    let (port, rung) = doorbell();
    let state = env.work().join("daemon");
    env.write("sleeper.yaml", sleeper(port));
    // At an address: nobody starts that one again.
    let mut daemon = lab.melange2(&env);
    lab.ok(&env, daemon.args(["daemon", "start"]).env("MELANGE2_DAEMON_DIR", &state));
    let address = format!("unix://{}", state.join("buildkitd.sock").display());
    let child = start(lab.build(&env, "sleeper.yaml").args(["--addr", &address]));
    rung.recv_timeout(Duration::from_secs(300)).unwrap();
    kill_daemon(&state);
    let output = child.wait_with_output().unwrap();
    let text = env.text(&output);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("trying again in 4 s (attempt 4 of 4)"), "{text}");
    assert_eq!(written(&env), [] as [&str; 0]);

    env.write("fine.yaml", recipe("fine", &[("fine", "mkdir -p ${{targets.destdir}}/usr")]));
    lab.ok(&env, lab.build(&env, "fine.yaml").env("MELANGE2_DAEMON_DIR", &state));
    assert!(written(&env).contains(&"x86_64/fine-1.0.0-r0.apk".to_owned()));
    let mut stop = lab.melange2(&env);
    lab.ok(&env, stop.args(["daemon", "stop"]).env("MELANGE2_DAEMON_DIR", &state));
}

/// The hidden directories beside the packages.
fn hidden(env: &TestEnv) -> Vec<std::path::PathBuf> {
    let Ok(entries) = fs_err::read_dir(env.work().join("packages/x86_64")) else { return vec![] };
    let hidden = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with('.');
    entries.map(Result::unwrap).filter(|it| hidden(&it.file_name())).map(|it| it.path()).collect()
}

#[test]
fn what_a_killed_build_left_is_deleted_and_a_running_build_is_left_alone() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    let state = env.work().join("daemon");
    let sleeping = |name: &str| {
        let (port, rung) = doorbell();
        env.write(name, sleeper(port));
        let child = start(lab.build(&env, name).env("MELANGE2_DAEMON_DIR", &state));
        rung.recv_timeout(Duration::from_secs(300)).unwrap();
        child
    };
    let killed = sleeping("killed.yaml");
    let left = hidden(&env);
    assert_eq!(left.len(), 1, "{left:?}");
    signal(&killed, "-KILL");
    killed.wait_with_output().unwrap();
    assert_eq!(hidden(&env), left, "nobody is there to delete it");

    let running = sleeping("running.yaml");
    let in_use = hidden(&env);
    assert!(in_use.len() == 1 && in_use != left, "{left:?}, then {in_use:?}");
    env.write("fine.yaml", recipe("fine", &[("fine", "mkdir -p ${{targets.destdir}}/usr")]));
    lab.ok(&env, lab.build(&env, "fine.yaml").env("MELANGE2_DAEMON_DIR", &state));
    assert_eq!(hidden(&env), in_use, "it is in use");
    signal(&running, "-INT");
    assert_eq!(running.wait_with_output().unwrap().status.code(), Some(130));
    assert_eq!(hidden(&env), [""; 0].map(std::path::PathBuf::from));
    // The killed build's step still runs.
    let mut stop = lab.melange2(&env);
    stop.args(["daemon", "stop", "--force"]).env("MELANGE2_DAEMON_DIR", &state);
    lab.ok(&env, &mut stop);
}

#[test]
fn two_builds_into_one_directory_at_once_lose_nothing() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    let name = format!("both-{}", nonce());
    lab.keygen(&env);
    // Or each would have a mount of its own.
    fs_err::create_dir(env.work().join("melange-cache")).unwrap();
    for package in ["one", "two"] {
        let script = format!(
            "echo {package} >> /var/cache/melange/{name}\nmkdir -p ${{{{targets.destdir}}}}/usr\necho {package} > ${{{{targets.destdir}}}}/usr/{package}"
        );
        env.write(format!("{package}.yaml"), recipe(package, &[("make", &script)]));
    }
    let children = ["one.yaml", "two.yaml"].map(|recipe| start(&mut lab.build(&env, recipe)));
    for child in children {
        success(&env, &child.wait_with_output().unwrap());
    }
    let mut ran = counter(lab, &env, &name);
    ran.sort();
    assert_eq!(ran, ["one", "two"]);
    assert_eq!(
        written(&env).into_iter().filter(|path| !path.contains(".lock")).collect::<Vec<_>>(),
        [
            "x86_64/APKINDEX.tar.gz",
            "x86_64/counter-1.0.0-r0.apk",
            "x86_64/one-1.0.0-r0.apk",
            "x86_64/two-1.0.0-r0.apk"
        ]
    );
    let mut solve = lab.melange2(&env);
    solve.args(["solve", "one", "two", "-r", "packages", "-k", "test.rsa.pub"]);
    lab.repository_flags(&mut solve);
    let text = lab.ok(&env, &mut solve);
    assert!(text.contains("one=1.0.0-r0\n") && text.contains("two=1.0.0-r0\n"), "{text}");
}

#[test]
fn no_daemon_at_an_address_is_exit_code_3() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    env.write("fine.yaml", recipe("fine", &[("fine", "true")]));
    let socket = format!("unix://{}", env.work().join("nobody.sock").display());
    let output = lab.build(&env, "fine.yaml").args(["--addr", &socket]).output().unwrap();
    let text = env.text(&output);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("nobody.sock"), "says where it looked: {text}");
}

//! Specs run by a real buildctl, by stand-ins for the programs that carry it elsewhere, and by a
//! fake one that misbehaves.

use rustix::process::Signal;

use crate::support::buildkit::{Job, TestDaemon, processes_with};

#[test]
fn steps_run_once_and_are_cached_after() {
    let Some(daemon) = TestDaemon::new() else { return };
    let job = daemon.job(&["mkdir /out; echo one", "echo two; echo three >/out/file"]);
    let (code, said) = daemon.run(&job);
    assert_eq!(code, 0, "{said}");
    for line in ["started step 1", "log step 1: one", "Done step 1", "Done step 2"] {
        assert_eq!(said.matches(line).count(), 1, "{line}: {said}");
    }
    let (code, said) = daemon.run(&job);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("Cached step 1\nCached step 2\noutput of"), "{said}");
    assert!(!said.contains("started"), "{said}");
}

#[test]
fn proxies_reach_steps_and_no_key() {
    let Some(daemon) = TestDaemon::new() else { return };
    let mut job = daemon.job(&["mkdir /out; echo proxy is $HTTP_PROXY"]);
    job.proxy = Some("http://me:secret@127.0.0.1:1".to_owned());
    let (code, said) = daemon.run(&job);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("proxy is http://me:secret@127.0.0.1:1"), "{said}");
    for proxy in [None, Some("http://127.0.0.1:2".to_owned())] {
        job.proxy = proxy;
        let (code, said) = daemon.run(&job);
        assert_eq!(code, 0, "{said}");
        assert!(said.contains("Cached step 1"), "{said}");
    }
}

#[test]
fn a_failing_step_has_its_exit_code() {
    let Some(daemon) = TestDaemon::new() else { return };
    let job = daemon.job(&["echo fine", "echo not so fine; exit 7"]);
    let (code, said) = daemon.run(&job);
    assert_eq!(code, 1, "{said}");
    for line in ["Done step 1", "Failed step 2", "error: step failed with exit code 7"] {
        assert_eq!(said.matches(line).count(), 1, "{line}: {said}");
    }
}

#[test]
fn an_interrupt_cancels_the_solve() {
    let Some(daemon) = TestDaemon::new() else { return };
    for (signal, marker) in [(Signal::INT, "sleep 86403"), (Signal::TERM, "sleep 86404")] {
        let mut run = daemon.spawn(&daemon.job(&[&format!("echo running; {marker}")]));
        run.wait_for("log step 1: running");
        run.signal(signal);
        let (code, said) = run.finish();
        assert_eq!(code, 130, "{said}");
        assert!(said.contains("Cancelled step 1\nerror: cancelled"), "{said}");
        assert_eq!(processes_with(marker), [""; 0]);
    }
    let (code, said) = daemon.run(&daemon.job(&["mkdir /out"]));
    assert_eq!(code, 0, "{said}");
}

#[test]
fn buildctl_is_out_of_the_terminals_reach() {
    let Some(daemon) = TestDaemon::new() else { return };
    let mut run = daemon.spawn(&daemon.job(&["echo running; sleep 86405"]));
    run.wait_for("log step 1: running");
    // As a terminal does on ^C: the whole foreground process group gets the signal. Were buildctl
    // among it, it would have two signals, and not wait for the step's end.
    let group = i32::try_from(run.child.id()).unwrap();
    let group = rustix::process::Pid::from_raw(group).unwrap();
    rustix::process::kill_process_group(group, Signal::INT).unwrap();
    let (code, said) = run.finish();
    assert_eq!(code, 130, "{said}");
    assert!(said.contains("Cancelled step 1"), "{said}");
    assert_eq!(processes_with("sleep 86405"), [""; 0]);
}

#[test]
fn a_reader_that_gives_up_ends_the_run() {
    let Some(daemon) = TestDaemon::new() else { return };
    let mut job = daemon.job(&["mkdir /out; seq 1000000 >/out/file"]);
    job.fail = true;
    let (code, said) = daemon.run(&job);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("error: the reader gave up"), "{said}");
}

/// buildctl takes all that the daemon sends; unless we take it from there it stays in its memory.
#[test]
fn what_is_read_slowly_does_not_wait_in_buildctls_memory() {
    let Some(daemon) = TestDaemon::new() else { return };
    let mut job = daemon.job(&["mkdir /out; /bin/busybox truncate -s 1G /out/hole"]);
    job.pause = 8;
    let (code, said) = daemon.run(&job);
    assert_eq!(code, 0, "{said}");
    let memory = said.lines().find_map(|line| line.strip_prefix("buildctl's memory: ")).unwrap();
    let kibibytes: u64 = memory.strip_suffix(" KiB").unwrap().parse().unwrap();
    assert!((1 << 10..300 << 10).contains(&kibibytes), "{memory}");
    let size: u64 = {
        let size = said.lines().find_map(|line| line.strip_prefix("output of ")).unwrap();
        size.strip_suffix(" bytes").unwrap().parse().unwrap()
    };
    assert!(size > 1 << 30, "{size}");
}

#[test]
fn the_private_daemon_grants_what_recipes_may_ask_for() {
    let Some(daemon) = TestDaemon::new() else { return };
    let mut job = daemon.job(&["--security=insecure mkdir /out"]);
    let (code, said) = daemon.run(&job);
    assert_eq!(code, 3, "{said}");
    job.insecure = true;
    let (code, said) = daemon.run(&job);
    assert_eq!(code, 0, "{said}");
}

#[test]
fn a_foreign_platform_without_emulator_is_said_to_be_one() {
    let Some(daemon) = TestDaemon::new() else { return };
    // The kernel's answer to a program of another architecture, whatever that is.
    let shell = daemon.path("rootfs/bin/sh");
    fs_err::remove_file(&shell).unwrap();
    fs_err::write(&shell, "\x7fELF but of no machine here").unwrap();
    let mode = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o755);
    fs_err::set_permissions(&shell, mode).unwrap();
    let (code, said) = daemon.run(&daemon.job(&["true"]));
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("binfmt"), "{said}");
}

#[test]
fn every_form_of_address_works() {
    let Some(daemon) = TestDaemon::new() else { return };
    assert!(daemon.daemon(&["start"]).status.success());
    let socket = daemon.dir().join("buildkitd.sock");
    for carrier in ["docker", "podman", "kubectl", "ssh"] {
        // What each would run at the other end, here. Its words are kept for a look.
        let log = daemon.path(carrier);
        daemon.script(
            carrier,
            &format!(
                "echo \"$@\" >>{}; exec buildctl --addr unix://{} dial-stdio",
                log.display(),
                socket.display()
            ),
        );
    }
    for (addr, carrier) in [
        ("docker-container://box", "docker"),
        ("podman-container://box", "podman"),
        ("kube-pod://box", "kubectl"),
        ("ssh://me@box", "ssh"),
    ] {
        let mut job = daemon.job(&["mkdir /out", "true"]);
        job.addr = addr.to_owned();
        let (code, said) = daemon.run(&job);
        assert_eq!(code, 0, "{addr}: {said}");
        let words = fs_err::read_to_string(daemon.path(carrier)).unwrap();
        assert!(words.contains("box") && words.contains("dial-stdio"), "{words}");
    }
}

/// A job for a buildctl that runs this when asked to build, and answers everything else.
fn faulty(daemon: &TestDaemon, build: &str) -> Job {
    daemon.script("buildctl", &format!("case \"$*\" in *' build '*) ;; *) exit 0;; esac\n{build}"));
    let mut job = daemon.job(&["true"]);
    job.addr = "unix:///fake".to_owned();
    job
}

const STARTED: &str = r#"{"vertexes":[{"digest":"a","name":"[step-01 1/1] RUN true","started":"2026-01-01T00:00:00Z"}]}"#;

#[test]
fn garbage_between_events_is_passed_over() {
    let Some(daemon) = TestDaemon::new() else { return };
    let done = STARTED.replace("00Z\"}", "00Z\",\"completed\":\"2026-01-01T00:00:01Z\"}");
    let job = faulty(
        &daemon,
        &format!(
            "printf '%s\\n' 'a warning' '{STARTED}' '{{\"vertexes\":[{{\"di' 'null' >&2\n\
             printf '\\377\\000{{\\n' >&2; printf '%s' '{done}' >&2\n\
             head -c 2048 /dev/zero"
        ),
    );
    let (code, said) = daemon.run(&job);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("started step 1\nDone step 1\noutput of 2048 bytes"), "{said}");
}

#[test]
fn a_buildctl_that_dies_is_broken_whatever_the_reader_says() {
    let Some(daemon) = TestDaemon::new() else { return };
    let job = faulty(&daemon, &format!("echo '{STARTED}' >&2; printf half; kill -9 $$"));
    let (code, said) = daemon.run(&job);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("Cancelled step 1"), "{said}");
    assert!(said.contains("error: buildctl ended with signal: 9"), "{said}");
}

#[test]
fn a_stream_cut_short_is_the_readers_to_find() {
    let Some(daemon) = TestDaemon::new() else { return };
    let (code, said) = daemon.run(&faulty(&daemon, "printf half"));
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("error: cut short"), "{said}");
}

#[test]
fn a_lost_daemon_is_broken_after_four_attempts() {
    let Some(daemon) = TestDaemon::new() else { return };
    let text = "error: failed to receive status: rpc error: code = Unavailable desc = EOF";
    let job = faulty(&daemon, &format!("echo '{STARTED}' >&2; echo '{text}' >&2; exit 1"));
    let (code, said) = daemon.run(&job);
    assert_eq!(code, 3, "{said}");
    assert!(
        said.contains("error: the connection to BuildKit at `unix:///fake` was lost"),
        "{said}"
    );
    assert!(said.contains("trying again in 4 s (attempt 4 of 4)"), "{said}");
}

#[test]
fn daemon_trouble_is_tried_again_and_told() {
    let Some(daemon) = TestDaemon::new() else { return };
    let (text, count) = (
        "error: failed to receive status: rpc error: code = Unavailable desc = EOF",
        daemon.path("count"),
    );
    let job = faulty(
        &daemon,
        &format!(
            "echo x >>{0}; [ $(wc -l <{0}) -ge 3 ] || {{ echo '{STARTED}' >&2; echo '{text}' >&2; exit 1; }}\n\
             head -c 2048 /dev/zero",
            count.display()
        ),
    );
    let (code, said) = daemon.run(&job);
    assert_eq!(code, 0, "{said}");
    for line in ["trying again in 1 s (attempt 2 of 4)", "trying again in 2 s (attempt 3 of 4)"] {
        assert_eq!(said.matches(line).count(), 1, "{said}");
    }
    assert!(said.contains("output of 2048 bytes"), "{said}");
    assert_eq!(fs_err::read_to_string(count).unwrap().lines().count(), 3);
}

#[test]
fn recipe_trouble_is_not_tried_again() {
    let Some(daemon) = TestDaemon::new() else { return };
    let mut job = daemon.job(&["echo the step runs; exit 7"]);
    let (code, said) = daemon.run(&job);
    assert_eq!((code, said.matches("the step runs").count()), (1, 1), "{said}");
    // Nor is a spec that BuildKit does not take.
    job.steps = vec!["--mount=type=nonsense true".into()];
    let (code, said) = daemon.run(&job);
    assert_eq!((code, said.contains("again")), (3, false), "{said}");
}

//! The private daemon of a user who is not root: `rootlesskit` makes a user namespace for it.

use std::os::unix::fs::MetadataExt as _;
use std::process::Command;

use super::{content, recipe};
use crate::support::TestEnv;
use crate::support::lab::{Lab, nonce};
use crate::support::namespace::{Namespace, UID};

/// What that user needs, at places that it can reach. The test's directory, home included, is
/// the user's.
pub(super) fn namespace(lab: &Lab, env: &TestEnv) -> Namespace {
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_melange2"));
    let places = [
        (lab.tools.as_path(), "tools"),
        (lab.repository.as_path(), "repository"),
        (program.parent().unwrap(), "program"),
    ];
    let mut namespace = Namespace::default();
    for (from, to) in places {
        fs_err::create_dir_all(env.work().join(to)).unwrap();
        namespace = namespace.bind(from, env.work().join(to));
    }
    namespace.unprivileged(env)
}

/// `melange2` with no word about where its state and caches are.
pub(super) fn melange2(env: &TestEnv, args: &[&str]) -> Command {
    let mut command = env.command("program/melange2");
    let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", env.work().join("tools").display());
    command.env("PATH", path).env("BUILDKIT_HOST", "private").args(args);
    command
}

/// The programs that run as that user and have the test's directory on their command line.
fn processes(env: &TestEnv) -> Vec<String> {
    let home = env.work().parent().unwrap().display().to_string();
    let owned = |entry: &fs_err::DirEntry| entry.metadata().is_ok_and(|data| data.uid() == UID);
    fs_err::read_dir("/proc")
        .unwrap()
        .filter_map(Result::ok)
        .filter(owned)
        .filter_map(|entry| fs_err::read_to_string(entry.path().join("cmdline")).ok())
        .filter(|line| line.contains(&home))
        .filter_map(|line| Some(line.split('\0').next()?.rsplit('/').next()?.to_owned()))
        .collect()
}

#[test]
fn a_user_who_is_not_root_builds_with_cache_mounts_on_a_daemon_of_its_own() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    fs_err::copy(&lab.key, env.work().join("demo.rsa.pub")).unwrap();
    let user = namespace(lab, &env);
    let run = |args: &[&str]| lab.ok(&env, &mut user.enter(&melange2(&env, args)));
    let build = |name: &str| {
        let script = format!(
            "# {}\necho {name} >> /var/cache/melange/runs\nmkdir -p ${{{{targets.destdir}}}}\n\
             cp /var/cache/melange/runs ${{{{targets.destdir}}}}/runs",
            nonce()
        );
        env.write("counts.yaml", recipe(name, &[("count", &script)]));
        let flags = ["-r", "repository", "-k", "demo.rsa.pub"];
        run(&[&["build", "counts.yaml"], flags.as_slice()].concat());
        content(&env, &format!("{name}-1.0.0-r0"), "runs")
    };

    let address = run(&["daemon", "start"]);
    let home = "unix://$TEST/home/.local/state/melange2/daemon/buildkitd.sock";
    assert!(address.contains(home), "its state is in the user's home: {address}");
    let running = processes(&env);
    for name in ["rootlesskit", "buildkitd", "melange2"] {
        assert!(
            running.iter().any(|process| process == name),
            "{name} runs as that user: {running:?}"
        );
    }
    assert_eq!(build("first"), "first\n");
    assert_eq!(build("second"), "first\nsecond\n", "steps share a cache mount");

    run(&["daemon", "stop"]);
    assert_eq!(processes(&env), [""; 0], "nothing of it runs on");
    assert_eq!(build("third"), "first\nsecond\nthird\n", "the next daemon has the same mounts");
    run(&["daemon", "stop"]);

    let state = env.work().join("../home/.local/state/melange2/daemon");
    assert_eq!(fs_err::metadata(state).unwrap().uid(), UID);
    let cache = env.work().join("../home/.cache/melange2");
    assert_eq!(fs_err::metadata(cache).unwrap().uid(), UID);
}

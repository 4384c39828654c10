//! docs/caching.md: its commands are run as they stand there, and what its table says of lifetimes
//! holds. What the registry's and the directory's lines promise stands in `registry` and
//! `host_cache`.

use std::path::Path;

use melange2::digest::Sha256;

use super::{content, recipe};
use crate::support::TestEnv;
use crate::support::lab::{Lab, nonce};
use crate::support::serve::{self, Registry};

/// The document's commands: the lines of its blocks that are marked as the shell's.
fn commands() -> Vec<String> {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/caching.md");
    let text = fs_err::read_to_string(guide).unwrap();
    let blocks = text.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.flat_map(str::lines).map(str::to_owned).collect()
}

#[test]
fn every_command_of_the_guide_works() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    let registry = Registry::start(&env);
    env.write("www/source.txt", "a source\n");
    let address = serve::files(&env.work().join("www"));
    let fetch = format!(
        "pipeline:\n  - uses: fetch\n    with:\n      uri: {address}/source.txt\n      extract: false\n      \
         expected-sha256: {}\n",
        Sha256::of(b"a source\n")
    );
    let install = format!(
        "# {}\nmkdir -p ${{{{targets.destdir}}}}\ncp source.txt ${{{{targets.destdir}}}}/",
        nonce()
    );
    let contents = format!(
        "contents:\n    repositories:\n      - {}\n    keyring:\n      - {}\n",
        lab.repository.display(),
        lab.key.display()
    );
    let text = recipe("hello", &[("install", &install)])
        .replace("contents:\n", &contents)
        .replace("pipeline:\n", &fetch);
    env.write("hello.yaml", text);
    let commands = commands();
    assert!(commands.len() >= 4, "{commands:?}");
    let program = Path::new(env!("CARGO_BIN_EXE_melange2")).parent().unwrap();
    for line in commands {
        let line = line.replace("localhost:5000", &registry.address);
        let mut command = lab.melange2(&env);
        let path = std::env::join_paths(
            [program.to_owned()].into_iter().chain(std::env::split_paths(&lab.path())),
        );
        let mut shell = env.command("sh");
        shell.args(["-euc", &line]);
        for (name, value) in command.stdin(std::process::Stdio::null()).get_envs() {
            if let Some(value) = value {
                shell.env(name, value);
            }
        }
        let said = lab.ok(&env, shell.env("PATH", path.unwrap()));
        assert!(!said.contains("warning: the cache"), "{line}\n{said}");
    }
    // Each has left what the guide says that it keeps.
    let stored = env.work().join(format!("melange-cache/sha256:{}", Sha256::of(b"a source\n")));
    assert_eq!(fs_err::read_to_string(stored).unwrap(), "a source\n");
    assert!(env.work().join("cache/index.json").is_file());
    assert!(env.work().join("registry/docker/registry/v2/repositories/melange-cache").is_dir());
}

#[test]
fn cache_mounts_live_as_long_as_the_daemons_state() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    let state = env.work().join("daemon");
    let daemon = |words: &[&str]| {
        let mut command = lab.melange2(&env);
        command.arg("daemon").args(words).env("MELANGE2_DAEMON_DIR", &state);
        lab.ok(&env, &mut command)
    };
    let build = |script: &str| {
        let script = format!("# {}\nmkdir -p ${{{{targets.destdir}}}}\n{script}", nonce());
        env.write("kept.yaml", recipe("kept", &[("step", &script)]));
        let mut command = lab.build(&env, "kept.yaml");
        command.args(["--cache-mount", "id=kept,target=/var/lib/kept"]);
        lab.ok(&env, command.env("MELANGE2_DAEMON_DIR", &state));
    };
    let read = "cat /var/lib/kept/marker > ${{targets.destdir}}/seen || echo none > ${{targets.destdir}}/seen";
    build("echo kept > /var/lib/kept/marker");
    daemon(&["stop"]);
    build(read);
    assert_eq!(content(&env, "kept-1.0.0-r0", "seen"), "kept\n");
    // A daemon with another state has nothing of it.
    daemon(&["stop"]);
    fs_err::remove_dir_all(&state).unwrap();
    build(read);
    assert_eq!(content(&env, "kept-1.0.0-r0", "seen"), "none\n");
    daemon(&["stop"]);
}

//! The recipes of `examples/` with a counter in every step: what runs, runs once, whatever the
//! program says about it.

use std::path::Path;

use super::examples::{godotenv_repository, zlib_repository};
use super::{content, recipe};
use crate::support::TestEnv;
use crate::support::lab::{Lab, nonce};
use crate::support::serve::{self, GitDaemon};

/// A recipe or pipeline whose scripts begin with a line that appends to the counter.
fn counting(text: &str, label: &str, counter: &str) -> String {
    let count = format!("echo {label} >> /var/cache/melange/{counter}");
    let mut counted = String::new();
    let mut lines = text.lines().peekable();
    // What stands below `test:` is no step of the build.
    while let Some(line) = lines.next_if(|line| *line != "test:") {
        match line.split_once("runs: ") {
            Some((before, "|")) => {
                let body = lines.peek().unwrap();
                let indent = &body[..body.len() - body.trim_start().len()];
                counted.push_str(&format!("{before}runs: |\n{indent}{count}\n"));
            }
            Some((before, script)) => {
                let indent = " ".repeat(before.len() + 2);
                counted.push_str(&format!("{before}runs: |\n{indent}{count}\n{indent}{script}\n"));
            }
            None => counted.push_str(&format!("{line}\n")),
        }
    }
    counted
}

/// Writes an example and all built-in pipelines, with counters, to the work directory.
fn counted(env: &TestEnv, name: &str, counter: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("examples/{name}.yaml"));
    let text = fs_err::read_to_string(path).unwrap();
    env.write(format!("{name}.yaml"), counting(&text, "own", counter));
    for (pipeline, text) in melange2::plan::builtin_pipelines() {
        env.write(format!("{name}-pipelines/{pipeline}.yaml"), counting(text, &pipeline, counter));
    }
}

#[test]
fn the_steps_of_the_examples_run_once_even_with_a_restart_of_the_daemon_between() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    let state = env.work().join("daemon");
    // Sources on loopback.
    let tarball = fs_err::read(lab.sources.join("hello-2.10.tar.gz")).unwrap();
    env.write("www/hello/hello-2.10.tar.gz", tarball);
    let mirror = serve::files(&env.work().join("www"));
    let zlib = zlib_repository(lab, &env, "v1.3.2");
    let godotenv = godotenv_repository(&env);
    let git = GitDaemon::start(&env.work().join("git"));
    let from_git = |name: &str, commit: &str| {
        format!("repository: {}/{name}\ncommit: {commit}\n", git.address)
    };
    let examples = [
        ("hello", format!("mirror: {mirror}\n")),
        ("zlib", from_git("zlib", &zlib)),
        ("godotenv", from_git("godotenv", &godotenv)),
    ];
    for (name, vars) in &examples {
        counted(&env, name, name);
        env.write(format!("{name}-vars.yaml"), vars);
    }

    let build_all = || {
        examples.each_ref().map(|(name, _)| {
            let mut command = lab.build(&env, &format!("{name}.yaml"));
            command.args(["--pipeline-dir", &format!("{name}-pipelines")]);
            command.args(["--vars-file", &format!("{name}-vars.yaml")]);
            lab.ok(&env, command.env("MELANGE2_DAEMON_DIR", &state))
        })
    };
    // The cache mount is the one that the steps wrote to.
    let counts = || {
        let script = format!(
            "# {}\nmkdir -p ${{{{targets.destdir}}}}\ncd /var/cache/melange\n\
             wc -l hello zlib godotenv | sed '/total/d; s/^ *//' > ${{{{targets.destdir}}}}/counts",
            nonce()
        );
        env.write("counts.yaml", recipe("counts", &[("read", &script)]));
        let mut command = lab.build(&env, "counts.yaml");
        lab.ok(&env, command.env("MELANGE2_DAEMON_DIR", &state));
        content(&env, "counts-1.0.0-r0", "counts")
    };
    let stop = || {
        let mut command = lab.melange2(&env);
        lab.ok(&env, command.args(["daemon", "stop"]).env("MELANGE2_DAEMON_DIR", &state));
    };
    let starts =
        |text: &str| text.lines().filter(|line| line.trim_start().starts_with("start ")).count();

    let first = build_all();
    let once = examples
        .each_ref()
        .iter()
        .zip(&first)
        .map(|((name, _), text)| format!("{} {name}\n", starts(text)))
        .collect::<String>();
    assert_eq!(once, "7 hello\n8 zlib\n3 godotenv\n");
    assert_eq!(counts(), once, "every step counts, and runs once: {first:?}");
    let again = build_all();
    assert_eq!(counts(), once, "nothing runs again: {again:?}");
    stop();
    let after = build_all();
    assert_eq!(counts(), once, "nor after a restart: {after:?}");
    for (name, texts) in examples.each_ref().iter().zip(again.iter().zip(&after)) {
        for text in [texts.0, texts.1] {
            assert_eq!(starts(text), 0, "{}: {text}", name.0);
        }
    }
    stop();
}

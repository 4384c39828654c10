//! What is written is on the disk before it has its name: the system calls, as `strace` sees them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::recipe;
use crate::support::TestEnv;
use crate::support::lab::{Lab, written};

/// What happened to files, in order.
#[derive(Debug)]
enum Event {
    /// A file or directory was written to the disk.
    Synced(PathBuf),
    /// A file got another name.
    Renamed(PathBuf, PathBuf),
}

/// Reads lines such as `12 fsync(3</a/b>) = 0` and `12 rename("/a/b", "/a/c") = 0`; of a call that
/// another thread's interrupts, the first half tells all.
fn events(trace: &str, directory: &Path) -> Vec<Event> {
    let event = |line: &str| {
        let (_, call) = line.trim_start().split_once(' ')?;
        let (name, rest) = call.trim_start().split_once('(')?;
        if name == "fsync" || name == "fdatasync" {
            let path = rest.split_once('<')?.1.split_once('>')?.0;
            return Some(Event::Synced(path.into()));
        }
        let mut quoted = rest.split('"').skip(1).step_by(2).map(|path| directory.join(path));
        if !name.starts_with("rename") || rest.contains("= -1") {
            return None;
        }
        Some(Event::Renamed(quoted.next()?, quoted.next()?))
    };
    trace.lines().filter_map(event).collect()
}

/// The files that were on the disk whenever they got a name, and whose last name is on the disk.
fn durable(events: &[Event]) -> BTreeSet<PathBuf> {
    let (mut synced, mut named) = (BTreeSet::new(), BTreeSet::new());
    let mut durable = BTreeSet::new();
    for event in events {
        match event {
            Event::Synced(directory) => {
                synced.insert(directory.clone());
                let here = |file: &PathBuf| file.parent() == Some(directory);
                durable.extend(named.iter().filter(|file| here(file)).cloned());
                named.retain(|file| !here(file));
            }
            Event::Renamed(from, to) => {
                durable.remove(to);
                synced.remove(to);
                if synced.remove(from) {
                    synced.insert(to.clone());
                    named.insert(to.clone());
                }
            }
        }
    }
    durable
}

#[test]
fn every_file_is_on_the_disk_before_it_has_its_name() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    let traced = |args: &[&str]| {
        let command = lab.melange2(&env);
        let program = command.get_program().to_owned();
        let mut strace = env.command("strace");
        strace.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        strace.args(["-f", "-y", "-qq", "-o", "trace", "--seccomp-bpf", "-e", "signal=none"]);
        strace.args(["-e", "trace=fsync,fdatasync,rename,renameat,renameat2"]);
        strace.arg(program).args(args);
        if args.first() == Some(&"build") {
            lab.repository_flags(&mut strace);
        }
        lab.ok(&env, &mut strace);
        let trace = fs_err::read_to_string(env.work().join("trace")).unwrap();
        let work = env.work().canonicalize().unwrap();
        durable(&events(&trace, &work))
            .iter()
            .filter_map(|path| Some(path.strip_prefix(&work).ok()?.display().to_string()))
            .filter(|path| !path.contains(".tmp-"))
            .collect::<Vec<_>>()
    };
    // Or else it would be traced too, being started by who needs it first.
    lab.daemon_address(&env);
    assert_eq!(traced(&["keygen", "--key-size", "2048", "test.rsa"]), ["test.rsa", "test.rsa.pub"]);

    let two = "mkdir -p ${{targets.destdir}}/usr; echo 1 > ${{targets.destdir}}/usr/one";
    let text = recipe("one", &[("make", two)])
        + "subpackages:\n  - name: two\n    pipeline:\n      - runs: mkdir -p ${{targets.subpkgdir}}/usr\n";
    env.write("two.yaml", text);
    let all = ["APKINDEX.tar.gz", "one-1.0.0-r0.apk", "two-1.0.0-r0.apk"];
    let all = all.map(|name| format!("packages/x86_64/{name}"));
    assert_eq!(traced(&["build", "two.yaml", "--signing-key", "test.rsa"]), all);
    assert_eq!(written(&env).iter().filter(|path| !path.ends_with(".lock")).count(), all.len());

    let [index, one, two] = all.each_ref().map(String::as_str);
    assert_eq!(traced(&["sign", "--signing-key", "test.rsa", one, two]), [one, two]);
    assert_eq!(traced(&["index", "-o", index, "--signing-key", "test.rsa", one, two]), [index]);
    assert_eq!(traced(&["sign-index", "--force", "--signing-key", "test.rsa", index]), [index]);
}

#[test]
fn a_trace_tells_what_is_durable() {
    let durable = |trace: &str| durable(&events(trace, Path::new("/w"))).len();
    let good = "1 fsync(3</w/.tmp>) = 0\n1 rename(\"/w/.tmp\", \"f\") = 0\n1 fsync(4</w>) = 0\n";
    assert_eq!(durable(good), 1);
    let halves = "1  fsync(3</w/.tmp> <unfinished ...>\n2 fsync(9</x>) = 0\n1 <... fsync resumed>) = 0\n\
                  1 renameat2(AT_FDCWD</w>, \".tmp\", AT_FDCWD</w>, \"f\", 0) = 0\n1 fsync(4</w>) = 0\n";
    assert_eq!(durable(halves), 1);
    // Without any of the three.
    for missing in 0..3 {
        let lines = good.lines().enumerate().filter(|(line, _)| *line != missing);
        let trace: String = lines.map(|(_, line)| format!("{line}\n")).collect();
        assert_eq!(durable(&trace), 0, "{trace}");
    }
}

//! Which daemon runs a build, and how it is reached: sockets, TCP with certificates, the private
//! one.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::{content, recipe};
use crate::support::lab::{Lab, nonce, written};
use crate::support::namespace::Namespace;
use crate::support::{TestEnv, certificates, serve};

fn says_hello(env: &TestEnv, name: &str) -> String {
    let script = format!(
        "# {}\nmkdir -p ${{{{targets.destdir}}}}/usr\necho hello > ${{{{targets.destdir}}}}/usr/{name}",
        nonce()
    );
    let file = format!("{name}.yaml");
    env.write(&file, recipe(name, &[("say", &script)]));
    file
}

/// A daemon of somebody else's, over TCP with certificates; ends with the value.
struct Foreign(Child);

impl Foreign {
    fn start(lab: &Lab, env: &TestEnv) -> (Self, String) {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("tcp://127.0.0.1:{port}");
        let mut child = env
            .command(lab.tools.join("buildkitd"))
            .arg("--root")
            .arg(env.work().join("foreign"))
            .args(["--addr", &address, "--oci-worker-net", "host", "--containerd-worker=false"])
            .args(["--tlscacert", "ca.pem", "--tlscert", "server.pem", "--tlskey", "server.key"])
            .env("PATH", lab.path())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let (sender, running) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                if line.contains("running server on") {
                    let _ = sender.send(());
                }
            }
        });
        running.recv().expect("buildkitd ended before it served");
        (Self(child), address)
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

#[test]
fn a_daemon_over_tcp_is_used_with_its_certificates_and_left_alone() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    certificates::make(&env, &["server", "client"]);
    let (mut daemon, address) = Foreign::start(lab, &env);
    let tls = ["--tlscacert", "ca.pem", "--tlscert", "client.pem", "--tlskey", "client.key"];
    let tls = [tls.as_slice(), &["--tlsservername", "localhost"]].concat();

    let mut command = lab.build(&env, &says_hello(&env, "over-tcp"));
    lab.ok(&env, command.args(["--addr", &address]).args(&tls));
    assert_eq!(content(&env, "over-tcp-1.0.0-r0", "usr/over-tcp"), "hello\n");
    // The other name of the flag, and a file for each certificate in one directory.
    for (from, to) in [("ca.pem", "ca.pem"), ("client.pem", "cert.pem"), ("client.key", "key.pem")]
    {
        env.write(format!("certificates/{to}"), fs_err::read(env.work().join(from)).unwrap());
    }
    let mut status = lab.melange2(&env);
    status.args(["daemon", "status", "--buildkit-addr", &address]);
    let text = lab.ok(&env, status.args(["--tlsdir", "certificates"]));
    assert!(text.contains(&address) && text.contains("disk usage: "), "{text}");
    // It has BuildKit's own rules.
    assert!(text.contains("garbage:    by size, which loses cache mounts"), "{text}");

    // Without certificates there is no way in.
    let output =
        lab.melange2(&env).args(["daemon", "status", "--addr", &address]).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", env.text(&output));
    // What others have started is not ours to stop.
    let mut stop = lab.melange2(&env);
    let output = stop.args(["daemon", "stop", "--addr", &address]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", env.text(&output));
    assert!(daemon.0.try_wait().unwrap().is_none(), "it runs on");
}

#[test]
fn a_daemon_that_forbids_what_the_recipe_asks_for_says_so() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    certificates::make(&env, &["server", "client"]);
    let (_daemon, address) = Foreign::start(lab, &env);
    let text = recipe("asking", &[("run", "true")])
        .replace("pipeline:", "capabilities:\n  add:\n    - CAP_NET_ADMIN\npipeline:");
    env.write("asking.yaml", text);
    let mut command = lab.build(&env, "asking.yaml");
    command.args(["--addr", &address, "--tlscacert", "ca.pem", "--tlscert", "client.pem"]);
    command.args(["--tlskey", "client.key", "--tlsservername", "localhost"]);
    let text = env.text(&command.output().unwrap());
    assert!(text.starts_with("exit: 3\n"), "{text}");
    assert!(text.contains("`CAP_NET_ADMIN`"), "what is asked for: {text}");
    assert!(text.contains("--allow-insecure-entitlement security.insecure"), "{text}");
}

#[test]
fn what_can_not_work_is_told_before_anything_is_solved_or_fetched() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    let file = says_hello(&env, "early");
    let asked = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let log = asked.clone();
    let repository = serve::files_seen_by(&lab.repository, move |path| {
        log.lock().unwrap().push(path.to_owned());
    });
    // A copy, which has no tools beside it; the PATH is what is left of them.
    let program = env.work().join("bin/melange2");
    fs_err::create_dir_all(program.parent().unwrap()).unwrap();
    fs_err::copy(env!("CARGO_BIN_EXE_melange2"), &program).unwrap();
    let build = |tools: &[&str], host: &str, flags: &[&str]| {
        let path = env.work().join("tools");
        let _ = fs_err::remove_dir_all(&path);
        fs_err::create_dir(&path).unwrap();
        for tool in tools {
            fs_err::os::unix::fs::symlink(lab.tools.join(tool), path.join(tool)).unwrap();
        }
        let mut command = env.command(&program);
        command.env("PATH", &path).env("BUILDKIT_HOST", host).args(["build", &file]);
        command.args(["-r", &repository, "-k"]).arg(&lab.key).args(flags);
        let text = env.text(&command.output().unwrap());
        assert!(text.starts_with("exit: 3\n") && !text.contains("solving"), "{text}");
        assert_eq!(*asked.lock().unwrap(), [""; 0], "{text}");
        text
    };
    let all = ["buildctl", "buildkitd"];
    for addr in ["unix:///nowhere/at.sock", "tcp://127.0.0.1:1", "docker-container://none"] {
        for (host, flags) in [(addr, vec![]), ("private", vec!["--addr", addr])] {
            let text = build(&all, host, &flags);
            assert!(text.contains(&format!("BuildKit does not answer at `{addr}`")), "{text}");
            let origin = if flags.is_empty() { "BUILDKIT_HOST" } else { "--addr" };
            assert!(text.contains(&format!("looked at `{origin}`")), "{text}");
        }
    }
    for (tools, missing) in [(&all[1..], "buildctl"), (&all[..1], "buildkitd")] {
        let text = build(tools, "private", &[]);
        assert!(text.contains(&format!("`{missing}` was not found")), "{text}");
    }
}

/// The socket of the private daemon with this state, which is started.
fn started(lab: &Lab, env: &TestEnv) -> String {
    let mut start = lab.melange2(env);
    let text = lab.ok(env, start.args(["daemon", "start"]));
    text.split_whitespace().find(|word| word.starts_with("unix://")).unwrap().to_owned()
}

/// The command, to be run where a daemon that this machine has of its own is not to be seen.
fn unseen(env: &TestEnv, command: Command) -> Command {
    let place = Path::new("/run/buildkit");
    if !place.join("buildkitd.sock").exists() {
        return command;
    }
    let empty = env.work().join("empty");
    fs_err::create_dir_all(&empty).unwrap();
    Namespace::default().bind(empty, place).enter(&command)
}

#[test]
fn flag_variable_and_well_known_sockets_come_before_a_private_daemon() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    let socket = started(lab, &env);
    let private = env.work().join("private");
    let build = |name: &str, more: &dyn Fn(&mut Command)| {
        let mut command = lab.build(&env, &says_hello(&env, name));
        command.env("MELANGE2_DAEMON_DIR", &private);
        more(&mut command);
        unseen(&env, command).output().unwrap()
    };
    let good = |output: std::process::Output| {
        assert!(output.status.success(), "{}", env.text(&output));
        assert!(!private.exists(), "no private daemon was needed");
    };
    // The flag wins over the variable.
    good(build("by-flag", &|command| {
        command.args(["--addr", &socket]).env("BUILDKIT_HOST", "unix:///nowhere/at.sock");
    }));
    good(build("by-variable", &|command| {
        command.env("BUILDKIT_HOST", &socket);
    }));
    let lost = build("lost", &|command| {
        command.env("BUILDKIT_HOST", "unix:///nowhere/at.sock");
    });
    let text = env.text(&lost);
    assert!(text.starts_with("exit: 3\n") && text.contains("looked at `BUILDKIT_HOST`"), "{text}");

    let runtime = env.work().join("runtime");
    fs_err::create_dir_all(runtime.join("buildkit")).unwrap();
    let well_known = runtime.join("buildkit/buildkitd.sock");
    fs_err::os::unix::fs::symlink(socket.strip_prefix("unix://").unwrap(), &well_known).unwrap();
    good(build("well-known", &|command| {
        command.env_remove("BUILDKIT_HOST").env("XDG_RUNTIME_DIR", &runtime);
    }));
    // One that nobody listens at is passed over.
    fs_err::remove_file(&well_known).unwrap();
    fs_err::write(&well_known, "").unwrap();
    let output = build("private", &|command| {
        command.env_remove("BUILDKIT_HOST").env("XDG_RUNTIME_DIR", &runtime);
    });
    assert!(output.status.success(), "{}", env.text(&output));
    assert!(private.join("root").is_dir(), "a private daemon was started");
    let mut stop = lab.melange2(&env);
    lab.ok(&env, stop.args(["daemon", "stop"]).env("MELANGE2_DAEMON_DIR", &private));
    assert_eq!(written(&env).iter().filter(|path| path.ends_with(".apk")).count(), 4);
}

#[test]
fn all_places_are_named_where_no_daemon_can_be_had() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    let failing = env.write("bin/buildkitd", "#!/bin/sh\necho no room >&2\nexit 1\n");
    let mode = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o755);
    fs_err::set_permissions(&failing, mode).unwrap();
    let mut path = failing.parent().unwrap().as_os_str().to_owned();
    path.push(":");
    path.push(lab.path());
    let mut command = lab.build(&env, &says_hello(&env, "nowhere"));
    command
        .env_remove("BUILDKIT_HOST")
        .env("XDG_RUNTIME_DIR", env.work().join("runtime"))
        .env("MELANGE2_DAEMON_DIR", env.work().join("private"))
        .env("MELANGE2_TOOLS", failing.parent().unwrap())
        .env("PATH", path);
    let text = env.text(&unseen(&env, command).output().unwrap());
    assert!(text.starts_with("exit: 3\n"), "{text}");
    for place in [
        "/run/buildkit/buildkitd.sock",
        "$TEST/work/runtime/buildkit/buildkitd.sock",
        "$TEST/work/runtime/buildkit-default/buildkitd.sock",
        "$TEST/work/private",
        "no room",
    ] {
        assert!(text.contains(place), "{place}: {text}");
    }
}

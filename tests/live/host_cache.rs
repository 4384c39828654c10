//! The host's cache directory, seen by steps at `/var/cache/melange`.

use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::faults::doorbell;
use super::{content, recipe};
use crate::support::TestEnv;
use crate::support::lab::{Lab, nonce, success};
use crate::support::serve::files_seen_by;

const CACHE: &str = "/var/cache/melange";

/// Writes a recipe whose one step runs `script`, whose output is the package's only file.
fn write_recipe(env: &TestEnv, name: &str, script: &str) -> String {
    let script = format!(
        "# {}\nmkdir -p ${{{{targets.destdir}}}}\nexec > ${{{{targets.destdir}}}}/out\ncd {CACHE}\n\
         {script}",
        nonce()
    );
    let file = format!("{name}.yaml");
    env.write(&file, recipe(name, &[("look", &script)]));
    file
}

/// What a step says that runs `script` in the cache directory.
fn step(lab: &Lab, env: &TestEnv, script: &str) -> String {
    step_by(env, script, |recipe| lab.build(env, recipe))
}

fn step_by(env: &TestEnv, script: &str, build: impl Fn(&str) -> Command) -> String {
    let file = write_recipe(env, "look", script);
    let text = success(env, &build(&file).output().unwrap());
    assert!(!text.contains("warning: the cache directory"), "{text}");
    content(env, "look-1.0.0-r0", "out")
}

fn host(env: &TestEnv, path: &str) -> PathBuf {
    env.work().join("melange-cache").join(path)
}

fn read(env: &TestEnv, path: &str) -> Option<String> {
    fs_err::read_to_string(host(env, path)).ok()
}

#[test]
fn what_steps_store_comes_home_and_the_directory_is_made_for_it() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    assert_eq!(step(lab, &env, "stat -c '%u:%g %a' ."), "1000:1000 755\n");
    assert!(!host(&env, "").exists(), "there was nothing to bring");
    step(lab, &env, "mkdir -p deep/er; echo stored > deep/er/file");
    assert_eq!(read(&env, "deep/er/file").unwrap(), "stored\n");
    // Also of a failed build.
    let file = write_recipe(&env, "fails", "echo kept > before; exit 3");
    let output = lab.build(&env, &file).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", env.text(&output));
    assert_eq!(read(&env, "before").unwrap(), "kept\n");
    assert_eq!(step(lab, &env, "cat deep/er/file before"), "stored\nkept\n");
    // Another directory, by the flag.
    let file = write_recipe(&env, "else", "ls; echo 1 > one");
    lab.ok(&env, lab.build(&env, &file).args(["--cache-dir", "else/where"]));
    assert_eq!(content(&env, "else-1.0.0-r0", "out"), "");
    assert_eq!(fs_err::read_to_string(env.work().join("else/where/one")).unwrap(), "1\n");
}

#[test]
fn a_mount_that_nobody_needs_is_not_left_on_the_daemon() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    let address = lab.daemon_address(&env);
    let marker = nonce();
    step(lab, &env, &format!("echo {marker}"));
    assert!(mounts(lab, &env, &address, &marker).is_empty());
    // One in which something is would be seen.
    step(lab, &env, &format!("echo {marker} > file"));
    assert_eq!(mounts(lab, &env, &address, &marker).len(), 1);
}

/// The daemon's host cache mounts that were made for steps whose script holds `marker`.
fn mounts(lab: &Lab, env: &TestEnv, address: &str, marker: &str) -> Vec<String> {
    let mut usage = env.command(lab.tools.join("buildctl"));
    let text = lab.ok(env, usage.args(["--addr", address, "du", "-v"]));
    // Scripts have empty lines of their own.
    text.split("ID:\t")
        .filter(|entry| {
            [marker, "cached mount", "melange-host-cache"].iter().all(|word| entry.contains(word))
        })
        .map(str::to_owned)
        .collect()
}

#[test]
fn artifacts_put_there_are_found_and_downloads_come_home() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    let sha512 = |file: &Path| {
        let output = Command::new("sha512sum").arg(file).output().unwrap();
        String::from_utf8(output.stdout).unwrap().split(' ').next().unwrap().to_owned()
    };
    let sha256 = |text: &str| melange2::digest::Sha256::of(text.as_bytes()).to_string();
    let marker = nonce();
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| format!("{name} {marker}"));
    env.write(format!("melange-cache/sha256:{}", sha256(&a)), &a);
    let of_b = sha512(&env.write("b", &b));
    env.write(format!("melange-cache/sha512:{of_b}"), &b);
    // One that is damaged, and one that is not there.
    env.write(format!("melange-cache/sha256:{}", sha256(&c)), "damaged");
    env.write("www/c", &c);
    env.write("www/d", &d);
    let (sender, asked) = std::sync::mpsc::channel();
    let address =
        files_seen_by(&env.work().join("www"), move |path| sender.send(path.to_owned()).unwrap());
    let fetch = |name: &str, sum: &str| {
        format!(
            "  - uses: fetch\n    with:\n      uri: {address}/{name}\n      expected-{sum}\n      \
             extract: false\n"
        )
    };
    let text = recipe("fetched", &[]).replace("pipeline:\n", "")
        + "pipeline:\n"
        + &fetch("a", &format!("sha256: {}", sha256(&a)))
        + &fetch("b", &format!("sha512: {of_b}"))
        + &fetch("c", &format!("sha256: {}", sha256(&c)))
        + &fetch("d", &format!("sha256: {}", sha256(&d)))
        + "  - runs: mkdir -p ${{targets.destdir}}; cat a b c d > ${{targets.destdir}}/out\n";
    env.write("fetched.yaml", &text);
    lab.ok(&env, &mut lab.build(&env, "fetched.yaml"));
    assert_eq!(content(&env, "fetched-1.0.0-r0", "out"), [&*a, &b, &c, &d].concat());
    assert_eq!(asked.try_iter().collect::<Vec<_>>(), ["c", "d"]);
    assert_eq!(read(&env, &format!("sha256:{}", sha256(&c))).unwrap(), c, "repaired");
    assert_eq!(read(&env, &format!("sha256:{}", sha256(&d))).unwrap(), d);
    // Nothing is downloaded twice.
    env.write("fetched.yaml", text.replace("fetched", "again"));
    lab.ok(&env, &mut lab.build(&env, "fetched.yaml"));
    assert!(asked.try_iter().next().is_none());
}

#[test]
fn the_mount_follows_the_directory_forth_and_back() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    for names in [&["a"][..], &["b"], &["a"], &["a", "b"], &[], &["b"]] {
        for name in ["a", "b"] {
            match names.contains(&name) {
                true => drop(env.write(format!("melange-cache/{name}"), name)),
                false => drop(fs_err::remove_file(host(&env, name))),
            }
        }
        let found = step(lab, &env, "ls; cat * 2>/dev/null || :");
        assert_eq!(found, format!("{}{}", lines(names), names.concat()), "{names:?}");
    }
    // The same size within the same second, and what a step wrote later than the host.
    env.write("melange-cache/b", "c");
    assert_eq!(step(lab, &env, "cat b; echo -n d > b"), "c");
    assert_eq!(read(&env, "b").unwrap(), "d");
}

fn lines(names: &[&str]) -> String {
    names.iter().map(|name| format!("{name}\n")).collect()
}

#[test]
fn its_content_and_its_absence_run_no_step_again() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    let file = write_recipe(&env, "look", "date +%s%N; ls");
    let build = || {
        lab.ok(&env, &mut lab.build(&env, &file));
        content(&env, "look-1.0.0-r0", "out")
    };
    let first = build();
    assert_eq!(build(), first, "without a directory");
    fs_err::create_dir(host(&env, "")).unwrap();
    assert_eq!(build(), first, "an empty one");
    env.write("melange-cache/file", "1");
    assert_eq!(build(), first, "with a file");
    env.write("melange-cache/file", "2");
    assert_eq!(build(), first, "with another");
    lab.ok(&env, lab.build(&env, &file).args(["--cache-dir", ""]));
    assert_eq!(content(&env, "look-1.0.0-r0", "out"), first, "switched off");
    // And what was put there meanwhile is there for the next step that runs.
    assert_eq!(step(lab, &env, "cat file"), "2");
}

#[test]
fn a_deletion_on_the_host_spares_what_a_build_is_writing() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    env.write("melange-cache/rewritten", "old");
    env.write("melange-cache/deleted", "old");
    step(lab, &env, "ls");
    // A build that has written a file anew, and does not end before another has come and gone.
    let (port, written) = doorbell();
    let script = format!(
        "echo new > rewritten\nwget -q -O /dev/null http://127.0.0.1:{port}/ || :\n\
         while [ ! -e go ]; do sleep 0.1; done\nls; cat rewritten"
    );
    let file = write_recipe(&env, "waits", &script);
    let text = fs_err::read_to_string(env.work().join(&file)).unwrap();
    env.write(&file, text.replace("- busybox", "- busybox\n      - wget"));
    let mut waiting = lab.build(&env, &file);
    let waiting = waiting.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    written.recv_timeout(Duration::from_secs(300)).unwrap();
    for name in ["rewritten", "deleted"] {
        fs_err::remove_file(host(&env, name)).unwrap();
    }
    assert_eq!(step(lab, &env, "ls; cat rewritten; touch go"), "rewritten\nnew\n");
    success(&env, &waiting.wait_with_output().unwrap());
    assert_eq!(content(&env, "waits-1.0.0-r0", "out"), "go\nrewritten\nnew\n");
    assert_eq!(read(&env, "rewritten").unwrap(), "new\n");
    assert_eq!(read(&env, "deleted"), None);
}

#[test]
fn what_is_new_in_a_directory_that_was_deleted_comes_home() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    step(lab, &env, "mkdir -p d/e; echo old > d/a; echo old > d/e/a");
    // Deleted while a build is about to write there.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let script =
        format!("wget -q -O /dev/null http://127.0.0.1:{port}/ || :\necho new > d/e/new; ls d");
    let file = write_recipe(&env, "waits", &script);
    let text = fs_err::read_to_string(env.work().join(&file)).unwrap();
    env.write(&file, text.replace("- busybox", "- busybox\n      - wget"));
    let mut waiting = lab.build(&env, &file);
    let waiting = waiting.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (connection, _) = listener.accept().unwrap();
    drop(listener);
    fs_err::remove_dir_all(host(&env, "d")).unwrap();
    drop(connection);
    success(&env, &waiting.wait_with_output().unwrap());
    assert_eq!(content(&env, "waits-1.0.0-r0", "out"), "a\ne\n");
    assert_eq!(read(&env, "d/e/new").unwrap(), "new\n");
    assert_eq!((read(&env, "d/a"), read(&env, "d/e/a")), (None, None));
    // And the mount follows.
    assert_eq!(step(lab, &env, "find d -type f"), "d/e/new\n");
}

#[test]
fn two_builds_at_once_share_one_directory() {
    let Some(lab) = Lab::find() else { return };
    // Once where the directory is there, once where both make it.
    for exists in [true, false] {
        let env = TestEnv::new();
        lab.keygen(&env);
        let (marker, address) = (nonce(), lab.daemon_address(&env));
        if exists {
            env.write("melange-cache/before", "1");
        }
        let children = ["one", "two"].map(|name| {
            let script = format!("echo {name} > {name}; sleep 2; ls -A; : {marker}");
            let file = write_recipe(&env, name, &script);
            let mut command = lab.build(&env, &file);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        });
        for child in children {
            let text = success(&env, &child.wait_with_output().unwrap());
            assert!(!text.contains("warning: the cache"), "{text}");
        }
        assert_eq!(read(&env, "one").unwrap(), "one\n");
        assert_eq!(read(&env, "two").unwrap(), "two\n");
        // Of the two that were made for a directory that was not there, one is left.
        let mounts = mounts(lab, &env, &address, &marker);
        assert_eq!(mounts.len(), usize::from(!exists), "{mounts:#?}");
        assert_eq!(step(lab, &env, "cat one two"), "one\ntwo\n");
    }
}

#[test]
fn two_directories_of_one_daemon_share_nothing_not_even_copies() {
    let Some(lab) = Lab::find() else { return };
    let [one, two] = [TestEnv::new(), TestEnv::new()];
    step(lab, &one, "echo 1 > first");
    assert_eq!(step(lab, &two, "ls; echo 2 > second"), "");
    assert_eq!(step(lab, &one, "ls"), "first\n");
    let copy = TestEnv::new();
    let mut command = Command::new("cp");
    command.arg("-a").arg(host(&one, "")).arg(copy.work());
    assert!(command.status().unwrap().success());
    assert_eq!(step(lab, &copy, "ls; echo 3 > third"), "first\n");
    assert_eq!(step(lab, &one, "ls"), "first\n");
    // The mounts are told apart by a number that the directory holds.
    let render = |env: &TestEnv| {
        let mut command = lab.melange2(env);
        command.args(["render", "look.yaml"]);
        lab.repository_flags(&mut command);
        let text = lab.ok(env, &mut command);
        let id = text.split("id=melange-host-cache").nth(1).unwrap();
        id.split(',').next().unwrap().to_owned()
    };
    let ids = [&one, &two, &copy].map(render);
    assert!(ids.iter().all(|id| id.len() == 21), "{ids:?}");
    assert!(ids[0] != ids[1] && ids[0] != ids[2] && ids[1] != ids[2], "{ids:?}");
}

#[test]
fn a_directory_works_with_several_daemons_and_with_a_pruned_one() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    let other = env.work().join("daemon");
    let here = |script: &str| step(lab, &env, script);
    let there = |script: &str| {
        step_by(&env, script, |recipe| {
            let mut command = lab.build(&env, recipe);
            command.env("MELANGE2_DAEMON_DIR", &other);
            command
        })
    };
    let daemon = |verb: &[&str]| {
        let mut command = lab.melange2(&env);
        command.arg("daemon").args(verb).env("MELANGE2_DAEMON_DIR", &other);
        lab.ok(&env, &mut command);
    };
    here("echo 1 > a; echo 1 > b");
    assert_eq!(there("cat a b; echo 2 > c"), "1\n1\n");
    assert_eq!(here("ls; echo 3 > b"), "a\nb\nc\n");
    fs_err::remove_file(host(&env, "a")).unwrap();
    assert_eq!(there("ls; cat b"), "b\nc\n3\n");
    assert_eq!(here("ls"), "b\nc\n");
    // A mount that lost everything does not empty the directory, and is filled again.
    daemon(&["prune", "--all"]);
    assert_eq!(there("ls; cat b"), "b\nc\n3\n");
    assert_eq!(read(&env, "c").unwrap(), "2\n");
    daemon(&["stop"]);
}

#[test]
fn names_and_kinds_arrive_as_they_are() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    let there = host(&env, "there");
    let write = |name: &[u8], text: &[u8]| {
        let path = there.join(std::ffi::OsStr::from_bytes(name));
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
    };
    for name in [
        &b"sha256:ab"[..],
        b"with space",
        b"new\nline",
        b"quo'te\"",
        b"-rf",
        b"\xff\xfe",
        b"%41",
        b".dockerignore",
        b".wh.white",
        b"dir/deep/*",
    ] {
        write(name, name);
    }
    write(b"read-only/module/go.mod", b"module x\n");
    write(b"large", &vec![7; 5 << 20]);
    write(&[b'n'; 200], b"long");
    fs_err::write(host(&env, ".dockerignore"), "there\n").unwrap();
    fs_err::hard_link(there.join("large"), there.join("linked")).unwrap();
    fs_err::os::unix::fs::symlink("/etc/passwd", there.join("absolute")).unwrap();
    fs_err::os::unix::fs::symlink("nowhere", there.join("dangling")).unwrap();
    fs_err::create_dir_all(there.join("empty/empty")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(there.join("socket")).unwrap();
    set_mode(&there.join("large"), 0o750);
    set_mode(&there.join("-rf"), 0o400);
    for directory in ["read-only/module", "read-only"] {
        set_mode(&there.join(directory), 0o555);
    }
    // Through the mount, and home again under another name.
    let script = "cp -a there back; mkfifo back/fifo\n\
                  find there -print0 | tr -cd '\\0' | wc -c; find there ! -user build | wc -l\n\
                  stat -c %h back/large; touch back/new; chmod 6755 back/new";
    let said = step(lab, &env, script);
    let sent = tree(&there);
    // Without the socket.
    assert_eq!(said, format!("{}\n0\n2\n", sent.len()));
    let mut came = tree(&host(&env, "back"));
    let new = came.remove(&b"new"[..]).unwrap();
    assert!(new.ends_with(" 755"), "permission bits only: {new}");
    assert_eq!(came, sent);
    let back = |name: &str| fs_err::metadata(host(&env, "back").join(name)).unwrap();
    assert_eq!(back("large").ino(), back("linked").ino());
    // And nothing of it moves again.
    let text = lab.ok(&env, lab.build(&env, "look.yaml").arg("-v"));
    assert!(!text.contains("bringing"), "{text}");
    // A read-only directory takes what is new, and goes when it is deleted.
    for name in ["there", "back"] {
        set_mode(&host(&env, name).join("read-only"), 0o755);
        set_mode(&host(&env, name).join("read-only/module"), 0o755);
    }
    fs_err::remove_dir_all(&there).unwrap();
    assert_eq!(step(lab, &env, "ls -d there 2>/dev/null || echo gone"), "gone\n");
    fs_err::remove_dir_all(host(&env, "back")).unwrap();
}

fn set_mode(path: &Path, mode: u32) {
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Names, and what stands there: kind, size or target, digest, mode, seconds.
fn tree(root: &Path) -> std::collections::BTreeMap<Vec<u8>, String> {
    let entries = walkdir::WalkDir::new(root).into_iter().map(Result::unwrap);
    entries
        .filter_map(|entry| {
            let metadata = entry.metadata().unwrap();
            let mode = metadata.mode() & 0o7777;
            let what = if metadata.is_dir() {
                format!("directory {mode:o}")
            } else if metadata.is_symlink() {
                format!("link {:?}", fs_err::read_link(entry.path()).unwrap())
            } else if metadata.is_file() {
                let digest = melange2::digest::Sha256::of(&fs_err::read(entry.path()).unwrap());
                format!("{} {digest} {} {mode:o}", metadata.len(), metadata.mtime())
            } else {
                return None;
            };
            let name = entry.path().strip_prefix(root).unwrap().as_os_str().as_bytes().to_vec();
            Some((name, what))
        })
        .collect()
}

#[test]
fn a_recipe_that_runs_as_root_shares_the_directory() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    step(lab, &env, "echo 1 > of-build");
    let as_root = |script: &str| {
        step_by(&env, script, |recipe| {
            let mut command = lab.build(&env, recipe);
            command.args(["--run-as", "root"]);
            command
        })
    };
    assert_eq!(as_root("stat -c %u:%g . of-build; echo 2 > of-root"), "0:0\n0:0\n");
    assert_eq!(step(lab, &env, "cat of-root; stat -c %u of-root"), "2\n1000\n");
}

#[test]
fn trouble_is_a_warning_and_the_package_is_written() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    env.write("file", "not a directory");
    let recipe = write_recipe(&env, "stores", "echo 1 > one; echo done");
    let text = lab.ok(&env, lab.build(&env, &recipe).args(["--cache-dir", "file/below"]));
    assert!(text.contains("warning: the cache directory `"), "{text}");
    assert_eq!(content(&env, "stores-1.0.0-r0", "out"), "done\n");
    // Neither does a mistake of both sides: they stay as they are.
    step(lab, &env, "echo 1 > name");
    fs_err::remove_file(host(&env, "name")).unwrap();
    env.write("melange-cache/name/file", "2");
    let recipe = write_recipe(&env, "rewrites", "echo 3 > name; cat name");
    lab.ok(&env, &mut lab.build(&env, &recipe));
    assert_eq!(read(&env, "name/file").unwrap(), "2");
}

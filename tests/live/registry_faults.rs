//! Trouble with the cache's registry never fails a build: each fault, at the import and at the
//! export. The package comes out, one warning says what and what it cost, and it costs little.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::recipe;
use super::registry::{Fresh, counting, edited};
use crate::support::TestEnv;
use crate::support::disk::Disk;
use crate::support::fault::{Fault, Proxy, To, nobody};
use crate::support::lab::{Lab, nonce, written};
use crate::support::serve::Registry;

/// What a fault may cost, in seconds, as the warning tells: 8 by our own bounds (a unit test of
/// `inquiry.rs` adds them up), the work that it happens to, and a busy machine. Without a bound of ours
/// it is minutes.
const BOUND: f64 = 25.0;
/// How much longer a build may take on a busy machine. Without a bound of ours it is minutes.
const SLACK: Duration = Duration::from_secs(30);

/// What is wrong, and where.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    /// Nobody listens.
    Refused,
    /// A fault of all requests from the beginning.
    Always(Fault),
    /// A fault of what is written.
    Writes(Fault),
    /// A fault of the cache's description, which is read when the import begins.
    Description(Fault),
    /// A fault of its layers, which are read when a step needs them.
    Layers(Fault),
    /// A fault of all requests, once the build's steps run.
    Later(Fault),
    /// A fault of the layers when nothing has changed, so that only the packages are pulled.
    Packages(Fault),
    /// The layers in the registry's storage end after half.
    CutLayers,
    /// They have other bytes.
    SpoiltLayers,
    /// The registry's disk is full.
    DiskFull,
    /// The registry says that there is a cache, and is silent from then on.
    SilentOnceAsked,
    /// The same when the cache is exported, which begins with an import.
    SilentWhenExported,
}

/// Does something to every layer in a registry's storage.
fn spoil_layers(storage: &Path, spoil: impl Fn(&mut Vec<u8>)) {
    let mut spoilt = 0;
    for entry in walkdir::WalkDir::new(storage).into_iter().filter_map(Result::ok) {
        let path = entry.path();
        if !path.ends_with("data") {
            continue;
        }
        let mut bytes = fs_err::read(path).unwrap();
        if bytes.starts_with(&[0x1f, 0x8b]) || bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            spoil(&mut bytes);
            fs_err::write(path, bytes).unwrap();
            spoilt += 1;
        }
    }
    assert!(spoilt > 0, "the registry has layers");
}

/// Reads what a build says up to a line, and does something then; returns all it said.
fn attend(mut child: Child, line: &str, act: impl FnOnce(&Child)) -> (i32, String) {
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains(line) && lines.read_line(&mut said).unwrap() > 0 {}
    act(&child);
    lines.read_to_string(&mut said).unwrap();
    (child.wait().unwrap().code().unwrap_or(-1), said)
}

fn spawn(command: &mut Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// The only warning, and what it says that the trouble cost, in seconds.
fn only_warning(said: &str) -> (String, f64) {
    let warnings: Vec<&str> = said.lines().filter(|line| line.starts_with("warning:")).collect();
    let [warning] = warnings[..] else { panic!("one warning: {said}") };
    let cost = warning.split("it cost ").nth(1).and_then(|rest| rest.split(' ').next());
    let cost = cost.unwrap_or_else(|| panic!("it says what it cost: {warning}"));
    (warning.to_owned(), cost.parse().unwrap())
}

/// Builds a package whose cache another daemon has exported, or nobody yet, with trouble. Returns
/// what was said.
fn build_with(lab: &Lab, state: &Path, cached: bool, trouble: Trouble) -> String {
    let (env, name) = (TestEnv::new(), format!("count-{}", nonce()));
    let storage = env.work().join("registry");
    let disk = matches!(trouble, Trouble::DiskFull).then(|| Disk::mount(&storage, "16m"));
    let registry = Registry::start_in(&env, &storage);
    let text = counting("counted", &name);
    env.write("counted.yaml", &text);
    if cached {
        let builder = Fresh::new(lab, &env, "builder");
        builder.build("counted.yaml", &["--cache-registry", &format!("{}/c", registry.address)]);
        fs_err::remove_dir_all(env.work().join("packages")).unwrap();
        if !matches!(trouble, Trouble::Packages(_)) {
            // What it has to run next needs the layers of what it has not.
            env.write("counted.yaml", edited(&text));
        }
    }
    let proxy = Proxy::start(&registry.address, None);
    let mut address = proxy.address.clone();
    match trouble {
        Trouble::Refused => address = nobody(),
        Trouble::Always(fault) => proxy.set(Some((fault, To::All))),
        Trouble::Writes(fault) => proxy.set(Some((fault, To::Writes))),
        Trouble::Description(fault) => proxy.set(Some((fault, To::Description))),
        Trouble::Layers(fault) | Trouble::Packages(fault) => proxy.set(Some((fault, To::Layers))),
        Trouble::SilentOnceAsked => proxy.set(Some((Fault::Silent, To::FromLook(2)))),
        Trouble::SilentWhenExported => proxy.set(Some((Fault::Silent, To::FromLook(4)))),
        Trouble::CutLayers => spoil_layers(&storage, |bytes| bytes.truncate(bytes.len() / 2)),
        Trouble::SpoiltLayers => spoil_layers(&storage, |bytes| *bytes.last_mut().unwrap() ^= 1),
        Trouble::DiskFull => disk.iter().for_each(Disk::fill),
        Trouble::Later(_) => {}
    }
    let mut command = lab.build(&env, "counted.yaml");
    command.env("MELANGE2_DAEMON_DIR", state);
    command.args(["--cache-registry", &format!("{address}/c")]);
    let (code, said) = attend(spawn(&mut command), "    start  ", |_| {
        if let Trouble::Later(fault) = trouble {
            proxy.set(Some((fault, To::All)));
        }
    });
    assert_eq!(code, 0, "{trouble:?}: {said}");
    assert!(written(&env).contains(&"x86_64/counted-1.0.0-r0.apk".to_owned()), "{trouble:?}");
    said
}

/// All rows at once, on one daemon: the trouble of one is none for the others. (A layer that several
/// builds import at once BuildKit takes from any one's registry: so each has layers of its own.)
fn table(lab: &Lab, cached: bool, rows: &[(Trouble, &str, &str)]) {
    let env = TestEnv::new();
    let victim = Fresh::new(lab, &env, "victim");
    let name = format!("count-{}", nonce());
    env.write("counted.yaml", counting("counted", &name));
    victim.build("counted.yaml", &[]);
    let begin = Instant::now();
    env.write("counted.yaml", counting("counted", &name).replace("echo first", "echo other"));
    victim.build("counted.yaml", &[]);
    let without = begin.elapsed();
    std::thread::scope(|scope| {
        let rows: Vec<_> = rows
            .iter()
            .map(|&row| {
                let state = &victim.state;
                scope.spawn(move || {
                    let said = build_with(lab, state, cached, row.0);
                    let (warning, cost) = only_warning(&said);
                    println!("{:?}: {warning}", row.0);
                    assert!(cost <= BOUND, "{:?}: {warning}", row.0);
                    for words in [row.1, row.2] {
                        assert!(warning.contains(words), "{:?}: {warning}", row.0);
                    }
                })
            })
            .collect();
        for row in rows {
            row.join().unwrap();
        }
    });
    // Building a cache for each row takes its time, too.
    let rounds = u32::try_from(rows.len() * if cached { 4 } else { 1 }).unwrap();
    assert!(begin.elapsed() < without * rounds + Duration::from_secs(10) + SLACK, "bounded");
    // The daemon is as good as before.
    assert_eq!(victim.ran(&name), "first second third other second third");
}

#[test]
fn trouble_at_the_import_is_one_warning() {
    let Some(lab) = Lab::find() else { return };
    let rows = [
        (Trouble::Refused, "is not used", "connection refused"),
        (Trouble::Always(Fault::Silent), "is not used", "no answer in 4.0 s"),
        (Trouble::Always(Fault::Status(503)), "is not used", "503"),
        (Trouble::Always(Fault::Html), "is not used", "text/html"),
        // It can be read.
        (Trouble::DiskFull, "was not exported", "500 Internal Server Error"),
    ];
    table(lab, true, &rows);
}

#[test]
fn trouble_in_the_middle_of_an_import_is_one_warning() {
    let Some(lab) = Lab::find() else { return };
    let rows = [
        (Trouble::Description(Fault::Closed), "could not be imported", "EOF"),
        (Trouble::Description(Fault::Status(503)), "could not be imported", "503"),
        (Trouble::Description(Fault::Html), "could not be imported", "EOF"),
        (Trouble::Description(Fault::Half), "could not be imported", "EOF"),
        // What is the same for all of them BuildKit takes from any one: why it fails is another's reason.
        (Trouble::Layers(Fault::Closed), "run again without it", "BuildKit failed: "),
        (Trouble::Layers(Fault::Status(503)), "run again without it", "BuildKit failed: "),
        (Trouble::Layers(Fault::Html), "run again without it", "BuildKit failed: "),
        (Trouble::Layers(Fault::Half), "run again without it", "BuildKit failed: "),
        (Trouble::CutLayers, "run again without it", "BuildKit failed: "),
        (Trouble::SpoiltLayers, "run again without it", "BuildKit failed: "),
    ];
    table(lab, true, &rows);
}

#[test]
fn a_registry_that_falls_silent_in_a_layer_is_one_warning() {
    let Some(lab) = Lab::find() else { return };
    // By itself: where it ends in a restart of the daemon, others would notice.
    let row =
        (Trouble::Layers(Fault::Silent), "run again without it", "no byte of a layer came in");
    table(lab, true, &[row]);
}

#[test]
fn a_registry_that_falls_silent_in_a_package_is_one_warning() {
    let Some(lab) = Lab::find() else { return };
    let row =
        (Trouble::Packages(Fault::Silent), "run again without it", "no byte of a layer came in");
    table(lab, true, &[row]);
}

#[test]
fn trouble_at_the_export_is_one_warning() {
    let Some(lab) = Lab::find() else { return };
    let rows = [
        (Trouble::Later(Fault::Closed), "was not exported", "packages are written"),
        (Trouble::Later(Fault::Silent), "was not exported", "no answer in 4.0 s"),
        (Trouble::Writes(Fault::Closed), "was not exported", "packages are written"),
        (Trouble::Writes(Fault::Silent), "was not exported", "a tiny one neither"),
        (Trouble::Writes(Fault::Status(500)), "was not exported", "500"),
        (Trouble::Writes(Fault::Status(507)), "was not exported", "507"),
        (Trouble::Writes(Fault::Html), "was not exported", "packages are written"),
        (Trouble::Writes(Fault::Half), "was not exported", "packages are written"),
        (Trouble::DiskFull, "was not exported", "500 Internal Server Error"),
    ];
    table(lab, false, &rows);
}

#[test]
fn control_c_while_the_cache_is_exported_keeps_the_packages() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    let registry = Registry::start(&env);
    let proxy = Proxy::start(&registry.address, Some((Fault::Silent, To::Writes)));
    env.write("counted.yaml", counting("counted", &nonce()));
    let mut command = lab.build(&env, "counted.yaml");
    command.args(["--cache-registry", &format!("{}/c", proxy.address)]);
    let (code, said) = attend(spawn(&mut command), "exporting the cache", |child| {
        let signal = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
        assert!(signal.unwrap().success());
    });
    assert_eq!(code, 130, "{said}");
    assert!(said.contains("the packages are written"), "{said}");
    let package = "x86_64/counted-1.0.0-r0.apk".to_owned();
    assert!(written(&env).contains(&package) && said.contains("wrote ./packages/"), "{said}");
}

/// Builds with trouble in the middle of an import, and something else after it, on one daemon.
fn goes_on_after(lab: &Lab, trouble: Trouble) -> (String, f64) {
    let env = TestEnv::new();
    let victim = Fresh::new(lab, &env, "victim");
    let said = build_with(lab, &victim.state, true, trouble);
    env.write("fine.yaml", recipe("fine", &[("fine", "mkdir -p ${{targets.destdir}}/usr")]));
    victim.build("fine.yaml", &[]);
    let (warning, cost) = only_warning(&said);
    println!("{trouble:?}: {warning}");
    (warning, cost)
}

#[test]
fn a_registry_that_falls_silent_during_the_import_does_not_stop_the_daemon() {
    let Some(lab) = Lab::find() else { return };
    let (warning, cost) = goes_on_after(lab, Trouble::SilentOnceAsked);
    assert!(warning.contains("run again without it") && cost <= BOUND, "{warning}");
}

#[test]
fn a_registry_that_falls_silent_during_the_export_does_not_stop_the_daemon() {
    let Some(lab) = Lab::find() else { return };
    let (warning, cost) = goes_on_after(lab, Trouble::SilentWhenExported);
    assert!(warning.contains("was not exported: no answer in") && cost <= BOUND, "{warning}");
}

#[test]
fn somebody_elses_daemon_is_waited_for_when_it_waits_for_a_registry() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    let registry = Registry::start(&env);
    let cache = |address: &str| format!("{address}/c");
    let text = counting("counted", &format!("count-{}", nonce()));
    env.write("counted.yaml", &text);
    let builder = Fresh::new(lab, &env, "builder");
    builder.build("counted.yaml", &["--cache-registry", &cache(&registry.address)]);
    env.write("counted.yaml", edited(&text));

    // Once asked whether there is a cache, it keeps the import waiting for a while.
    let proxy = Proxy::start(&registry.address, Some((Fault::Late(15), To::FromLook(2))));
    let victim = Fresh::new(lab, &env, "victim");
    victim.daemon("start");
    let address = format!("unix://{}", victim.state.join("buildkitd.sock").display());
    let mut command = victim.command("counted.yaml");
    command.args(["--addr", &address, "--cache-registry", &cache(&proxy.address)]);
    let (code, said) = attend(spawn(&mut command), "which still waits for", |_| {
        proxy.set(Some((Fault::Closed, To::All)));
    });
    assert_eq!(code, 0, "{said}");
    let (warning, _) = only_warning(&said);
    assert!(warning.contains("run again without it: no answer in"), "{warning}");
    assert!(said.contains("wrote ./packages/x86_64/counted-1.0.0-r0.apk"), "{said}");
}

#[test]
fn a_failing_step_runs_once_whatever_its_cache() {
    let Some(lab) = Lab::find() else { return };
    let (env, name) = (TestEnv::new(), format!("count-{}", nonce()));
    let registry = Registry::start(&env);
    let cache = format!("{}/c", registry.address);
    let daemon = Fresh::new(lab, &env, "daemon");
    let text = counting("counted", &name);
    env.write("counted.yaml", &text);
    daemon.build("counted.yaml", &["--cache-registry", &cache]);
    env.write("counted.yaml", text.replace("echo third > third", "exit 7"));
    let mut command = daemon.command("counted.yaml");
    let output = command.args(["--cache-registry", &cache]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", env.text(&output));
    assert_eq!(daemon.ran(&name), "first second third third");
}

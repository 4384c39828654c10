//! The registry cache: what one daemon built, another does not build again. What ran is told by
//! counters that the steps write outside of their results.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{content, recipe};
use crate::support::lab::{Lab, nonce};
use crate::support::serve::{CREDENTIALS, Registry};
use crate::support::{TestEnv, parts};

/// A daemon that has seen nothing yet, and ends with the value.
pub(super) struct Fresh<'a> {
    pub(super) lab: &'a Lab,
    pub(super) env: &'a TestEnv,
    pub(super) state: PathBuf,
}

impl<'a> Fresh<'a> {
    pub(super) fn new(lab: &'a Lab, env: &'a TestEnv, name: &str) -> Self {
        Self { lab, env, state: env.work().join(name) }
    }

    pub(super) fn here(&self, mut command: Command) -> Command {
        command.env("MELANGE2_DAEMON_DIR", &self.state);
        command
    }

    /// `melange2 build` on this daemon, with a host cache of its own: nothing travels that way.
    pub(super) fn command(&self, recipe: &str) -> Command {
        let mut command = self.here(self.lab.build(self.env, recipe));
        command.arg("--cache-dir").arg(self.state.with_extension("cache"));
        command
    }

    pub(super) fn build(&self, recipe: &str, flags: &[&str]) -> String {
        let mut command = self.command(recipe);
        self.lab.ok(self.env, command.args(flags))
    }

    /// Which steps ran on this daemon, in order.
    pub(super) fn ran(&self, name: &str) -> String {
        let script = format!(
            "# {}\nmkdir -p ${{{{targets.destdir}}}}\ntouch /var/cache/melange/{name}\ncp /var/cache/melange/{name} ${{{{targets.destdir}}}}/count",
            nonce()
        );
        self.env.write("counter.yaml", recipe("counter", &[("read", &script)]));
        self.build("counter.yaml", &[]);
        content(self.env, "counter-1.0.0-r0", "count")
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    }

    pub(super) fn daemon(&self, verb: &str) -> String {
        let mut command = self.here(self.lab.melange2(self.env));
        self.lab.ok(self.env, command.args(["daemon", verb]))
    }
}

impl Drop for Fresh<'_> {
    fn drop(&mut self) {
        let mut command = self.here(self.lab.melange2(self.env));
        let _ = command.args(["daemon", "stop", "--force"]).output();
    }
}

/// Three steps that count their runs; the last one's output differs with each run.
pub(super) fn counting(package: &str, name: &str) -> String {
    let count = |step: &str| {
        format!(
            "echo {step} >> /var/cache/melange/{name}\necho {step} > {step}\necho {name} >> {step}"
        )
    };
    let out =
        "mkdir -p ${{targets.destdir}}/usr/share\ndate +%s%N > ${{targets.destdir}}/usr/share/when";
    let last = format!("{}\n{out}", count("third"));
    recipe(package, &[("first", &count("first")), ("second", &count("second")), ("third", &last)])
}

/// The same, with another second step.
pub(super) fn edited(recipe: &str) -> String {
    recipe.replace("echo second > second", "echo edited > second")
}

fn package(env: &TestEnv, file: &str) -> Vec<u8> {
    fs_err::read(env.work().join("packages/x86_64").join(file)).unwrap()
}

fn no_warning(text: &str) {
    assert!(!text.contains("warning"), "{text}");
}

#[test]
fn a_second_daemon_runs_nothing_and_makes_the_same_package() {
    let Some(lab) = Lab::find() else { return };
    let (env, name) = (TestEnv::new(), format!("count-{}", nonce()));
    let registry = Registry::start(&env);
    // Plain HTTP on loopback needs no flag, whatever loopback is called.
    let repository = registry.address.replace("127.0.0.1", "localhost") + "/melange-cache";
    let cache = ["--cache-registry", repository.as_str()];
    env.write("counted.yaml", counting("counted", &name));

    let first = Fresh::new(lab, &env, "first");
    let text = first.build("counted.yaml", &cache);
    let expected = format!("no cache yet in `{repository}:default-x86_64-counted`");
    assert!(text.contains(&expected), "{text}");
    no_warning(&text);
    assert!(text.contains("exporting"), "{text}");
    assert_eq!(first.ran(&name), "first second third");
    // What was exported is not exported again.
    let text = first.build("counted.yaml", &cache);
    assert!(!text.contains("exporting"), "{text}");
    let built = package(&env, "counted-1.0.0-r0.apk");
    fs_err::remove_dir_all(env.work().join("packages")).unwrap();

    let second = Fresh::new(lab, &env, "second");
    let text = second.build("counted.yaml", &cache);
    no_warning(&text);
    assert!(!text.contains("no cache yet"), "{text}");
    assert_eq!(text.matches("CACHED").count(), 3, "{text}");
    assert_eq!(package(&env, "counted-1.0.0-r0.apk"), built);
    // Nor is exported again what came from there.
    assert!(!text.contains("exporting"), "{text}");
    let text = second.build("counted.yaml", &cache);
    assert!(!text.contains("exporting"), "{text}");
    // Layers stay where they are while no step needs them: this daemon has not the environment.
    let mib = |daemon: &Fresh| {
        let status = daemon.daemon("status");
        let usage = status.lines().find_map(|line| line.strip_prefix("disk usage:")).unwrap();
        let (number, unit) = usage.trim().split_once(' ').unwrap();
        let factor = match unit {
            "GiB" => 1024.0,
            "MiB" => 1.0,
            _ => 0.0,
        };
        number.parse::<f64>().unwrap() * factor
    };
    assert!(mib(&second) < mib(&first) / 4.0, "{} {}", mib(&second), mib(&first));
    assert_eq!(second.ran(&name), "");
}

/// What a build against a registry's cache runs on a fresh daemon once the second step is edited.
fn ran_after_an_edit(lab: &Lab, mode: &str) -> String {
    let (env, name) = (TestEnv::new(), format!("count-{}", nonce()));
    let registry = Registry::start(&env);
    let repository = format!("{}/cache", registry.address);
    let cache = ["--cache-registry", repository.as_str(), "--cache-mode", mode];
    let text = counting("counted", &name);
    env.write("counted.yaml", &text);
    Fresh::new(lab, &env, "first").build("counted.yaml", &cache);
    env.write("counted.yaml", edited(&text));
    let second = Fresh::new(lab, &env, "second");
    let text = second.build("counted.yaml", &cache);
    no_warning(&text);
    let ran = second.ran(&name);
    // What the summary says is what the counters say.
    assert_eq!(text.matches("CACHED").count(), 3 - ran.split(' ').count(), "{text}");
    // And once more on the first mode's cache: the edited build was exported, too.
    let third = Fresh::new(lab, &env, "third");
    no_warning(&third.build("counted.yaml", &cache));
    assert_eq!(third.ran(&name), "", "{mode}");
    ran
}

#[test]
fn max_keeps_all_steps() {
    let Some(lab) = Lab::find() else { return };
    assert_eq!(ran_after_an_edit(lab, "max"), "second third");
}

#[test]
fn min_keeps_the_end_alone() {
    let Some(lab) = Lab::find() else { return };
    assert_eq!(ran_after_an_edit(lab, "min"), "first second third");
}

#[test]
fn losing_the_whole_registry_costs_time_only() {
    let Some(lab) = Lab::find() else { return };
    let (env, name) = (TestEnv::new(), format!("count-{}", nonce()));
    let cache = |registry: &Registry| format!("{}/cache", registry.address);
    env.write("counted.yaml", counting("counted", &name));
    let first = Fresh::new(lab, &env, "first");
    let registry = Registry::start(&env);
    first.build("counted.yaml", &["--cache-registry", &cache(&registry)]);
    let built = package(&env, "counted-1.0.0-r0.apk");
    drop(registry);
    fs_err::remove_dir_all(env.work().join("registry")).unwrap();

    // Lost: the daemon still has everything, and brings it back.
    let registry = Registry::start(&env);
    let text = first.build("counted.yaml", &["--cache-registry", &cache(&registry)]);
    no_warning(&text);
    assert_eq!(package(&env, "counted-1.0.0-r0.apk"), built);
    assert_eq!(first.ran(&name), "first second third");
    let second = Fresh::new(lab, &env, "second");
    second.build("counted.yaml", &["--cache-registry", &cache(&registry)]);
    assert_eq!(second.ran(&name), "");
    drop(registry);
    fs_err::remove_dir_all(env.work().join("registry")).unwrap();

    // Lost with the daemons: everything runs, once.
    let registry = Registry::start(&env);
    let third = Fresh::new(lab, &env, "third");
    let text = third.build("counted.yaml", &["--cache-registry", &cache(&registry)]);
    no_warning(&text);
    assert_eq!(third.ran(&name), "first second third");
}

/// An address of this machine that is not a loopback one, if it has any.
fn own_address() -> Option<String> {
    // Nothing is sent: the kernel chooses the address that it would be sent from.
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then(|| address.to_string())
}

#[test]
fn beyond_loopback_plain_http_takes_a_flag() {
    let Some(lab) = Lab::find() else { return };
    let Some(host) = own_address() else {
        return parts::without("this machine has no address but loopback");
    };
    let (env, name) = (TestEnv::new(), format!("count-{}", nonce()));
    let registry = Registry::start_at(&env, &host);
    let repository = format!("{}/cache", registry.address);
    let cache = ["--cache-registry", repository.as_str()];
    env.write("counted.yaml", counting("counted", &name));
    let first = Fresh::new(lab, &env, "first");
    let text = first.build("counted.yaml", &cache);
    assert!(text.contains("warning: ") && text.contains("HTTP response to HTTPS client"), "{text}");
    let insecure = [&cache[..], &["--cache-registry-insecure"]].concat();
    no_warning(&first.build("counted.yaml", &insecure));
    let second = Fresh::new(lab, &env, "second");
    let text = second.build("counted.yaml", &insecure);
    no_warning(&text);
    assert_eq!(text.matches("CACHED").count(), 3, "{text}");
}

#[test]
fn a_registry_that_was_restarted_has_its_cache() {
    let Some(lab) = Lab::find() else { return };
    let (env, name) = (TestEnv::new(), format!("count-{}", nonce()));
    let cache = |registry: &Registry| format!("{}/cache", registry.address);
    env.write("counted.yaml", counting("counted", &name));
    let registry = Registry::start(&env);
    let first = Fresh::new(lab, &env, "first");
    first.build("counted.yaml", &["--cache-registry", &cache(&registry)]);
    let built = package(&env, "counted-1.0.0-r0.apk");
    drop(registry);

    let registry = Registry::start(&env);
    let second = Fresh::new(lab, &env, "second");
    let text = second.build("counted.yaml", &["--cache-registry", &cache(&registry)]);
    no_warning(&text);
    assert_eq!(text.matches("CACHED").count(), 3, "{text}");
    assert_eq!(package(&env, "counted-1.0.0-r0.apk"), built);
    assert_eq!(second.ran(&name), "");
}

#[test]
fn what_a_daemon_built_without_the_registry_is_exported_later() {
    let Some(lab) = Lab::find() else { return };
    let (env, name) = (TestEnv::new(), format!("count-{}", nonce()));
    let registry = Registry::start(&env);
    let repository = format!("{}/cache", registry.address);
    let cache = ["--cache-registry", repository.as_str()];
    let first = Fresh::new(lab, &env, "first");
    let text = counting("counted", &name);
    env.write("counted.yaml", &text);
    first.build("counted.yaml", &cache);
    // Nothing runs the second time, and the registry has a cache: that of the build before.
    env.write("counted.yaml", edited(&text));
    first.build("counted.yaml", &[]);
    let text = first.build("counted.yaml", &cache);
    assert!(text.matches("CACHED").count() == 3 && text.contains("exporting"), "{text}");
    let second = Fresh::new(lab, &env, "second");
    second.build("counted.yaml", &cache);
    assert_eq!(second.ran(&name), "");
}

/// Makes a folder with a `buildctl` that notes its arguments, a line each, in a file.
fn noting_buildctl(lab: &Lab, env: &TestEnv, notes: &Path) -> PathBuf {
    let script = format!(
        "#!/bin/sh\necho \"$*\" >> '{}'\nexec '{}' \"$@\"\n",
        notes.display(),
        lab.tools.join("buildctl").display()
    );
    let file = env.write("front/buildctl", script);
    fs_err::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    file.parent().unwrap().to_owned()
}

#[test]
fn who_filled_a_cache_exports_without_importing_it_and_loses_nothing() {
    let Some(lab) = Lab::find() else { return };
    let (env, name) = (TestEnv::new(), format!("count-{}", nonce()));
    let registry = Registry::start(&env);
    let repository = format!("{}/cache", registry.address);
    let notes = env.work().join("notes");
    let front = noting_buildctl(lab, &env, &notes);
    let text = counting("counted", &name);
    // Each daemon is a machine of its own, which remembers what it exported.
    let command = |daemon: &Fresh, text: &str| {
        env.write("counted.yaml", text);
        let _ = fs_err::remove_file(&notes);
        let mut command = daemon.command("counted.yaml");
        command.args(["--cache-registry", &repository]).env("MELANGE2_TOOLS", &front);
        command.arg("--apk-cache-dir").arg(daemon.state.with_extension("apk"));
        command
    };
    // Whether the export imported first.
    let imports = |daemon: &Fresh, text: &str| {
        let mut command = command(daemon, text);
        let said = lab.ok(&env, &mut command);
        no_warning(&said);
        let notes = fs_err::read_to_string(&notes).unwrap();
        let export = notes.lines().find(|line| line.contains("--export-cache"));
        export.unwrap_or_else(|| panic!("{said}")).contains("--import-cache")
    };
    let first = Fresh::new(lab, &env, "first");
    assert!(!imports(&first, &text), "there is nothing to import");
    let edited = edited(&text);
    assert!(!imports(&first, &edited), "it has all that is there");

    // Who takes something from there would lose what it did not take.
    let second = Fresh::new(lab, &env, "second");
    let more = edited.replace("echo third > third", "echo last > third");
    assert!(imports(&second, &more));
    assert_eq!(second.ran(&name), "third");
    let again = edited.replace("echo third > third", "echo very last > third");
    assert!(imports(&second, &again), "also the next time");

    // Also where the build that took it failed, and exported nothing.
    let failing = format!("{again}  - name: fourth\n    runs: exit 7\n");
    let output = command(&first, &failing).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", env.text(&output));
    assert!(imports(&first, &failing.replace("exit 7", "true")));

    // All layers are there still.
    let third = Fresh::new(lab, &env, "third");
    let last = again.replace("echo edited > second", "echo once more > second");
    env.write("counted.yaml", &last);
    third.build("counted.yaml", &["--cache-registry", &repository]);
    assert_eq!(third.ran(&name), "second third");
}

#[test]
fn each_build_has_a_tag_of_its_own_and_shares_blobs() {
    let Some(lab) = Lab::find() else { return };
    let (env, name) = (TestEnv::new(), format!("count-{}", nonce()));
    let registry = Registry::start(&env);
    let daemon = Fresh::new(lab, &env, "daemon");
    let repository = format!("{}/cache", registry.address);
    let build = |package: &str, version: &str| {
        let text = counting(package, &name).replace("1.0.0", version);
        env.write("counted.yaml", text);
        let mut command = daemon.command("counted.yaml");
        // As a deployment sets it.
        command.env("CACHE_REGISTRY", &repository).env("CACHE_MODE", "max");
        no_warning(&lab.ok(&env, &mut command));
    };
    build("counted", "1.0.0");
    build("counted++", "1.0.0");
    build("counted", "1.0.1");
    let get = |path: &str| -> serde_json::Value {
        let url = format!("http://{}/v2/cache/{path}", registry.address);
        let accept = "application/vnd.oci.image.manifest.v1+json";
        let mut answer = ureq::get(&url).header("Accept", accept).call().unwrap();
        serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap()
    };
    // Versions of a package follow each other on one tag.
    let tags = get("tags/list");
    let mut tags: Vec<_> =
        tags["tags"].as_array().unwrap().iter().filter_map(|tag| tag.as_str()).collect();
    tags.sort_unstable();
    assert_eq!(tags, ["default-x86_64-counted", "default-x86_64-counted_2B_2B"]);
    // OCI media types, zstd for what BuildKit packs itself.
    let manifest = get("manifests/default-x86_64-counted");
    assert_eq!(manifest["mediaType"], "application/vnd.oci.image.manifest.v1+json");
    let layers = manifest["layers"].as_array().unwrap();
    let of_type = |suffix: &str| {
        let media_type = format!("application/vnd.oci.image.layer.v1.tar+{suffix}");
        layers.iter().filter(|layer| layer["mediaType"] == media_type.as_str()).count()
    };
    assert!(of_type("zstd") >= 3, "{manifest:#}");
    assert_eq!(of_type("zstd") + of_type("gzip"), layers.len(), "{manifest:#}");
}

#[test]
fn credentials_are_those_of_a_login() {
    let Some(lab) = Lab::find() else { return };
    let (env, name) = (TestEnv::new(), format!("count-{}", nonce()));
    let registry = Registry::start_closed(&env);
    let repository = format!("{}/cache", registry.address);
    env.write("counted.yaml", counting("counted", &name));
    let first = Fresh::new(lab, &env, "first");
    // Not logged in: the package comes out, and what is in the way is said.
    let said = first.build("counted.yaml", &["--cache-registry", &repository]);
    assert!(said.contains("warning: the cache in") && said.contains("was not exported"), "{said}");
    assert!(said.contains("authorization") || said.contains("401"), "{said}");

    let login = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, CREDENTIALS);
    let file = serde_json::json!({ "auths": { &registry.address: { "auth": login } } });
    env.write("docker/config.json", file.to_string());
    let build = |daemon: &Fresh| {
        let mut command = daemon.command("counted.yaml");
        command.args(["-v", "--cache-registry", &repository]);
        let said = lab.ok(&env, command.env("DOCKER_CONFIG", env.work().join("docker")));
        no_warning(&said);
        for secret in [CREDENTIALS.split_once(':').unwrap().1, &login] {
            assert!(!said.contains(secret), "{said}");
        }
    };
    build(&first);
    let second = Fresh::new(lab, &env, "second");
    build(&second);
    assert_eq!(second.ran(&name), "");
}

#[test]
fn a_directory_is_a_cache_as_well() {
    let Some(lab) = Lab::find() else { return };
    let (env, name) = (TestEnv::new(), format!("count-{}", nonce()));
    env.write("counted.yaml", counting("counted", &name));
    let first = Fresh::new(lab, &env, "first");
    let both =
        ["--cache-from", "type=local,src=cache", "--cache-to", "type=local,dest=cache,mode=max"];
    // Not there yet.
    no_warning(&first.build("counted.yaml", &both));
    let built = package(&env, "counted-1.0.0-r0.apk");
    let second = Fresh::new(lab, &env, "second");
    no_warning(&second.build("counted.yaml", &both));
    assert_eq!(second.ran(&name), "");
    assert_eq!(package(&env, "counted-1.0.0-r0.apk"), built);
}

#[test]
fn a_repository_with_a_tag_or_credentials_is_refused_and_nothing_repeats_them() {
    let env = TestEnv::new();
    env.write("counted.yaml", counting("counted", "nothing"));
    let refused = |flag: &str, value: &str| {
        let mut command = env.command(env!("CARGO_BIN_EXE_melange2"));
        let output = command.args(["build", "counted.yaml", flag, value]).output().unwrap();
        let text = env.text(&output);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(!text.contains("hush"), "{text}");
        text
    };
    let text = refused("--cache-registry", "registry:5000/cache:latest");
    assert!(text.contains("has a tag") && text.contains("leave it out"), "{text}");
    let text = refused("--cache-registry", "me:hush@registry:5000/cache");
    assert!(text.contains("docker login"), "{text}");
    let text = refused("--cache-to", "type=s4,secret_access_key=hush");
    assert!(text.contains("type=KIND"), "{text}");
    let text = refused("--cache-from", "https://me:hush@registry/cache:a");
    assert!(text.contains("docker login"), "{text}");
    refused("--cache-mode", "some");
}

//! `deploy/`: the manifests against Kubernetes' schemas, and what they run, run here.
//!
//! The Job's command line, the daemon's arguments and its toml are taken from the manifests. A
//! network namespace of the test's own, in which `registry` and `buildkit` are names of this
//! machine, stands for the cluster: ports and addresses are those of the manifests.

use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use serde_yaml::Value;

use crate::support::buildkit::TestDaemon;
use crate::support::disk::Disk;
use crate::support::lab::Lab;
use crate::support::{TestEnv, certificates, parts};

fn project(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The objects of a manifest.
fn objects(path: &str) -> Vec<Value> {
    let text = fs_err::read_to_string(project(path)).unwrap();
    serde_yaml::Deserializer::from_str(&text)
        .map(|document| serde::Deserialize::deserialize(document).unwrap())
        .collect()
}

fn object(path: &str, kind: &str) -> Value {
    objects(path).into_iter().find(|object| object["kind"] == kind).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value:?} is no text"))
}

fn container(object: &Value) -> &Value {
    &object["spec"]["template"]["spec"]["containers"][0]
}

/// A container's command line, where its volumes lie in the work directory under their names.
fn command_line(env: &TestEnv, container: &Value) -> Vec<String> {
    let list = |key: &str| container[key].as_sequence().cloned().unwrap_or_default();
    let words = list("command").into_iter().chain(list("args"));
    let mounts = list("volumeMounts");
    let place = |word: String| {
        mounts.iter().fold(word, |word, mount| {
            // `/path/…`, also as a flag's value.
            let start = word.find("=/").map_or(0, |equals| equals + 1);
            let (flag, path) = word.split_at(start);
            match path.strip_prefix(text(&mount["mountPath"])) {
                Some(rest) if rest.is_empty() || rest.starts_with('/') => {
                    let volume = env.work().join(text(&mount["name"]));
                    format!("{flag}{}{rest}", volume.display())
                }
                _ => word,
            }
        })
    };
    words.map(|word| place(text(&word).to_owned())).collect()
}

/// A container's environment, its references to config maps resolved as the cluster does.
fn environment(env: &TestEnv, container: &Value) -> Vec<(String, String)> {
    let mut variables = Vec::new();
    for entry in container["env"].as_sequence().unwrap() {
        let reference = &entry["valueFrom"]["configMapKeyRef"];
        let value = if reference.is_null() {
            // The cache's place is a volume too.
            env.work().join(text(&entry["value"]).trim_start_matches('/')).display().to_string()
        } else {
            let map = object("deploy/gke/configmap.yaml", "ConfigMap");
            assert_eq!(map["metadata"]["name"], reference["name"]);
            text(&map["data"][text(&reference["key"])]).to_owned()
        };
        variables.push((text(&entry["name"]).to_owned(), value));
    }
    variables
}

#[test]
fn manifests_fit_kubernetes_schemas() {
    let Some(kustomize) = parts::program("kustomize") else {
        return parts::without("there is no kustomize");
    };
    let Some(validate) = parts::program("kubernetes-validate") else {
        return parts::without("there is no kubernetes-validate");
    };
    let env = TestEnv::new();
    let check = |files: &[&Path]| {
        let mut command = env.command(&validate);
        command.arg("--strict").args(files).output().unwrap()
    };
    let mut kinds = Vec::new();
    for directory in ["deploy/gke", "deploy/gke-tls"] {
        let built = env.command(&kustomize).arg("build").arg(project(directory)).output().unwrap();
        assert!(built.status.success(), "{}", env.text(&built));
        let file = env.write("built.yaml", &built.stdout);
        let checked = check(&[&file]);
        assert!(checked.status.success(), "{}", env.text(&checked));
        let built = String::from_utf8(built.stdout).unwrap();
        kinds.push(built.lines().filter(|line| line.starts_with("kind: ")).count());
        assert_eq!(built.contains("--tlskey="), directory.ends_with("tls"), "{built}");
    }
    assert_eq!(kinds, [8, 8]);
    let job = project("deploy/gke/job.yaml");
    let checked = check(&[&job]);
    assert!(checked.status.success(), "{}", env.text(&checked));
    // The check itself can fail.
    let broken = fs_err::read_to_string(job).unwrap().replace("backoffLimit", "backOffLimit");
    let broken = check(&[&env.write("broken.yaml", broken)]);
    assert!(!broken.status.success(), "{}", env.text(&broken));
}

#[test]
fn the_manifests_hold_what_builds_rely_on() {
    let map = object("deploy/gke/configmap.yaml", "ConfigMap");
    assert_eq!(map["data"]["cache-registry"], "registry:5000/melange-cache");
    assert_eq!(map["data"]["cache-mode"], "max");
    let registry = object("deploy/gke/registry.yaml", "Deployment");
    assert_eq!(container(&registry)["image"], "registry:2");
    assert_eq!(container(&registry)["ports"][0]["containerPort"], 5000);
    let storage = &registry["spec"]["template"]["spec"]["volumes"][0];
    assert_eq!(storage["emptyDir"]["sizeLimit"], "50Gi");
    let daemon = object("deploy/gke/buildkit.yaml", "StatefulSet");
    assert!(daemon["spec"]["volumeClaimTemplates"][0]["spec"]["resources"].is_mapping());
    for probe in ["readinessProbe", "livenessProbe"] {
        assert!(container(&daemon)[probe].is_mapping() && container(&registry)[probe].is_mapping());
    }
    assert!(container(&daemon)["resources"]["requests"].is_mapping());
}

/// Runs the Job twice, each time on a daemon without state, and the second time with nothing to
/// go by but the registry.
const CLUSTER: &str = r#"set -eu
busybox ip link set lo up
printf '127.0.0.1 localhost registry buildkit\n' >hosts
mount --bind hosts /etc/hosts
mount -t tmpfs tmpfs /run
docker-registry serve registry.yml >registry.log 2>&1 &
registry=$!
for number in 1 2; do
  # The toml is read by the daemon itself: a key that it does not know ends it.
  sh -c 'exec "$@"' - $DAEMON --root "$PWD/state-$number" >"daemon-$number.log" 2>&1 &
  daemon=$!
  tries=0
  until buildctl --addr tcp://buildkit:1234 $TLS debug workers -v >"workers-$number.txt" 2>&1; do
    tries=$((tries + 1))
    if [ "$tries" -gt 300 ] || ! kill -0 "$daemon" 2>/dev/null; then
      cat "daemon-$number.log" >&2
      exit 1
    fi
    sleep 0.2
  done
  echo "daemon $number"
  "$@"
  mv packages "packages-$number"
  kill "$daemon"
  wait "$daemon" || :
done
kill "$registry"
"#;

/// Runs the Job as [`CLUSTER`] says, against a daemon as a StatefulSet runs it, and checks that the
/// second time nothing ran. `tls` are the flags that let a client in.
fn run_the_job(daemon: &Value, env: &TestEnv, tls: &str) -> Option<()> {
    let lab = Lab::find()?;
    lab.keygen(env);
    let job = object("deploy/gke/job.yaml", "Job");
    let words = command_line(env, container(&job));
    assert_eq!(words[0], "melange2");
    // The recipe that the Job builds, with steps that can't be done twice alike.
    let recipe = super::recipe(
        "hello",
        &[
            ("first", "date +%s%N > first"),
            (
                "second",
                "mkdir -p ${{targets.destdir}}\ncat first > ${{targets.destdir}}/when\ndate +%s%N >> ${{targets.destdir}}/when",
            ),
        ],
    );
    let contents = format!(
        "contents:\n    repositories:\n      - {}\n    keyring:\n      - {}\n",
        lab.repository.display(),
        lab.key.display()
    );
    env.write("recipe/hello.yaml", recipe.replace("contents:\n", &contents));
    fs_err::create_dir_all(env.work().join("keys")).unwrap();
    fs_err::copy(env.work().join("test.rsa"), env.work().join("keys/melange.rsa")).unwrap();
    env.write(
        "registry.yml",
        format!(
            "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}\n\
             http:\n  addr: :5000\n",
            env.work().join("registry").display()
        ),
    );
    let map = object("deploy/gke/buildkit.yaml", "ConfigMap");
    env.write("config/buildkitd.toml", text(&map["data"]["buildkitd.toml"]));
    env.write("cluster.sh", CLUSTER);
    let arguments = command_line(env, container(daemon));

    let mut command: Command = env.command("unshare");
    command
        .args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh"])
        .args(["cluster.sh", env!("CARGO_BIN_EXE_melange2")])
        .args(&words[1..])
        .args(tls.split_whitespace())
        .env("PATH", lab.path())
        .env("TLS", tls)
        .env("DAEMON", format!("buildkitd {}", arguments.join(" ")))
        .envs(environment(env, container(&job)));
    let said = lab.ok(env, &mut command);
    let (_, second) = said.split_once("daemon 2").unwrap();
    assert_eq!(second.matches("CACHED").count(), 2, "{said}");
    let package = |number: u32| {
        let directory = env.work().join(format!("packages-{number}/x86_64"));
        fs_err::read(directory.join("hello-1.0.0-r0.apk")).unwrap()
    };
    assert!(package(1) == package(2), "{said}");
    Some(())
}

#[test]
fn the_jobs_command_line_shares_the_cache_between_two_daemons() {
    let env = TestEnv::new();
    let daemon = object("deploy/gke/buildkit.yaml", "StatefulSet");
    let Some(()) = run_the_job(&daemon, &env, "") else { return };
    assert!(env.work().join("registry/docker/registry/v2/repositories/melange-cache").is_dir());
    // The daemon took the rule that keeps cache mounts, and no other.
    let workers = fs_err::read_to_string(env.work().join("workers-1.txt")).unwrap();
    let rules = workers.split_once("GC Policy rule#0").unwrap().1;
    assert!(rules.contains("type==source.local") && rules.contains("Keep duration:"), "{workers}");
    for word in ["rule#", "cachemount", "space"] {
        assert!(!rules.contains(word), "{workers}");
    }
}

#[test]
fn an_exposed_daemon_lets_in_who_has_a_certificate() {
    let Some(kustomize) = parts::program("kustomize") else {
        return parts::without("there is no kustomize");
    };
    let env = TestEnv::new();
    let built = env.command(&kustomize).arg("build").arg(project("deploy/gke-tls")).output();
    let built = env.write("built.yaml", built.unwrap().stdout);
    let daemon = object(built.to_str().unwrap(), "StatefulSet");
    certificates::make(&env, &["server", "client"]);
    // The secret's files, where the volume called `tls` is.
    for (from, to) in [("ca.pem", "ca.pem"), ("server.pem", "cert.pem"), ("server.key", "key.pem")]
    {
        env.write(format!("tls/{to}"), fs_err::read(env.work().join(from)).unwrap());
    }
    let file = |name: &str| env.work().join(name).display().to_string();
    let tls = format!(
        "--tlscacert {} --tlscert {} --tlskey {} --tlsservername localhost",
        file("ca.pem"),
        file("client.pem"),
        file("client.key")
    );
    run_the_job(&daemon, &env, &tls);
}

#[test]
fn the_collector_deletes_results_and_keeps_cache_mounts() {
    let Some(harness) = TestDaemon::new() else { return };
    let state = harness.path("state");
    let disk = Disk::mount(&state, "256m");
    let map = object("deploy/gke/buildkit.yaml", "ConfigMap");
    let file = |name: &str| {
        fs_err::write(harness.path(name), text(&map["data"][name])).unwrap();
        harness.path(name)
    };
    let addr = format!("unix://{}", harness.path("sock").display());
    let mut daemon = harness.command("buildkitd");
    daemon.arg("--config").arg(file("buildkitd.toml")).args(["--addr", &addr, "--root"]);
    let log = fs_err::File::create(harness.path("daemon.log")).unwrap().into_parts().0;
    let mut daemon = Killed(daemon.arg(state.join("root")).stderr(log).spawn().unwrap());
    let buildctl = |words: &[&str]| {
        let output = harness.command("buildctl").args(["--addr", &addr]).args(words).output();
        let output = output.unwrap();
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    while !buildctl(&["debug", "workers"]).0 {
        assert!(daemon.0.try_wait().unwrap().is_none(), "the daemon runs");
        std::thread::sleep(Duration::from_millis(50));
    }
    let folder = harness.path("rootfs").display().to_string();
    let [context, dockerfile] = ["context", "dockerfile"].map(|name| format!("{name}={folder}"));
    let build = |step: &str| {
        let mount = "--mount=type=cache,id=kept,target=/m";
        let spec = format!("FROM scratch\nCOPY bin /bin\nRUN {mount} {step}\n");
        fs_err::write(harness.path("rootfs/Dockerfile"), spec).unwrap();
        let words = ["build", "--frontend", "dockerfile.v0", "--local", &context];
        let (fine, said) = buildctl(&[&words[..], &["--local", &dockerfile]].concat());
        assert!(fine, "{said}");
    };
    build("touch /m/kept; busybox dd if=/dev/zero of=/big bs=1M count=215");
    assert!(disk.used() > 80, "{} %", disk.used());

    let mut collector = harness.command("sh");
    collector.arg(file("collect-garbage.sh")).env("BUILDKIT_HOST", &addr).env("STATE", &state);
    let mut collector = Killed(collector.spawn().unwrap());
    disk.wait_for_room(40, || {
        assert!(collector.0.try_wait().unwrap().is_none(), "it goes on");
    });
    build("[ -e /m/kept ]");
}

/// A program that ends with the value, and is waited for.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let pid = self.0.id().to_string();
        let _ = Command::new("kill").arg(&pid).status();
        let _ = self.0.wait();
    }
}

//! Live tests: real recipes, on a real `buildkitd`, in an environment of real apks.
//!
//! All share one private daemon, whose state is made for this run (`scripts/test`).

mod by_hand;
mod cached;
mod caching_guide;
mod certificates;
mod counted;
mod daemons;
mod deployment;
mod distribution;
mod durable;
mod emulation;
mod examples;
mod faults;
mod host_cache;
mod host_cache_lock;
mod isolation;
mod large;
mod melange;
mod mounts;
mod packages;
mod pipelines;
mod progress;
mod registry;
mod registry_faults;
mod rootless;
mod steps;
mod trust;

use crate::support::TestEnv;
use crate::support::lab::Lab;

/// A recipe with some steps, in an environment of busybox alone.
fn recipe(name: &str, steps: &[(&str, &str)]) -> String {
    let steps: String = steps
        .iter()
        .map(|(label, script)| {
            let script = script.replace('\n', "\n      ");
            format!("  - name: {label}\n    runs: |\n      {script}\n")
        })
        .collect();
    format!(
        "package:\n  name: {name}\n  version: 1.0.0\n  epoch: 0\n  description: a test\n  \
         copyright:\n    - license: Apache-2.0\nenvironment:\n  contents:\n    packages:\n      \
         - busybox\npipeline:\n{steps}"
    )
}

/// The content of a file of a package that was written to the work directory.
fn content(env: &TestEnv, package: &str, path: &str) -> String {
    let file = env.work().join("packages/x86_64").join(format!("{package}.apk"));
    let output = env.command("tar").arg("-xzOf").arg(file).arg(path).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// What steps appended to a file of `/var/cache/melange`, a directory outside of every result:
/// tells how often they really ran.
fn counter(lab: &Lab, env: &TestEnv, name: &str) -> Vec<String> {
    let script = format!(
        "# {}\nmkdir -p ${{{{targets.destdir}}}}\ncat /var/cache/melange/{name} > ${{{{targets.destdir}}}}/count",
        crate::support::lab::nonce()
    );
    env.write("counter.yaml", recipe("counter", &[("read", &script)]));
    lab.ok(env, &mut lab.build(env, "counter.yaml"));
    content(env, "counter-1.0.0-r0", "count").lines().map(str::to_owned).collect()
}

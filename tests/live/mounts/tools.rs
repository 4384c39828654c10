//! Each tool fills its mount and writes beside it; another recipe then needs no network.

use super::{TARGETS, build, cold, fixture, recipe};
use crate::live::content;
use crate::support::TestEnv;
use crate::support::lab::{Lab, nonce};

/// What keeps the tools from the network: but for pip, which asks the index for names.
const OFFLINE: [(&str, &str); 4] = [
    ("GOPROXY", "off"),
    ("GOFLAGS", "-mod=mod"),
    ("CARGO_NET_OFFLINE", "true"),
    ("NPM_CONFIG_OFFLINE", "true"),
];

#[test]
fn a_second_recipe_needs_no_network_for_what_the_first_has_brought() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    for own in ["go-quote", "rust-digits", "node-odd"] {
        // Without mounts that hold something, it can't be done …
        let alone = fixture(&env, own, &format!("{own}-alone"));
        let mut command = build(lab, &env, &alone, &OFFLINE);
        let output = command.args(cold(&nonce(), &TARGETS)).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", env.text(&output));
        // … and after a build of another recipe it can.
        let first = fixture(&env, own, &format!("{own}-first"));
        lab.ok(&env, &mut build(lab, &env, &first, &[]));
        let second = fixture(&env, own, &format!("{own}-second"));
        lab.ok(&env, &mut build(lab, &env, &second, &OFFLINE));
    }
}

#[test]
fn pip_builds_a_wheel_once() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    let id = nonce();
    let mut built = Vec::new();
    for name in ["options-first", "options-second"] {
        let file = fixture(&env, "python-options", name);
        let mut command = build(lab, &env, &file, &[]);
        let text = lab.ok(&env, command.args(cold(&id, &[".cache/pip"])));
        built.push((
            text.contains("Building wheel for docopt"),
            text.contains("Using cached docopt"),
        ));
        let package = format!("{name}-1.0.0-r0");
        let module = content(&env, &package, "usr/lib/python-options/docopt.py");
        assert!(module.contains("def docopt("), "{module}");
    }
    assert_eq!(built, [(true, false), (false, true)]);
}

#[test]
fn tools_install_programs_beside_their_mounts() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    for file in ["Cargo.toml", "Cargo.lock", "src/main.rs"] {
        let path =
            format!("{}/tests/fixtures/mounts/rust-digits/{file}", env!("CARGO_MANIFEST_DIR"));
        env.write(format!("installs/{file}"), fs_err::read(path).unwrap());
    }
    let text = recipe(
        "installs",
        &[
            (
                "go",
                "go install rsc.io/hello@v1.0.0\nmkdir -p ${{targets.destdir}}\n\
              \"$GOPATH\"/bin/hello > ${{targets.destdir}}/go",
            ),
            (
                "cargo",
                "cargo install --quiet --locked --path .\n\
              \"$CARGO_HOME\"/bin/rust-digits > ${{targets.destdir}}/cargo",
            ),
            (
                "pip",
                "pip install --no-build-isolation --prefix ${{targets.destdir}}/pip docopt==0.6.2\n\
              touch .cache/beside",
            ),
            (
                "npm",
                "npm install -g --prefix ${{targets.destdir}}/npm is-odd@3.0.1\ntouch .npm/mine",
            ),
        ],
    );
    env.write("installs.yaml", text);
    lab.ok(&env, &mut build(lab, &env, "installs.yaml", &[]));
    let read = |path: &str| content(&env, "installs-1.0.0-r0", path);
    assert_eq!(read("go"), "Hello, world.\n");
    assert!(read("cargo").starts_with("1005: the first 5"), "{}", read("cargo"));
    assert!(read("npm/lib/node_modules/is-odd/index.js").contains("isOdd"));
    let mut list = env.command("tar");
    list.args(["-tzf", "packages/x86_64/installs-1.0.0-r0.apk"]);
    assert!(lab.ok(&env, &mut list).contains("/docopt.py\n"));
}

#[test]
fn variables_are_the_recipes_then_the_mounts_then_melanges() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    let script = "mkdir -p ${{targets.destdir}}\n\
                  for name in GOCACHE GOMODCACHE GOPATH PIP_CACHE_DIR NPM_CONFIG_CACHE CARGO_HOME \
                  CCACHE_DIR UV_CACHE_DIR COMPOSER_CACHE_DIR; do\n  \
                  eval \"echo $name=\\$$name\"\ndone > ${{targets.destdir}}/variables";
    let text = recipe("variables", &[("tell", script)])
        .replace("pipeline:", "  environment:\n    GOCACHE: /tmp/own\npipeline:");
    env.write("variables.yaml", text);
    lab.ok(&env, &mut build(lab, &env, "variables.yaml", &[]));
    assert_eq!(
        content(&env, "variables-1.0.0-r0", "variables"),
        "GOCACHE=/tmp/own\n\
         GOMODCACHE=/home/build/go/pkg/mod\n\
         GOPATH=/home/build/go\n\
         PIP_CACHE_DIR=/home/build/.cache/pip\n\
         NPM_CONFIG_CACHE=/home/build/.npm\n\
         CARGO_HOME=/home/build/.cargo\n\
         CCACHE_DIR=/home/build/.ccache\n\
         UV_CACHE_DIR=/var/cache/melange/uv\n\
         COMPOSER_CACHE_DIR=/var/cache/melange/composer\n"
    );
}

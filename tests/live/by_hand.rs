//! A rendered spec is all that it takes: `build.sh` without this program gives the same output.

use std::os::unix::fs::PermissionsExt as _;

use super::recipe;
use crate::support::TestEnv;
use crate::support::lab::{Lab, nonce};

#[test]
fn build_sh_in_an_empty_environment_gives_the_digest_that_build_reports() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    let script = format!(
        "# {}\nmkdir -p ${{{{targets.destdir}}}}/usr\n\
         cat extra.txt /proc/sys/kernel/random/uuid > ${{{{targets.destdir}}}}/usr/random",
        nonce()
    );
    env.write("hand.yaml", recipe("hand", &[("make", &script)]));
    // The step writes something else whenever it runs: what is copied must be the same context.
    let extra = env.write("hand/extra.txt", "from the source directory\n");
    let inside = env.write("hand/folder/file", "inside\n");
    fs_err::hard_link(&inside, env.work().join("hand/second")).unwrap();
    for (path, mode) in [(extra.as_path(), 0o604), (inside.parent().unwrap(), 0o751)] {
        fs_err::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let text = lab.ok(&env, lab.build(&env, "hand.yaml").arg("-v"));
    let digest = text
        .split_whitespace()
        .find_map(|word| word.strip_prefix("sha256:"))
        .expect("`-v` reports the digest of the output")
        .to_owned();

    let mut render = lab.melange2(&env);
    render.args(["render", "hand.yaml", "-o", "spec"]);
    lab.repository_flags(&mut render);
    lab.ok(&env, &mut render);
    let mut status = lab.melange2(&env);
    let text = lab.ok(&env, status.args(["daemon", "status"]));
    let address = text.split_whitespace().find(|word| word.starts_with("unix://")).unwrap();
    // Nothing but buildctl: no HOME, no cache, from another directory.
    let mut build = std::process::Command::new("sh");
    build.arg(env.work().join("spec/build.sh")).current_dir("/").env_clear();
    build.env("PATH", lab.path()).env("BUILDKIT_HOST", address);
    lab.ok(&env, &mut build);
    let output = fs_err::read(env.work().join("spec/out.tar")).unwrap();
    assert_eq!(melange2::digest::Sha256::of(&output).to_string(), digest);
}

#[test]
fn the_caches_mode_is_the_flags_then_the_variables() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    env.write("mode.yaml", recipe("mode", &[("make", "true")]));
    let mode = |variable: &str, flags: &[&str]| {
        let mut render = lab.melange2(&env);
        render.args(["render", "mode.yaml", "-o", "spec"]).args(flags);
        render.env("CACHE_REGISTRY", "localhost:5000/cache").env("CACHE_MODE", variable);
        lab.repository_flags(&mut render);
        lab.ok(&env, &mut render);
        let script = fs_err::read_to_string(env.work().join("spec/build.sh")).unwrap();
        fs_err::remove_dir_all(env.work().join("spec")).unwrap();
        assert!(script.contains("ref=localhost:5000/cache:default-x86_64-mode,"), "{script}");
        let (_, rest) = script.split_once("mode=").unwrap();
        rest.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap().to_owned()
    };
    assert_eq!(mode("min", &[]), "min");
    assert_eq!(mode("max", &[]), "max");
    assert_eq!(mode("min", &["--cache-mode", "max"]), "max");
    assert_eq!(mode("max", &["--cache-mode", "min"]), "min");
}

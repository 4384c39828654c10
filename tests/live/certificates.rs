//! The host's certificates and secrets reach steps, and neither a layer, a key nor a log.

use super::{content, recipe};
use crate::support::TestEnv;
use crate::support::lab::{Lab, nonce};
use crate::support::search::holding;
use crate::support::serve::Registry;

/// A self-signed certificate, as a company's bundle would hold one.
fn bundle(env: &TestEnv) -> String {
    let mut openssl = env.command("openssl");
    openssl.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]);
    openssl.args(["-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=example company"]);
    let output = openssl.output().unwrap();
    assert!(output.status.success(), "{}", env.text(&output));
    fs_err::read_to_string(env.work().join("ca.pem")).unwrap()
}

#[test]
fn a_step_built_with_a_bundle_is_cached_without_one_on_an_empty_daemon() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    let certificate = bundle(&env);
    let registry = Registry::start(&env);
    let script = format!(
        "# {}\nmkdir -p ${{{{targets.destdir}}}}\n{{ echo \"file:$SSL_CERT_FILE\"; cat \"$SSL_CERT_FILE\"; }} > ${{{{targets.destdir}}}}/seen",
        nonce()
    );
    env.write("sees.yaml", recipe("sees", &[("see", &script)]));

    // With the bundle, the step sees it.
    let mut command = lab.build(&env, "sees.yaml");
    lab.ok(&env, command.args(["--ca-file", "ca.pem"]));
    let seen = content(&env, "sees-1.0.0-r0", "seen");
    assert!(seen.starts_with("file:/") && seen.ends_with(&certificate), "{seen}");

    // The same spec by hand, exported to a registry with the bundle …
    let by_hand = |daemon: &str, directory: &str, flags: &[&str], more: &[String]| {
        let state = env.work().join(daemon);
        let mut start = lab.melange2(&env);
        lab.ok(&env, start.args(["daemon", "start"]).env("MELANGE2_DAEMON_DIR", &state));
        let mut render = lab.melange2(&env);
        render.args(["render", "sees.yaml", "-o", directory]).args(flags);
        lab.repository_flags(&mut render);
        lab.ok(&env, &mut render);
        let address = format!("unix://{}", state.join("buildkitd.sock").display());
        let mut build = env.command("sh");
        build.arg(format!("{directory}/build.sh")).args(more);
        build.args(["--progress", "plain"]);
        build.env("PATH", lab.path()).env("BUILDKIT_HOST", address);
        lab.ok(&env, &mut build)
    };
    let cache = format!("ref={}/cache:sees,registry.insecure=true", registry.address);
    let export = ["--export-cache".to_owned(), format!("type=registry,mode=max,{cache}")];
    by_hand("first", "with", &["--ca-file", "ca.pem"], &export);
    // … is CACHED without it on a daemon that has never seen it.
    let import = ["--import-cache".to_owned(), format!("type=registry,{cache}")];
    let text = by_hand("second", "without", &[], &import);
    let cached = text.lines().filter(|line| line.ends_with(" CACHED")).count();
    assert!(cached >= 1 && !text.contains("BEGIN CERTIFICATE"), "{text}");
    // Not the whole stream: a registry's cache cuts time stamps to seconds, the daemon rounds them.
    let seen = |tar: &str| lab.ok(&env, env.command("tar").args(["-xOf", tar, "sees/seen"]));
    assert_eq!(seen("with/out.tar"), seen("without/out.tar"));
    for daemon in ["first", "second"] {
        let mut stop = lab.melange2(&env);
        stop.args(["daemon", "stop"]).env("MELANGE2_DAEMON_DIR", env.work().join(daemon));
        lab.ok(&env, &mut stop);
    }
}

#[test]
fn a_secret_reaches_the_step_and_nothing_else() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    let value = format!("hush-{}", nonce());
    let script = format!(
        "# {}\nmkdir -p ${{{{targets.destdir}}}}\nsha1sum < /run/secrets/token | cut -c1-40 > ${{{{targets.destdir}}}}/sum",
        nonce()
    );
    env.write("secret.yaml", recipe("secret", &[("use", &script)]));
    env.write("token", &value);
    // A daemon of its own: all of its state is looked through.
    let state = env.work().join("daemon");
    let build = || {
        let mut command = lab.build(&env, "secret.yaml");
        command.args(["-v", "--secret", "id=token,src=token"]).env("MELANGE2_DAEMON_DIR", &state);
        lab.ok(&env, &mut command)
    };
    let text = build();
    let sum = content(&env, "secret-1.0.0-r0", "sum").trim().to_owned();
    assert_eq!(sum, melange2::digest::Sha1::of(value.as_bytes()).to_string());
    assert!(!text.contains(&value), "{text}");
    let mut render = lab.melange2(&env);
    render.args(["render", "secret.yaml", "-o", "spec", "--secret", "id=token,src=token"]);
    lab.repository_flags(&mut render);
    lab.ok(&env, &mut render);
    // Another value is no reason to run the step again.
    env.write("token", "another");
    build();
    assert_eq!(content(&env, "secret-1.0.0-r0", "sum").trim(), sum);

    let mut stop = lab.melange2(&env);
    lab.ok(&env, stop.args(["daemon", "stop"]).env("MELANGE2_DAEMON_DIR", &state));
    // What is no secret is found in each place, packed or not.
    for (place, other) in [("packages", &*sum), ("daemon", &sum), ("spec", "/run/secrets/token")] {
        let directory = env.work().join(place);
        assert_eq!(holding(&directory, &value), [""; 0], "{place}");
        assert_ne!(holding(&directory, other), [""; 0], "{place}");
    }
}

#[test]
fn a_variable_that_looks_like_a_token_gets_a_warning() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    env.write("env", "MY_TOKEN=1\n");
    env.write("plain.yaml", recipe("plain", &[("nothing", "true")]));
    let mut command = lab.build(&env, "plain.yaml");
    let text = lab.ok(&env, command.args(["--env-file", "env"]));
    assert!(text.contains("`MY_TOKEN`") && text.contains("--secret id=MY_TOKEN"), "{text}");
}

//! What reaches steps from outside without becoming part of them, and who they run as.

use std::os::unix::fs::PermissionsExt as _;

use super::{content, recipe};
use crate::support::TestEnv;
use crate::support::lab::{Lab, nonce};

#[test]
fn keys_reach_steps_by_an_agent_where_they_are_asked_for() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    let output =
        env.command("openssl").args(["genrsa", "-out", "deploy", "2048"]).output().unwrap();
    assert!(output.status.success(), "{}", env.text(&output));
    let private = std::fs::Permissions::from_mode(0o600);
    fs_err::set_permissions(env.work().join("deploy"), private).unwrap();
    let script = format!(
        "# {}\nmkdir -p ${{{{targets.destdir}}}}\n{{ [ -S \"$SSH_AUTH_SOCK\" ] && stat -c %u \
         \"$SSH_AUTH_SOCK\" || echo none; }} > ${{{{targets.destdir}}}}/agent",
        nonce()
    );
    env.write("agent.yaml", recipe("agent", &[("look", &script)]));
    lab.ok(&env, &mut lab.build(&env, "agent.yaml"));
    assert_eq!(content(&env, "agent-1.0.0-r0", "agent"), "none\n");
    lab.ok(&env, lab.build(&env, "agent.yaml").args(["--ssh", "default=deploy"]));
    assert_eq!(content(&env, "agent-1.0.0-r0", "agent"), "1000\n", "the build user may use it");
}

#[test]
fn a_proxy_reaches_steps_and_is_no_reason_to_run_them_again() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    let script = format!(
        "# {}\nmkdir -p ${{{{targets.destdir}}}}\nenv | grep -i ^https_proxy= > \
         ${{{{targets.destdir}}}}/proxy || :",
        nonce()
    );
    env.write("proxy.yaml", recipe("proxy", &[("look", &script)]));
    let build = |proxy: Option<&str>| {
        let mut command = lab.build(&env, "proxy.yaml");
        command.arg("-v").envs(proxy.map(|proxy| ("HTTPS_PROXY", proxy)));
        lab.ok(&env, &mut command)
    };
    let said = build(Some("http://me:hush@127.0.0.1:9"));
    assert!(!said.contains("hush"), "{said}");
    let seen = content(&env, "proxy-1.0.0-r0", "proxy");
    assert!(seen.lines().any(|line| line.ends_with("=http://me:hush@127.0.0.1:9")), "{seen}");
    assert_eq!(build(None).matches("CACHED").count(), 1);
    assert_eq!(build(Some("http://127.0.0.1:10")).matches("CACHED").count(), 1);
}

#[test]
fn a_user_of_the_recipe_runs_the_steps() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    let script = "d=${{targets.destdir}}/usr; mkdir -p $d; { id -u; id -g; id -un; } > $d/who";
    let text = recipe("named", &[("who", script)]).replace(
        "pipeline:",
        "  accounts:\n    groups:\n      - groupname: makers\n        gid: 4321\n    users:\n      - \
         username: maker\n        uid: 1234\n        gid: 4321\n    run-as: maker\npipeline:",
    );
    env.write("named.yaml", &text);
    lab.ok(&env, &mut lab.build(&env, "named.yaml"));
    assert_eq!(content(&env, "named-1.0.0-r0", "usr/who"), "1234\n4321\nmaker\n");
    // The command line decides over the recipe.
    lab.ok(&env, lab.build(&env, "named.yaml").args(["--run-as", "root"]));
    assert_eq!(content(&env, "named-1.0.0-r0", "usr/who"), "0\n0\nroot\n");
    let output = lab.build(&env, "named.yaml").args(["--run-as", "nobody-here"]).output().unwrap();
    let text = env.text(&output);
    assert!(text.starts_with("exit: 2\n") && text.contains("nobody-here"), "{text}");
}

#[test]
fn a_secret_that_a_step_never_named_is_not_in_its_spec() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    env.write("plain.yaml", recipe("plain", &[("nothing", "true")]));
    env.write("token", "hush-hush");
    env.write("ca.pem", "a certificate\n");
    let render = |flags: &[&str]| {
        let mut command = lab.melange2(&env);
        command.args(["render", "plain.yaml"]).args(flags);
        lab.repository_flags(&mut command);
        lab.ok(&env, &mut command)
    };
    let plain = render(&[]);
    assert!(plain.contains("id=ca,") && plain.contains("required=false"), "{plain}");
    assert!(!plain.contains("/run/secrets"), "{plain}");
    assert_eq!(render(&["--ca-file", "ca.pem"]), plain, "the bundle changes nothing");
    let secret = render(&["--secret", "id=token,src=token"]);
    assert!(secret.contains("id=token,") && !secret.contains("hush-hush"), "{secret}");
}

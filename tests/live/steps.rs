//! What a step finds: its user, its directory, its script byte for byte, its capabilities.

use super::{content, recipe};
use crate::support::TestEnv;
use crate::support::lab::{Lab, nonce};

#[test]
fn steps_run_as_the_build_user_in_the_workspace() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    let script = "d=${{targets.destdir}}/usr/share; mkdir -p $d\n\
                  { id -u; id -g; pwd; echo $HOME; stat -c '%u:%g' /home/build; } > $d/who";
    env.write("who.yaml", recipe("who", &[("who", script)]));
    lab.ok(&env, &mut lab.build(&env, "who.yaml"));
    let who = content(&env, "who-1.0.0-r0", "usr/share/who");
    assert_eq!(who, "1000\n1000\n/home/build\n/home/build\n1000:1000\n");
}

#[test]
fn root_is_asked_for_by_recipe_or_flag_and_a_failure_says_so() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    let script = format!("# {}\ntouch /etc/marker", nonce());
    env.write("root.yaml", recipe("root", &[("touch etc", &script)]));
    let output = lab.build(&env, "root.yaml").output().unwrap();
    let text = env.text(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("root.yaml:15:"), "names the line of the recipe: {text}");
    assert!(text.contains("Permission denied"), "shows the log: {text}");
    assert!(text.contains("--run-as root"), "says what to do: {text}");
    lab.ok(&env, lab.build(&env, "root.yaml").args(["--run-as", "root"]));
    let own = recipe("root", &[("touch etc", &script)])
        .replace("pipeline:", "  accounts:\n    run-as: root\npipeline:");
    env.write("own.yaml", own);
    lab.ok(&env, &mut lab.build(&env, "own.yaml"));

    // Root is no help to whom the kernel forbids something else.
    let script = format!("# {}\necho 'mount: /mnt: Operation not permitted'; exit 1", nonce());
    env.write("forbidden.yaml", recipe("forbidden", &[("mount", &script)]));
    for (flags, helps) in [(&[][..], true), (&["--run-as", "root"], false)] {
        let text = env.text(&lab.build(&env, "forbidden.yaml").args(flags).output().unwrap());
        assert!(text.starts_with("exit: 1\n"), "{text}");
        assert_eq!(text.contains("--run-as root"), helps, "{text}");
    }
}

#[test]
fn a_failing_command_in_a_pipe_fails_the_step_and_the_log_is_shown_once() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    let script = format!("echo marker-{}\n(exit 7) | cat", nonce());
    env.write("pipe.yaml", recipe("pipe", &[("first", "true"), ("pipe", &script)]));
    let output = lab.build(&env, "pipe.yaml").output().unwrap();
    let text = env.text(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert_eq!(
        text.lines().filter(|line| line.contains("marker-") && !line.contains("echo")).count(),
        1,
        "{text}"
    );
    assert!(text.contains('7'), "{text}");
    assert_eq!(crate::support::lab::written(&env), [] as [&str; 0]);
}

#[test]
fn scripts_arrive_byte_for_byte_however_long() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    // A here-document of the script's own holds what shells, YAML and Dockerfiles all fight over.
    let body = "a\\b $HOME `x` \"q\" 'p' # c\n\ttab  \nEOF\n\\\n&& ${x}\n#!/bin/sh\n";
    let long = "0123456789abcdef\n".repeat(9000);
    for (name, text) in [("short", body.to_owned()), ("long", format!("{body}{long}"))] {
        let script = format!(
            "#!/bin/bash\nmkdir -p ${{{{targets.destdir}}}}\ncat > ${{{{targets.destdir}}}}/text <<'MARK'\n{text}MARK"
        );
        env.write("bytes.yaml", recipe(name, &[("bytes", &script)]));
        lab.ok(&env, &mut lab.build(&env, "bytes.yaml"));
        assert_eq!(content(&env, &format!("{name}-1.0.0-r0"), "text"), text, "{name}");
    }
}

#[test]
fn capabilities_are_those_that_the_recipe_asks_for() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    let script = "mkdir -p ${{targets.destdir}}\ngrep -E 'Cap(Eff|Bnd|Amb)' /proc/self/status > ${{targets.destdir}}/caps";
    let plain = recipe("plain", &[("caps", script)])
        .replace("pipeline:", "  accounts:\n    run-as: root\npipeline:");
    env.write("plain.yaml", &plain);
    lab.ok(&env, &mut lab.build(&env, "plain.yaml"));
    let asking = plain
        .replace("name: plain", "name: asking")
        .replace("pipeline:", "capabilities:\n  add:\n    - CAP_NET_ADMIN\npipeline:");
    env.write("asking.yaml", asking);
    lab.ok(&env, &mut lab.build(&env, "asking.yaml"));
    let bounding = |package: &str| {
        let text = content(&env, &format!("{package}-1.0.0-r0"), "caps");
        let line = text.lines().find_map(|line| line.strip_prefix("CapBnd:")).unwrap().trim();
        u64::from_str_radix(line, 16).unwrap()
    };
    const NET_ADMIN: u64 = 1 << 12;
    assert_eq!(bounding("plain") & NET_ADMIN, 0);
    assert_eq!(bounding("asking"), bounding("plain") | NET_ADMIN, "no more than was asked for");
}

#[test]
fn an_environment_without_a_shell_is_told_before_buildkit_is_asked() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    let text = recipe("bare", &[("run", "true")]).replace("- busybox", "- demo-baselayout");
    env.write("bare.yaml", text);
    let output = lab.build(&env, "bare.yaml").output().unwrap();
    let text = env.text(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("has no `/bin/sh`") && text.contains("busybox"), "{text}");
}

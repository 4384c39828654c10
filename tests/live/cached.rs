//! Nothing runs twice: shown by a counter that the steps write, not by what the program says.

use super::{content, counter, recipe};
use crate::support::TestEnv;
use crate::support::lab::{Lab, nonce};

/// Two steps that count their runs.
fn counting(name: &str) -> String {
    let count = |step: &str| format!("echo {step} >> /var/cache/melange/{name}");
    let out =
        "mkdir -p ${{targets.destdir}}/usr/share\ndate +%s%N > ${{targets.destdir}}/usr/share/when";
    recipe(
        "counted",
        &[("first", &count("first")), ("second", &format!("{}\n{out}", count("second")))],
    )
}

#[test]
fn a_second_build_runs_nothing_even_after_a_restart_of_the_daemon() {
    let Some(lab) = Lab::find() else { return };
    let (env, name) = (TestEnv::new(), format!("count-{}", nonce()));
    // A daemon of its own, since it is going to be restarted.
    let state = env.work().join("daemon");
    let build = |env: &TestEnv| {
        let mut command = lab.build(env, "counted.yaml");
        command.env("MELANGE2_DAEMON_DIR", &state);
        lab.ok(env, &mut command)
    };
    let daemon = |verb: &str| {
        let mut command = lab.melange2(&env);
        command.args(["daemon", verb]).env("MELANGE2_DAEMON_DIR", &state);
        lab.ok(&env, &mut command)
    };
    env.write("counted.yaml", counting(&name));

    build(&env);
    let first = content(&env, "counted-1.0.0-r0", "usr/share/when");
    let text = build(&env);
    assert_eq!(text.matches("CACHED").count(), 2, "{text}");
    assert_eq!(content(&env, "counted-1.0.0-r0", "usr/share/when"), first);
    daemon("stop");
    build(&env);
    assert_eq!(content(&env, "counted-1.0.0-r0", "usr/share/when"), first);

    // The same daemon holds the counter.
    let script = format!(
        "# {}\nmkdir -p ${{{{targets.destdir}}}}\ncp /var/cache/melange/{name} ${{{{targets.destdir}}}}/count",
        nonce()
    );
    env.write("counter.yaml", recipe("counter", &[("read", &script)]));
    let mut command = lab.build(&env, "counter.yaml");
    lab.ok(&env, command.env("MELANGE2_DAEMON_DIR", &state));
    assert_eq!(content(&env, "counter-1.0.0-r0", "count"), "first\nsecond\n");
    daemon("stop");
}

#[test]
fn an_edited_step_runs_again_and_those_before_it_do_not() {
    let Some(lab) = Lab::find() else { return };
    let (env, name) = (TestEnv::new(), format!("count-{}", nonce()));
    let text = counting(&name);
    env.write("counted.yaml", &text);
    lab.ok(&env, &mut lab.build(&env, "counted.yaml"));
    env.write("counted.yaml", text.replace("date +%s%N", "date +%N"));
    lab.ok(&env, &mut lab.build(&env, "counted.yaml"));
    assert_eq!(counter(lab, &env, &name), ["first", "second", "second"]);
}

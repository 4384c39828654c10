//! Large packages: memory does not grow with them.

use melange2::apk::reader::Apk;

use super::recipe;
use crate::support::TestEnv;
use crate::support::lab::{Lab, nonce};

/// Runs a command, and writes the largest resident memory (KiB) of it and of the processes that it
/// waited for to the file `peak`. (The daemon is none of those.)
const MEASURE: &str = "\
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
open('peak', 'w').write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(code)
";

#[test]
fn two_gibibytes_go_through_a_build_in_little_memory() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    // A hole costs no disk until it is read.
    let script = format!(
        "# {}\nmkdir -p ${{{{targets.destdir}}}}\ntruncate -s 2G ${{{{targets.destdir}}}}/hole",
        nonce()
    );
    env.write("large.yaml", recipe("large", &[("make", &script)]));
    // Started by somebody else, since it is not to be measured.
    lab.daemon_address(&env);
    let build = lab.build(&env, "large.yaml");
    let mut measured = env.command("python3");
    measured.args(["-c", MEASURE]).arg(build.get_program()).args(build.get_args());
    measured.envs(build.get_envs().filter_map(|(name, value)| Some((name, value?))));
    lab.ok(&env, &mut measured);

    let apk = Apk::open(&env.work().join("packages/x86_64/large-1.0.0-r0.apk")).unwrap();
    assert!(apk.info.size >= 2 << 30, "{} bytes", apk.info.size);
    // The larger of melange2's and buildctl's.
    let peak = fs_err::read_to_string(env.work().join("peak")).unwrap();
    println!("peak memory: {peak} KiB");
    let peak: u64 = peak.parse().unwrap();
    assert!((1 << 10..300 << 10).contains(&peak), "{peak} KiB");
}

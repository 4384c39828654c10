//! The solver against real apko, on an index of tens of thousands of packages made from Debian's
//! lists: the same requests, the same packages, and a reason for each difference.
//!
//! 200 requests take apko some minutes, since it reads the whole index for each; `scripts/test --soak`
//! puts 1,000.

use crate::support::TestEnv;
use crate::support::lab::Lab;
use crate::support::parts::without;

#[test]
fn answers_are_apkos_or_have_a_reason() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/compare-solve");
    let melange2 = env!("CARGO_BIN_EXE_melange2");
    let compare = |args: &[&str]| {
        let mut command = env.command(script);
        command.args(args).env("PATH", lab.path());
        lab.ok(&env, &mut command)
    };
    let lists = env.command("apt-cache").args(["dumpavail"]).output();
    let Some(lists) = lists.ok().filter(|output| output.stdout.len() > 30_000_000) else {
        without("apt has no package lists (`apt-get update` fetches them)");
        return;
    };
    env.write("Packages", lists.stdout);
    let made = compare(&["index", "index", "--packages", "Packages", "--melange2", melange2]);
    let count =
        made.lines().find_map(|line| line.split_once(" packages, ")?.0.parse::<usize>().ok());
    assert!(count.is_some_and(|count| count > 60_000), "{made}");
    let soak = std::env::var_os("MELANGE2_TEST_SOAK").is_some();
    let (requests, alike) = if soak { ("1000", 990) } else { ("200", 199) };
    // Ends with 1 where a difference has no reason.
    let said = compare(&["answers", "index", "--requests", requests, "--melange2", melange2]);
    println!("{said}");
    // Reasons are found for an apko that answers nothing, too.
    let same = said.lines().find_map(|line| line.split_once(" answered alike; ")?.0.parse().ok());
    assert!(same.is_some_and(|same: usize| same >= alike), "{said}");
    let refused = said.split("melange2 refused ").nth(1).unwrap().split(';').next().unwrap();
    let third = requests.parse::<usize>().unwrap() / 3;
    assert!(refused.parse::<usize>().unwrap() >= third, "{said}");
}

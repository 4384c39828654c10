//! The benchmark's scripts are sound. What they measure, no test runs.

use std::process::{Command, Output};

use insta::assert_snapshot;

use crate::support::parts;

/// Runs a program of the project, without any of the real parts.
fn run(program: &str, arguments: &[&str]) -> Option<Output> {
    if which::which("python3").is_err() {
        parts::without("there is no python3");
        return None;
    }
    let mut command = Command::new(program);
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments);
    Some(command.output().unwrap())
}

fn text(output: &Output) -> String {
    let [out, error] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    format!("{out}{error}")
}

#[test]
fn parts_are_known_and_others_refused() {
    let Some(output) = run("scripts/bench", &["--help"]) else { return };
    assert!(output.status.success(), "{}", text(&output));
    assert_snapshot!(text(&output), @"usage: scripts/bench [--quick] [--update-docs] [steps|daemon|solve|packaging|compile|melange|registry|mounts|hostdir…]");
    let Some(output) = run("scripts/bench", &["--quick", "nonsense"]) else { return };
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("unknown argument `nonsense`"), "{}", text(&output));
    let Some(output) = run("scripts/bench", &["--quick", "--update-docs"]) else { return };
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("the tables of a whole run"), "{}", text(&output));
}

/// Prints a table, and the words of a picture once it has been parsed as XML.
const SHOW: &str = r#"
import sys
sys.dont_write_bytecode = True
sys.path.insert(0, "scripts/bench.d")
import xml.etree.ElementTree
import picture
from tables import Row, rows_table
rows = [
    Row.of_pairs("a", [(0.25, 10), (0.5, 10), (0.75, 30)], "a & b", "≤ 1 s", ("group", "name")),
    Row("b", [1200.0]),
]
print(rows_table(rows))
drawn = xml.etree.ElementTree.fromstring(picture.draw(rows))
for element in drawn.iter("{http://www.w3.org/2000/svg}text"):
    print(element.text, end="; ")
widths = [float(bar.get("width")) for bar in drawn.iter("{http://www.w3.org/2000/svg}rect")]
print("longer" if widths[-1] > widths[-2] else "not longer")
"#;

#[test]
fn tables_and_picture_show_the_figures() {
    let Some(output) = run("python3", &["-c", SHOW]) else { return };
    assert!(output.status.success(), "{}", text(&output));
    assert_snapshot!(text(&output), @r"
    |  | melange2 | beside it | ratio (lowest–highest) | goal | rounds |
    | --- | --- | --- | --- | --- | --- |
    | a | 0.500 s | 10.00 s (a & b) | 0.025 (0.025–0.050) | ≤ 1 s | 3 |
    | b | 1200.00 s |  |  |  | 1 |
    melange2; what is beside it; seconds, logarithmic scale; shorter is better; 0.1 s; 1 s; 10 s; 100 s; group, beside a & b; name; 0.500 s; 10.00 s; longer
    ");
}

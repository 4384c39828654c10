//! All of Wolfi: every recipe compiles to what the reference compiles it to, and `compile` prints
//! what melange prints.
//!
//! `scripts/corpus` compares. The recipes are not ours and not here: `parts::shared` says what is done
//! without them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use melange2::arch::Arch;

use crate::support::{TestEnv, parts};

/// Runs `scripts/corpus` on a folder, with the program under test and, if there is one, melange.
fn corpus(folder: &Path, more: &[&str]) -> Option<Output> {
    if which::which("python3").is_err() {
        parts::without("there is no python3");
        return None;
    }
    let mut command = Command::new("scripts/corpus");
    command.arg(folder).args(["--melange2", env!("CARGO_BIN_EXE_melange2")]).args(more);
    match parts::program("melange") {
        Some(melange) => drop(command.arg("--melange").arg(melange)),
        None => parts::without("there is no melange to compare with"),
    }
    Some(command.output().unwrap())
}

/// What it printed, and its last line.
fn said(output: &Output) -> (String, String) {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let last = text.lines().next_back().unwrap_or_default().to_owned();
    (format!("{text}{}", String::from_utf8_lossy(&output.stderr)), last)
}

/// The recipes of Wolfi, if they are there.
pub fn wolfi() -> Option<PathBuf> {
    let recipes = parts::shared("corpus/recipes")?;
    Some(recipes.parent()?.to_owned())
}

#[test]
fn all_of_wolfi_compiles_as_expected_and_as_melange_compiles_it() {
    let Some(output) = wolfi().and_then(|folder| corpus(&folder, &[])) else { return };
    let (text, last) = said(&output);
    assert_eq!(last, "1705 equal, 0 different, 0 failed", "{text}");
    assert!(output.status.success());
    // The one that is for another architecture, and is for no other reason left out.
    let skipped: Vec<_> = text.lines().filter(|line| line.contains(": skipped: ")).collect();
    assert_eq!(skipped.len(), 1, "{text}");
    assert!(skipped[0].starts_with("font-stix-otf-arm: "), "{text}");
    assert!(skipped[0].contains("is not for x86_64 (`target-architecture`)"), "{text}");
}

/// Recipes of this project with what Wolfi's do not have: every key of the schema, every form of a
/// YAML value, transforms, conditions, inputs, references. Their scripts are compared too.
#[test]
fn the_rest_of_the_language_compiles_as_melange_compiles_it() {
    if parts::program("melange").is_none() {
        return parts::without("there is no melange to compare with");
    }
    let folder = Path::new("tests/fixtures/language");
    let count = fs_err::read_dir(folder.join("recipes")).unwrap().count();
    // melange calls it loong64 in triplets, which no compiler knows.
    for arch in Arch::ALL.into_iter().filter(|&arch| arch != Arch::Loongarch64) {
        let Some(output) = corpus(folder, &["--scripts", "--arch", arch.apk()]) else { return };
        let (text, last) = said(&output);
        let skipped = text.lines().filter(|line| line.contains(": skipped: ")).count();
        let equal = format!("{} equal, 0 different, 0 failed", count - skipped);
        assert_eq!(last, equal, "{arch}: {text}");
        assert!(skipped <= 2, "{text}");
    }
}

#[test]
fn variables_environment_and_options_from_outside_are_melanges() {
    if parts::program("melange").is_none() {
        return parts::without("there is no melange to compare with");
    }
    let env = TestEnv::new();
    env.write("vars.yaml", "a: from-file\nnew: 1.10\nempty:\n");
    env.write(
        "one.env",
        "export A=one\nB='two words' # why\nGOPATH=/env\nRECIPE=env\nTWICE=1\nTWICE=2\n\
         D=\"a $A ${A} \\t \\$A \\\\n \\\"q\\\"\"\nN=$A$A\nU=${UNDEF}x\nE=\"${UNDEF}\"\nONE=$1\n\
         R=\\$B\nT=$$B\nX=\"\\x\"\nL=\"a\\\nb\"\nH=x # y # z\nG=# x\nS='a' S2='$A'\nV=${{vars.a}}\r\n\
         W=$lower ${lower} $ ${} $(A)\nY: yaml\nZ='it\\'s'\n",
    );
    env.write("two.env", "A=two\nC=\"x\\ny\"\nOTHER=$B\n");
    env.write(
        "recipes/outside.yaml",
        "package: {name: outside, version: 1, epoch: 0}\nvars: {a: own, keep: own}\n\
         environment: {environment: {RECIPE: own}, contents: {packages: [x]}}\n\
         options: {o: {}, p: {}}\npipeline:\n  - name: ${{vars.a}} ${{vars.keep}} ${{vars.new}} \
         x${{vars.empty}}\n  - {if: \"${{options.o.enabled}} == 'true'\", needs: {packages: [o]}}\n  \
         - {if: \"${{options.p.enabled}} == 'true'\", needs: {packages: [p]}}\n",
    );
    let path = |name: &str| env.work().join(name).display().to_string();
    let output = corpus(
        &env.work(),
        &[
            &format!("--flag=--vars-file={}", path("vars.yaml")),
            &format!("--flag=--env-file={},{}", path("one.env"), path("two.env")),
            "--flag=--build-option=o",
            "--flag=--package-append=appended",
        ],
    );
    let Some(output) = output else { return };
    let (text, last) = said(&output);
    assert_eq!(last, "1 equal, 0 different, 0 failed", "{text}");
}

#[test]
fn what_differs_is_shown_and_counted() {
    let env = TestEnv::new();
    let head = "package: {name: demo, version: 1, epoch: 0}\n";
    env.write("recipes/same.yaml", format!("{head}pipeline: [{{runs: a}}]\n"));
    env.write("recipes/other.yaml", format!("{head}pipeline: [{{runs: b}}]\n"));
    env.write("recipes/broken.yaml", format!("{head}pipline: []\n"));
    env.write("recipes/alone.yaml", head);
    env.write(
        "recipes/arm.yaml",
        "package: {name: arm, version: 1, epoch: 0, target-architecture: [aarch64]}\n",
    );
    let build = r#"{"gid": 1000, "groupname": "build", "members": ["build"]}"#;
    let user = r#"{"gid": 1000, "uid": 1000, "username": "build"}"#;
    for name in ["same", "other", "gone"] {
        env.write(
            format!("expected/{name}.json"),
            format!(
                r#"{{"capabilities": {{}}, "environment": {{"accounts": {{"groups": [{build}],
                "users": [{user}]}}, "environment": {{}}, "packages": []}}, "package": {{"epoch": 0,
                "name": "demo", "version": "1"}}, "pipeline": [{{"runs": "a"}}], "subpackages": []}}"#
            ),
        );
    }
    let mut command = Command::new("scripts/corpus");
    command.arg(env.work()).args(["--melange2", env!("CARGO_BIN_EXE_melange2")]);
    let Ok(output) = command.output() else { return parts::without("there is no python3") };
    let (text, last) = said(&output);
    assert_eq!(last, "1 equal, 1 different, 2 failed", "{text}");
    assert_eq!(output.status.code(), Some(1));
    for part in [
        "-   \"runs\": \"a\"\n+   \"runs\": \"b\"",
        "arm: skipped: ",
        "did you mean `pipeline`?",
        "gone.json has no recipe",
        "1 compiled, with nothing to compare",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

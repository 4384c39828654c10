//! `melange2 lint`: each rule by a fixture with its findings as a snapshot, switches, comments,
//! comparison with git, and all of Wolfi.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use insta::assert_snapshot;
use melange2::arch::Arch;
use melange2::diagnostic::{Diagnostics, Severity};
use melange2::lint::{Level, Levels, Options, lint, rules};
use melange2::plan::Context;

use crate::corpus::wolfi;
use crate::support::TestEnv;

const FIXTURES: &str = "tests/fixtures/lint";

/// Rules that need another revision to compare with: their fixtures are commits.
const HISTORY: [&str; 3] = ["epoch-not-raised", "epoch-not-reset", "version-went-back"];

fn options(levels: Levels) -> Options {
    Options { context: Context::new(Arch::X86_64), archs: Arch::ALL.to_vec(), since: None, levels }
}

fn stems(directory: &str, extension: &str) -> BTreeSet<String> {
    let files = fs_err::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|found| found == extension));
    files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

fn codes(found: &Diagnostics) -> BTreeSet<&str> {
    found.items.iter().map(|item| item.code).collect()
}

#[test]
fn every_rule_finds_what_it_is_for_and_nothing_else_is_found() {
    let warn = Levels::new(&[], &["all".to_owned()], &[]).unwrap();
    for name in stems(FIXTURES, "yaml") {
        let path = Path::new(FIXTURES).join(format!("{name}.yaml"));
        let found = lint(&path, &options(warn.clone()));
        assert_eq!(codes(&found), BTreeSet::from([name.as_str()]), "{}", found.render(false));
        insta::with_settings!({
            snapshot_path => "snapshots/lint", prepend_module_to_snapshot => false,
            omit_expression => true,
        }, {
            insta::assert_snapshot!(name.clone(), found.render(false));
        });
        // It is the rule that finds it.
        let allow = Levels::new(std::slice::from_ref(&name), &[], &[]).unwrap();
        assert!(lint(&path, &options(allow)).items.is_empty(), "{name}");
    }
}

#[test]
fn rules_fixtures_and_snapshots_match_one_to_one() {
    let fixtures = stems(FIXTURES, "yaml");
    assert_eq!(fixtures, stems("tests/snapshots/lint", "snap"));
    let names: BTreeSet<String> = rules().iter().map(|rule| rule.name.to_owned()).collect();
    let history = HISTORY.map(str::to_owned);
    assert_eq!(names, fixtures.into_iter().chain(history).collect());
}

#[test]
fn rules_are_explained_in_sentences() {
    for rule in rules() {
        let plain = |text: &str| !text.contains("  ") && !text.contains('\n');
        assert!(plain(rule.summary) && !rule.summary.ends_with('.'), "{}", rule.name);
        assert!(plain(rule.details) && rule.details.ends_with('.'), "{}", rule.name);
    }
}

/// A git repository in which a recipe changes from one text to another.
fn history(old: &str, new: &str) -> TestEnv {
    let env = TestEnv::new();
    env.write("repo/demo.yaml", old);
    let git = |args: &[&str]| {
        let mut command = env.command("git");
        command.current_dir(env.work().join("repo")).args(["-c", "user.name=Test"]);
        let output = command.args(["-c", "user.email=t@example.invalid"]).args(args).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{}", env.text(&output));
    };
    git(&["init", "-q", "-b", "main"]);
    git(&["add", "-A"]);
    git(&["commit", "-q", "-m", "before"]);
    env.write("repo/demo.yaml", new);
    env
}

#[test]
fn recipes_are_compared_with_an_older_revision() {
    let recipe = |version: &str, epoch: &str, script: &str| {
        format!(
            "package:\n  name: demo\n  version: {version}\n  epoch: {epoch}\n  description: x\n  \
             copyright:\n    - license: MIT\npipeline:\n  - runs: {script}\n\
             test:\n  pipeline:\n    - runs: demo\n"
        )
    };
    let old = recipe("1.9", "2", "make");
    let found = |new: String| {
        let env = history(&old, &new);
        let path = env.work().join("repo/demo.yaml");
        let since = Some("main".to_owned());
        let found = lint(&path, &Options { since, ..options(Levels::default()) });
        found
            .items
            .iter()
            .map(|item| format!("{}: {}", item.code, item.message))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        found(recipe("1.10", "2", "make")),
        ["epoch-not-reset: the version was `1.9` and is `1.10`, but the epoch is not 0"]
    );
    assert_eq!(
        found(recipe("1.9", "2", "make more")),
        ["epoch-not-raised: the recipe has changed, but the epoch was not raised"]
    );
    assert_eq!(
        found(recipe("1.8", "0", "make")),
        ["version-went-back: `1.8` is older than `1.9` was"]
    );
    for good in [
        old.clone(),
        recipe("1.10", "0", "make more"),
        recipe("1.9", "3", "make more"),
        old.replace("runs: demo", "runs: demo --version"),
        format!("# remark\n{old}"),
    ] {
        assert_eq!(found(good.clone()), [] as [&str; 0], "{good}");
    }
}

const TWO: &str = "package:\n  name: demo\n  version: 1\n  description: x\n  copyright:\n    \
                   - license: Weird\ntest:\n  pipeline:\n    - runs: demo\n";

#[test]
fn findings_are_shown_and_levels_decide_the_exit_code() {
    let env = TestEnv::new();
    env.write("two.yaml", TWO);
    assert_snapshot!(env.run(&["lint", "two.yaml"]), @r"
    exit: 0
    --- stdout
    warning[missing-epoch]: the package has no epoch
     --> two.yaml:3:12
      |
    3 |   version: 1
      |            ^
      |
      = help: add `epoch: 0` after `version:`

    warning[unknown-license]: `Weird` is not an SPDX expression: unknown term
     --> two.yaml:6:16
      |
    6 |     - license: Weird
      |                ^^^^^
      |
      = help: use a name of <https://spdx.org/licenses>, or `LicenseRef-NAME` with `license-path:`

    --- stderr
    2 warnings in 1 recipe
    ");
    assert_snapshot!(env.run(&["lint", "two.yaml", "-D", "unknown-license", "-A", "missing-epoch"]), @r"
    exit: 2
    --- stdout
    error[unknown-license]: `Weird` is not an SPDX expression: unknown term
     --> two.yaml:6:16
      |
    6 |     - license: Weird
      |                ^^^^^
      |
      = help: use a name of <https://spdx.org/licenses>, or `LicenseRef-NAME` with `license-path:`

    --- stderr
    error: 1 error and 0 warnings in 1 recipe
    ");
    assert_snapshot!(env.run(&["lint", "two.yaml", "--format", "json", "--deny", "warnings"]), @r#"
    exit: 2
    --- stdout
    {"severity":"error","code":"missing-epoch","message":"the package has no epoch","labels":[{"file":"two.yaml","line":3,"column":12,"end_line":3,"end_column":13,"text":""}],"help":"add `epoch: 0` after `version:`","chain":[]}
    {"severity":"error","code":"unknown-license","message":"`Weird` is not an SPDX expression: unknown term","labels":[{"file":"two.yaml","line":6,"column":16,"end_line":6,"end_column":21,"text":""}],"help":"use a name of <https://spdx.org/licenses>, or `LicenseRef-NAME` with `license-path:`","chain":[]}
    --- stderr
    {"severity":"error","code":"config","message":"2 errors and 0 warnings in 1 recipe","labels":[],"help":null,"chain":[]}
    "#);
    assert!(
        env.run(&["lint", "two.yaml", "--allow", "all"])
            .starts_with("exit: 0\n--- stdout\n--- stderr\n")
    );
}

#[test]
fn comments_switch_rules_off() {
    let env = TestEnv::new();
    let first = TWO.replace("  version: 1\n", "  # nolint:missing-epoch\n  version: 1\n");
    env.write("first.yaml", &first);
    env.write("both.yaml", first.replace("Weird", "Weird # nolint: unknown-license,other it is"));
    env.write("file.yaml", format!("#nolint:missing-epoch,unknown-license\n{TWO}"));
    let text = env.run(&["lint", "first.yaml"]);
    assert!(text.contains("unknown-license") && !text.contains("missing-epoch"), "{text}");
    assert_snapshot!(env.run(&["lint", "both.yaml", "file.yaml"]), @r"
    exit: 0
    --- stdout
    --- stderr
    ");
}

#[test]
fn broken_recipes_packages_and_unknown_rules_are_told() {
    let env = TestEnv::new();
    env.write("broken.yaml", "package:\n  nmae: x\n");
    env.write("demo.apk", [0x1f, 0x8b, 8, 0]);
    env.write("demo", b"ADBd....");
    assert_snapshot!(env.run(&["lint", "broken.yaml", "none.yaml"]), @r"
    exit: 2
    --- stdout
    error[unknown-key]: unknown key `nmae`
     --> broken.yaml:2:3
      |
    2 |   nmae: x
      |   ^^^^ not a key of this mapping
      |
      = help: did you mean `name`?

    error[unreadable]: failed to open file `none.yaml`: No such file or directory (os error 2)
     |
     = help: is it the right file, and may you read it?

    --- stderr
    error: 2 errors and 0 warnings in 2 recipes
    ");
    for package in ["demo.apk", "demo", "https://example.com/demo.apk"] {
        let text = env.run(&["lint", "broken.yaml", package]);
        let said = format!("error: `{package}` is a package: packages are not linted yet");
        assert!(text.starts_with("exit: 2\n") && text.contains(&said), "{text}");
    }
    assert_snapshot!(env.run(&["lint", "--allow", "missing-epcoh", "broken.yaml"]), @r"
    exit: 2
    --- stdout
    --- stderr
    error: there is no rule `missing-epcoh`; did you mean `missing-epoch`?
    ");
    assert_snapshot!(env.run(&["lint", "--explain", "unpinned-source"]), @r"
    exit: 0
    --- stdout
    unpinned-source (warn by default): a source that is fetched without a checksum or a commit

    The same recipe builds something else when the server changes its mind, and nobody notices when somebody else changes it. Give `fetch` the input `expected-sha256` or `expected-sha512`, and `git-checkout` the input `expected-commit`; `melange2 bump` keeps both up to date.
    --- stderr
    ");
    let list = env.run(&["lint", "--list", "-D", "unused-data"]);
    assert_eq!(list.lines().count(), rules().len() + 3, "{list}");
    assert!(list.lines().any(|line| line.starts_with("unused-data ") && line.contains(" deny ")));
}

/// All of Wolfi builds: what would stop a build is found nowhere, and little else is.
#[test]
fn wolfis_recipes_have_few_findings_and_all_have_places_and_help() {
    let Some(corpus) = wolfi() else { return };
    let mut options = options(Levels::default());
    options.context.pipeline_dirs = vec![corpus.join("pipelines")];
    let mut recipes: Vec<_> = fs_err::read_dir(corpus.join("recipes"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    recipes.sort();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for recipe in &recipes {
        let found = lint(recipe, &options);
        for item in &found.items {
            let place = item.labels.first().map(|(span, _)| span.path());
            assert_eq!(place, Some(recipe.as_path()), "{}", found.render(false));
            assert!(item.help.is_some(), "{}", found.render(false));
            assert_eq!(item.severity, Severity::Warning, "{}", found.render(false));
            *counts.entry(item.code).or_default() += 1;
        }
    }
    println!("{counts:#?}");
    let warning = rules().into_iter().filter(|rule| rule.level == Level::Warn).count();
    assert!(counts.len() < warning, "{counts:#?}");
    // Wolfi's own linter sees to these.
    for rule in ["missing-epoch", "repeated-entry", "missing-test", "unknown-period"] {
        assert_eq!(counts.get(rule), None, "{counts:#?}");
    }
    let noisy = counts.iter().find(|(_, count)| **count * 10 > recipes.len());
    assert_eq!(noisy, None, "a rule that speaks of every tenth recipe is no help");
}

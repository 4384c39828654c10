//! What is said about bad recipes: one fixture per mistake, one snapshot per fixture.
//!
//! A reader who sees only the snapshot should be able to mend the fixture.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use melange2::arch::Arch;
use melange2::diagnostic::{Diagnostic, Diagnostics};
use melange2::plan::{Context, resolve};

use crate::support::TestEnv;

const FIXTURES: &str = "tests/fixtures/errors";
const SNAPSHOTS: &str = "snapshots/errors";

/// Kinds of problems that no recipe has by itself, each with the test that shows its text.
const ELSEWHERE: [(&str, &str); 7] = [
    ("env-file", "a_mistake_in_an_env_file_is_told_without_its_text"),
    ("no-shell", "an_environment_without_a_shell_is_told_with_the_step_that_needs_one"),
    ("template", "what_is_wrong_with_a_template_is_pointed_to"),
    ("unknown-build-option", "a_build_option_that_is_not_there_is_told_with_those_that_are"),
    ("unknown-package", "a_package_that_nothing_provides_is_told_with_the_line_that_asks_for_it"),
    ("unreadable", "a_recipe_that_is_not_there_is_named"),
    ("unsolvable", "a_version_that_is_not_there_is_told_with_those_that_are"),
];

/// The codes that the sources of stages 1 and 2, of the environment and of the commands name.
fn codes_of_sources() -> BTreeSet<String> {
    let named = regex::Regex::new(concat!(
        r#"(?:Diagnostic::(?:error|warning|without_place)\(|self\.problem\(|code: )"#,
        r#"\s*"([a-z-]+)""#
    ));
    let named = named.unwrap();
    let files = ["commands", "config", "go_template", "plan", "environment.rs"]
        .into_iter()
        .flat_map(|below| {
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(below);
            walkdir::WalkDir::new(root).into_iter().map(|entry| entry.unwrap().into_path())
        });
    let mut codes = BTreeSet::new();
    for path in files.filter(|path| path.extension().is_some_and(|found| found == "rs")) {
        let text = fs_err::read_to_string(path).unwrap();
        codes.extend(named.captures_iter(&text).map(|captures| captures[1].to_owned()));
    }
    assert!(codes.len() > 30, "{codes:?}");
    codes
}

fn stems(directory: &Path, extension: &str) -> BTreeSet<String> {
    let files = fs_err::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|found| found == extension));
    files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

fn context(pipeline_dirs: Vec<PathBuf>) -> Context {
    Context { pipeline_dirs, ..Context::new(Arch::X86_64) }
}

fn problems(recipe: &Path, pipeline_dirs: Vec<PathBuf>) -> Diagnostics {
    let context = context(pipeline_dirs);
    match melange2::config::load(recipe).and_then(|config| resolve(&config, &context)) {
        Ok(Some(plan)) if !plan.warnings.items.is_empty() => plan.warnings,
        Ok(_) => panic!("{} is a good recipe", recipe.display()),
        Err(problems) => problems,
    }
}

#[test]
fn every_mistake_is_explained() {
    let mut codes = BTreeSet::new();
    for name in stems(Path::new(FIXTURES), "yaml") {
        // With directories the message about an unknown pipeline is another one.
        let own = !name.ends_with("without-directory");
        let directories = own.then(|| Path::new(FIXTURES).join("pipelines")).into_iter().collect();
        let recipe = Path::new(FIXTURES).join(format!("{name}.yaml"));
        let problems = problems(&recipe, directories);
        codes.extend(problems.items.iter().map(|item| item.code.to_owned()));
        for item in &problems.items {
            assert!(item.help.is_some(), "{name}: what to do? {}", item.message);
            assert!(!item.labels.is_empty(), "{name}: where? {}", item.message);
            same_as_data(item);
        }
        insta::with_settings!({
            snapshot_path => SNAPSHOTS, prepend_module_to_snapshot => false, omit_expression => true,
        }, {
            insta::assert_snapshot!(name, problems.render(false));
        });
    }
    for (code, test) in ELSEWHERE {
        let tests = ["errors.rs", "live/packages.rs", "query.rs"]
            .map(|name| fs_err::read_to_string(Path::new("tests").join(name)).unwrap());
        assert!(tests.iter().any(|text| text.contains(&format!("fn {test}()"))), "{test}");
        assert!(codes.insert(code.to_owned()), "`{code}` has a fixture");
    }
    assert_eq!(codes, codes_of_sources());
}

/// The data says what the text says, with the same places.
fn same_as_data(item: &Diagnostic) {
    let (text, json) = (Diagnostics::from(item.clone()).render(false), item.json());
    let string = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    for key in ["severity", "code", "message", "help"] {
        let first = string(&json[key]).lines().next().unwrap().to_owned();
        assert!(text.contains(&first), "{key}: {text}");
    }
    let places = |key: &str| json[key].as_array().unwrap().clone();
    assert_eq!(places("labels").len(), item.labels.len());
    assert_eq!(places("chain").len(), item.chain.len());
    // The text names the first place of each file; all others by their lines.
    let main = &json["labels"][0];
    let at = format!("{}:{}:{}", string(&main["file"]), main["line"], main["column"]);
    assert!(text.contains(&format!("--> {at}\n")), "{at}: {text}");
    for place in places("labels").iter().chain(&places("chain")) {
        let line = format!("{} | ", place["line"]);
        assert!(text.contains(&line) && text.contains(&string(&place["file"])), "{line}: {text}");
    }
}

#[test]
fn fixtures_and_snapshots_match_one_to_one() {
    let snapshots = Path::new("tests").join(SNAPSHOTS);
    assert_eq!(stems(Path::new(FIXTURES), "yaml"), stems(&snapshots, "snap"));
}

#[test]
fn a_recipe_that_is_not_there_is_named() {
    let problems = melange2::config::load(Path::new("tests/fixtures/none.yaml")).unwrap_err();
    insta::assert_snapshot!(problems.render(false), @r"
    error[unreadable]: failed to open file `tests/fixtures/none.yaml`: No such file or directory (os error 2)
     |
     = help: is it the right file, and may you read it?
    ");
    let env = TestEnv::new();
    env.write("large.yaml", "#".repeat((1 << 20) + 1));
    insta::assert_snapshot!(env.run(&["compile", "none.yaml"]), @r"
    exit: 2
    --- stdout
    --- stderr
    error: failed to open file `none.yaml`: No such file or directory (os error 2)
    help: is it the right file, and may you read it?
    ");
    insta::assert_snapshot!(env.run(&["compile", "large.yaml"]), @r"
    exit: 2
    --- stdout
    --- stderr
    error: `large.yaml` is larger than 1 MiB: not a recipe
    help: is it the right file? large texts go into files of their own, in `--source-dir`
    ");
    insta::assert_snapshot!(env.run(&["--format", "json", "compile", "none.yaml"]), @r#"
    exit: 2
    --- stdout
    --- stderr
    {"severity":"error","code":"unreadable","message":"failed to open file `none.yaml`: No such file or directory (os error 2)","labels":[],"help":"is it the right file, and may you read it?","chain":[]}
    "#);
}

#[test]
fn warnings_beside_errors_are_no_problems_of_the_recipe() {
    let env = TestEnv::new();
    env.write("r.yaml", "package: {name: a, version: v1, epoch: 0}\npipeline: [{uses: nope}]\n");
    let text = env.run(&["compile", "r.yaml", "--build-option", "x"]);
    assert!(text.contains("warning[unknown-build-option]"), "{text}");
    assert!(text.ends_with("error: the recipe has 2 problems\n"), "{text}");
    env.write("r.yaml", "package: {name: a, version: v1, epoch: 0}\n");
    let text = env.run(&["compile", "r.yaml", "--build-option", "x"]);
    assert!(text.ends_with("error: the recipe has a problem\n"), "{text}");
}

#[test]
fn a_build_option_that_is_not_there_is_told_with_those_that_are() {
    let read = |options: &str| {
        let text = format!("package: {{name: a, version: 1, epoch: 0}}\n{options}");
        let config = melange2::config::read(Path::new("a.yaml"), text.into_bytes()).unwrap();
        let context = Context { build_options: vec!["debgu".to_owned()], ..context(Vec::new()) };
        resolve(&config, &context).unwrap().unwrap().warnings.render(false)
    };
    insta::assert_snapshot!(read("options: {debug: {}}\n"), @r"
    warning[unknown-build-option]: `--build-option debgu`: the recipe has no such option
     |
     = help: did you mean `debug`?
    ");
    insta::assert_snapshot!(read("options: {static: {}, tiny: {}}\n"), @r"
    warning[unknown-build-option]: `--build-option debgu`: the recipe has no such option
     |
     = help: its options are `static`, `tiny`
    ");
    insta::assert_snapshot!(read(""), @r"
    warning[unknown-build-option]: `--build-option debgu`: the recipe has no such option
     |
     = help: options are defined under `options:`
    ");
}

#[test]
fn a_pipeline_that_can_not_be_read_is_told_where_it_is_used() {
    let directory = tempfile::tempdir().unwrap();
    fs_err::write(directory.path().join("large.yaml"), "#".repeat((1 << 20) + 1)).unwrap();
    let text = "package: {name: a, version: 1, epoch: 0}\npipeline:\n  - uses: large\n";
    let config = melange2::config::read(Path::new("a.yaml"), text.into()).unwrap();
    let problems = resolve(&config, &context(vec![directory.path().to_owned()])).unwrap_err();
    let text = problems.render(false).replace(directory.path().to_str().unwrap(), "DIR");
    insta::assert_snapshot!(text, @r"
    error[unreadable]: `DIR/large.yaml` is larger than 1 MiB: not a recipe
     --> a.yaml:3:11
      |
    3 |   - uses: large
      |           ^^^^^ `large` is used here
      |
      = help: is it the right file? large texts go into files of their own, in `--source-dir`
    ");
}

#[test]
fn a_mistake_in_an_env_file_is_told_without_its_text() {
    let env = TestEnv::new();
    env.write("r.yaml", "package: {name: a, version: 1, epoch: 0}\n");
    env.write("token.env", "A=1\nTOKEN=\"hunter2\n");
    env.write("key.env", "KEY=x\nhunter2\n");
    env.write("name.env", "A-B=hunter2\n");
    env.write("bytes.env", b"A=1\nB=\xff\xfe\n");
    let compile = |file: &str| env.run(&["compile", "r.yaml", "--env-file", file]);
    insta::assert_snapshot!(compile("token.env"), @r"
    exit: 2
    --- stdout
    --- stderr
    error[env-file]: the quote that opens here is not closed
     --> token.env:2:7
      |
    2 |       (not shown: it may be a secret)
      |       ^
      |
      = help: close it with the same quote; one after a backslash does not count
    error: `--env-file token.env` can't be used
    ");
    insta::assert_snapshot!(compile("key.env"), @r"
    exit: 2
    --- stdout
    --- stderr
    error[env-file]: this line has no `=`
     --> key.env:2:1
      |
    2 | (not shown: it may be a secret)
      | ^
      |
      = help: write one `NAME=value` a line, put quotes round a value of several lines, and `#` before a comment
    error: `--env-file key.env` can't be used
    ");
    insta::assert_snapshot!(compile("name.env"), @r"
    exit: 2
    --- stdout
    --- stderr
    error[env-file]: a name of a variable can't have this character
     --> name.env:1:2
      |
    1 |  (not shown: it may be a secret)
      |  ^
      |
      = help: a name has letters, digits and `_`, and does not start with a digit
    error: `--env-file name.env` can't be used
    ");
    insta::assert_snapshot!(compile("bytes.env"), @r"
    exit: 2
    --- stdout
    --- stderr
    error[env-file]: not UTF-8
     --> bytes.env:2:3
      |
    2 |   (not shown: it may be a secret)
      |   ^
      |
      = help: save the file as UTF-8
    error: `--env-file bytes.env` can't be used
    ");
    let missing = compile("none.env");
    assert!(missing.contains("`none.env`") && missing.contains("\nhelp: "), "{missing}");
    insta::assert_snapshot!(
        env.run(&["--format", "json", "compile", "r.yaml", "--env-file", "name.env"]),
        @r#"
        exit: 2
        --- stdout
        --- stderr
        {"severity":"error","code":"env-file","message":"a name of a variable can't have this character","labels":[{"file":"name.env","line":1,"column":2,"end_line":1,"end_column":3,"text":""}],"help":"a name has letters, digits and `_`, and does not start with a digit","chain":[]}
        "#
    );
}

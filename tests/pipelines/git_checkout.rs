//! `git-checkout` on repositories of the test's own, in a plain shell.

use std::path::Path;
use std::process::Output;

use super::{have, plan, run, text};
use crate::support::TestEnv;
use crate::support::parts;

/// A repository with two commits on `main`, the first tagged; returns their hashes.
fn repository(env: &TestEnv) -> (String, String) {
    let path = env.work().join("origin");
    let git = |args: &[&str]| git(env, &path, args);
    fs_err::create_dir_all(&path).unwrap();
    git(&["init", "-q", "-b", "main", "."]);
    fs_err::write(path.join("file"), "one\n").unwrap();
    git(&["add", "."]);
    git(&["commit", "-q", "-m", "one"]);
    git(&["tag", "-a", "v1", "-m", "v1"]);
    let first = git(&["rev-parse", "HEAD"]);
    fs_err::write(path.join("file"), "two\n").unwrap();
    git(&["commit", "-q", "-a", "-m", "two"]);
    (first, git(&["rev-parse", "HEAD"]))
}

fn git(env: &TestEnv, directory: &Path, args: &[&str]) -> String {
    let mut command = env.command("git");
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "t").env(format!("GIT_{who}_EMAIL"), "t@t");
        command.env(format!("GIT_{who}_DATE"), "@1000000000 +0000");
    }
    let output = command.args(args).current_dir(directory).output().unwrap();
    assert!(output.status.success(), "git {args:?}: {}", text(&output));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn checkout(env: &TestEnv, with: &str) -> Output {
    let url = format!("file://{}", env.work().join("origin").display());
    let steps = format!(
        "  - uses: git-checkout\n    with: {{repository: '{url}', max-retries: 0, {with}}}\n"
    );
    run(env, &plan(env, &steps))
}

#[test]
fn checkouts_verify_the_commit() {
    if !have(&["busybox", "git"]) {
        return;
    }
    let env = TestEnv::new();
    let (first, second) = repository(&env);
    let tag = git(&env, &env.work().join("origin"), &["rev-parse", "v1"]);
    for (with, content) in [
        (format!("tag: v1, expected-commit: {first}, destination: a"), Ok("one\n")),
        (format!("tag: v1, expected-commit: {tag}, destination: b"), Ok("one\n")),
        (format!("branch: main, expected-commit: {second}, destination: c"), Ok("two\n")),
        (format!("branch: main, expected-commit: {first}, destination: d"), Ok("one\n")),
        ("destination: e".to_owned(), Ok("two\n")),
        (format!("tag: v1, expected-commit: {second}"), Err("tag v1 is commit")),
        (
            format!("branch: main, expected-commit: {first}, expected-commit-is-branch-tip: true"),
            Err("the tip of main is"),
        ),
        (format!("branch: main, depth: 1, expected-commit: {first}"), Err("set depth to -1")),
        (
            format!("branch: main, expected-commit: {}", "0".repeat(40)),
            Err("is not in the history of main"),
        ),
        (
            "expected-commit-is-branch-tip: true, branch: main".to_owned(),
            Err("needs branch and expected-commit"),
        ),
        ("tag: v1, recurse-submodules: yes".to_owned(), Err("must be true or false, not 'yes'")),
        ("tag: v1, depth: many".to_owned(), Err("depth must be a number, not 'many'")),
        ("branch: main, tag: v1".to_owned(), Err("give branch or tag, not both")),
        ("branch: none".to_owned(), Err("could not clone")),
    ] {
        let output = checkout(&env, &with);
        match content {
            Ok(content) => {
                assert!(output.status.success(), "{with}: {}", text(&output));
                let destination = with.rsplit(' ').next().unwrap();
                let file = env.work().join("build").join(destination).join("file");
                assert_eq!(fs_err::read_to_string(file).unwrap(), content, "{with}");
            }
            Err(message) => {
                let text = text(&output);
                assert!(!output.status.success() && text.contains(message), "{with}: {text}");
            }
        }
    }
}

#[test]
fn checkouts_have_submodules_and_may_be_sparse() {
    if !have(&["busybox", "git"]) {
        return;
    }
    let env = TestEnv::new();
    repository(&env);
    let inner = env.work().join("inner");
    fs_err::rename(env.work().join("origin"), &inner).unwrap();
    let origin = env.work().join("origin");
    for file in ["kept/file", "left/file", "top"] {
        env.write(format!("origin/{file}"), "x\n");
    }
    let url = format!("file://{}", inner.display());
    for args in [
        &["init", "-q", "-b", "main", "."][..],
        &["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", &url, "sub"],
        &["add", "."],
        &["commit", "-q", "-m", "all"],
    ] {
        git(&env, &origin, args);
    }
    let output = checkout(&env, "branch: main, recurse-submodules: true, destination: whole");
    assert!(output.status.success(), "{}", text(&output));
    let whole = env.work().join("build/whole");
    assert_eq!(fs_err::read_to_string(whole.join("sub/file")).unwrap(), "two\n");
    assert_eq!(git(&env, &whole, &["status", "--porcelain"]), "");
    let output = checkout(&env, "branch: main, sparse-paths: kept, destination: part");
    assert!(output.status.success(), "{}", text(&output));
    let part = env.work().join("build/part");
    assert!(part.join("kept/file").exists() && part.join("top").exists());
    assert!(!part.join("left").exists());
}

#[test]
fn a_failed_clone_is_tried_again() {
    if !have(&["busybox", "git"]) {
        return;
    }
    let env = TestEnv::new();
    let steps = "  - uses: git-checkout\n    with: {repository: 'file:///nowhere', max-retries: 2, \
                 initial-backoff: 0}\n";
    let text = text(&run(&env, &plan(&env, steps)));
    assert!(text.contains("attempt 2 in 0 s") && text.contains("attempt 3 in 0 s"), "{text}");
    assert!(text.contains("could not clone file:///nowhere after 3 attempts"), "{text}");
}

#[test]
fn a_checkout_leaves_the_same_bytes_again() {
    if !have(&["busybox", "git"]) {
        return;
    }
    let env = TestEnv::new();
    let (first, second) = repository(&env);
    let tree = |destination: &str| {
        let with = format!(
            "branch: main, depth: -1, expected-commit: {first}, destination: {destination}, \
             cherry-picks: 'main/{second}: the second'"
        );
        let output = checkout(&env, &with);
        assert!(output.status.success(), "{}", text(&output));
        let root = env.work().join("build").join(destination);
        let walk = walkdir::WalkDir::new(&root).sort_by_file_name().into_iter();
        let files = walk.map(Result::unwrap).filter(|entry| entry.file_type().is_file());
        let files = files.map(|entry| {
            let content = fs_err::read(entry.path()).unwrap();
            let name = entry.path().strip_prefix(&root).unwrap().display().to_string();
            (name, melange2::digest::Sha256::of(&content).to_string())
        });
        files.collect::<Vec<_>>()
    };
    let (one, two) = (tree("one"), tree("two"));
    assert_eq!(one, two);
    assert!(one.iter().any(|(name, _)| name == ".git/index"));
    assert!(!one.iter().any(|(name, _)| name.contains("logs/")));
    // Also when the branch has moved on, and the server has branches and tags that it had not.
    let origin = env.work().join("origin");
    for args in [
        &["commit", "-q", "--allow-empty", "-m", "three"][..],
        &["tag", "v3"],
        &["branch", "other"],
    ] {
        git(&env, &origin, args);
    }
    assert_eq!(tree("three"), one);
    let root = env.work().join("build/one");
    assert_eq!(fs_err::read_to_string(root.join("file")).unwrap(), "two\n");
    assert_eq!(git(&env, &root, &["status", "--porcelain"]), "");
}

#[test]
fn a_copy_of_a_checkout_is_as_clean_as_the_checkout() {
    if !have(&["busybox", "git"]) {
        return;
    }
    let env = TestEnv::new();
    repository(&env);
    let name = env.work().join("origin/-it's\n a $(name)");
    fs_err::write(name, "x").unwrap();
    std::os::unix::fs::symlink("file", env.work().join("origin/link")).unwrap();
    let origin = env.work().join("origin");
    git(&env, &origin, &["add", "."]);
    git(&env, &origin, &["commit", "-q", "-m", "names"]);
    git(&env, &origin, &["tag", "v2"]);
    let output = checkout(&env, "tag: v2, destination: tree");
    assert!(output.status.success(), "{}", text(&output));
    // Other inodes and change times, and as a control other times of modification.
    let build = env.work().join("build");
    for (flags, copy, clean) in [("-a", "copy", true), ("-dR", "younger", false)] {
        let mut cp = env.command("cp");
        assert!(cp.args([flags, "tree", copy]).current_dir(&build).status().unwrap().success());
        for question in [&["diff-index", "--quiet", "HEAD"][..], &["diff-files", "--quiet"]] {
            let mut command = env.command("git");
            let answer = command.args(question).current_dir(build.join(copy)).status().unwrap();
            assert_eq!(answer.success(), clean, "{copy} {question:?}");
        }
    }
    // A change of the same size is seen.
    fs_err::write(build.join("copy/file"), "TWO\n").unwrap();
    assert_eq!(git(&env, &build.join("copy"), &["status", "--porcelain"]), "M file");
    git(&env, &build.join("copy"), &["fsck", "--strict"]);
}

#[test]
fn melanges_script_checks_out_the_same_commits_and_files() {
    let Some(melange) = parts::program("melange") else {
        return parts::without("there is no melange");
    };
    if !have(&["busybox", "git"]) {
        return;
    }
    let env = TestEnv::new();
    let (first, second) = repository(&env);
    let origin = env.work().join("origin");
    git(&env, &origin, &["checkout", "-q", "-b", "fixes", &first]);
    fs_err::write(origin.join("fix"), "fixed\n").unwrap();
    git(&env, &origin, &["add", "."]);
    git(&env, &origin, &["commit", "-q", "-m", "fix"]);
    let fix = git(&env, &origin, &["rev-parse", "HEAD"]);
    git(&env, &origin, &["checkout", "-q", "main"]);
    for with in [
        format!("tag: v1, expected-commit: {first}"),
        format!("branch: main, expected-commit: {first}"),
        format!("branch: main, expected-commit: {second}, depth: 1"),
        format!("tag: v1, cherry-picks: 'fixes/{fix}: a fix # remark'"),
        format!("branch: main, expected-commit: {second}, cherry-picks: 'fixes/{fix}: a fix'"),
    ] {
        let ours = format!("{with}, destination: ours");
        let output = checkout(&env, &ours);
        assert!(output.status.success(), "{with}: {}", text(&output));
        run_melanges(&env, &melange, &with);
        let state = |tree: &str| {
            let root = env.work().join("build").join(tree);
            ["rev-parse HEAD", "ls-files -s", "describe --tags --always", "status --porcelain"]
                .map(|words| git(&env, &root, &words.split(' ').collect::<Vec<_>>()))
        };
        assert_eq!(state("ours"), state("theirs"), "{with}");
        for tree in ["ours", "theirs"] {
            fs_err::remove_dir_all(env.work().join("build").join(tree)).unwrap();
        }
    }
}

/// Runs the script that melange has for `git-checkout`, into `theirs`.
fn run_melanges(env: &TestEnv, melange: &Path, with: &str) {
    let url = format!("file://{}", env.work().join("origin").display());
    let recipe = format!(
        "package: {{name: demo, version: 1.0, epoch: 0}}\nenvironment: {{contents: {{packages: \
         [busybox]}}}}\npipeline:\n  - uses: git-checkout\n    with: {{repository: '{url}', \
         destination: theirs, {with}}}\n"
    );
    for script in super::split::melanges(env, melange, &recipe, |json| &json["pipeline"]) {
        let build = env.work().join("build");
        let mut command = env.command("busybox");
        command.args(["sh", "-c", &script]).current_dir(&build).env("HOME", &build);
        command.env("SOURCE_DATE_EPOCH", "0");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{with}: {}", text(&output));
    }
}

#[test]
fn the_destination_is_trusted_once() {
    if !have(&["busybox", "git"]) {
        return;
    }
    let env = TestEnv::new();
    repository(&env);
    for _ in 0..2 {
        let output = checkout(&env, "tag: v1, destination: its tree");
        assert!(output.status.success(), "{}", text(&output));
    }
    let settings = fs_err::read_to_string(env.work().join("build/.gitconfig")).unwrap();
    let tree = env.work().join("build/its tree");
    assert_eq!(settings, format!("[safe]\n\tdirectory = {}\n", tree.display()));
}

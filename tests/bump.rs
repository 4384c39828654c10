//! `melange2 bump`: what changes and what stays, real files and repositories on loopback, melange
//! beside it, and all of Wolfi.

mod kept;

use std::path::Path;

use insta::assert_snapshot;
use melange2::arch::Arch;
use melange2::bump::{Bumped, Checksums, Options, Remote, bump};
use melange2::plan::Context;

use crate::network::Tls;
use crate::support::{TestEnv, parts, serve};

/// A network in which everything is there: what it says depends on what it is asked alone.
struct Everything;

fn digest(text: &str, length: usize) -> String {
    let sha256 = |text: &str| melange2::digest::Sha256::of(text.as_bytes()).to_string();
    (sha256(text) + &sha256(&format!("{text}."))).chars().take(length).collect()
}

impl Remote for Everything {
    fn checksums(&self, url: &str) -> Result<Checksums, String> {
        Ok(Checksums { sha256: digest(url, 64), sha512: digest(url, 128) })
    }

    fn commit(&self, repository: &str, reference: &str) -> Result<String, String> {
        Ok(digest(&format!("{repository} {reference}"), 40))
    }
}

fn options() -> Options {
    Options { context: Context::new(Arch::X86_64), expected_commit: None }
}

fn bumped(text: &str, version: &str) -> Bumped {
    let env = TestEnv::new();
    let path = env.write("demo.yaml", text);
    bump(&path, version, &options(), &Everything).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The lines that differ, old and new; there must be as many lines before and after.
fn differences(bumped: &Bumped) -> Vec<(&str, &str)> {
    let (before, after) = (bumped.before.split('\n'), bumped.after.split('\n'));
    assert_eq!(before.clone().count(), after.clone().count());
    before.zip(after).filter(|(before, after)| before != after).collect()
}

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

#[test]
fn sources_of_the_new_version_are_found_through_variables() {
    let text = format!(
        r#"# A recipe with everything in an unusual place.
package: {{name: demo, version: 1.2.3, epoch: 7}}   # kept
vars:
  commit: '{COMMIT}'
  server: https://example.com
data:
  - name: parts
    items:
      a: {a}
      b: {b}
var-transforms:
  - {{from: "${{{{package.version}}}}", match: '\.', replace: '_', to: mangled}}
pipeline:
  - uses: git-checkout
    with:
      repository: ${{{{vars.server}}}}/demo
      tag: REL_${{{{vars.mangled}}}}
      expected-commit: ${{{{vars.commit}}}}
  - uses: git-checkout
    with: {{repository: https://example.com/data, tag: v4, expected-commit: {COMMIT}, destination: d}}
  - if: ${{{{build.arch}}}} == 'aarch64'
    uses: fetch
    with:
      uri: ${{{{vars.server}}}}/${{{{build.arch}}}}/${{{{package.version}}}}.tgz
      expected-sha256: {a}
      expected-sha512: {c}
subpackages:
  - range: parts
    name: demo-${{{{range.key}}}}
    pipeline:
      - uses: fetch
        with:
          uri: ${{{{vars.server}}}}/${{{{range.key}}}}-${{{{package.version}}}}.tgz
          expected-sha256: ${{{{range.value}}}}
"#,
        a = digest("a", 64),
        b = digest("b", 64),
        c = digest("c", 128),
    );
    let server = "https://example.com";
    let expected = text
        .replace("version: 1.2.3, epoch: 7", "version: 1.3, epoch: 0")
        .replace(
            &format!("commit: '{COMMIT}'"),
            &format!("commit: '{}'", digest(&format!("{server}/demo refs/tags/REL_1_3"), 40)),
        )
        .replace(
            &format!("a: {}", digest("a", 64)),
            &format!("a: {}", digest(&format!("{server}/a-1.3.tgz"), 64)),
        )
        .replace(&digest("b", 64), &digest(&format!("{server}/b-1.3.tgz"), 64))
        .replace(
            &format!("sha256: {}", digest("a", 64)),
            &format!("sha256: {}", digest(&format!("{server}/aarch64/1.3.tgz"), 64)),
        )
        .replace(&digest("c", 128), &digest(&format!("{server}/aarch64/1.3.tgz"), 128));
    let bumped = bumped(&text, "1.3");
    assert_eq!(bumped.after, expected);
    let what: Vec<_> = bumped.changes.iter().map(|change| change.what.as_str()).collect();
    assert_eq!(
        what,
        [
            "version",
            "epoch",
            "expected-commit",
            "expected-sha256",
            "expected-sha256",
            "expected-sha256",
            "expected-sha512"
        ]
    );
}

#[test]
fn the_same_version_gets_the_next_epoch_and_the_same_sources() {
    let text = format!(
        "package:\n  name: demo\n  version: 1.2\n  epoch: 9\npipeline:\n  - uses: fetch\n    with:\n      \
         uri: https://example.com/${{{{package.version}}}}\n      expected-sha256: {}\n",
        digest("a", 64)
    );
    assert_eq!(differences(&bumped(&text, "1.2")), [("  epoch: 9", "  epoch: 10")]);
    // Without an epoch there is one afterwards, in the form of the lines around it.
    let missing = text.replace("  epoch: 9\n", "").replace('\n', "\r\n");
    let after = bumped(&missing, "1.2").after;
    assert_eq!(after, missing.replace("1.2\r\n", "1.2\r\n  epoch: 1\r\n"));
    assert_eq!(bumped(&missing, "1.3").changes.len(), 2, "version and checksum");
    let flow = bumped("package: {name: demo, version: '1'}\n", "1").after;
    assert_eq!(flow, "package: {name: demo, version: '1', epoch: 1}\n");
}

#[test]
fn a_commit_that_is_given_is_for_the_checkout_that_follows_the_version() {
    let checkout = |repository: &str, reference: &str| {
        format!(
            "  - uses: git-checkout\n    with:\n      repository: https://example.com/{repository}\n      \
             {reference}\n      expected-commit: {COMMIT}\n"
        )
    };
    let head = "package:\n  name: demo\n  version: 1.2\n  epoch: 0\npipeline:\n";
    let given = "f".repeat(40);
    let changed = |steps: &[String]| {
        let env = TestEnv::new();
        let path = env.write("demo.yaml", format!("{head}{}", steps.concat()));
        let options = Options { expected_commit: Some(given.clone()), ..options() };
        let bumped = bump(&path, "1.3", &options, &Everything).unwrap();
        let lines = bumped.changes.iter().filter(|change| change.to == given);
        lines.map(|change| change.line).collect::<Vec<_>>()
    };
    let follows = checkout("demo", "tag: v${{package.version}}");
    let other = checkout("other", "tag: v1");
    let branch = checkout("demo", "branch: main");
    assert_eq!(changed(&[follows.clone(), other.clone()]), [10]);
    assert_eq!(changed(&[other.clone(), follows.clone(), branch.clone()]), [15, 20]);
    assert_eq!(changed(&[branch]), [10]);
    assert_eq!(changed(&[other]), [10]);
}

#[test]
fn what_can_not_be_changed_is_told_with_its_place() {
    let env = TestEnv::new();
    env.write(
        "parts.yaml",
        format!(
            "package:\n  name: demo\n  version: 1.2\n  epoch: 0\nvars: {{begin: {}}}\npipeline:\n  \
             - uses: git-checkout\n    with:\n      repository: https://example.com/demo\n      \
             tag: v${{{{package.version}}}}\n      expected-commit: ${{{{vars.begin}}}}{}\n",
            &COMMIT[..20],
            &COMMIT[20..]
        ),
    );
    let given = ["--expected-commit", &"f".repeat(40)];
    assert_snapshot!(env.run(&[&["bump", "parts.yaml", "1.3"], &given[..]].concat()), @r"
    exit: 2
    --- stdout
    --- stderr
    error[not-changeable]: this value can't be changed: it is put together from others
      --> parts.yaml:11:24
       |
    11 |       expected-commit: ${{vars.begin}}456789abcdef01234567
       |                        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       |
       = help: write the value itself, or one `${{vars.…}}` that has it
    error: the recipe has a problem
    ");
    assert_snapshot!(env.run(&["bump", "parts.yaml", "v1.3"]), @r"
    exit: 2
    --- stdout
    --- stderr
    error: `v1.3` is not a version that apk can order
    help: digits with dots, then perhaps `_rc1`, `_git20260131` or `_p1`; no `v`, no epoch
    ");
    let text = env.run(&["bump", "parts.yaml", "1.3", "--expected-commit", "main"]);
    assert!(text.contains("a commit has 40 hexadecimal digits"), "{text}");
    env.write("broken.yaml", "package:\n  name: demo\n");
    let text = env.run(&["bump", "broken.yaml", "1.3"]);
    assert!(text.starts_with("exit: 2\n") && text.contains("broken.yaml:2:3"), "{text}");
}

/// Release tarballs of two versions, and a repository with their tags.
struct Upstream {
    env: TestEnv,
    files: String,
    git: serve::GitDaemon,
    commits: [String; 2],
}

impl Upstream {
    fn start() -> Self {
        let env = TestEnv::new();
        env.write("files/demo-1.0.tar.gz", "the old release");
        env.write("files/demo-1.1.tar.gz", "the new release");
        env.write("files/demo-1.2.tar.gz", "<!doctype html>\nno such file");
        let (directory, old) = serve::repository(&env, "demo", &[("a", "old")], "v1.0");
        fs_err::write(directory.join("a"), "new").unwrap();
        let git = |args: &[&str]| {
            let mut command = env.command("git");
            command.current_dir(&directory).args(["-c", "user.name=Test"]);
            let output = command.args(["-c", "user.email=t@example.invalid"]).args(args).output();
            let output = output.unwrap();
            assert!(output.status.success(), "{}", env.text(&output));
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        git(&["commit", "-q", "-a", "-m", "new"]);
        // One tag is an object of its own, one is not.
        git(&["tag", "v1.1"]);
        let new = git(&["rev-parse", "HEAD"]);
        assert_ne!(git(&["rev-parse", "v1.0"]), old, "the old tag has to be peeled");
        let (files, daemon) = (serve::files(&env.work().join("files")), env.work().join("git"));
        let git = serve::GitDaemon::start(&daemon);
        Self { env, files, git, commits: [old, new] }
    }

    /// A recipe in the one form that melange leaves as it is, blank lines aside.
    fn recipe(&self, version: &str, epoch: u64) -> String {
        let sha256 = |version: &str| {
            let path = self.env.work().join(format!("files/demo-{version}.tar.gz"));
            melange2::digest::Sha256::of(&fs_err::read(path).unwrap()).to_string()
        };
        format!(
            r#"package:
  name: demo
  version: "{version}"
  epoch: {epoch}

pipeline:
  # The sources.
  - uses: fetch
    with:
      uri: {files}/demo-${{{{package.version}}}}.tar.gz
      expected-sha256: {sha256}

  - uses: git-checkout
    with:
      repository: {git}/demo
      tag: v${{{{package.version}}}}
      expected-commit: {commit} # peeled
"#,
            files = self.files,
            git = self.git.address,
            sha256 = sha256(version),
            commit = self.commits[usize::from(version == "1.1")],
        )
    }
}

#[test]
fn files_and_commits_of_the_new_version_are_looked_up() {
    let upstream = Upstream::start();
    let env = &upstream.env;
    let path = env.write("demo.yaml", upstream.recipe("1.0", 3));
    let text = env.run(&["bump", "demo.yaml", "1.1", "--dry-run"]);
    assert!(
        text.starts_with("exit: 0\n")
            && text.contains("\n-  epoch: 3\n")
            && text.contains("\n+  epoch: 0\n"),
        "{text}"
    );
    assert_eq!(fs_err::read_to_string(&path).unwrap(), upstream.recipe("1.0", 3));
    let text = env.run(&["bump", "demo.yaml", "1.1"]);
    assert!(
        text.contains("\ndemo.yaml:3: version 1.0 -> 1.1\ndemo.yaml:4: epoch 3 -> 0\n"),
        "{text}"
    );
    assert_eq!(fs_err::read_to_string(&path).unwrap(), upstream.recipe("1.1", 0));
    // And back: the other tag is an object of its own.
    env.run(&["bump", "demo.yaml", "1.0"]);
    assert_eq!(fs_err::read_to_string(&path).unwrap(), upstream.recipe("1.0", 0));
}

#[test]
fn melange_makes_the_same_of_it() {
    let Some(melange) = parts::program("melange") else {
        return parts::without("there is no melange to compare with");
    };
    let upstream = Upstream::start();
    let env = &upstream.env;
    for (version, commit) in [("1.1", &upstream.commits[1]), ("1.0", &upstream.commits[0])] {
        let ours = env.write("ours.yaml", upstream.recipe("1.0", 3));
        let theirs = env.write("theirs.yaml", upstream.recipe("1.0", 3));
        let mut command = env.command(&melange);
        let flags = ["bump", "theirs.yaml", version, "--expected-commit", commit];
        let output = command.args(flags).output().unwrap();
        assert!(output.status.success(), "{}", env.text(&output));
        // What melange is told we find out.
        let text = env.run(&["bump", "ours.yaml", version]);
        assert!(text.starts_with("exit: 0\n"), "{text}");
        let read = |path: &Path| fs_err::read_to_string(path).unwrap();
        // Blank lines it does not keep.
        assert_eq!(read(&ours).replace("\n\n", "\n"), read(&theirs));
    }
}

#[test]
fn what_can_not_be_had_leaves_the_recipe_alone() {
    let upstream = Upstream::start();
    let env = &upstream.env;
    let recipe = upstream.recipe("1.0", 3);
    let path = env.write("demo.yaml", &recipe);
    let untouched = fs_err::metadata(&path).unwrap().modified().unwrap();
    let run = |version: &str| {
        let text = env.run(&["bump", "demo.yaml", version]);
        assert_eq!(fs_err::read_to_string(&path).unwrap(), recipe);
        assert_eq!(fs_err::metadata(&path).unwrap().modified().unwrap(), untouched);
        let mut text = text.replace(&upstream.files, "FILES").replace(&upstream.git.address, "GIT");
        // How long the addresses were is no matter.
        while text.contains("^^") {
            text = text.replace("^^", "^");
        }
        text
    };
    assert_snapshot!(run("9.9"), @r"
    exit: 4
    --- stdout
    --- stderr
    error[unreachable-source]: failed to fetch `FILES/demo-9.9.tar.gz`: the server answered `404 Not Found`
      --> demo.yaml:10:12
       |
    10 |       uri: FILES/demo-${{package.version}}.tar.gz
       |            ^ for the new version: FILES/demo-9.9.tar.gz
       |
       = help: look whether the new version is released, and under which name

    error[unknown-commit]: `GIT/demo` has no `refs/tags/v9.9`
      --> demo.yaml:16:12
       |
    16 |       tag: v${{package.version}}
       |            ^ for the new version: v9.9
       |
       = help: look whether the new version is released, and under which name
    error: sources of the new version can't be had: the recipe stays as it is
    ");
    let page = run("1.2");
    assert!(page.starts_with("exit: 4\n") && page.contains("the server sent a web page"), "{page}");
}

#[test]
fn files_come_over_connections_that_are_trusted() {
    let env = TestEnv::new();
    env.write("repo/demo-1.1.tar.gz", "the new release");
    let server = Tls::start(&env);
    let recipe = format!(
        "package:\n  name: demo\n  version: 1.0\n  epoch: 0\npipeline:\n  - uses: fetch\n    with:\n      \
         uri: {}/demo-${{{{package.version}}}}.tar.gz\n      expected-sha512: {}\n",
        server.address,
        digest("old", 128)
    );
    let path = env.write("demo.yaml", &recipe);
    let refused = env.run(&["bump", "demo.yaml", "1.1"]);
    assert!(refused.starts_with("exit: 4\n") && refused.contains("certificate"), "{refused}");
    assert_eq!(fs_err::read_to_string(&path).unwrap(), recipe);
    let said = env.run(&["bump", "demo.yaml", "1.1", "--ca-file", "ca.pem"]);
    assert!(said.starts_with("exit: 0\n"), "{said}");
    let sum = env.command("sha512sum").arg("repo/demo-1.1.tar.gz").output().unwrap();
    let sum = String::from_utf8(sum.stdout).unwrap();
    let after = fs_err::read_to_string(&path).unwrap();
    assert!(after.contains(sum.split(' ').next().unwrap()), "{after}");
}

#[test]
fn modes_links_and_byte_order_marks_are_kept() {
    use std::os::unix::fs::PermissionsExt as _;
    let env = TestEnv::new();
    let text = "\u{feff}package:\r\n  name: demo # é\r\n  version: 1\r\n  epoch: 1";
    let path = env.write("real.yaml", text);
    fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink("real.yaml", env.work().join("link.yaml")).unwrap();
    let said = env.run(&["bump", "link.yaml", "2"]);
    assert!(said.starts_with("exit: 0\n"), "{said}");
    let after = fs_err::read_to_string(&path).unwrap();
    assert_eq!(after, text.replace("version: 1", "version: 2").replace("epoch: 1", "epoch: 0"));
    assert_eq!(fs_err::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(fs_err::symlink_metadata(env.work().join("link.yaml")).unwrap().is_symlink());
}

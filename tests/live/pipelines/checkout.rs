//! `git-checkout` on two daemons with a registry's cache between them: git's answers are the same
//! where the step ran and where its result was pulled, and the same commit is the same bytes.
//!
//! What a registry gives back has other inodes, other change times, and times of modification cut
//! to seconds: all that git's index usually compares.

use std::process::Command;

use crate::support::TestEnv;
use crate::support::lab::{Lab, nonce};
use crate::support::serve::{self, GitDaemon, Registry};

/// A repository with a submodule, many files, an odd name, and links.
fn repositories(env: &TestEnv) -> String {
    let inner: Vec<(String, String)> =
        (0..40).map(|number| (format!("d{}/f{number}", number % 5), number.to_string())).collect();
    let mut files: Vec<(&str, &str)> =
        inner.iter().map(|(path, content)| (path.as_str(), content.as_str())).collect();
    files.push(("it's\n$(a) name", "x"));
    serve::repository(env, "inner", &files, "inner-v1");
    let outer = env.work().join("git/outer");
    fs_err::create_dir_all(&outer).unwrap();
    std::os::unix::fs::symlink("d0/f0", outer.join("link")).unwrap();
    fs_err::write(outer.join("program"), "#!/bin/sh\n").unwrap();
    let git = |words: &[&str]| {
        let mut git = env.command("git");
        git.current_dir(&outer).args(["-c", "protocol.file.allow=always"]);
        git.args(["-c", "user.name=Test", "-c", "user.email=test@example.invalid"]).args(words);
        git.env("GIT_AUTHOR_DATE", "2026-01-02T03:04:05Z");
        git.env("GIT_COMMITTER_DATE", "2026-01-02T03:04:05Z");
        let output = git.output().unwrap();
        assert!(output.status.success(), "{}", env.text(&output));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    git(&["init", "-q", "-b", "main"]);
    git(&["submodule", "--quiet", "add", "../inner", "module"]);
    git(&["add", "-A"]);
    git(&["commit", "-q", "-m", "one"]);
    git(&["tag", "-a", "-m", "v1", "v1"]);
    let commit = git(&["rev-parse", "HEAD"]);
    fs_err::write(outer.join("later"), "x").unwrap();
    git(&["add", "-A"]);
    git(&["commit", "-q", "-m", "two"]);
    commit
}

/// A daemon with a state of its own, which is stopped with the value.
struct Daemon<'a> {
    lab: &'a Lab,
    env: &'a TestEnv,
    name: &'static str,
}

impl Daemon<'_> {
    fn melange2(&self, words: &[&str]) -> Command {
        let mut command = self.lab.melange2(self.env);
        command.args(words).env("MELANGE2_DAEMON_DIR", self.env.work().join(self.name));
        command
    }

    /// Renders the recipe and builds it by plain buildctl; returns what that said and the files
    /// of the package.
    fn build(&self, cache: &[String]) -> (String, impl Fn(&str) -> String) {
        let env = self.env;
        self.lab.ok(env, &mut self.melange2(&["daemon", "start"]));
        let directory = format!("spec-{}", nonce());
        let mut render = self.melange2(&["render", "recipe.yaml", "-o", &directory]);
        self.lab.repository_flags(&mut render);
        self.lab.ok(env, &mut render);
        let address =
            format!("unix://{}", env.work().join(self.name).join("buildkitd.sock").display());
        let mut build = env.command("sh");
        build.arg(format!("{directory}/build.sh")).args(cache).args(["--progress", "plain"]);
        build.env("PATH", self.lab.path()).env("BUILDKIT_HOST", address);
        let said = self.lab.ok(env, &mut build);
        let tar = env.work().join(directory).join("out.tar");
        (said, move |file: &str| {
            let output = Command::new("tar").arg("-xOf").arg(&tar).arg(file).output().unwrap();
            assert!(output.status.success(), "{file}");
            String::from_utf8(output.stdout).unwrap()
        })
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        let _ = self.melange2(&["daemon", "stop"]).output();
    }
}

/// Checks out, and asks git: what compares the index first, since others would refresh it.
fn recipe(address: &str, with: &str, question: &str) -> String {
    format!(
        "package: {{name: asked, version: '1.0', epoch: 0}}\n\
         environment: {{contents: {{packages: [busybox, git, findutils, coreutils]}}}}\n\
         pipeline:\n  - uses: git-checkout\n    with:\n      repository: {address}/outer\n      \
         destination: source\n      recurse-submodules: true\n      {}\n  - name: ask\n    runs: |\n      \
         # {question}\n      mkdir -p ${{{{targets.destdir}}}}\n      cd source\n      \
         find . -type f -exec sha256sum {{}} + | sort > ${{{{targets.destdir}}}}/bytes\n      \
         find . -mindepth 1 -printf '%p %m %T@ %l\\n' | sort > ${{{{targets.destdir}}}}/tree\n      for tree in source source/module; do\n        \
         cd /home/build/$tree\n        git diff-index --quiet HEAD && echo index same || echo index differs\n        \
         git diff-files --quiet && echo files same || echo files differ\n        \
         git status --porcelain\n        git describe --tags --dirty\n      \
         done > ${{{{targets.destdir}}}}/answers\n      cd /home/build/source\n      \
         echo changed >> .gitmodules\n      git diff-index --quiet HEAD || git describe --tags --dirty \
         >> ${{{{targets.destdir}}}}/answers\n",
        with.replace('\n', "\n      ")
    )
}

const CLEAN: &str = "index same\nfiles same\nv1\nindex same\nfiles same\ninner-v1\nv1-dirty\n";

#[test]
fn git_answers_alike_where_a_checkout_ran_and_where_it_came_from_a_registry() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    let commit = repositories(&env);
    let server = GitDaemon::start(&env.work().join("git"));
    let registry = Registry::start(&env);
    let cache = format!("ref={}/cache:asked,registry.insecure=true", registry.address);
    let first = Daemon { lab, env: &env, name: "first" };
    let second = Daemon { lab, env: &env, name: "second" };
    let with = format!("tag: v1\nexpected-commit: {commit}");

    env.write("recipe.yaml", recipe(&server.address, &with, "where it ran"));
    let export = ["--export-cache".to_owned(), format!("type=registry,mode=max,{cache}")];
    let (_, file) = first.build(&export);
    assert_eq!(file("asked/answers"), CLEAN);

    // Another question, so that the answer is not what was cached.
    env.write("recipe.yaml", recipe(&server.address, &with, "where it was pulled"));
    let import = ["--import-cache".to_owned(), format!("type=registry,{cache}")];
    let (said, pulled) = second.build(&import);
    assert!(said.contains("CACHED"), "{said}");
    assert_eq!(pulled("asked/answers"), CLEAN, "{said}");
    assert_eq!(pulled("asked/bytes"), file("asked/bytes"));
    assert_eq!(pulled("asked/tree"), file("asked/tree"));

    // Checked out again, since another text is another step: not one byte is different.
    let again = format!("{with}\nmax-retries: 4");
    env.write("recipe.yaml", recipe(&server.address, &again, "where it was pulled"));
    let (said, again) = second.build(&[]);
    assert_eq!(again("asked/answers"), CLEAN, "{said}");
    assert_eq!(again("asked/bytes"), file("asked/bytes"));
    assert_eq!(again("asked/tree"), file("asked/tree"));
    assert!(file("asked/bytes").contains("/.git/index"));
    // BuildKit sees that too: what is copied from the steps is not copied again.
    let copy = said.lines().find(|line| line.contains("[out 1/1] COPY")).unwrap();
    let number = copy.split(' ').next().unwrap();
    assert!(said.lines().any(|line| line == format!("{number} CACHED")), "{said}");
}

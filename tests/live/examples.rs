//! The recipes of `examples/`, from real sources served on loopback: built, installed by real apko
//! into a root file system, and run there.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::TestEnv;
use crate::support::lab::{Lab, written};
use crate::support::serve::{self, GitDaemon};

/// The path of a recipe of `examples/`, copied to the work directory.
fn example(env: &TestEnv, name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
    env.write(name, fs_err::read(path).unwrap());
    name.to_owned()
}

/// Runs a program of a root file system, and returns what it wrote.
fn in_root(root: &Path, words: &[&str]) -> String {
    let output = Command::new("chroot").arg(root).args(words).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {text}{errors}");
    text
}

/// Builds an example twice: the second time everything is CACHED, and the bytes are the same.
fn build_twice(lab: &Lab, env: &TestEnv, name: &str, vars: &str) -> Vec<String> {
    env.write("vars.yaml", vars);
    let build = || {
        let mut command = lab.build(env, name);
        lab.ok(env, command.args(["--vars-file", "vars.yaml"]))
    };
    let bytes = || {
        let mut paths = written(env);
        paths.retain(|path| path.ends_with(".apk"));
        let read = |path: &String| fs_err::read(env.work().join("packages").join(path)).unwrap();
        let bytes: Vec<_> = paths.iter().map(read).collect();
        (paths, bytes)
    };
    let first_run = build();
    let first = bytes();
    let again = build();
    let cached = again.matches("CACHED").count();
    let steps = first_run.lines().filter(|line| line.trim_start().starts_with("start ")).count();
    assert!(steps > 2, "{first_run}");
    assert_eq!(cached, steps, "every step comes from the cache: {again}");
    assert_eq!(bytes(), first);
    first.0
}

#[test]
fn hello_is_built_from_its_release_tarball_and_says_hello() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    let tarball = fs_err::read(lab.sources.join("hello-2.10.tar.gz")).unwrap();
    env.write("www/hello/hello-2.10.tar.gz", tarball);
    let mirror = serve::files(&env.work().join("www"));
    let name = example(&env, "hello.yaml");
    let packages = build_twice(lab, &env, &name, &format!("mirror: {mirror}\n"));
    assert_eq!(
        packages,
        ["hello", "hello-doc", "hello-lang"].map(|name| format!("x86_64/{name}-2.10-r0.apk"))
    );
    let root = lab.apko_install(&env, &["hello", "hello-doc", "hello-lang", "busybox"]);
    assert_eq!(in_root(&root, &["/usr/bin/hello"]), "Hello, world!\n");
    let manual = super::content(&env, "hello-doc-2.10-r0", "usr/share/man/man1/hello.1");
    assert!(manual.contains("Print a friendly, customizable greeting"), "{manual}");
}

#[test]
fn a_changed_tarball_is_refused() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    let mut tarball = fs_err::read(lab.sources.join("hello-2.10.tar.gz")).unwrap();
    let middle = tarball.len() / 2;
    tarball[middle] ^= 1;
    env.write("www/hello/hello-2.10.tar.gz", tarball);
    let mirror = serve::files(&env.work().join("www"));
    let name = example(&env, "hello.yaml");
    env.write("vars.yaml", format!("mirror: {mirror}\n"));
    let mut command = lab.build(&env, &name);
    let output = command.args(["--vars-file", "vars.yaml"]).output().unwrap();
    let text = env.text(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("31e066137a962676e89f69d1b65382de95a7ef7d914b8cb956f41ea72e0f516b"),
        "{text}"
    );
    assert!(text.contains("hello.yaml:22:"), "names the line of the recipe: {text}");
    assert_eq!(written(&env), [] as [&str; 0]);
}

/// A C library's sources in a git repository, tagged as the recipe wants them.
pub(super) fn zlib_repository(lab: &Lab, env: &TestEnv, tag: &str) -> String {
    let tarball = fs_err::read_dir(&lab.sources)
        .unwrap()
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| path.file_name().unwrap().to_string_lossy().starts_with("zlib-1."))
        .expect("zlib's release tarball is among the sources");
    let directory = env.work().join("git/zlib");
    fs_err::create_dir_all(&directory).unwrap();
    let mut tar = Command::new("tar");
    tar.arg("-xf").arg(tarball).args(["--strip-components=1", "-C"]).arg(&directory);
    lab.ok(env, &mut tar);
    serve::repository(env, "zlib", &[], tag).1
}

#[test]
fn a_c_library_from_git_becomes_four_packages_that_programs_link_with() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    let commit = zlib_repository(lab, &env, "v1.3.2");
    let daemon = GitDaemon::start(&env.work().join("git"));
    let name = example(&env, "zlib.yaml");
    let vars = format!("repository: {}/zlib\ncommit: {commit}\n", daemon.address);
    let packages = build_twice(lab, &env, &name, &vars);
    assert_eq!(
        packages,
        ["zlib", "zlib-dev", "zlib-doc", "zlib-static"]
            .map(|name| format!("x86_64/{name}-1.3.2-r0.apk"))
    );
    let root = lab.apko_install(&env, &["zlib", "zlib-dev", "zlib-doc", "zlib-static", "busybox"]);
    let program = "#include <zlib.h>\n#include <stdio.h>\n\
                   int main(void) { printf(\"%lu\\n\", crc32(0, (void *)\"abc\", 3)); return 0; }\n";
    env.write("sum.c", program);
    for flags in ["-lz", "-l:libz.a"] {
        let mut cc = env.command("cc");
        cc.arg("-I").arg(root.join("usr/include")).arg("-L").arg(root.join("usr/lib"));
        cc.args(["-o", "rootfs/tmp/sum", "sum.c", flags]);
        lab.ok(&env, &mut cc);
        assert_eq!(in_root(&root, &["/tmp/sum"]), "891568578\n");
    }
}

#[test]
fn another_commit_than_the_expected_one_is_refused() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    zlib_repository(lab, &env, "v1.3.2");
    let daemon = GitDaemon::start(&env.work().join("git"));
    let name = example(&env, "zlib.yaml");
    let other = "0123456789012345678901234567890123456789";
    env.write("vars.yaml", format!("repository: {}/zlib\ncommit: \"{other}\"\n", daemon.address));
    let mut command = lab.build(&env, &name);
    let output = command.args(["--vars-file", "vars.yaml"]).output().unwrap();
    let text = env.text(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains(other), "{text}");
}

/// The Go program's real sources, from the module proxy, in a git repository.
pub(super) fn godotenv_repository(env: &TestEnv) -> String {
    let output = Command::new("go")
        .args(["mod", "download", "-json", "github.com/joho/godotenv@v1.5.1"])
        .env("GOFLAGS", "-mod=mod")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let source = PathBuf::from(json["Dir"].as_str().unwrap_or_else(|| panic!("{text}")));
    let files: Vec<(String, String)> = walkdir::WalkDir::new(&source)
        .into_iter()
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            let path = entry.path().strip_prefix(&source).unwrap().display().to_string();
            (path, String::from_utf8(fs_err::read(entry.path()).unwrap()).unwrap())
        })
        .collect();
    let files: Vec<(&str, &str)> =
        files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    serve::repository(env, "godotenv", &files, "v1.5.1").1
}

#[test]
fn a_go_program_is_built_installed_and_run() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    let commit = godotenv_repository(&env);
    let daemon = GitDaemon::start(&env.work().join("git"));
    let name = example(&env, "godotenv.yaml");
    let vars = format!("repository: {}/godotenv\ncommit: {commit}\n", daemon.address);
    let packages = build_twice(lab, &env, &name, &vars);
    assert_eq!(packages, ["x86_64/godotenv-1.5.1-r0.apk"]);
    let root = lab.apko_install(&env, &["godotenv", "busybox"]);
    fs_err::write(root.join("tmp/env"), "GREETING=hello\n").unwrap();
    let words = ["/usr/bin/godotenv", "-f", "/tmp/env", "/bin/sh", "-c", "echo $GREETING"];
    assert_eq!(in_root(&root, &words), "hello\n");
}

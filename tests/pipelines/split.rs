//! `split/*` beside melange's own: the same trees, by the scripts that real melange has.

use std::path::Path;
use std::process::Command;

use super::{have, plan_of, run, text};
use crate::support::TestEnv;
use crate::support::parts;

/// A package with something for every one of them.
const FILES: &str = "usr/include/demo.h usr/include/demo/inner.h usr/lib/demo/include/private.h \
    usr/lib/demo/keep usr/lib/libdemo.so.1.2 usr/lib/libother.so.3 usr/lib/libdemo.a \
    usr/lib/static/only.a usr/lib/demo.o usr/lib/src/x.c usr/lib/src/y.h usr/lib/qt6/demo.prl \
    usr/lib/pkgconfig/demo.pc usr/share/pkgconfig/data.pc usr/lib/cmake/demo.cmake \
    usr/share/cmake/demo.cmake usr/share/demo/cmake/own.cmake usr/share/aclocal/demo.m4 \
    usr/share/gettext/its usr/share/vala/vapi/demo.vapi usr/share/gir-1.0/demo.gir \
    usr/share/qt6/mkspecs/m usr/lib/qt5/mkspecs/m usr/lib/glade/modules/x usr/share/glade/catalogs/x \
    usr/bin/demo-config usr/bin/demo_config usr/bin/demo usr/sbin/daemon usr/libexec/demo/helper \
    usr/share/man/man1/demo.1 usr/share/man/de/man1/demo.1 usr/share/info/demo.info \
    usr/share/info/dir usr/share/doc/demo/README usr/share/locale/de/LC_MESSAGES/demo.mo \
    usr/lib/special/libspecial.so.2 usr/lib/alone/libalone.so.1 opt/demo/usr/include/o.h \
    opt/demo/usr/lib/libo.a";

/// Symbolic links, with what they point to.
const LINKS: &str = "usr/lib/libdemo.so:libdemo.so.1 usr/lib/libdemo.so.1:libdemo.so.1.2 \
    usr/lib/plugin.so:libdemo.so.1 usr/lib/demo/nested.so:../libdemo.so.1 \
    usr/lib/libbroken.a:nowhere opt/demo/usr/lib/libo.so:libo.so.1";

/// All paths below a directory, empty directories too, with what they are.
fn tree(root: &Path) -> Vec<String> {
    let walk = walkdir::WalkDir::new(root).min_depth(1).sort_by_file_name();
    walk.into_iter()
        .map(|entry| {
            let entry = entry.unwrap();
            let path = entry.path().strip_prefix(root).unwrap().display().to_string();
            let kind = entry.file_type();
            if kind.is_symlink() {
                format!("{path} -> {}", fs_err::read_link(entry.path()).unwrap().display())
            } else if kind.is_dir() {
                format!("{path}/")
            } else {
                format!("{path} = {}", fs_err::read_to_string(entry.path()).unwrap())
            }
        })
        .collect()
}

fn fill(env: &TestEnv, more: &[(&str, &str)]) {
    let root = "build/melange-out/demo";
    for path in FILES.split_whitespace() {
        env.write(format!("{root}/{path}"), path);
    }
    for (path, content) in more {
        env.write(format!("{root}/{path}"), content);
    }
    for link in LINKS.split_whitespace() {
        let (path, target) = link.split_once(':').unwrap();
        let path = env.work().join(root).join(path);
        std::os::unix::fs::symlink(target, path).unwrap();
    }
    fs_err::create_dir_all(env.work().join(root).join("usr/share/empty/deep")).unwrap();
    fs_err::create_dir_all(env.work().join("build/melange-out/demo-part")).unwrap();
}

/// A recipe whose subpackage uses a pipeline.
fn recipe(pipeline: &str, with: &str) -> String {
    format!(
        "package: {{name: demo, version: 1.0, epoch: 0}}\nenvironment: {{contents: {{packages: \
         [busybox]}}}}\npipeline: []\nsubpackages:\n  - name: demo-part\n    pipeline:\n      - \
         uses: {pipeline}\n        with: {{{with}}}\n"
    )
}

/// The scripts that melange runs for a recipe, of the steps that are chosen.
pub fn melanges(
    env: &TestEnv,
    melange: &Path,
    recipe: &str,
    steps: fn(&serde_json::Value) -> &serde_json::Value,
) -> Vec<String> {
    env.write("theirs.yaml", recipe);
    let mut command = env.command(melange);
    command.args(["compile", "--arch", "x86_64", "--runner", "bubblewrap", "theirs.yaml"]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut scripts = Vec::new();
    collect(steps(&json), &mut scripts);
    assert!(!scripts.is_empty());
    scripts
}

fn collect(steps: &serde_json::Value, scripts: &mut Vec<String>) {
    for step in steps.as_array().into_iter().flatten() {
        scripts.extend(step["runs"].as_str().map(str::to_owned));
        collect(&step["pipeline"], scripts);
    }
}

/// What a pipeline of ours makes of the package, after being told which files are there besides.
fn ours(pipeline: &str, with: &str, more: &[(&str, &str)]) -> Vec<String> {
    let env = TestEnv::new();
    fill(&env, more);
    let output = run(&env, &plan_of(&env, &recipe(pipeline, with)));
    assert!(output.status.success(), "{pipeline}: {}", text(&output));
    tree(&env.work().join("build/melange-out"))
}

/// What melange's does.
fn theirs(melange: &Path, pipeline: &str, with: &str) -> Vec<String> {
    let env = TestEnv::new();
    fill(&env, &[]);
    let home = env.work().join("build");
    let steps: fn(&serde_json::Value) -> &serde_json::Value =
        |json| &json["subpackages"][0]["pipeline"];
    for script in melanges(&env, melange, &recipe(pipeline, with), steps) {
        let script = script.replace("/home/build", home.to_str().unwrap());
        let mut command: Command = env.command("busybox");
        command.args(["sh", "-c", &format!("set -e\n{script}\nexit 0")]);
        let output = command.current_dir(&home).output().unwrap();
        assert!(output.status.success(), "{pipeline}: {}", text(&output));
    }
    tree(&home.join("melange-out"))
}

#[test]
fn packages_are_split_as_melange_splits_them() {
    if !have(&["busybox"]) {
        return;
    }
    let Some(melange) = parts::program("melange") else {
        return parts::without("there is no melange");
    };
    for (pipeline, with) in [
        ("split/alldocs", ""),
        ("split/bin", ""),
        ("split/bin", "package: demo"),
        ("split/dev", ""),
        ("split/dev", "package: demo"),
        ("split/dev", "prefix: /opt/demo/usr"),
        ("split/infodir", ""),
        ("split/lib", ""),
        ("split/lib", "patterns: \"demo\\nspecial\", paths: \"usr/lib/special\\nusr/lib/alone\""),
        ("split/locales", ""),
        ("split/manpages", ""),
        ("split/static", ""),
    ] {
        let (ours, theirs) = (ours(pipeline, with, &[]), theirs(&melange, pipeline, with));
        let difference = similar(&theirs, &ours);
        assert!(difference.is_empty(), "{pipeline} {with}\n{difference}");
    }
}

/// Lines that only one has.
fn similar(theirs: &[String], ours: &[String]) -> String {
    let only = |sign: char, some: &[String], others: &[String]| {
        let lines = some.iter().filter(|line| !others.contains(line));
        lines.map(|line| format!("{sign} {line}\n")).collect::<String>()
    };
    format!("{}{}", only('-', theirs, ours), only('+', ours, theirs))
}

#[test]
fn names_of_files_may_hold_anything() {
    if !have(&["busybox"]) {
        return;
    }
    let name = "-rf $(touch broken-out) 'a' \"b\" \\c\nd;e";
    for (pipeline, place, kept) in [
        ("split/alldocs", "usr/share/man/man1/NAME", "NAME"),
        ("split/bin", "usr/bin/NAME", "NAME"),
        ("split/dev", "usr/lib/NAME/NAME.a", "NAME.a"),
        ("split/dev", "usr/include/NAME.h", "NAME.h"),
        ("split/infodir", "usr/share/info/NAME", "NAME"),
        ("split/lib", "usr/lib/NAME.so.1", "NAME.so.1"),
        ("split/locales", "usr/share/locale/NAME", "NAME"),
        ("split/manpages", "usr/man/NAME", "NAME"),
        ("split/static", "usr/lib/NAME.a", "NAME.a"),
    ] {
        let (place, kept) = (place.replace("NAME", name), kept.replace("NAME", name));
        let tree = ours(pipeline, "", &[(&place, "content")]);
        let moved = tree.iter().any(|line| {
            line.starts_with("demo-part/") && line.ends_with(&format!("/{kept} = content"))
        });
        assert!(moved && !tree.iter().any(|line| line.contains("/broken-out")), "{tree:#?}");
    }
}

#[test]
fn nothing_is_split_from_a_package_into_itself() {
    if !have(&["busybox"]) {
        return;
    }
    for (pipeline, _) in melange2::plan::builtin_pipelines() {
        if !pipeline.starts_with("split/") {
            continue;
        }
        let env = TestEnv::new();
        fill(&env, &[]);
        let output = run(&env, &plan_of(&env, &recipe(&pipeline, "package: demo-part")));
        let text = text(&output);
        assert!(!output.status.success() && text.contains("into itself"), "{pipeline}: {text}");
    }
}

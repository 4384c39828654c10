//! Packages of the same recipe by real melange and here: the same files with the same content.

use std::os::unix::fs::PermissionsExt as _;

use super::Bench;
use crate::support::lab::Lab;

/// The files of a package, unpacked: path, mode, and what a link points to or the content's digest.
fn entries(bench: &Bench, directory: &str, package: &str) -> Vec<String> {
    let root = bench.env.work().join("unpacked").join(directory).join(package);
    fs_err::create_dir_all(&root).unwrap();
    let mut tar = bench.env.command("tar");
    tar.arg("-xpzf").arg(format!("{directory}/x86_64/{package}-1.0-r0.apk")).arg("-C").arg(&root);
    bench.lab.ok(&bench.env, &mut tar);
    let walk = walkdir::WalkDir::new(&root).min_depth(1).sort_by_file_name();
    let lines = walk.into_iter().map(Result::unwrap).map(|entry| {
        let path = entry.path().strip_prefix(&root).unwrap().display().to_string();
        let kind = entry.file_type();
        let what = if kind.is_symlink() {
            fs_err::read_link(entry.path()).unwrap().display().to_string()
        } else if kind.is_file() {
            melange2::digest::Sha256::of(&fs_err::read(entry.path()).unwrap()).to_string()
        } else {
            String::new()
        };
        format!("{path} {:o} {what}", entry.metadata().unwrap().permissions().mode())
    });
    // Control files, and what tells how the package was built.
    let own = |line: &String| !line.starts_with('.') && !line.starts_with("var/lib/db");
    lines.filter(own).collect()
}

/// Builds a recipe by real melange, into `theirs`.
fn build_by_melange(bench: &Bench, lab: &Lab, recipe: &str) {
    let env = &bench.env;
    let mut melange = env.command(lab.tools.join("melange"));
    melange.args([
        "build",
        &format!("{recipe}.yaml"),
        "--runner",
        "bubblewrap",
        "--arch",
        "x86_64",
    ]);
    melange.args(["--source-dir", recipe, "--out-dir", "theirs"]);
    melange.args(["--vars-file", "vars.yaml"]);
    melange.args(["--signing-key", "test.rsa", "--cache-dir", "melange-cache"]);
    melange.arg("-r").arg(&lab.repository).arg("-k").arg(&lab.key);
    melange.env("PATH", lab.path());
    lab.ok(env, &mut melange);
}

fn compare(recipe: &str, packages: &[&str]) {
    let Some(bench) = Bench::new(recipe) else { return };
    let lab = bench.lab;
    // A name with a space, which melange's own scripts do not quote.
    let path = format!("{recipe}.yaml");
    let text = fs_err::read_to_string(bench.env.work().join(&path)).unwrap();
    let text = text.replace("its output", "output");
    bench.env.write(&path, text);
    lab.ok(&bench.env, &mut bench.build(&format!("{recipe}.yaml"), recipe));
    build_by_melange(&bench, lab, recipe);
    for package in packages {
        let [ours, theirs] =
            ["packages", "theirs"].map(|directory| entries(&bench, directory, package));
        let only = |sign: char, some: &[String], others: &[String]| {
            let lines = some.iter().filter(|line| !others.contains(line));
            lines.map(|line| format!("{sign} {line}\n")).collect::<String>()
        };
        let difference = only('-', &theirs, &ours) + &only('+', &ours, &theirs);
        assert!(difference.is_empty() && !ours.is_empty(), "{package}:\n{difference}");
    }
}

#[test]
fn melange_makes_the_same_packages_of_the_same_recipe() {
    compare(
        "widget",
        &[
            "widget",
            "widget-bin",
            "widget-dbg",
            "widget-dev",
            "widget-doc",
            "widget-info",
            "widget-lang",
            "widget-libs",
            "widget-man",
            "widget-static",
        ],
    );
}

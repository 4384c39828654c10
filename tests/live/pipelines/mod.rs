//! The 51 built-in pipelines in real build steps: six recipes run them all, and each one's failing
//! case is tried in the same environment. `docs/pipelines.md` is made of the same table.

mod checkout;
mod peers;
mod table;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::TestEnv;
use crate::support::lab::Lab;
use crate::support::serve::{self, GitDaemon};
use table::{ROWS, Row};

/// Sources, addresses and packages that the recipes need, for as long as the value lives.
pub struct Bench {
    pub env: TestEnv,
    pub lab: &'static Lab,
    _daemon: GitDaemon,
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pipelines")
}

/// The files below a directory, with their paths in it.
fn files(root: &Path) -> Vec<(String, Vec<u8>)> {
    let walk = walkdir::WalkDir::new(root).sort_by_file_name().into_iter().map(Result::unwrap);
    walk.filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            let path = entry.path().strip_prefix(root).unwrap().display().to_string();
            (path, fs_err::read(entry.path()).unwrap())
        })
        .collect()
}

impl Bench {
    /// Makes what a recipe needs; `None` with a note where parts are missing.
    pub fn new(recipe: &str) -> Option<Self> {
        let lab = Lab::find()?;
        let env = TestEnv::new();
        let copy = |from: &str, to: &str| {
            let mut cp = env.command("cp");
            lab.ok(&env, cp.arg("-a").arg(fixtures().join(from)).arg(to));
        };
        copy(&format!("{recipe}.yaml"), ".");
        copy(recipe, ".");
        let commit = widget_repository(&env);
        let daemon = GitDaemon::start(&env.work().join("git"));
        let mirror = serve::files(&env.work().join("www"));
        let mut tar = env.command("tar");
        tar.args(["--sort=name", "--mtime=@1000000000", "--owner=0", "--group=0", "-czf"]);
        tar.arg("gadget.tar.gz").arg("-C").arg(fixtures()).arg("gadget");
        lab.ok(&env, &mut tar);
        let tarball = fs_err::read(env.work().join("gadget.tar.gz")).unwrap();
        let checksum = melange2::digest::Sha256::of(&tarball);
        env.write("www/gadget-1.0.tar.gz", tarball);
        env.write(
            "vars.yaml",
            format!(
                "repository: {}/widget\ncommit: {commit}\nmirror: {mirror}\nchecksum: {checksum}\n",
                daemon.address
            ),
        );
        if recipe == "polyglot" {
            npm_registry(lab, &env, &mirror);
            env.write("polyglot/.npmrc", format!("registry={mirror}/npm\n"));
        }
        Some(Self { env, lab, _daemon: daemon })
    }

    /// `melange2 build` of a recipe in the work directory, with a recipe's sources.
    pub fn build(&self, recipe: &str, sources: &str) -> Command {
        let mut command = self.lab.build(&self.env, recipe);
        command.args(["--source-dir", sources]);
        // Variables that a recipe does not have are a mistake.
        if fs_err::read_to_string(self.env.work().join(recipe)).unwrap().contains("\nvars:\n") {
            command.args(["--vars-file", "vars.yaml"]);
        }
        if self.env.work().join("packages").exists() {
            command.args(["-r", "packages", "-k", "test.rsa.pub"]);
        }
        command
    }

    /// Builds the packages of stand-ins, and of the real cargo-auditable.
    pub fn tools(&self) {
        let mut cp = self.env.command("cp");
        self.lab.ok(&self.env, cp.arg("-a").arg(fixtures().join("tools")).arg("."));
        fs_err::copy(
            self.lab.tools.join("cargo-auditable"),
            self.env.work().join("tools/cargo-auditable"),
        )
        .unwrap();
        let mut cp = self.env.command("cp");
        self.lab.ok(&self.env, cp.arg(fixtures().join("tools.yaml")).arg("."));
        self.lab.ok(&self.env, &mut self.build("tools.yaml", "tools"));
    }

    /// Runs a recipe's pipelines, and then each one's failing case.
    pub fn run(&self, recipe: &str) {
        let said = self.lab.ok(&self.env, &mut self.build(&format!("{recipe}.yaml"), recipe));
        let rows: Vec<_> = ROWS.iter().filter(|row| row.recipe == recipe).collect();
        assert!(!rows.is_empty());
        for row in &rows {
            let step = format!(" › {}\n", row.pipeline);
            let nested = format!("{} › ", row.pipeline);
            assert!(said.contains(&step) || said.contains(&nested), "{}: {said}", row.pipeline);
        }
        let text = fs_err::read_to_string(fixtures().join(format!("{recipe}.yaml"))).unwrap();
        let head = text.split("\npipeline:\n").next().unwrap();
        let mut wrong = String::new();
        for row in rows {
            let steps = row.steps.replace('\n', "\n  ");
            self.env.write("failing.yaml", format!("{head}\npipeline:\n  {steps}\n"));
            let output = self.build("failing.yaml", recipe).output().unwrap();
            let said = self.env.text(&output);
            if output.status.code() != Some(1) || !said.contains(row.says) {
                wrong.push_str(&format!("{}: not `{}` but\n{said}\n", row.pipeline, row.says));
            }
        }
        assert!(wrong.is_empty(), "{wrong}");
    }

    /// The paths of a package's files, with what stands in them in the data segment.
    pub fn list(&self, package: &str) -> Vec<String> {
        let file = format!("packages/x86_64/{package}-1.0-r0.apk");
        let text = self.lab.ok(&self.env, self.env.command("tar").args(["-tzf", &file]));
        let lines = text.lines().skip_while(|line| *line != "--- stdout").skip(1);
        let lines = lines.take_while(|line| *line != "--- stderr");
        let mut paths: Vec<String> = lines.map(str::to_owned).collect();
        paths.retain(|path| !path.starts_with('.') && !path.starts_with("var"));
        paths
    }

    /// The content of a package's file.
    pub fn content(&self, package: &str, path: &str) -> String {
        super::content(&self.env, &format!("{package}-1.0-r0"), path)
    }
}

fn widget_repository(env: &TestEnv) -> String {
    let files = files(&fixtures().join("widget-git"));
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, content)| (path.as_str(), std::str::from_utf8(content).unwrap()))
        .collect();
    serve::repository(env, "widget", &files, "v1.0").1
}

/// A registry of three packages: what npm asks for is a file each.
fn npm_registry(lab: &Lab, env: &TestEnv, mirror: &str) {
    let mut documents = std::collections::BTreeMap::<&str, serde_json::Value>::new();
    for (name, directory, version) in [
        ("polyglot", "polyglot", "1.0.0"),
        ("dependency", "dependency-1", "1.0.0"),
        ("dependency", "dependency-2", "2.0.0"),
    ] {
        let file = format!("www/tarballs/{directory}.tgz");
        fs_err::create_dir_all(env.work().join("www/tarballs")).unwrap();
        let mut tar = env.command("tar");
        tar.arg("-czf").arg(&file).arg("--transform").arg(format!("s,^{directory},package,"));
        lab.ok(env, tar.arg("-C").arg(fixtures().join("npm")).arg(directory));
        let digest = melange2::digest::Sha1::of(&fs_err::read(env.work().join(&file)).unwrap());
        let manifest = fixtures().join("npm").join(directory).join("package.json");
        let mut manifest: serde_json::Value =
            serde_json::from_slice(&fs_err::read(manifest).unwrap()).unwrap();
        manifest["dist"] = serde_json::json!({
            "tarball": format!("{mirror}/tarballs/{directory}.tgz"), "shasum": digest.to_string(),
        });
        let document = documents.entry(name).or_insert_with(
            || serde_json::json!({"name": name, "dist-tags": {"latest": version}, "versions": {}}),
        );
        document["versions"][version] = manifest;
    }
    for (name, document) in documents {
        env.write(format!("www/npm/{name}"), document.to_string());
    }
}

#[test]
fn programs_in_c_are_built_three_ways_and_split_nine_ways() {
    let Some(bench) = Bench::new("widget") else { return };
    bench.run("widget");
    let mut text = String::new();
    for part in ["", "-bin", "-dbg", "-dev", "-doc", "-info", "-lang", "-libs", "-man", "-static"] {
        let name = format!("widget{part}");
        text.push_str(&format!("{name}\n"));
        for path in bench.list(&name).iter().filter(|path| !path.ends_with('/')) {
            text.push_str(&format!("  {path}\n"));
        }
    }
    insta::assert_snapshot!(text);
    assert!(bench.content("widget-man", "usr/share/man/man1/widget.1").ends_with("Patched.\n"));
    let root = bench.lab.apko_install(&bench.env, &["widget-bin", "widget-libs", "busybox"]);
    let run = |program: &str| {
        let output = Command::new("chroot").arg(&root).arg(program).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert_eq!(run("/usr/bin/widget"), "a fine widget\n");
    assert_eq!(run("/usr/bin/shape-tool"), "round\n");
    assert_eq!(run("/usr/bin/gadget"), "42\n");
}

#[test]
fn programs_in_go_are_built_three_ways() {
    let Some(bench) = Bench::new("gopher") else { return };
    bench.tools();
    bench.run("gopher");
    insta::assert_snapshot!(bench.list("gopher").join("\n"));
    let arguments = bench.content("gopher", "usr/share/gopher/gobump.args");
    insta::assert_snapshot!(arguments);
    let arguments = bench.content("gopher", "usr/share/gopher/covdata.args");
    assert_eq!(arguments, "tool\ncovdata\nfunc\n-i\nit's here\n");
    let root = bench.lab.apko_install(&bench.env, &["gopher", "busybox"]);
    let output = Command::new("chroot").arg(&root).arg("/usr/bin/one").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "one 1.0\n");
}

#[test]
fn packages_of_scripting_languages_are_built_and_tried() {
    let Some(bench) = Bench::new("polyglot") else { return };
    bench.run("polyglot");
    insta::assert_snapshot!(bench.list("polyglot").join("\n"));
    // The interpreter's own name, as it is where the package is installed.
    for (program, first) in [
        ("usr/local/bin/polyglot-wheel", "#!/usr/bin/python3.11\n"),
        ("usr/bin/polyglot-perl", "#!/usr/bin/perl\n"),
    ] {
        let text = bench.content("polyglot", program);
        assert!(text.starts_with(first), "{program}: {text}");
    }
    let version = bench
        .content("polyglot", "usr/lib/node_modules/polyglot/node_modules/dependency/package.json");
    assert!(version.contains("\"2.0.0\""), "the override: {version}");
    let gem = "var/lib/gems/3.1.0/gems/polyglot-1.0/lib/polyglot.rb";
    assert!(bench.content("polyglot", gem).contains("NAME = \"ruby\""));
}

#[test]
fn a_crate_is_built_auditably_and_coverage_is_reported() {
    let Some(bench) = Bench::new("crab") else { return };
    bench.tools();
    bench.run("crab");
    insta::assert_snapshot!(bench.list("crab").join("\n"), @r"
    usr
    usr/bin
    usr/bin/crab
    usr/libexec
    usr/libexec/crab
    usr/libexec/crab/crab
    ");
}

#[test]
fn a_package_of_r_is_built() {
    let Some(bench) = Bench::new("carver") else { return };
    bench.run("carver");
    let list = bench.list("carver");
    assert!(list.iter().any(|path| path == "usr/lib/R/library/carver/R/carver"), "{list:?}");
}

#[test]
fn mavens_mirror_and_reports_are_set_up() {
    let Some(bench) = Bench::new("moka") else { return };
    bench.tools();
    bench.run("moka");
    let settings = bench.content("moka", "usr/share/moka/settings.xml");
    assert!(settings.contains("<mirrorOf>central</mirrorOf>"), "{settings}");
    insta::assert_snapshot!(bench.content("moka", "usr/share/moka/its pom.xml"), @r"
    <project>
      <version>1.0</version>
    </project>
    <!-- its pom.xml -->
    <!-- --dependencies -->
    <!-- org.example@widget@1.2.3 -->
    <!-- --properties -->
    <!-- a.version@2.0 -->
    ");
    insta::assert_snapshot!(bench.content("moka", "usr/share/moka/xcover.args"), @r"
    run
    --path
    /usr/bin/its program
    --exclude=^main$
    --include=
    --scope=project
    --log-level=info
    --verbose=false
    --status
    --detach
    wait
    --timeout
    5s
    wait
    --timeout
    5s
    status
    stop
    ");
}

#[test]
fn the_table_has_a_row_for_each_pipeline_and_is_what_the_document_shows() {
    let names: Vec<String> =
        melange2::plan::builtin_pipelines().into_iter().map(|(name, _)| name.clone()).collect();
    let rows: Vec<&str> = ROWS.iter().map(|row| row.pipeline).collect();
    let mut sorted = names.clone();
    sorted.sort();
    assert_eq!(rows, sorted);
    let really = ROWS.iter().filter(|row| row.stand_in.is_none()).count();
    assert!(really >= 40, "{really}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/pipelines.md");
    let document = document(really);
    if std::env::var("INSTA_UPDATE").is_ok_and(|value| value == "always") {
        fs_err::write(&path, &document).unwrap();
    }
    let written = fs_err::read_to_string(&path).unwrap_or_default();
    assert_eq!(written, document, "INSTA_UPDATE=always writes docs/pipelines.md");
}

fn document(really: usize) -> String {
    let mut text = format!(
        "# The built-in pipelines, and how each was tried\n\n\
         Made by the tests (`tests/live/pipelines/`): do not edit. Each row's pipeline runs in a real \
         build step of BuildKit, in an environment of the demo distribution, by a recipe of \
         `tests/fixtures/pipelines`: {really} with the real programs, {} with stand-ins, which take the \
         same words and write them down. Then the case in the last column is tried, and must fail with \
         a message that says why. In a plain shell, every input of all 51 that is a value is also given \
         quotes, `$(…)`, wildcards and ends of lines, and must stay where it stands \
         (`tests/pipelines/hostile.rs`).\n\n\
         | pipeline | recipe | run in a real build step | the failing case that was tried |\n\
         |---|---|---|---|\n",
        ROWS.len() - really
    );
    for row in &ROWS {
        let mut run = row.run.to_owned();
        if let Some(reason) = row.stand_in {
            run = format!("with a stand-in ({reason}): {run}");
        }
        let Row { pipeline, recipe, failing, .. } = row;
        text.push_str(&format!("| {pipeline} | {recipe} | {run} | {failing} |\n"));
    }
    text
}

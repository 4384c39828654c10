//! The commands as they are typed, where no daemon is needed: what they print, which exit codes
//! they end with, what a terminal gets.

use std::path::{Path, PathBuf};
use std::process::Command;

use insta::assert_snapshot;
use melange2::arch::Arch;

use crate::image_fixture::{Recipe, Repository};
use crate::support::{TestEnv, parts};

/// A repository of small packages for one architecture, and a recipe that asks for all of them.
pub struct Small {
    pub env: TestEnv,
    pub repository: Repository,
}

const PACKAGES: [&str; 6] = ["base", "busybox", "one", "two", "three", "four"];

impl Small {
    pub fn new(arch: Arch) -> Self {
        let env = TestEnv::new();
        let recipes = PACKAGES.map(|name| {
            Recipe::new(name)
                .says(|info| info.arch = arch.apk().to_owned())
                .directories(0o755, &["usr", "usr/share"])
                .file(0o644, &format!("usr/share/{name}"), name)
        });
        let repository = Repository::write(&env.work(), recipes.into());
        let made = repository.dir.join("x86_64");
        let wanted = repository.dir.join(arch.apk());
        if made != wanted {
            fs_err::rename(made, wanted).unwrap();
        }
        let list: String = PACKAGES.iter().map(|name| format!("      - {name}\n")).collect();
        env.write(
            "small.yaml",
            format!(
                "package:\n  name: small\n  version: 1.0.0\n  epoch: 0\n  copyright:\n    - \
                 license: MIT\nenvironment:\n  contents:\n    packages:\n{list}pipeline:\n  - name: \
                 tell\n    runs: echo ${{{{build.arch}}}}\n  - name: again\n    runs: 'true'\n"
            ),
        );
        Self { env, repository }
    }

    /// A command that takes its packages from the repository.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.env.command(env!("CARGO_BIN_EXE_melange2"));
        command.args(args).args(["-r", "repo", "-k", "fixture.rsa.pub"]);
        command
    }

    /// Exit code, stdout and stderr as a text.
    pub fn said(&self, args: &[&str]) -> String {
        self.env.text(&self.command(args).output().unwrap())
    }
}

#[test]
fn this_machines_architecture_is_the_default_and_others_are_rendered() {
    let host = Small::new(Arch::host()).said(&["render", "small.yaml"]);
    let title = format!("# small 1.0.0-r0 for {}", Arch::host().apk());
    assert!(host.starts_with("exit: 0\n") && host.contains(&title), "{host}");
    for (other, platform) in [(Arch::Aarch64, "linux/arm64"), (Arch::Riscv64, "linux/riscv64")] {
        let small = Small::new(other);
        let said = small.said(&["render", "small.yaml", "--arch", other.apk(), "-o", "spec"]);
        assert!(said.starts_with("exit: 0\n"), "{said}");
        let read = |name: &str| fs_err::read_to_string(small.env.work().join(name)).unwrap();
        assert!(read("spec/Dockerfile").contains(&format!("\necho {}\n", other.apk())));
        assert!(read("spec/build.sh").contains(&format!("platform={platform}")));
    }
    let both = Small::new(Arch::host()).said(&["render", "small.yaml", "--arch", "all"]);
    assert_snapshot!(both, @r"
    exit: 2
    --- stdout
    --- stderr
    error: a spec is for one architecture: name it with `--arch`
    ");
}

#[test]
fn steps_are_named_stages_with_the_recipes_lines() {
    let said = Small::new(Arch::host()).said(&["render", "small.yaml"]);
    let of_steps = said.lines().filter(|line| {
        line.starts_with("# small.yaml:") || line.starts_with("FROM") || line.starts_with("USER")
    });
    assert_snapshot!(of_steps.collect::<Vec<_>>().join("\n"), @r"
    FROM env AS workspace
    USER 0:0
    USER 1000:1000
    # small.yaml:18
    FROM workspace AS step-01
    # small.yaml:20
    FROM step-01 AS step-02
    FROM scratch AS out
    ");
}

/// The layers of the image that a rendered directory builds in.
fn layers(small: &Small, directory: &str, budget: &str) -> usize {
    let said = small.said(&["render", "small.yaml", "-o", directory, "--max-layers", budget]);
    assert!(said.starts_with("exit: 0\n"), "{said}");
    let files = walkdir::WalkDir::new(small.env.work().join(directory)).into_iter();
    let layers = files
        .map(Result::unwrap)
        .filter(|file| file.file_type().is_file() && file.path().ends_with_blob())
        .filter_map(|file| {
            let text = fs_err::read(file.path()).ok()?;
            let json: serde_json::Value = serde_json::from_slice(&text).ok()?;
            Some(json.get("layers")?.as_array()?.len())
        });
    let layers: Vec<usize> = layers.collect();
    assert_eq!(layers.len(), 1, "one manifest");
    layers[0]
}

trait Blob {
    fn ends_with_blob(&self) -> bool;
}

impl Blob for Path {
    /// Whether it is a blob of an OCI layout.
    fn ends_with_blob(&self) -> bool {
        self.parent().is_some_and(|parent| parent.ends_with("blobs/sha256"))
    }
}

#[test]
fn the_layer_budget_is_kept() {
    let small = Small::new(Arch::host());
    // Each package is a layer as it stands; the last one is what apko does after unpacking.
    assert_eq!(layers(&small, "many", "50"), PACKAGES.len() + 1);
    assert_eq!(layers(&small, "few", "3"), 3);
}

#[test]
fn exit_codes_tell_usage_and_configuration_from_repositories_and_networks() {
    let small = Small::new(Arch::host());
    small.env.write("broken.yaml", "package: {name: x, version: 1\n");
    small.env.write("unknown.yaml", "package: {name: x, version: 1}\nenvironment: {contents: {packages: [nowhere]}}\npipeline: [{runs: 'true'}]\n");
    small.env.write("other.rsa.pub", {
        let other = small.env.run(&["keygen", "--key-size", "2048", "unrelated.rsa"]);
        assert!(other.starts_with("exit: 0"), "{other}");
        fs_err::read(small.env.work().join("unrelated.rsa.pub")).unwrap()
    });
    let cases: [(&str, &[&str]); 17] = [
        ("2", &["no-such-command"]),
        ("2", &["render", "--no-such-flag"]),
        ("2", &["render", "missing.yaml", "-r", "repo", "-k", "fixture.rsa.pub"]),
        ("2", &["render", "broken.yaml", "-r", "repo", "-k", "fixture.rsa.pub"]),
        ("2", &["render", "small.yaml"]),
        ("2", &["render", "small.yaml", "-r", "ftp://localhost/"]),
        ("2", &["build", "small.yaml", "--signing-key", "missing.rsa"]),
        (
            "2",
            &["render", "small.yaml", "-r", "repo", "-k", "fixture.rsa.pub", "--ca-file", "nope"],
        ),
        ("2", &["build", "small.yaml", "-r", "repo", "--ca-file", "nope"]),
        ("2", &["solve", "base", "-r", "repo", "--ca-file", "nope"]),
        ("2", &["update-cache", "small.yaml", "--ca-file", "nope"]),
        ("2", &["bump", "small.yaml", "2.0.0", "--ca-file", "nope"]),
        ("2", &["daemon", "start", "--daemon-linger", "soon"]),
        ("2", &["daemon", "stop", "--addr", "unix:///somewhere"]),
        ("4", &["render", "unknown.yaml", "-r", "repo", "-k", "fixture.rsa.pub"]),
        ("4", &["render", "small.yaml", "-r", "http://127.0.0.1:1/"]),
        ("4", &["render", "small.yaml", "-r", "repo", "-k", "other.rsa.pub"]),
    ];
    for (code, args) in cases {
        let said = small.env.run(args);
        assert!(said.starts_with(&format!("exit: {code}\n")), "{args:?}: {said}");
        assert!(said.contains("error: "), "{args:?}: {said}");
        let about = "error: `--ca-file nope`: there is no such file";
        assert!(!args.contains(&"nope") || said.contains(about), "{args:?}: {said}");
    }
}

#[test]
fn solve_prints_what_is_installed_in_order() {
    let env = TestEnv::new();
    let app = Recipe::new("app").says(|info| info.depends = vec!["lib".into(), "so:x.so.1".into()]);
    let lib = Recipe::new("lib").says(|info| info.depends = vec!["so:x.so.1".into()]);
    let x = Recipe::new("x").says(|info| info.provides = vec!["so:x.so.1=1".into()]);
    let made = Repository::write(&env.work(), vec![app, lib, x]);
    assert!(made.dir.ends_with("repo"));
    let solve = ["solve", "app", "-r", "repo", "--arch", "x86_64", "-k", "fixture.rsa.pub"];
    assert_snapshot!(env.run(&solve), @r"
    exit: 0
    --- stdout
    x=1.0-r0
    lib=1.0-r0
    app=1.0-r0
    --- stderr
    ");
    let json = env.run(&[solve.as_slice(), &["--format", "json"]].concat());
    let json = json.split_once("--- stdout\n").unwrap().1.split_once("--- stderr").unwrap().0;
    let json: serde_json::Value = serde_json::from_str(json).unwrap();
    let names: Vec<_> = json.as_array().unwrap().iter().map(|it| it["name"].as_str()).collect();
    assert_eq!(names, [Some("x"), Some("lib"), Some("app")]);
    assert_eq!(json[0]["version"], "1.0-r0");
    // Without the key nothing is believed, unless one says so.
    let unsigned = ["solve", "app", "-r", "repo", "--arch", "x86_64"];
    assert!(env.run(&unsigned).starts_with("exit: 4\n"));
    let ignoring = env.run(&[unsigned.as_slice(), &["--ignore-signatures"]].concat());
    assert_eq!(ignoring, env.run(&solve));
    // A tagged repository is used where the tag is asked for.
    let tagged = ["solve", "app", "-r", "@edge repo", "--arch", "x86_64", "-k", "fixture.rsa.pub"];
    assert!(env.run(&tagged).starts_with("exit: 4\n"));
    let asked = tagged.map(|word| if word == "app" { "app@edge" } else { word });
    assert_eq!(env.run(&asked), env.run(&solve));
}

#[test]
fn a_completion_script_names_every_command() {
    let env = TestEnv::new();
    let commands = "build render solve index keygen sign sign-index daemon version completion";
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = env.run(&["completion", shell]);
        assert!(script.starts_with("exit: 0\n"), "{script}");
        for command in commands.split(' ') {
            assert!(script.contains(command), "{shell}: {command}");
        }
    }
    let script = env.run(&["completion", "bash"]);
    let script = script.split_once("--- stdout\n").unwrap().1.split_once("--- stderr").unwrap().0;
    let path = env.write("completion.bash", script);
    let ask = format!(
        ". {}; COMP_WORDS=(melange2 sign-); COMP_CWORD=1; _melange2 melange2 sign- melange2; \
         echo ${{COMPREPLY[@]}}",
        path.display()
    );
    let output = env.command("bash").args(["-c", &ask]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "sign-index\n", "{}", env.text(&output));
}

#[test]
fn the_version_is_data_too() {
    let text = TestEnv::new().run(&["version", "--json"]);
    let text = text.replace(env!("CARGO_PKG_VERSION"), "VERSION");
    assert_snapshot!(text, @r#"
    exit: 0
    --- stdout
    {"name":"melange2","version":"VERSION"}
    --- stderr
    "#);
}

/// What `melange2` writes to a terminal, and its exit code.
fn on_a_terminal(env: &TestEnv, args: &str, variable: Option<(&str, &str)>) -> String {
    let mut command = env.command("script");
    command
        .args(["-qefc", &format!("{} {args}", env!("CARGO_BIN_EXE_melange2")), "/dev/null"])
        .env("TERM", "xterm")
        .stdin(std::process::Stdio::null());
    command.envs(variable);
    env.text(&command.output().unwrap())
}

#[test]
fn colours_are_for_terminals_without_no_color() {
    if which::which("script").is_err() {
        parts::without("there is no `script` on PATH");
        return;
    }
    let env = TestEnv::new();
    let args = "render missing.yaml";
    let colour = "\u{1b}[31;1merror:\u{1b}[0m";
    let said = on_a_terminal(&env, args, None);
    assert!(said.starts_with("exit: 2\n") && said.contains(colour), "{said}");
    for variable in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let said = on_a_terminal(&env, args, Some(variable));
        assert!(said.contains("error:") && !said.contains('\u{1b}'), "{said}");
    }
    assert!(!env.run(&["render", "missing.yaml"]).contains('\u{1b}'));
}

#[test]
fn progress_is_redrawn_without_colours_where_none_are_wanted() {
    if which::which("script").is_err() {
        parts::without("there is no `script` on PATH");
        return;
    }
    let small = Small::new(Arch::host());
    // Sequences that set colours end with `m`, all others move the cursor or clear lines.
    let sequences = |text: &str| -> (usize, usize) {
        let ends = text.split("\u{1b}[").skip(1);
        let ends = ends.filter_map(|rest| rest.chars().find(char::is_ascii_alphabetic));
        let (colours, moves): (Vec<char>, Vec<char>) = ends.partition(|end| *end == 'm');
        (colours.len(), moves.len())
    };
    for (number, (variable, coloured, redrawn)) in [
        (None, true, true),
        (Some(("NO_COLOR", "1")), false, true),
        (Some(("NO_COLOR", "")), true, true),
        (Some(("TERM", "dumb")), false, false),
    ]
    .into_iter()
    .enumerate()
    {
        let args = format!("render small.yaml -r repo -k fixture.rsa.pub -o spec-{number}");
        let said = on_a_terminal(&small.env, &args, variable);
        assert!(said.starts_with("exit: 0\n"), "{said}");
        let (colours, moves) = sequences(&said);
        assert_eq!((colours > 0, moves > 0), (coloured, redrawn), "{variable:?}: {said:?}");
    }
}

#[test]
fn quiet_commands_say_errors_only() {
    let small = Small::new(Arch::host());
    let loud = small.said(&["render", "small.yaml", "-o", "loud"]);
    assert!(loud.contains("assembling the environment"), "{loud}");
    let quiet = small.said(&["-q", "render", "small.yaml", "-o", "quiet"]);
    assert_snapshot!(quiet, @r"
    exit: 0
    --- stdout
    --- stderr
    ");
    let failing = small.said(&["-q", "render", "missing.yaml"]);
    assert!(failing.contains("error: "), "{failing}");
    let detailed = small.said(&["-v", "render", "small.yaml", "-o", "detailed"]);
    assert!(detailed.contains("solving (time)") && !loud.contains("(time)"), "{detailed}");
}

#[test]
fn signing_keys_are_found_and_named() {
    let small = Small::new(Arch::host());
    let key: PathBuf = small.env.work().join("melange.rsa");
    let made = small.env.run(&["keygen", "--key-size", "2048"]);
    assert!(made.starts_with("exit: 0") && key.exists(), "{made}");
    // The build ends where the daemon is looked for; the key was found before.
    let said = small.said(&["build", "small.yaml", "--addr", "unix:///nowhere/at.sock"]);
    assert!(said.starts_with("exit: 3\n") && said.contains("signing with ./melange.rsa"), "{said}");
}

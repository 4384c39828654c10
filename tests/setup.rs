//! `scripts/setup` on machines that lack something: a copy of it, with a PATH of stand-ins.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;

use fs_err as fs;
use insta::assert_snapshot;

use crate::support::TestEnv;

/// What the script uses of any machine.
const BASICS: [&str; 17] = [
    "bash",
    "cat",
    "cut",
    "dirname",
    "env",
    "flock",
    "grep",
    "head",
    "mkdir",
    "mv",
    "rm",
    "rmdir",
    "sed",
    "sha256sum",
    "sort",
    "uname",
    "mktemp",
];

/// A machine: a project with nothing but its scripts, and the programs on its PATH.
struct Machine {
    env: TestEnv,
    programs: PathBuf,
}

impl Machine {
    /// One that has all that `scripts/setup` looks for, as stand-ins that only tell their version.
    fn complete() -> Self {
        let env = TestEnv::new();
        let source = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts"));
        for file in ["setup", "common.sh"] {
            let copy = env.write(format!("scripts/{file}"), fs::read(source.join(file)).unwrap());
            fs::set_permissions(copy, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        for module in ["buildkit/go.mod", "peers/go.mod"] {
            env.write(format!("scripts/{module}"), "module stand-in\n");
        }
        env.write("Cargo.toml", "rust-version = \"1.95\"\n");
        let programs = env.work().join("programs");
        fs::create_dir(&programs).unwrap();
        for name in BASICS {
            symlink(which::which(name).unwrap(), programs.join(name)).unwrap();
        }
        let machine = Self { env, programs };
        machine.program("cargo", "echo 'cargo 1.95.0 (stand-in)'");
        for name in ["buildctl", "buildkitd"] {
            machine
                .program(name, &format!("echo {name} github.com/moby/buildkit v0.31.0 stand-in"));
        }
        for name in ["cc", "git", "runc", "apt-get"] {
            machine.program(name, "exit 1");
        }
        machine.program("id", "echo 1000");
        machine
    }

    /// Puts a shell script on the PATH.
    fn program(&self, name: &str, script: &str) {
        let path = self.programs.join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Takes a program away.
    fn without(self, name: &str) -> Self {
        fs::remove_file(self.programs.join(name)).unwrap();
        self
    }

    /// Runs the setup.
    fn setup(&self, args: &[&str]) -> String {
        let mut command = self.env.command(self.env.work().join("scripts/setup"));
        let output = command.args(args).env("PATH", &self.programs).output().unwrap();
        self.env.text(&output)
    }
}

#[test]
fn with_nothing_to_do_it_says_nothing() {
    let machine = Machine::complete();
    let first = machine.setup(&[]);
    assert_snapshot!(first, @r"
    exit: 0
    --- stdout
    --- stderr
    ");
    assert_eq!(machine.setup(&[]), first);
}

#[test]
fn missing_and_old_rust_is_named() {
    assert_snapshot!(Machine::complete().without("cargo").setup(&[]), @r"
    exit: 1
    --- stdout
    --- stderr
    error: there is no cargo
      help: install Rust 1.95 or later: https://rustup.rs
    ");
    let old = Machine::complete();
    old.program("cargo", "echo 'cargo 1.63.0'");
    assert_snapshot!(old.setup(&[]), @r"
    exit: 1
    --- stdout
    --- stderr
    error: cargo 1.63.0 is too old
      help: install Rust 1.95 or later: `rustup update`
    ");
}

#[test]
fn only_root_installs_debian_packages() {
    assert_snapshot!(Machine::complete().without("git").setup(&[]), @r"
    exit: 1
    --- stdout
    --- stderr
    setup: installing Debian's git: recipes and tests fetch sources with it
    error: not root, so Debian packages can't be installed
      help: run `sudo apt-get install git`
    ");
    assert_snapshot!(Machine::complete().without("git").without("apt-get").setup(&[]), @r"
    exit: 1
    --- stdout
    --- stderr
    setup: installing Debian's git: recipes and tests fetch sources with it
    error: this is not a Debian machine
      help: install what these packages of Debian hold: git
    ");
}

#[test]
fn root_installs_only_what_is_missing() {
    let machine = Machine::complete().without("git");
    machine.program("id", "echo 0");
    machine.program("apt-get", "echo \"$@\" >> asked");
    assert_snapshot!(machine.setup(&[]), @r"
    exit: 0
    --- stdout
    --- stderr
    setup: installing Debian's git: recipes and tests fetch sources with it
    ");
    let asked = fs::read_to_string(machine.env.work().join("asked")).unwrap();
    // What apt-get says goes to its log, and what this one does is all that was asked of it.
    assert_snapshot!(asked, @r"
    update -q
    install -y -q --no-install-recommends git
    ");
}

#[test]
fn buildkit_is_built_where_missing_or_old_and_that_needs_go() {
    let missing = Machine::complete().without("buildkitd");
    assert_snapshot!(missing.setup(&[]), @r"
    exit: 1
    --- stdout
    --- stderr
    error: there is no Go, which builds buildkit
      help: install Go 1.21 or later: https://go.dev/dl
    ");
    let old = Machine::complete();
    old.program("buildkitd", "echo buildkitd github.com/moby/buildkit v0.30.9 stand-in");
    old.program("go", "echo go1.19.8");
    assert_snapshot!(old.setup(&[]), @r"
    exit: 1
    --- stdout
    --- stderr
    error: go1.19.8 is too old to build buildkit
      help: install Go 1.21 or later
    ");
}

#[test]
fn what_is_built_is_built_once() {
    let machine = Machine::complete().without("buildctl");
    machine.program(
        "go",
        "if [ \"$1\" = env ]; then echo go1.26.3; exit; fi\n\
         mkdir -p \"$GOBIN\"; echo built >> \"$GOBIN/buildctl\"; : > \"$GOBIN/buildkitd\"\n\
         /bin/chmod 755 \"$GOBIN\"/*",
    );
    assert_snapshot!(machine.setup(&[]), @r"
    exit: 0
    --- stdout
    --- stderr
    setup: building buildctl and buildkitd 0.32.2, which run the builds, from the Go module proxy (minutes, the first time)
    ");
    assert_snapshot!(machine.setup(&[]), @r"
    exit: 0
    --- stdout
    --- stderr
    ");
    let built = fs::read_to_string(machine.env.work().join(".tools/bin/buildctl")).unwrap();
    assert_eq!(built, "built\n");
}

#[test]
fn a_program_that_was_lost_is_built_again() {
    let machine = Machine::complete().without("buildctl");
    machine.program(
        "go",
        "if [ \"$1\" = env ]; then echo go1.26.3; exit; fi\n\
         mkdir -p \"$GOBIN\"; echo built > \"$GOBIN/buildctl\"; : > \"$GOBIN/buildkitd\"\n\
         /bin/chmod 755 \"$GOBIN\"/*",
    );
    let first = machine.setup(&[]);
    assert!(first.contains("setup: building buildctl and buildkitd"), "{first}");
    for program in ["buildctl", "buildkitd"] {
        let path = machine.env.work().join(".tools/bin").join(program);
        fs::remove_file(&path).unwrap();
        assert_eq!(machine.setup(&[]), first, "{program}");
        assert!(path.exists());
        let nothing = machine.setup(&[]);
        assert!(!nothing.contains("setup:"), "{nothing}");
    }
}

#[test]
fn an_unknown_argument_is_refused() {
    assert_snapshot!(Machine::complete().setup(&["--peer"]), @r"
    exit: 1
    --- stdout
    --- stderr
    error: unknown argument `--peer`
      help: usage: scripts/setup [--peers] [--checks]
    ");
}

#[test]
fn no_daemon_is_touched() {
    let machine = Machine::complete();
    for name in ["buildctl", "buildkitd"] {
        let text = format!(
            "echo {name} \"$@\" >> asked; echo {name} github.com/moby/buildkit v0.31.0 stand-in"
        );
        machine.program(name, &text);
    }
    for name in ["systemctl", "service", "kill", "pkill", "docker"] {
        machine.program(name, &format!("echo {name} \"$@\" >> asked"));
    }
    machine.setup(&[]);
    // They are asked for their version, and nothing else.
    let asked = fs::read_to_string(machine.env.work().join("asked")).unwrap();
    assert_snapshot!(asked, @r"
    buildctl --version
    buildkitd --version
    ");
}

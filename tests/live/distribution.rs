//! The demo distribution: what it is made of works as a build's environment.

use super::{content, recipe};
use crate::support::lab::Lab;
use crate::support::{TestEnv, parts};

/// What it has to hold: the package to ask for, and how its program tells that it works.
const CONTENT: [(&str, &str); 38] = [
    ("busybox", "[ \"$(readlink -f /bin/sh)\" = /usr/bin/busybox ]"),
    ("coreutils", "/usr/bin/stat --version"),
    ("findutils", "find --version"),
    ("gcc", "gcc --version"),
    ("g++", "g++ --version"),
    ("make", "make --version"),
    ("binutils", "ld --version"),
    ("glibc-dev", "[ -f /usr/include/stdio.h ]"),
    ("build-base", "echo 'int main(void){return 0;}' > a.c; cc a.c; ./a.out"),
    ("clang", "echo 'int main(void){return 0;}' > b.c; clang b.c -o b.out; ./b.out"),
    ("git", "git --version"),
    ("wget", "wget --version"),
    ("curl", "curl --version"),
    (
        "ca-certificates",
        "grep -q BEGIN /etc/ssl/certs/ca-certificates.crt || [ -d /usr/share/ca-certificates ]",
    ),
    ("tar", "tar --version"),
    ("xz", "xz --version"),
    ("patch", "patch --version"),
    ("scanelf", "scanelf --version"),
    ("pkg-config", "pkg-config --version"),
    ("autoconf", "autoconf --version"),
    ("automake", "automake --version"),
    ("libtool", "libtoolize --version"),
    ("cmake", "cmake --version"),
    ("ninja", "ninja --version"),
    ("meson", "meson --version"),
    ("perl", "perl -e 'use POSIX; print floor(1.5)'"),
    ("python-3", "python3 -c 'import ssl, json'"),
    ("py3-pip", "python3 -m pip --version"),
    ("py3-build", "python3 -m build --version"),
    ("py3-installer", "python3 -m installer --help"),
    ("go", "go version"),
    ("rust", "rustc --version"),
    ("cargo", "cargo --version"),
    ("nodejs", "node --version"),
    ("npm", "npm --version"),
    ("jq", "echo '{\"a\":1}' | jq -e .a"),
    ("ccache", "ccache --version"),
    ("wolfi-base", "id root && grep -q ^root: /etc/group && [ -e /etc/passwd ]"),
];

#[test]
fn everything_it_promises_runs_in_a_step() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    let packages: String = CONTENT.iter().map(|(name, _)| format!("\n      - {name}")).collect();
    // Paths are usr-merged, and the base package has the links.
    let mut script = "for d in bin sbin lib lib64; do [ -L /$d ]; done\n\
                      mkdir -p ${{targets.destdir}}/usr\ncd /tmp\n"
        .to_owned();
    for (name, check) in CONTENT {
        script.push_str(&format!(
            "( {check} ) > log 2>&1 || {{ echo '{name}:'; cat log; echo {name} >> failed; }}\n"
        ));
    }
    script.push_str("touch failed; cp failed ${{targets.destdir}}/usr/failed\n");
    let text = recipe("all", &[("run", &script)]).replace("\n      - busybox", &packages);
    env.write("all.yaml", text);
    let said = lab.ok(&env, lab.build(&env, "all.yaml").arg("-v"));
    assert_eq!(content(&env, "all-1.0.0-r0", "usr/failed"), "", "{said}");
}

#[test]
fn it_provides_what_its_files_hold() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    let mut solve = lab.melange2(&env);
    solve.args(["solve", "cmd:gcc", "cmd:sh", "so:libc.so.6", "pc:zlib", "--arch", "x86_64"]);
    lab.repository_flags(&mut solve);
    let text = lab.ok(&env, &mut solve);
    for name in ["gcc=", "busybox=", "libc6=", "zlib1g-dev="] {
        assert!(text.lines().any(|line| line.starts_with(name)), "{name}: {text}");
    }
    let packages = fs_err::read_dir(lab.repository.join("x86_64")).unwrap();
    let count = packages.filter(|entry| {
        entry.as_ref().unwrap().path().extension().is_some_and(|extension| extension == "apk")
    });
    assert!((150..400).contains(&count.count()), "about 200 packages");
}

/// Needs the program that made it, which is built with the feature `dev-tools`.
#[test]
fn making_it_again_does_nothing() {
    let Some(lab) = Lab::find() else { return };
    let directory = lab.repository.parent().unwrap();
    let Some(program) = option_env!("CARGO_BIN_EXE_demo-distro") else {
        return parts::without("`demo-distro` is not built: there is no feature `dev-tools`");
    };
    if !directory.join("stamp").exists() {
        return parts::without("the distribution has no stamp of its making");
    }
    let index = lab.repository.join("x86_64/APKINDEX.tar.gz");
    let before = fs_err::metadata(&index).unwrap().modified().unwrap();
    let env = TestEnv::new();
    let mut command = env.command(program);
    // Without apt, dpkg or anything else: nothing can be fetched or made.
    command.arg("build").arg(directory).env("PATH", "");
    let text = lab.ok(&env, &mut command);
    assert!(text.contains("up to date"), "{text}");
    assert_eq!(fs_err::metadata(&index).unwrap().modified().unwrap(), before);
}

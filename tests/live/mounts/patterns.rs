//! Scripts that take the workspace as data: the package is the same with mounts as without.

use super::{TARGETS, build, recipe};
use crate::live::content;
use crate::support::TestEnv;
use crate::support::lab::{Lab, nonce};

/// The patterns of real recipes, and what is packaged. `$out` is the package's directory. No script
/// takes the workspace in two ways: that it is spared is due to the one.
const PATTERNS: [(&str, &str); 6] = [
    // Go programs that are built where they were checked out.
    (
        "go",
        "go build -trimpath -o /tmp/program ./... && go vet ./... && go list ./... > /tmp/list\n\
         mv /tmp/program /tmp/list $out",
    ),
    // xmlsec
    ("git", "git clean -fdx .\nmkdir -p $out"),
    // openssl
    ("cp", "cp -r . /tmp/copy\nmv /tmp/copy $out"),
    // php-8.x-protobuf
    (
        "sed",
        "find . -type f -name '*.go' | xargs sed -i s/quote/QUOTE/\nfind . | sort > /tmp/list\n\
             cp main.go $out\nmv /tmp/list $out",
    ),
    // llvm
    ("tar", "mkdir /tmp/copy\ntar cf - . | tar xC /tmp/copy\nmv /tmp/copy $out"),
    // ts-patch
    ("all", "mkdir /tmp/copy\ncp -r * /tmp/copy\nmv /tmp/copy $out"),
];

#[test]
fn packages_are_the_same_with_mounts_and_without() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/mounts");
    let marker = nonce();
    for (name, script) in PATTERNS {
        let package = format!("takes-{name}");
        // A checkout with directories, empty ones too, where mounts and their parents would be.
        for file in ["go.mod", "go.sum", "main.go"] {
            let bytes = fs_err::read(root.join("go-quote").join(file)).unwrap();
            env.write(format!("{package}/{file}"), bytes);
        }
        env.write(format!("{package}/.cargo/config.toml"), "[net]\n");
        for directory in ["go/pkg", "docs/empty"] {
            fs_err::create_dir_all(env.work().join(&package).join(directory)).unwrap();
        }
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        fs_err::set_permissions(env.work().join(&package).join(".cargo"), private).unwrap();
        // What git writes down of the files' times differs from run to run.
        let keep = matches!(name, "go" | "git");
        let commit = format!(
            "export GIT_AUTHOR_DATE='1000000000 +0000' GIT_COMMITTER_DATE='1000000000 +0000'\n\
             git init -q . && git add go.mod main.go\n\
             git -c user.name=a -c user.email=a@b commit -qm a\n{}",
            if keep { "" } else { "rm -rf .git" }
        );
        // A step with mounts before: it leaves something in each that the patterns would change.
        let fill = format!(
            "for d in $(echo {}); do [ ! -d $d ] || echo \"quote $d\" > $d/{marker}-{name}.go; done",
            TARGETS.join(" ")
        );
        let script = format!("out=${{{{targets.destdir}}}}/out\nmkdir -p $out\n{script}");
        // What is in the workspace afterwards.
        let list = match name {
            // Without mounts, Go's own directories.
            "go" => "true",
            _ => "ls -A > /tmp/list\nmv /tmp/list ${{targets.destdir}}/out/left",
        };
        let steps = [("commit", &*commit), ("fill", &fill), ("pattern", &script), ("list", list)];
        let text = recipe(&package, &steps);
        env.write(format!("{package}.yaml"), text);
        let mut packages = Vec::new();
        for which in ["auto", "none"] {
            let file = format!("{package}.yaml");
            let mut command = build(lab, &env, &file, &[("GOFLAGS", "-mod=mod")]);
            lab.ok(&env, command.args(["--cache-mounts", which]));
            let apk = format!("packages/x86_64/{package}-1.0.0-r0.apk");
            let mut list = env.command("tar");
            let list = lab.ok(&env, list.args(["-tvzf", &apk]));
            assert!(!list.contains(&marker), "{which}: {list}");
            packages.push((list, fs_err::read(env.work().join(apk)).unwrap()));
        }
        let [(list, bytes), (other_list, other_bytes)] = packages.as_slice() else { panic!() };
        assert_eq!(list, other_list, "{name}");
        assert!(bytes == other_bytes, "{name}: the files' bytes differ");
    }
    // The caches are as they were.
    let look = format!(
        "mkdir -p ${{{{targets.destdir}}}}\nfor d in $(echo {}); do cd /home/build/$d; \
         for file in {marker}-*; do echo $file: $(cat $file); done; done > \
         ${{{{targets.destdir}}}}/list",
        TARGETS.join(" ")
    );
    env.write("look.yaml", recipe("look", &[("look", &look)]));
    lab.ok(&env, &mut build(lab, &env, "look.yaml", &[]));
    let mut names: Vec<&str> = PATTERNS.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    let files = |target: &&str| -> String {
        names.iter().map(|name| format!("{marker}-{name}.go: quote {target}\n")).collect()
    };
    let expected: String = TARGETS.iter().map(files).collect();
    assert_eq!(content(&env, "look-1.0.0-r0", "list"), expected);
}

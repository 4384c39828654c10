//! Cache mounts: who owns them, what they leave behind, which steps are spared.

use std::os::unix::fs::PermissionsExt as _;

use crate::support::parts;
use melange2::cache::{CacheMount, Sharing};
use melange2::dockerfile::{CacheChoice, Options};

use super::daemon::{Built, daemon};
use crate::dockerfile_plan::{options, package, plan, step, uses};

const OUT: &str = "/home/build/melange-out/hello";
const ALL: [&str; 6] = ["go", "pip", "cargo", "npm", "ccache", "apk"];

/// Writes into each mount and beside it; then what it found is listed.
fn visit(nonce: &str) -> String {
    format!(
        "dirs='go/pkg/mod .cache/go-build .cache/pip .npm .cargo/registry .cargo/git .ccache'
         for d in $dirs; do
           stat -c '%u:%g %a %n' /home/build/$d
           cat /home/build/$d/visitor || :
           echo {nonce} > /home/build/$d/visitor
           parent=$(dirname /home/build/$d)
           stat -c '%u:%g %n' $parent
           mkdir -p $parent/beside
         done > {OUT}/list 2>&1
         echo {nonce} > /var/cache/melange/visitor
         stat -c '%u:%g %a' /var/cache/apk > {OUT}/apk
         cat /var/cache/apk/visitor >> {OUT}/apk || :
         echo {nonce} > /var/cache/apk/visitor; apk || :
         touch /home/build/go/bin\n"
    )
}

#[test]
fn the_user_owns_mounts_and_what_is_around_them() {
    let Some(daemon) = daemon() else { return };
    let mut lists = Vec::new();
    for run_as in [None, Some("root"), Some("70:71")] {
        let mut plan = plan();
        plan.environment.run_as = run_as.map(str::to_owned);
        plan.steps.push(step(1, "visit", &visit("first")));
        plan.steps.push(step(2, "again", &visit("second")));
        plan.steps.push(step(3, "look", &format!("find /home/build | sort > {OUT}/tree\n")));
        let built = daemon.build(&plan, &ALL, &options());
        let owner = match run_as {
            None => "1000:1000",
            Some("root") => "0:0",
            _ => "70:71",
        };
        let list = built.read("hello/list");
        let owners = list.lines().filter(|line| line.contains("/home/build"));
        assert!(
            owners.clone().count() == 14 && owners.clone().all(|line| line.starts_with(owner)),
            "{list}"
        );
        assert!(list.lines().filter(|line| *line == "first").count() == 7, "{list}");
        assert_eq!(built.read("hello/apk"), format!("{owner} 755\nfirst\n"));
        assert!(!built.read("hello/tree").contains("visitor"));
        lists.push(list);
    }
    // No user sees another's.
    assert_ne!(lists[0], lists[1]);
}

#[test]
fn nothing_of_a_cache_is_in_a_later_step_or_a_package() {
    let Some(daemon) = daemon() else { return };
    // Each takes the workspace in one way alone. A step with mounts is before and after.
    let patterns = [
        "cp -r . /tmp/copy && mv /tmp/copy DEST",
        "find . > /tmp/list && sort /tmp/list > DEST/list",
        "tar -cf /tmp/all . && tar -xf /tmp/all -C DEST",
        "find . -type f -name data | xargs sed -i s/x/y/ && cp -a data DEST/",
        "rm -rf ./* && mkdir -p DEST melange-out/hello-doc",
        "echo .* > DEST/list",
        "cd docs\nlist=$(find .. | sort)\necho \"$list\" > DEST/list",
        "cp -r $TOP /tmp/copy && mv /tmp/copy DEST",
        "md5sum $(basename data) .* > DEST/list 2>&1 || :",
    ];
    let dirs = "go/pkg/mod .cache/go-build .cache/pip .npm .cargo/registry .cargo/git .ccache";
    for pattern in patterns {
        let built = [CacheChoice::Auto, CacheChoice::None].map(|cache_choice| {
            let mut plan = plan();
            plan.packages.push(package("hello-doc"));
            plan.environment.variables.insert("TOP".to_owned(), "/home/build".to_owned());
            // Where parents of mounts would be, a checkout has an empty directory and one that is
            // its owner's alone.
            let checkout =
                "mkdir -p go/pkg .cargo docs; chmod 0700 .cargo; echo x > .cargo/config\n";
            plan.steps.push(uses(1, "git-checkout", checkout));
            let fill = format!(
                "mkdir -p go/src; echo x > data\n\
                 for d in {dirs}; do echo x $d > /home/build/$d/data || :; done\n"
            );
            plan.steps.push(step(1, "fill", &fill));
            let script = pattern.replace("DEST", "/home/build/melange-out/hello/d");
            plan.steps.push(step(2, "pattern", &format!("mkdir -p {OUT}/d\n{script}\n")));
            plan.steps.push(step(3, "list", &format!("ls -A > {OUT}/left\n")));
            let after = format!(
                "mkdir -p .cache/x\n\
                 for d in {dirs}; do cat /home/build/$d/data || :; done > {OUT}-doc/data\n"
            );
            plan.steps.push(step(4, "after", &after));
            let options = Options { cache_choice, ..options() };
            daemon.build(&plan, &ALL, &options)
        });
        let [auto, none] = built;
        let tree = |built: &Built| {
            let mut files: Vec<_> = walkdir::WalkDir::new(built.out.path().join("hello"))
                .into_iter()
                .map(|entry| {
                    let entry = entry.unwrap();
                    let name = entry.path().strip_prefix(built.out.path()).unwrap().to_owned();
                    let is_file = entry.file_type().is_file();
                    let bytes = is_file.then(|| fs_err::read_to_string(entry.path()).unwrap());
                    (name, entry.metadata().unwrap().permissions().mode(), bytes)
                })
                .collect();
            files.sort();
            files
        };
        assert_eq!(tree(&auto), tree(&none), "{pattern}");
        // The caches are intact: what was put in before the pattern is there after it.
        let data: String = dirs.split(' ').map(|directory| format!("x {directory}\n")).collect();
        assert_eq!(auto.read("hello-doc/data"), data, "{pattern}");
    }
}

#[test]
fn a_module_cache_in_a_checkout_is_a_module_of_its_own() {
    let Some(daemon) = daemon() else { return };
    let mut plan = plan();
    let script = format!("cd go/pkg; for file in mod/*; do echo $file; done > {OUT}/inside\n");
    plan.steps.push(step(1, "build", &script));
    plan.steps.push(step(
        2,
        "look",
        &format!("find . -path ./melange-out -prune -o -print > {OUT}/after\n"),
    ));
    let built = daemon.build(&plan, &ALL, &options());
    assert!(built.read("hello/inside").lines().any(|name| name == "mod/go.mod"));
    assert!(!built.read("hello/after").contains("go"), "{}", built.read("hello/after"));
}

/// The reason for that `go.mod`, with a real `go` where there is one.
#[test]
fn go_leaves_a_module_inside_another_alone() {
    let Ok(go) = which::which("go") else {
        return parts::without("there is no go");
    };
    let workspace = tempfile::tempdir().unwrap();
    let dependency = workspace.path().join("go/pkg/mod/example.com/dependency@v1.0.0");
    fs_err::create_dir_all(&dependency).unwrap();
    fs_err::write(dependency.join("lib.go"), "package dependency\n").unwrap();
    fs_err::write(workspace.path().join("go.mod"), "module example.com/hello\n").unwrap();
    fs_err::write(workspace.path().join("main.go"), "package main\nfunc main() {}\n").unwrap();
    let list = || {
        let mut command = std::process::Command::new(&go);
        command.args(["list", "./..."]).current_dir(workspace.path()).env_clear();
        command.env("HOME", workspace.path().join("home")).output().unwrap()
    };
    assert!(!list().status.success(), "go walks into the cache: or the file is not needed");
    fs_err::write(workspace.path().join("go/pkg/mod/go.mod"), "").unwrap();
    assert_eq!(String::from_utf8(list().stdout).unwrap(), "example.com/hello\n");
}

#[test]
fn custom_mounts_are_on_every_step_and_outlive_the_build() {
    let Some(daemon) = daemon() else { return };
    let id = "test-maven";
    let options = Options {
        cache_mounts: vec![CacheMount::custom(id, "/home/build/.m2/repository", Sharing::Locked)],
        ..options()
    };
    for (round, expected) in ["", "1\n"].into_iter().enumerate() {
        let mut plan = plan();
        plan.steps.push(step(
            1,
            "fetch",
            &format!(
                "cd .m2/repository; cat seen > {OUT}/seen || :; echo {} >> seen; touch ../beside",
                round + 1
            ),
        ));
        let built = daemon.build(&plan, &ALL, &options);
        assert_eq!(built.read("hello/seen"), expected);
    }
}

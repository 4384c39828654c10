//! Scripts to which it matters whether a directory around a mount is there.

use super::{build, recipe};
use crate::live::content;
use crate::support::TestEnv;
use crate::support::lab::Lab;

/// Each makes, or asks for, what a mount would have made, and fails or ends elsewhere where it is.
const SCRIPTS: [&str; 9] = [
    "mkdir .cargo && echo '[net]' > .cargo/config.toml",
    "mkdir go",
    "mkdir .cache",
    "git clone -q file:///home/build/upstream go",
    "mv files go",
    "cp wrapper go",
    "ln -s files go",
    "[ ! -d go ]",
    "echo wrapper > go",
];

#[test]
fn commands_end_with_mounts_as_without() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    let set_up = "git init -q upstream; cd upstream; echo 1 > file; git add file\n\
                  git -c user.name=a -c user.email=a@b commit -qm a";
    let again = "rm -rf go .cargo .cache; mkdir -p files; echo 1 > files/file; echo 1 > wrapper";
    let look = "mkdir -p ${{targets.destdir}}\n\
                find go .cargo .cache ! -path '*/.git/*' -exec ls -ld {} + 2>/dev/null | \
                sed 's/ [A-Z].*:[0-9]*//' >> ${{targets.destdir}}/list || :";
    let mut steps = vec![("set-up", set_up), ("again", again)];
    for script in SCRIPTS {
        steps.extend([("script", script), ("look", look), ("again", again)]);
    }
    env.write("parents.yaml", recipe("parents", &steps));
    let lists = ["auto", "none"].map(|which| {
        let mut command = build(lab, &env, "parents.yaml", &[]);
        lab.ok(&env, command.args(["--cache-mounts", which]));
        content(&env, "parents-1.0.0-r0", "list")
    });
    assert_eq!(lists[0], lists[1]);
    assert!(lists[0].lines().count() >= SCRIPTS.len() - 1, "{}", lists[0]);
}

/// Where a checkout has a file of a directory's name, nothing can be mounted below it.
#[test]
fn a_file_in_a_mounts_way_costs_the_mount_and_not_the_build() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    let wrapper = "printf '#!/bin/sh\\necho mine\\n' > go; chmod +x go\n\
                   echo x > .cache; ln -s nowhere .cargo";
    let script = "mkdir -p ${{targets.destdir}}\n./go > ${{targets.destdir}}/go\n\
                  wc -c < .cache > ${{targets.destdir}}/cache";
    env.write("wrapper.yaml", recipe("wrapper", &[("check out", wrapper), ("build", script)]));
    let packages = ["auto", "none"].map(|which| {
        let mut command = build(lab, &env, "wrapper.yaml", &[]);
        let text = lab.ok(&env, command.args(["--cache-mounts", which]));
        let told: Vec<String> = text
            .lines()
            .filter(|line| line.contains("is no directory when step `build` (wrapper.yaml:"))
            .map(|line| line.split('`').nth(1).unwrap().to_owned())
            .collect();
        let expected: &[&str] = match which {
            "auto" => &["/home/build/.cache", "/home/build/.cargo"],
            _ => &[],
        };
        assert_eq!(told, expected, "{text}");
        assert_eq!(text.contains("`--cache-mounts node,ccache,apk`"), which == "auto", "{text}");
        fs_err::read(env.work().join("packages/x86_64/wrapper-1.0.0-r0.apk")).unwrap()
    });
    assert!(packages[0] == packages[1]);
    assert_eq!(content(&env, "wrapper-1.0.0-r0", "go"), "mine\n");
}

//! Whole specs as text, and what is refused.

use melange2::cache::{CacheMount, Sharing};
use melange2::dockerfile::{CacheChoice, Options, Secret, Spec, render, required_packages};
use melange2::plan::Plan;
use proptest::prelude::*;

use crate::dockerfile_plan::{environment, options, package, plan, step, uses};

fn hello() -> Plan {
    let mut plan = plan();
    plan.packages.push(package("hello-doc"));
    plan.environment.variables.insert("HOME".to_owned(), "/home/build".to_owned());
    plan.environment.variables.insert("GREETING".to_owned(), "costs $5 \"or\" \\ more".to_owned());
    plan.environment.variables.insert("FLAGS".to_owned(), "--a \\\n--b".to_owned());
    plan.steps = vec![
        uses(20, "fetch", "wget https://example.com/hello.tar.gz\n"),
        uses(24, "autoconf/make", "make -j2\n"),
        step(26, "tidy up", "find . -name '*.o' -delete"),
        uses(31, "split/manpages", "mv a b\n"),
    ];
    plan.steps[1].variables.insert("CFLAGS".to_owned(), "-O2 -DNAME='x'".to_owned());
    plan.steps[3].package = 1;
    plan.steps[3].working_directory = "/home/build/with blank".to_owned();
    plan
}

fn spec(plan: &Plan, programs: &[&str], options: &Options) -> Spec {
    render(plan, &environment(programs), options).unwrap()
}

fn refusal(plan: &Plan, options: &Options) -> String {
    render(plan, &environment(&[]), options).unwrap_err().to_string()
}

/// The text from one stage on.
fn from<'a>(spec: &'a Spec, line: &str) -> &'a str {
    &spec.text[spec.text.find(line).unwrap_or_else(|| panic!("no `{line}`:\n{}", spec.text))..]
}

#[test]
fn a_recipe_with_a_subpackage() {
    let options = Options { source_dir: Some("hello".into()), ..options() };
    let spec = spec(&hello(), &["gcc", "ccache", "go", "clang-19"], &options);
    insta::assert_snapshot!(spec.text);
    let stages: Vec<_> = spec.stages.iter().map(|(name, step)| format!("{name}={step}")).collect();
    assert_eq!(stages, ["step-01=0", "step-02=1", "step-03=2", "step-04=3"]);
    assert_eq!((spec.target.as_str(), spec.platform.as_str()), ("out", "linux/amd64"));
    assert_eq!(spec.contexts.len(), 2);
    assert!(spec.files.is_empty() && spec.notes.is_empty() && spec.entitlements.is_empty());
}

#[test]
fn the_same_arguments_give_the_same_text() {
    let environment = environment(&["go"]);
    let texts: Vec<_> =
        (0..2).map(|_| render(&hello(), &environment, &options()).unwrap().text).collect();
    assert_eq!(texts[0], texts[1]);
}

#[test]
fn root_has_cache_ids_of_its_own_and_owns_the_workspace() {
    let mut plan = plan();
    plan.environment.run_as = Some("root".to_owned());
    plan.steps.push(step(10, "build", "go build\n"));
    let spec = spec(&plan, &["go"], &options());
    insta::assert_snapshot!(from(&spec, "FROM env"));
}

#[test]
fn the_command_line_decides_who_runs() {
    let mut plan = plan();
    plan.environment.run_as = Some("root".to_owned());
    plan.steps.push(step(10, "build", "true\n"));
    let options = Options { run_as: Some("1000".to_owned()), ..options() };
    assert!(spec(&plan, &[], &options).text.contains("\nUSER 1000:1000\n"));
    let options = Options { run_as: Some("mallory".to_owned()), ..options };
    assert_eq!(
        refusal(&plan, &options),
        "`run-as: mallory` names no user of the recipe: `accounts.users` has nobody"
    );
}

#[test]
fn capabilities_beyond_the_default_run_insecure_behind_setpriv() {
    let mut plan = plan();
    plan.steps.push(step(10, "count", "ip link\n"));
    assert_eq!(required_packages(&plan), Vec::<String>::new());
    plan.capabilities.add = vec!["CAP_NET_ADMIN".to_owned(), "CAP_CHOWN".to_owned()];
    plan.capabilities.drop = vec!["CAP_MKNOD".to_owned()];
    let spec = spec(&plan, &[], &options());
    insta::assert_snapshot!(from(&spec, "SHELL"));
    assert_eq!(spec.entitlements, ["security.insecure"]);
    assert_eq!(required_packages(&plan), ["cmd:setpriv"]);
    insta::assert_snapshot!(spec.notes.join("\n"), @"the recipe asks for `CAP_CHOWN`, `CAP_NET_ADMIN`: its steps run with `--security=insecure`, which the daemon must allow (`--allow-insecure-entitlement security.insecure`), and drop all other capabilities beyond the default set");

    plan.capabilities.add = vec!["CAP_FLY".to_owned()];
    assert_eq!(
        refusal(&plan, &options()),
        "`CAP_FLY` is not a Linux capability: write a name such as `CAP_NET_ADMIN`"
    );
}

#[test]
fn capabilities_of_the_default_set_stay_in_the_sandbox() {
    let mut plan = plan();
    plan.steps.push(step(10, "own", "true\n"));
    plan.capabilities.add = vec!["CAP_SETUID".to_owned()];
    let spec = spec(&plan, &[], &options());
    assert!(!spec.text.contains("insecure") && !spec.text.contains("SHELL"));
    assert!(spec.entitlements.is_empty() && spec.notes.is_empty());
}

#[test]
fn secrets_are_named_and_never_shown() {
    let mut plan = plan();
    plan.steps.push(step(10, "publish", "cat /run/secrets/token\n"));
    let options = Options {
        secrets: vec![Secret { id: "token".to_owned(), source: "src=/very/secret".to_owned() }],
        ssh: vec!["default".to_owned(), "deploy=/home/me/key".to_owned()],
        ca_file: Some("company.pem".into()),
        ..options()
    };
    let spec = spec(&plan, &[], &options);
    insta::assert_snapshot!(spec.text);
    let secrets: Vec<_> =
        spec.secrets.iter().map(|secret| format!("{},{}", secret.id, secret.source)).collect();
    assert_eq!(secrets, ["ca,src=company.pem", "token,src=/very/secret"]);
    assert_eq!(spec.ssh, options.ssh);
}

#[test]
fn a_ca_file_leaves_the_text_as_it_is() {
    let with = Options { ca_file: Some("company.pem".into()), ..options() };
    assert_eq!(spec(&hello(), &[], &with).text, spec(&hello(), &[], &options()).text);
}

#[test]
fn scripts_stay_as_they_are() {
    let mut plan = plan();
    plan.steps.push(step(10, "one\ntwo", "#!/bin/bash\n\tif :; then # tab\n\techo \"$A\" ${B}\\\nEND_OF_SCRIPT\n  trailing  \r\nEND_OF_SCRIPT_2\r\nlast \\"));
    let spec = spec(&plan, &[], &options());
    let text = from(&spec, "cd /home/build").replace('\r', "␍");
    insta::assert_snapshot!(text);
}

#[test]
fn a_large_script_is_a_file() {
    let mut plan = plan();
    let line = "echo 0123456789\n";
    plan.steps.push(step(10, "short", "true\n"));
    plan.steps.push(step(12, "long", &line.repeat(100 * 1024 / line.len() + 1)));
    plan.steps.push(step(14, "wide", &"#".repeat(70_000)));
    let spec = spec(&plan, &[], &options());
    let [(long, _), (wide, text)] = spec.files.as_slice() else { panic!("{:?}", spec.files.len()) };
    assert_eq!((long.as_str(), wide.as_str()), ("step-02.sh", "step-03.sh"));
    let end = format!("cd /home/build\n{}\nexit 0\n", plan.steps[2].script);
    assert!(text.ends_with(end.as_bytes()));
    insta::assert_snapshot!(from(&spec, "# hello.yaml:14"));
}

#[test]
fn metapackages_need_no_environment() {
    let mut plan = plan();
    plan.packages.push(package("hello-doc"));
    let spec = spec(&plan, &[], &options());
    insta::assert_snapshot!(spec.text);
    assert!(spec.contexts.is_empty() && spec.stages.is_empty());
}

#[test]
fn caches_are_for_steps_that_use_them() {
    let comments = |choice, programs: &[&str]| {
        let mut plan = plan();
        plan.steps = vec![
            uses(1, "git-checkout", "git clone x .\n"),
            uses(2, "go/build", "go build ./...\n"),
            step(3, "clean", "git clean -fdx .\n"),
            step(4, "mixed", "apk add x; pip3 install y\n"),
            step(5, "empty", "\n"),
            step(6, "makes", "mkdir .cargo go && cargo build\n"),
            step(7, "prepares", "mkdir -p .cargo\necho x > .cargo/config\ncargo build\n"),
            step(8, "named", "cp -r $TOP /x\n"),
        ];
        plan.environment.variables.insert("TOP".to_owned(), "/home/build".to_owned());
        let options = Options { cache_choice: choice, ..options() };
        let text = spec(&plan, programs, &options).text;
        let lines = text.lines().filter(|line| line.starts_with("# cache mounts"));
        lines.collect::<Vec<_>>().join("\n")
    };
    let all = ["go", "pip3", "cargo", "npm", "ccache", "apk"];
    insta::assert_snapshot!(comments(CacheChoice::Auto, &all));
    insta::assert_snapshot!(comments(CacheChoice::Auto, &["gcc"]));
    insta::assert_snapshot!(comments(CacheChoice::All, &[]));
    insta::assert_snapshot!(comments(CacheChoice::None, &all));
}

#[test]
fn a_recipes_own_variables_come_before_the_caches() {
    let exports = |own: &[(&str, &str)]| {
        let mut plan = plan();
        plan.steps.push(step(1, "build", "npm ci && go build && cargo build\n"));
        let own = own.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        plan.environment.variables.extend(own);
        let text = spec(&plan, &["go", "npm", "cargo", "pip"], &options()).text;
        let set = |line: &&str| {
            ["CACHE", "cache=", "GOPATH", "CARGO_HOME"].iter().any(|name| line.contains(name))
                && (line.starts_with("export") || line.starts_with("ENV"))
        };
        text.lines().filter(set).collect::<Vec<_>>().join("\n")
    };
    // melange's defaults give way, a recipe's words do not.
    insta::assert_snapshot!(exports(&[
        ("GOPATH", "/home/build/.cache/go"),
        ("GOMODCACHE", "/var/cache/melange/gomodcache"),
        ("npm_config_cache", "/var/cache/melange/npm"),
    ]));
    insta::assert_snapshot!(exports(&[
        ("GOPATH", "/go"),
        ("GOMODCACHE", "/mod"),
        ("npm_config_cache", "/npm"),
        ("CARGO_HOME", "/cargo"),
    ]));
}

#[test]
fn what_no_dockerfile_can_say_is_refused() {
    let with = |change: &dyn Fn(&mut Plan, &mut Options)| {
        let (mut plan, mut options) = (plan(), options());
        plan.steps.push(step(10, "build", "true\n"));
        change(&mut plan, &mut options);
        refusal(&plan, &options)
    };
    let mount = |id: &str, target: &str| CacheMount::custom(id, target, Sharing::Locked);
    let texts = [
        with(&|plan, _| plan.steps[0].script = "a\0b".to_owned()),
        with(&|plan, _| plan.steps[0].working_directory = "src".to_owned()),
        with(&|plan, _| drop(plan.steps[0].variables.insert("A B".to_owned(), String::new()))),
        with(&|plan, _| drop(plan.environment.variables.insert("A".to_owned(), "\0".to_owned()))),
        with(&|plan, _| plan.packages[0].name = "a b".to_owned()),
        with(&|plan, _| plan.packages[0].name = "../up".to_owned()),
        with(&|_, options| options.cache_mounts.push(mount("a,b", "/cache"))),
        with(&|_, options| options.cache_mounts.push(mount("a", "/home"))),
        with(&|_, options| options.cache_mounts.push(mount("a", "/cache,readonly"))),
        with(&|_, options| {
            options.secrets.push(Secret { id: "ca".to_owned(), source: String::new() });
        }),
        with(&|_, options| {
            options.secrets.push(Secret { id: "a/b".to_owned(), source: String::new() });
        }),
    ];
    insta::assert_snapshot!(texts.join("\n"));
}

#[test]
fn templates_put_every_value_through_a_filter() {
    let filters = ["array", "comment", "env", "heredoc", "mount", "word"];
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/templates");
    let mut seen = 0;
    for entry in fs_err::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let text = fs_err::read_to_string(&path).unwrap();
        for expression in text.split("{{").skip(1) {
            let expression = expression.split("}}").next().unwrap().trim();
            let filter = expression.rsplit_once('|').map_or("", |(_, filter)| filter);
            assert!(filters.contains(&filter), "`{expression}` in {}", path.display());
            seen += 1;
        }
    }
    assert!(seen > 10);
}

#[test]
fn debugging_shows_commands_and_no_variables() {
    let mut plan = plan();
    plan.steps.push(step(1, "build", "true\n"));
    plan.steps[0].variables.insert("PASSWORD".to_owned(), "hunter2".to_owned());
    let options = Options { debug: true, ..options() };
    let text = spec(&plan, &[], &options).text;
    let (before, after) = text.split_once("set -exo pipefail\n").unwrap();
    assert!(before.contains("export PASSWORD=hunter2\n") && !after.contains("PASSWORD"));
}

/// Ids, owner and mode are a mount's identity: another one is a new and empty mount for everybody.
#[test]
fn the_eight_mounts_are_fixed_for_ever() {
    let mut plan = plan();
    plan.steps.push(step(1, "build", "make\n"));
    let options = Options { cache_choice: CacheChoice::All, ..options() };
    let text = spec(&plan, &[], &options).text;
    let mounts = text.lines().filter_map(|line| {
        let mount = line.trim().strip_prefix("--mount=type=cache,id=melange-")?;
        mount.strip_suffix(",sharing=shared,mode=0755,uid=1000,gid=1000 \\")
    });
    assert_eq!(
        mounts.collect::<Vec<_>>(),
        [
            "host-cache,target=/var/cache/melange",
            "go-mod-cache,target=/home/build/go/pkg/mod",
            "go-build-cache,target=/home/build/.cache/go-build",
            "pip-cache,target=/home/build/.cache/pip",
            "npm-cache,target=/home/build/.npm",
            "cargo-registry-cache,target=/home/build/.cargo/registry",
            "cargo-build-cache,target=/home/build/.cargo/git",
            "ccache-cache,target=/home/build/.ccache",
            "apk-cache,target=/var/cache/apk",
        ]
    );
}

#[test]
fn go_stays_away_from_steps_that_build_a_python_project() {
    let mut plan = plan();
    plan.steps.push(step(1, "build", "python3 -m build --wheel\n"));
    let text = spec(&plan, &["go", "pip", "npm"], &options()).text;
    assert!(text.contains("\n# cache mounts: python (pip), node (npm)\n"), "{text}");
}

#[test]
fn custom_mounts_are_on_every_step_but_not_in_a_workspace_that_is_data() {
    let mut plan = hello();
    plan.steps[1].script = "git clean -fdx\n".to_owned();
    let mut options = options();
    options.cache_mounts.push(CacheMount::custom("mine", "/mine", Sharing::Locked));
    options.cache_mounts.push(CacheMount::custom("gems", "/home/build/.gem", Sharing::Shared));
    let count = |options: &Options, id: &str| {
        spec(&plan, &["go"], options).text.matches(&format!("id={id},target=")).count()
    };
    // `git clean`, and the `find .` of the third step.
    assert_eq!((count(&options, "mine"), count(&options, "gems")), (4, 2));
    // `none` says nothing of those that are named.
    options.cache_choice = CacheChoice::None;
    assert_eq!((count(&options, "mine"), count(&options, "gems")), (4, 2));
    assert_eq!(count(&options, "melange-go-mod-cache"), 0);
    options.cache_choice = CacheChoice::All;
    assert_eq!((count(&options, "mine"), count(&options, "gems")), (4, 4));
}

#[test]
fn a_custom_mount_is_kept_from_a_step_that_makes_its_directory() {
    let count = |script: &str| {
        let mut plan = plan();
        plan.steps.push(step(1, "build", script));
        let mut options = options();
        let maven = CacheMount::custom("mine", "/home/build/.m2/repository", Sharing::Shared);
        options.cache_mounts.push(maven);
        spec(&plan, &["go"], &options).text.matches("id=mine,target=").count()
    };
    assert_eq!(count("mkdir .m2\n"), 0);
    assert_eq!(count("mkdir -p .m2\nmkdir go\n"), 1);
}

#[test]
fn a_custom_mount_takes_the_place_of_a_built_in_one() {
    let mut plan = plan();
    plan.steps.push(step(1, "build", "go build\n"));
    let mut options = options();
    let modules = CacheMount::custom("mine", "/home/build/go/pkg/mod", Sharing::Locked);
    options.cache_mounts.push(modules);
    for choice in [CacheChoice::Auto, CacheChoice::All] {
        options.cache_choice = choice;
        let text = spec(&plan, &["go"], &options).text;
        assert_eq!(text.matches("target=/home/build/go/pkg/mod,").count(), 1);
        assert!(text.contains("id=mine,") && text.contains("\nexport GOMODCACHE="));
    }
}

#[test]
fn a_dockerignore_in_the_source_is_told() {
    let source = tempfile::tempdir().unwrap();
    let options = Options { source_dir: Some(source.path().to_owned()), ..options() };
    assert_eq!(spec(&hello(), &[], &options).notes, Vec::<String>::new());
    fs_err::write(source.path().join(".dockerignore"), "*.patch\n").unwrap();
    assert_eq!(spec(&hello(), &[], &options).notes.len(), 1);
}

/// The instructions of a Dockerfile, read as BuildKit reads it.
fn instructions(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        found.push(line.split(' ').next().unwrap().to_owned());
        let mut line = line;
        while line.ends_with('\\') {
            line = lines.next().unwrap();
        }
        if let Some((_, word)) = line.split_once("<<'") {
            let word = word.strip_suffix('\'').unwrap();
            lines.by_ref().find(|line| line.trim_end_matches('\r') == word).unwrap();
        }
    }
    found
}

proptest! {
    /// Whatever a recipe says, it says it inside the instructions that are there anyway.
    #[test]
    fn no_value_becomes_an_instruction(
        label in nasty(), script in nasty(), value in nasty(), own in nasty(), directory in nasty(),
    ) {
        let make = |label: &str, script: &str, value: &str, own: &str, directory: &str| {
            let mut plan = plan();
            plan.packages[0].version = label.to_owned();
            plan.environment.variables.insert("A".to_owned(), value.to_owned());
            plan.steps.push(step(1, label, script));
            plan.steps[0].variables.insert("B".to_owned(), own.to_owned());
            plan.steps[0].working_directory = format!("/{directory}");
            render(&plan, &environment(&[]), &options())
        };
        let mut plain = instructions(&make("a", "b", "c", "d", "e").unwrap().text);
        if value.contains('\n') {
            // It is exported by the step instead.
            let env = plain.iter().position(|word| word == "ENV").unwrap();
            plain.remove(env);
        }
        match make(&label, &script, &value, &own, &directory) {
            Ok(spec) => prop_assert_eq!(instructions(&spec.text), plain),
            Err(_) => prop_assert!([script, value, own, directory].concat().contains('\0')),
        }
    }
}

fn nasty() -> impl Strategy<Value = String> {
    const PARTS: [&str; 17] = [
        "\n",
        "\r",
        "\0",
        "\\",
        "'",
        "\"",
        "$",
        "# ",
        "<<EOF",
        "END_OF_SCRIPT",
        "END_OF_FILE",
        "EOF",
        "\nRUN false\n",
        "\nFROM scratch\n",
        "${A}",
        "é",
        " ",
    ];
    proptest::collection::vec(proptest::sample::select(&PARTS[..]), 0..12)
        .prop_map(|parts| parts.concat())
}

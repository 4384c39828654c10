//! From a recipe's text to its plan, through the library's public surface.

use indexmap::IndexMap;
use insta::assert_snapshot;

use melange2::arch::Arch;
use melange2::config;
use melange2::plan::{Context, Plan, resolve};

use crate::support::TestEnv;

pub fn context() -> Context {
    Context { commit: "0123abc".to_owned(), ..Context::new(Arch::X86_64) }
}

/// A plan of a recipe: its `package`, then this text.
fn plan_with(text: &str, context: &Context) -> Plan {
    let env = TestEnv::new();
    let head = "package:\n  name: demo\n  version: 1.10\n  epoch: 2\n";
    let path = env.write("recipe.yaml", format!("{head}{text}"));
    let config =
        config::load(&path).unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    let plan =
        resolve(&config, context).unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    plan.unwrap()
}

fn plan(text: &str) -> Plan {
    plan_with(text, &context())
}

/// The steps as one text: package, label, directory, variables, script.
fn steps(plan: &Plan) -> String {
    let show = |step: &melange2::plan::Step| {
        let lines: Vec<_> = step.places.iter().map(|span| span.line().to_string()).collect();
        format!(
            "{} | {} | {} | {:?} | line {}\n    {}\n",
            plan.packages[step.package].name,
            step.label,
            step.working_directory,
            step.variables,
            lines.join(" > "),
            if step.script.is_empty() { "-" } else { step.script.trim_end() }
                .replace('\n', "\n    "),
        )
    };
    plan.steps.iter().map(show).collect()
}

#[test]
fn steps_run_in_order_and_inherit() {
    let plan = plan(
        r#"
pipeline:
  - name: outer
    working-directory: sub/dir
    environment: {A: "1", B: "1"}
    runs: echo ${{package.full-version}} ${{targets.destdir}}
    pipeline:
      - runs: echo inner
        environment: {B: "2"}
      - working-directory: other
        runs: echo other
  - if: ${{build.arch}} == 'aarch64'
    runs: echo never
  - name: nothing
  - working-directory: made
  - runs: |
      first $$x
      second
subpackages:
  - name: demo-${{package.epoch}}
    pipeline:
      - runs: ls ${{targets.contextdir}} ${{targets.package.demo}}
  - if: ${{build.arch}} == 'aarch64'
    name: demo-arm
    pipeline:
      - runs: echo never
"#,
    );
    assert_snapshot!(steps(&plan), @r#"
    demo | outer | /home/build/sub/dir | {"A": "1", "B": "1"} | line 10
        echo 1.10-r2 /home/build/melange-out/demo
    demo | echo inner | /home/build/sub/dir | {"A": "1", "B": "2"} | line 12
        echo inner
    demo | echo other | /home/build/other | {"A": "1", "B": "1"} | line 15
        echo other
    demo | (no script) | /home/build/made | {} | line 19
        -
    demo | first $$x | /home/build | {} | line 21
        first $$x
        second
    demo-2 | ls /home/build/melange-out/demo-2 /home/build/melange-out/demo | /home/build | {} | line 26
        ls /home/build/melange-out/demo-2 /home/build/melange-out/demo
    "#);
    let names: Vec<_> = plan.packages.iter().map(|package| package.name.as_str()).collect();
    assert_eq!(names, ["demo", "demo-2"]);
}

#[test]
fn ranges_are_sorted_and_keep_their_keys_text() {
    let plan = plan(
        r#"
data:
  - name: versions
    items:
      3.9: "39"
      3.10: "310"
      "": "7"
subpackages:
  - range: versions
    name: demo-x${{range.key}}
    description: for ${{range.value}}, ${{unknown}}
    dependencies:
      provides: ["demo-any=${{ package.full-version }}"]
      provider-priority: ${{range.value}}0
    options: {no-commands: true}
    pipeline:
      - if: "'${{range.key}}' != ''"
        runs: build ${{range.key}} ${{vars.none-here}}
vars:
  none-here: yes
"#,
    );
    let packages: Vec<_> = plan.packages[1..]
        .iter()
        .map(|package| {
            format!(
                "{} | {} | {:?} | {:?}",
                package.name, package.description, package.provides, package.provider_priority
            )
        })
        .collect();
    assert_snapshot!(packages.join("\n"), @r#"
    demo-x | for 7, ${{unknown}} | ["demo-any=1.10-r2"] | Some(70)
    demo-x3.10 | for 310, ${{unknown}} | ["demo-any=1.10-r2"] | Some(3100)
    demo-x3.9 | for 39, ${{unknown}} | ["demo-any=1.10-r2"] | Some(390)
    "#);
    assert_snapshot!(steps(&plan), @r"
    demo-x3.10 | build 3.10 yes | /home/build | {} | line 22
        build 3.10 yes
    demo-x3.9 | build 3.9 yes | /home/build | {} | line 22
        build 3.9 yes
    ");
}

#[test]
fn variables_are_made_from_others() {
    let plan = plan(
        r#"
vars:
  b: ${{vars.a}}-${{package.version}}
  a: x
var-transforms:
  - {from: "${{package.version}}", match: '^(\d+)\.(\d+)$', replace: '${1}_$2', to: mangled}
  - {from: "${{vars.mangled}}", match: _, replace: "${{host.triplet.gnu}}", to: late}
pipeline:
  - runs: echo ${{vars.b}} ${{ vars.mangled }} ${{vars.late}}
"#,
    );
    assert_eq!(plan.steps[0].script, "echo x-1.10 1_10 1x86_64-pc-linux-gnu10");
}

#[test]
fn a_chain_of_variables_may_be_long() {
    let links = (0..1000).map(|link| format!("  v{link}: ${{{{vars.v{}}}}}\n", link + 1));
    let vars: String = links.collect();
    let plan =
        plan(&format!("vars:\n{vars}  v1000: text\npipeline:\n  - runs: echo ${{{{vars.v0}}}}\n"));
    assert_eq!(plan.steps[0].script, "echo text");
}

#[test]
fn pipelines_take_inputs_and_bring_needs() {
    let env = TestEnv::new();
    env.write(
        "pipelines/outer.yaml",
        "needs: {packages: ['${{inputs.tool}}']}\ninputs:\n  tool: {default: gcc}\n  dir: {default: .}\n\
         working-directory: ${{inputs.dir}}\nenvironment: {X: file}\npipeline:\n  - runs: ${{inputs.tool}} -o x\n  \
         - uses: inner\n    with: {flag: '${{inputs.tool}}'}\n",
    );
    env.write(
        "pipelines/inner.yaml",
        "inputs: {flag: {required: true}, tool: {default: own}}\nneeds: {packages: [inner-need]}\n\
         runs: inner ${{inputs.flag}} ${{inputs.tool}}\n",
    );
    let context = Context {
        pipeline_dirs: vec![env.work().join("pipelines")],
        package_append: vec!["appended".to_owned()],
        ..context()
    };
    let plan = plan_with(
        "environment: {contents: {packages: [busybox]}}\npipeline:\n  - uses: outer\n    name: mine\n    \
         with: {tool: clang, dir: src}\n    environment: {X: own, Y: own}\n  - uses: outer\n  \
         - if: ${{build.arch}} != 'x86_64'\n    uses: outer\n    with: {tool: never}\n",
        &context,
    );
    assert_snapshot!(steps(&plan), @r#"
    demo | mine | /home/build/src | {"X": "file", "Y": "own"} | line 7 > 8
        clang -o x
    demo | inner | /home/build/src | {"X": "file", "Y": "own"} | line 7 > 9 > 3
        inner clang own
    demo | outer | /home/build | {"X": "file"} | line 11 > 8
        gcc -o x
    demo | inner | /home/build | {"X": "file"} | line 11 > 9 > 3
        inner gcc own
    "#);
    assert_eq!(atoms(&plan), ["busybox", "clang", "inner-need", "gcc", "inner-need", "appended"]);
    let compiled = &plan.compiled.0["pipeline"];
    assert_eq!(compiled[0]["with"], serde_json::json!({"dir": "src", "tool": "clang"}));
    assert_eq!(compiled[1]["with"], serde_json::Value::Null);
    assert_eq!(plan.compiled.0["environment"]["contents"]["packages"].as_array().unwrap().len(), 5);
}

#[test]
fn the_environment_has_defaults_that_the_recipe_wins_over() {
    let env = IndexMap::from([
        ("GOCACHE".to_owned(), "/file".to_owned()),
        ("C".to_owned(), "file".to_owned()),
    ]);
    let plan = plan_with(
        "environment:\n  environment: {GOPATH: /own, C: '', npm_config_cache: /npm, PATH: /mine}\n  \
         accounts: {run-as: 0, users: [{username: web, uid: 7}]}\n",
        &Context { env, ..context() },
    );
    let variables: Vec<_> =
        plan.environment.variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_snapshot!(variables.join("\n"), @r"
    C=
    COMPOSER_CACHE_DIR=/var/cache/melange/composer
    GOCACHE=/file
    GOMODCACHE=/var/cache/melange/gomodcache
    GOPATH=/own
    HOME=/home/build
    PATH=/usr/local/sbin:/usr/local/bin:/usr/bin:/usr/sbin:/sbin:/bin
    PIP_CACHE_DIR=/var/cache/melange/pip
    UV_CACHE_DIR=/var/cache/melange/uv
    npm_config_cache=/npm
    ");
    assert_eq!(plan.environment.run_as.as_deref(), Some("0"));
    let users: Vec<_> =
        plan.environment.users.iter().map(|user| (&*user.name, user.uid, user.gid)).collect();
    assert_eq!(users, [("web", 7, 7), ("build", 1000, 1000)]);
}

#[test]
fn build_options_change_variables_and_packages() {
    let text = "vars: {tls: openssl}\nenvironment: {contents: {packages: [a, b]}}\noptions:\n  small:\n    \
                vars: {tls: none}\n    environment: {contents: {packages: {add: [c], remove: [a]}}}\n\
                pipeline:\n  - runs: x ${{vars.tls}} ${{options.small.enabled}}\n";
    let off = plan(text);
    assert_eq!(off.steps[0].script, "x openssl false");
    let on = plan_with(text, &Context { build_options: vec!["small".to_owned()], ..context() });
    assert_eq!(on.steps[0].script, "x none true");
    assert_eq!(atoms(&on), ["b", "c"]);
}

#[test]
fn what_is_only_strange_is_a_warning() {
    let plan = plan_with(
        "options: {small: {}}\npipeline:\n  - runs: make\n    environment: {DIR: \"${{targets.destdir}}\"}\n",
        &Context { build_options: vec!["smal".to_owned()], ..context() },
    );
    let codes: Vec<_> = plan.warnings.items.iter().map(|item| item.code).collect();
    assert_eq!(codes, ["unknown-build-option", "not-substituted"]);
    assert_eq!(plan.steps[0].variables["DIR"], "${{targets.destdir}}");
}

#[test]
fn files_of_variables_win_over_the_recipe() {
    let vars =
        IndexMap::from([("a".to_owned(), "file".to_owned()), ("new".to_owned(), "n".to_owned())]);
    let plan = plan_with(
        "vars: {a: own}\npipeline:\n  - runs: ${{vars.a}} ${{vars.new}}\n",
        &Context { vars, ..context() },
    );
    assert_eq!(plan.steps[0].script, "file n");
}

#[test]
fn a_package_has_what_apk_needs_to_know() {
    let plan = plan(
        r#"  description: a demo
  url: https://example.com
  copyright:
    - {license: MIT, attestation: me}
    - {license: Custom}
  dependencies: {runtime: [a, "!b"], replaces: [c], replaces-priority: 7}
  scriptlets:
    post-install: |
      #!/bin/sh
      echo ${{package.name}}
    trigger: {script: run it, paths: [/usr/share/x]}
  checks: {disabled: [usrlocal]}
  cpe: {vendor: v, product: p}
  setcap:
    - {path: /bin/x, add: {cap_net_raw: +ep}, reason: it pings}
"#,
    );
    insta::assert_debug_snapshot!(plan.packages[0], @r##"
    Package {
        name: "demo",
        version: "1.10",
        epoch: 2,
        description: "a demo",
        url: "https://example.com",
        commit: "0123abc",
        licenses: [
            "MIT",
            "Custom",
        ],
        attestations: [
            "me",
        ],
        runtime: [
            "a",
            "!b",
        ],
        provides: [],
        replaces: [
            "c",
        ],
        provider_priority: None,
        replaces_priority: Some(
            7,
        ),
        options: PackageOptions {
            no_provides: false,
            no_depends: false,
            no_commands: false,
            no_versioned_shlib_deps: false,
        },
        scriptlets: [
            (
                ".trigger",
                "run it",
            ),
            (
                ".post-install",
                "#!/bin/sh\necho demo\n",
            ),
        ],
        triggers: [
            "/usr/share/x",
        ],
        setcap: [
            SetCap {
                path: "/bin/x",
                add: {
                    "cap_net_raw": "+ep",
                },
            },
        ],
        cpe: Some(
            "cpe:2.3:a:v:p:1.10:*:*:*:*:*:*:*",
        ),
        disabled_checks: [
            "usrlocal",
        ],
    }
    "##);
}

#[test]
fn other_architectures_are_left_out() {
    let env = TestEnv::new();
    let path =
        env.write("r.yaml", "package: {name: a, version: 1, target-architecture: [aarch64]}\n");
    let config = config::load(&path).unwrap();
    assert!(resolve(&config, &context()).unwrap().is_none());
    assert!(resolve(&config, &Context { arch: Arch::Aarch64, ..context() }).unwrap().is_some());
}

#[test]
fn the_examples_are_good_recipes() {
    let mut seen = Vec::new();
    for entry in fs_err::read_dir("examples").unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let config =
            config::load(&path).unwrap_or_else(|problems| panic!("{}", problems.render(false)));
        for arch in Arch::ALL {
            let plan = resolve(&config, &Context { arch, ..context() })
                .unwrap_or_else(|problems| panic!("{}", problems.render(false)))
                .unwrap();
            assert_eq!(path.file_stem().unwrap(), plan.packages[0].name.as_str());
            assert!(!plan.steps.iter().any(|step| step.script.contains("${{")));
        }
        seen.push(path.file_stem().unwrap().to_str().unwrap().to_owned());
    }
    seen.sort();
    assert_eq!(seen, ["godotenv", "hello", "zlib"]);
}

/// What the environment must have.
fn atoms(plan: &Plan) -> Vec<&str> {
    plan.environment.packages.iter().map(|wanted| wanted.atom.as_str()).collect()
}

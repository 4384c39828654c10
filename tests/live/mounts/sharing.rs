//! Two different recipes at once on one cold mount, for each tool; and nothing ever empties mounts.

use std::collections::BTreeMap;
use std::path::Path;

use super::{TARGETS, build, recipe};
use crate::live::content;
use crate::support::TestEnv;
use crate::support::lab::{Lab, nonce};

const ROUNDS: usize = 20;

/// Waits for the other recipe, then runs a tool, and notes when: both begin within a moment.
const RACE: &str = r#"out=${{targets.destdir}}
mkdir -p $out
meet() {
  touch /meet/$1-$me
  waited=0
  until [ -e /meet/$1-$other ]; do
    sleep 0.02
    waited=$((waited + 1))
    [ $waited -lt 20000 ] || { echo "$other does not come"; exit 9; }
  done
}
now() { cut -d ' ' -f 1 /proc/uptime; }
race() {
  meet $1
  begin=$(now)
  $1 > $out/$1.log 2>&1 || { cat $out/$1.log; echo "$1 failed"; exit 8; }
  echo "$1 $begin $(now)" >> $out/times
}
go_() { (cd go-src; go build rsc.io/quote); }
cargo_() { (cd rust-src; cargo check --locked); }
npm_() { (cd node-src; npm ci); }
pip_() { pip install --no-build-isolation --target /tmp/pip docopt==$docopt; }
ccache_() {
  for n in $numbers; do
    echo "int f(void) { return $n; }" > /tmp/$n.c
    ccache gcc -c /tmp/$n.c -o /tmp/$n.o
  done
}
for tool in go_ cargo_ npm_ pip_ ccache_; do race $tool; done
meet end
"#;

/// What the mounts hold afterwards is whole: by the tools' own checks, and without the network.
const VERIFY: &str = r#"(cd go-src; go mod verify; GOPROXY=off go build -o /tmp/again .; /tmp/again)
cd rust-src
cargo check --locked --offline --target-dir /tmp/again-rust
cd -
r=$CARGO_HOME/registry
for crate in $r/cache/*/*.crate; do
  name=$(basename $crate .crate)
  grep -q "$(sha256sum < $crate | cut -c 1-64)" rust-src/Cargo.lock
  tar -tzf $crate | grep -v '/$' | sort > /tmp/want
  (cd $r/src/*/; find $name -type f ! -name .cargo-ok | sort > /tmp/have)
  cmp /tmp/want /tmp/have
  [ -s $r/src/*/$name/.cargo-ok ]
done
npm cache verify | tee $out/npm-verify
p=$(pip cache dir)
for wheel in $(find $p/wheels -name '*.whl'); do python3 -m zipfile -t $wheel; done
pip cache list | grep docopt
ccache -z
ccache_
ccache --print-stats | tee $out/ccache-stats
"#;

fn sources(env: &TestEnv, name: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/mounts");
    for (own, to) in [("go-quote", "go-src"), ("rust-digits", "rust-src"), ("node-odd", "node-src")]
    {
        for entry in walkdir::WalkDir::new(root.join(own)).into_iter().map(Result::unwrap) {
            if entry.file_type().is_file() {
                let below = entry.path().strip_prefix(root.join(own)).unwrap();
                let bytes = fs_err::read(entry.path()).unwrap();
                env.write(Path::new(name).join(to).join(below), bytes);
            }
        }
    }
}

/// When each tool ran.
fn times(env: &TestEnv, name: &str) -> BTreeMap<String, (f64, f64)> {
    let text = content(env, &format!("{name}-1.0.0-r0"), "times");
    let line = |line: &str| {
        let mut words = line.split(' ');
        let tool = words.next().unwrap().to_owned();
        let mut number = || words.next().unwrap().parse::<f64>().unwrap();
        (tool, (number(), number()))
    };
    text.lines().map(line).collect()
}

#[test]
fn two_recipes_fill_one_cold_mount_at_once() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    let names = ["left", "right"];
    names.iter().for_each(|name| sources(&env, name));
    for round in 0..ROUNDS {
        let id = nonce();
        let mut running = Vec::new();
        // The same modules, crates and npm packages, the hardest case; and with pip and ccache some
        // that only one of them has.
        let (one, two) =
            ("docopt=0.6.2\nnumbers='1 2 3 4 5 6 7 8'", "docopt=0.6.1\nnumbers='5 6 7 8 9'");
        for (me, other, differs) in [(names[0], names[1], one), (names[1], names[0], two)] {
            let verify = if me == names[0] { VERIFY } else { "" };
            let script = format!("me={me}\nother={other}\n{differs}\n{RACE}{verify}");
            let file = format!("{me}.yaml");
            env.write(&file, recipe(me, &[("race", &script)]));
            let mut command = build(lab, &env, &file, &[]);
            command.args(super::cold(&id, &TARGETS));
            command.arg("--cache-mount").arg(format!("id={id}-meet,target=/meet"));
            command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
            running.push(command.spawn().unwrap());
        }
        for child in running {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "round {round}: {}", env.text(&output));
        }
        let [left, right] = names.map(|name| times(&env, name));
        assert_eq!((left.len(), right.len()), (5, 5));
        for (tool, (begin, end)) in &left {
            let (other_begin, other_end) = right[tool];
            assert!(*begin <= other_end && other_begin <= *end, "{tool} in round {round}");
        }
        let verified = content(&env, "left-1.0.0-r0", "npm-verify");
        let fine = verified.contains("Content verified")
            && !["Missing", "Corrupted", "garbage"].iter().any(|word| verified.contains(word));
        assert!(fine, "round {round}: {verified}");
        let statistics = content(&env, "left-1.0.0-r0", "ccache-stats");
        let count = |name: &str| -> u64 {
            let line = statistics.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_else(|| panic!("{name}: {statistics}")).trim().parse().unwrap()
        };
        let hits = count("direct_cache_hit\t") + count("preprocessed_cache_hit\t");
        assert_eq!((hits, count("internal_error\t")), (8, 0), "round {round}: {statistics}");
    }
}

/// `--no-cache` empties cache mounts, for everyone, for ever: steps are run again by changing what
/// they are made of.
#[test]
fn nothing_ever_empties_mounts() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for directory in ["src", "scripts", "templates", "benches", ".ci", "deploy"] {
        let files = walkdir::WalkDir::new(root.join(directory)).into_iter().filter_map(Result::ok);
        for file in files.filter(|file| file.file_type().is_file()) {
            let Ok(text) = fs_err::read_to_string(file.path()) else { continue };
            // Comments, and the assertion that it is not there, may name it.
            let code = |line: &&str| {
                !line.trim_start().starts_with(['#', '/']) && !line.contains("assert")
            };
            for line in text.lines().filter(code) {
                assert!(!line.contains("no-cache"), "{}: {line}", file.path().display());
            }
        }
    }
}

//! Users of different numbers have mounts of their own; a mount that is emptied breaks nothing.

use super::{build, fixture, recipe};
use crate::live::content;
use crate::support::TestEnv;
use crate::support::lab::{Lab, nonce};

#[test]
fn root_shuts_nobody_out() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    // The same marker would be there for whoever shares a mount.
    let marker = nonce();
    for user in ["root", "build", "70:71"] {
        for own in ["go-quote", "rust-digits", "node-odd", "python-options"] {
            let name = format!("{own}-{}", user.replace(':', "-"));
            let file = fixture(&env, own, &name);
            lab.ok(&env, build(lab, &env, &file, &[]).args(["--run-as", user]));
        }
        let script = format!(
            "mkdir -p ${{{{targets.destdir}}}}\nn=$(echo .npm)\nid -u > ${{{{targets.destdir}}}}/seen\n\
             [ ! -e $n/{marker} ] || echo there >> ${{{{targets.destdir}}}}/seen\ntouch $n/{marker}"
        );
        env.write("marks.yaml", recipe("marks", &[("mark", &script)]));
        lab.ok(&env, build(lab, &env, "marks.yaml", &[]).args(["--run-as", user]));
        let seen = content(&env, "marks-1.0.0-r0", "seen");
        let number = match user {
            "root" => "0\n",
            "build" => "1000\n",
            _ => "70\n",
        };
        assert_eq!(seen, number);
    }
}

#[test]
fn mounts_that_are_emptied_between_steps_break_nothing() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    let tools = "cd \"$HOME\"/go-src && go build -trimpath -o /tmp/quote . && cd -\n\
                 cd rust-src && cargo build --quiet --locked && cd -\n\
                 cd node-src && rm -rf node_modules && npm ci && cd -\n\
                 pip install --no-build-isolation --target /tmp/pip docopt==0.6.2\n\
                 echo 'int main(void){return 0;}' > /tmp/a.c; ccache gcc -c /tmp/a.c -o /tmp/a.o\n";
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/mounts");
    for (own, files) in [
        ("go", &["go-quote/go.mod", "go-quote/go.sum", "go-quote/main.go"][..]),
        ("rust", &["rust-digits/Cargo.toml", "rust-digits/Cargo.lock", "rust-digits/src/main.rs"]),
        ("node", &["node-odd/package.json", "node-odd/package-lock.json"]),
    ] {
        for file in files {
            let below = file.split_once('/').unwrap().1;
            let bytes = fs_err::read(root.join(file)).unwrap();
            env.write(format!("emptied/{own}-src/{below}"), bytes);
        }
    }
    // As garbage collection would: everything goes.
    let empty = "for d in $(echo go/pkg/mod .cache/go-build .cache/pip .npm .cargo/registry \
                 .cargo/git .ccache); do\n  \
                 chmod -R u+w /home/build/$d\n  find /home/build/$d -mindepth 1 -delete\n  \
                 ls -A /home/build/$d\ndone > ${{targets.destdir}}/left";
    let left = format!("mkdir -p ${{{{targets.destdir}}}}\n{empty}");
    let text = recipe("emptied", &[("fill", tools), ("empty", &left), ("again", tools)]);
    env.write("emptied.yaml", text);
    let id = nonce();
    let mut command = build(lab, &env, "emptied.yaml", &[]);
    lab.ok(&env, command.args(super::cold(&id, &super::TARGETS)));
    assert_eq!(content(&env, "emptied-1.0.0-r0", "left"), "");
}

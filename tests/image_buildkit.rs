//! The environment on a real daemon: what a step sees is what was assembled.
//!
//! A static busybox is the environment's whole system (Debian's `busybox-static`).

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use melange2::apk::key::KeyRing;
use melange2::arch::Arch;
use melange2::image::{self, Layout, Request};

use crate::image_fixture::{Repository, difficult, identities};
use crate::image_model::Tree;
use crate::support::lab::Lab;
use crate::support::{TestEnv, parts};

/// Lists the tree from within, then keeps it as it is.
const SPEC: &str = r#"FROM env AS seen
RUN cd / && busybox find . -xdev ! -path './dev/*' ! -path './proc/*' ! -path './sys/*' \
    -exec busybox stat -c '%a %u:%g %n' {} + | busybox sort > /tmp/seen
FROM env
COPY --from=seen /tmp/seen /seen
"#;

fn assemble(dir: &Path, busybox: &[u8], max_layers: usize) -> Layout {
    let mut recipes = difficult();
    let recipe = recipes.iter_mut().find(|recipe| recipe.info.name == "busybox").unwrap();
    recipe.replace_content("bin/busybox", busybox);
    let repository = Repository::write(dir, recipes);
    let request = Request {
        arch: Arch::X86_64,
        packages: &identities(&repository.apks),
        world: &["meta".into()],
        repositories: &[],
        keys: &KeyRing::default(),
        users: &[],
        groups: &[],
        paths: &[],
        max_layers,
        store: &dir.join("store"),
    };
    image::assemble(&request, || Ok::<_, image::Error>(repository.apks.clone())).unwrap()
}

fn build(buildctl: &Path, addr: &str, layout: &Layout, dir: &Path) -> Vec<u8> {
    fs_err::create_dir_all(dir.join("spec")).unwrap();
    fs_err::write(dir.join("spec/Dockerfile"), SPEC).unwrap();
    let mut child = Command::new(buildctl)
        .args(["--addr", addr, "build", "--frontend", "dockerfile.v0", "--progress=plain"])
        .args(["--local", "dockerfile=spec", "--oci-layout"])
        .arg(format!("env={}", layout.dir.display()))
        .arg("--opt")
        .arg(format!("context:env=oci-layout://env@{}", layout.digest.oci()))
        .args(["--output", "type=tar,dest=-"])
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().flush().unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn a_step_sees_what_was_assembled() {
    let Some(lab) = Lab::find() else { return };
    let (env, buildctl) = (TestEnv::new(), lab.tools.join("buildctl"));
    let addr = lab.daemon_address(&env);
    let Some(busybox) = parts::program("busybox") else {
        return parts::without("there is no static busybox");
    };
    let busybox = fs_err::read(busybox).unwrap();
    for max_layers in [50, 4] {
        let dir = tempfile::tempdir().unwrap();
        let layout = assemble(dir.path(), &busybox, max_layers);
        let meant = Tree::of_layout(&layout);
        let mut seen = Tree::default();
        seen.unpack(&build(&buildctl, &addr, &layout, dir.path()));

        let inside = seen.nodes.remove(b"seen".as_slice()).unwrap().content;
        let mut expected: Vec<String> = meant
            .nodes
            .iter()
            .filter(|(path, _)| !path.starts_with(b"dev/") && !path.starts_with(b"proc/"))
            .map(|(path, node)| {
                let path = String::from_utf8_lossy(path);
                format!("{:o} {}:{} ./{path}", node.mode, node.uid, node.gid)
            })
            .collect();
        // BuildKit mounts these, and the step itself makes the last.
        let made = ["./dev", "./etc/hosts", "./etc/resolv.conf", "./proc", "./sys", "./tmp/seen"];
        let is_made = |line: &str| made.iter().any(|path| line.ends_with(&format!(" {path}")));
        expected.retain(|line| !is_made(line));
        expected.sort();
        let inside = String::from_utf8_lossy(&inside);
        let mut inside: Vec<&str> =
            inside.lines().filter(|line| !is_made(line) && !line.ends_with(" .")).collect();
        inside.sort_unstable();
        assert_eq!(inside, expected, "seen in a step, {max_layers} layers");
        assert_eq!(seen.listing(), meant.listing(), "exported, {max_layers} layers");
    }
}

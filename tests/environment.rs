//! The build environment as a whole program makes it: what decides about its digest, and what no
//! layer holds.

use melange2::arch::Arch;
use melange2::image::Layout;

use crate::commands::Small;
use crate::image_model::Tree;
use crate::support::search::holding;
use crate::support::serve;

/// Renders `recipe` into `output` and returns the digest of its environment.
fn digest(small: &Small, recipe: &str, output: &str, more: &[&str]) -> String {
    let mut command = small.env.command(env!("CARGO_BIN_EXE_melange2"));
    // A cache for each: nothing is taken from what another made.
    let cache = format!("cache-{output}");
    let args = ["render", recipe, "-o", output, "--apk-cache-dir", &cache];
    let said = small.env.text(&command.args(args).args(more).output().unwrap());
    assert!(said.starts_with("exit: 0\n"), "{more:?}: {said}");
    let script = small.env.work().join(output).join("build.sh");
    let script = fs_err::read_to_string(script).unwrap();
    let digest = script.split_once("env@sha256:").unwrap().1;
    digest.split_whitespace().next().unwrap().to_owned()
}

/// The tree of a rendered environment.
fn tree(small: &Small, output: &str, digest: &str) -> Tree {
    let dir = small.env.work().join(output).join("contexts/env");
    let manifest = fs_err::read(dir.join("blobs/sha256").join(digest)).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    let layers = manifest["layers"].as_array().unwrap().len();
    let in_use = tempfile::tempdir().unwrap();
    let in_use = melange2::fsutil::FileLock::exclusive(&in_use.path().join("lock")).unwrap();
    let (programs, digest) = (Vec::new(), digest.parse().unwrap());
    Tree::of_layout(&Layout { dir, digest, layers, programs, in_use: in_use.into() })
}

/// Another recipe, which names its repositories itself.
fn with_repositories(small: &Small, lines: &str) -> &'static str {
    let text = fs_err::read_to_string(small.env.work().join("small.yaml")).unwrap();
    small.env.write("own.yaml", text.replace("  contents:\n", &format!("  contents:\n{lines}")));
    "own.yaml"
}

#[test]
fn one_digest_however_repositories_and_keys_are_written() {
    let small = Small::new(Arch::host());
    let work = small.env.work();
    let other = small.env.run(&["keygen", "--key-size", "2048", "unrelated.rsa"]);
    assert!(other.starts_with("exit: 0"), "{other}");
    std::os::unix::fs::symlink("repo", work.join("link")).unwrap();
    let absolute = small.repository.dir.display().to_string();
    let (slash, file) = (format!("{absolute}/"), format!("file://{absolute}"));
    let key = ["-k", "fixture.rsa.pub"];
    let first = digest(&small, "small.yaml", "local-0", &[&key[..], &["-r", "repo"]].concat());
    let spellings: [&[&str]; 7] = [
        &["-r", &absolute],
        &["-r", &slash],
        &["-r", &file],
        &["-r", "./repo/"],
        &["-r", "link"],
        &["-r", "repo", "-k", "unrelated.rsa.pub"],
        &["-r", "repo", "-r", "empty", "--ignore-signatures"],
    ];
    for (number, spelling) in spellings.iter().enumerate() {
        let output = format!("local-{}", number + 1);
        let found = digest(&small, "small.yaml", &output, &[&key[..], spelling].concat());
        assert_eq!(found, first, "{spelling:?}");
    }
    let tree = tree(&small, "local-0", &first);
    assert_eq!(tree.get("etc/apk/repositories").unwrap().content, b"\n");
    assert!(tree.get("etc/apk/keys/fixture.rsa.pub").is_none());

    // The same packages on a server: their place and key mean something inside a step.
    let server = serve::files(&small.repository.dir);
    let slash = format!("{server}/");
    let first = digest(&small, "small.yaml", "remote-0", &[&key[..], &["-r", &server]].concat());
    let spellings: [&[&str]; 2] =
        [&["-r", &slash], &["-r", &server, "-r", "empty", "-k", "unrelated.rsa.pub"]];
    for (number, spelling) in spellings.iter().enumerate() {
        let output = format!("remote-{}", number + 1);
        let found = digest(&small, "small.yaml", &output, &[&key[..], spelling].concat());
        assert_eq!(found, first, "{spelling:?}");
    }
}

#[test]
fn credentials_of_a_repository_are_in_no_layer_and_no_key() {
    let small = Small::new(Arch::host());
    let server = serve::files(&small.repository.dir);
    let secret = server.replace("http://", "http://me:n0tF0rLayers@");
    let plain = digest(&small, "small.yaml", "plain", &["-r", &server, "-k", "fixture.rsa.pub"]);
    let args = ["-r", &secret, "-k", "fixture.rsa.pub"];
    assert_eq!(digest(&small, "small.yaml", "flag", &args), plain);
    let lines = format!("    repositories: [{secret}]\n    keyring: [fixture.rsa.pub]\n");
    let own = with_repositories(&small, &lines);
    assert_eq!(digest(&small, own, "recipe", &[]), plain);

    for directory in ["flag", "recipe", "cache-flag", "cache-recipe"] {
        let directory = small.env.work().join(directory);
        assert_eq!(holding(&directory, "n0tF0rLayers"), Vec::<String>::new());
        // It would be found.
        assert_ne!(holding(&directory, "usr/share/one"), Vec::<String>::new());
    }
    let tree = tree(&small, "flag", &plain);
    let text = &tree.get("etc/apk/repositories").unwrap().content;
    assert_eq!(String::from_utf8_lossy(text), format!("{server}\n"));
    let key = fs_err::read(small.env.work().join("fixture.rsa.pub")).unwrap();
    assert_eq!(tree.get("etc/apk/keys/fixture.rsa.pub").unwrap().content, key);
}

//! `melange2 solve`, as users see it.

use std::path::{Path, PathBuf};

use fs_err as fs;
use insta::assert_snapshot;
use melange2::apk::index::{Entry, Index};
use melange2::apk::key::Signer;
use melange2::apk::pkginfo::PkgInfo;
use melange2::apk::reader::Apk;
use melange2::apk::tar::{Header, Kind};
use melange2::apk::writer::{DataWriter, write_apk};
use melange2::digest::Sha1;

use crate::support::TestEnv;

/// A signed repository in `repo`, its key in `test.rsa.pub`.
fn repository() -> TestEnv {
    let env = TestEnv::new();
    let directory = env.work().join("repo/x86_64");
    let signer = Signer::generate(2048, "test.rsa.pub").unwrap();
    let packages = [
        package(&directory, &signer, "curl", "8.1-r0", "libcurl so:libc.so.6", ""),
        package(&directory, &signer, "libcurl", "8.0-r1", "so:libssl.so.1", ""),
        package(&directory, &signer, "libcurl", "8.1-r0", "so:libssl.so.3", ""),
        package(&directory, &signer, "openssl", "3.2-r0", "so:libc.so.6", "so:libssl.so.3=3"),
        package(&directory, &signer, "glibc", "2.39-r0", "", "so:libc.so.6=6"),
    ];
    let entries = packages.map(|path| Entry::of_apk(&Apk::open(&path).unwrap()));
    let index = Index { description: String::new(), entries: entries.to_vec() };
    fs::write(directory.join("APKINDEX.tar.gz"), index.to_archive(Some(&signer)).unwrap()).unwrap();
    env.write("test.rsa.pub", signer.public_pem().unwrap());
    env
}

fn package(
    directory: &Path,
    signer: &Signer,
    name: &str,
    version: &str,
    depends: &str,
    provides: &str,
) -> PathBuf {
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
    let info = PkgInfo {
        name: name.to_owned(),
        version: version.to_owned(),
        arch: "x86_64".to_owned(),
        origin: name.to_owned(),
        depends: words(depends),
        provides: words(provides),
        ..PkgInfo::default()
    };
    let mut data = DataWriter::create(directory, 1).unwrap();
    let header = Header::new(format!("usr/share/{name}"), Kind::File);
    data.append(header, Some(Sha1::of(b"")), &mut std::io::empty()).unwrap();
    let path = directory.join(format!("{name}-{version}.apk"));
    write_apk(&path, data.finish().unwrap(), &info, &[], 0, Some(signer)).unwrap();
    path
}

const REPOSITORY: [&str; 6] = ["-r", "repo", "-k", "test.rsa.pub", "--arch", "x86_64"];

fn solve(env: &TestEnv, more: &[&str]) -> String {
    env.run(&[&["solve"], REPOSITORY.as_slice(), more].concat())
}

#[test]
fn packages_are_printed_in_installation_order() {
    let env = repository();
    let first = solve(&env, &["curl"]);
    assert_snapshot!(first, @r"
    exit: 0
    --- stdout
    glibc=2.39-r0
    openssl=3.2-r0
    libcurl=8.1-r0
    curl=8.1-r0
    --- stderr
    ");
    // Again, from what the first time left.
    assert_eq!(solve(&env, &["curl"]), first);
    let snapshots = env.work().join("../home/.cache/melange2/apk/snapshots");
    assert_eq!(fs::read_dir(snapshots).unwrap().count(), 1);
}

#[test]
fn json_tells_more() {
    let env = repository();
    let text = solve(&env, &["--format", "json", "glibc"]);
    let checksum = text.split('"').find(|word| word.starts_with("Q1")).unwrap();
    let size = fs::metadata(env.work().join("repo/x86_64/glibc-2.39-r0.apk")).unwrap().len();
    let text = text.replace(checksum, "Q1…").replace(&format!(": {size},"), ": SIZE,");
    assert_snapshot!(text, @r#"
    exit: 0
    --- stdout
    [
      {
        "name": "glibc",
        "version": "2.39-r0",
        "checksum": "Q1…",
        "size": SIZE,
        "tag": null,
        "location": "repo/x86_64/glibc-2.39-r0.apk",
        "origin": "glibc"
      }
    ]
    --- stderr
    "#);
}

#[test]
fn what_can_not_be_met_is_explained() {
    let env = repository();
    assert_snapshot!(solve(&env, &["curl", "libcurl<8.1"]), @r"
    exit: 4
    --- stdout
    --- stderr
    error: `libcurl-8.0-r1` needs `so:libssl.so.1`, which nothing provides
    help: did you mean `so:libssl.so.3`?
    ");
    assert_snapshot!(solve(&env, &["crul"]), @r"
    exit: 4
    --- stdout
    --- stderr
    error: nothing provides `crul`, which was asked for
    help: did you mean `curl`?
    ");
    assert_snapshot!(solve(&env, &["curl", "!openssl"]), @r"
    exit: 4
    --- stdout
    --- stderr
    error: `curl-8.1-r0` needs `libcurl-8.1-r0`, which needs `so:libssl.so.3`, but `!openssl` was asked for too
    ");
}

#[test]
fn what_makes_no_sense_is_a_usage_error() {
    let env = repository();
    assert_snapshot!(env.run(&["solve", "curl"]), @r"
    exit: 2
    --- stdout
    --- stderr
    error: there is no repository to take packages from
    help: name one with `-r`, and its key with `-k`
    ");
    assert_snapshot!(solve(&env, &["curl>"]), @r"
    exit: 2
    --- stdout
    --- stderr
    error: invalid value 'curl>' for '<ATOM>...': invalid dependency `curl>`: no version after the operator

    For more information, try '--help'.
    ");
    assert_snapshot!(solve(&env, &["curl", "-k", "missing.pub"]), @r"
    exit: 2
    --- stdout
    --- stderr
    error: key `missing.pub`: failed to open file `missing.pub`: No such file or directory (os error 2)
    ");
}

#[test]
fn what_is_not_trusted_is_refused() {
    let env = repository();
    let other = Signer::generate(2048, "other.rsa.pub").unwrap();
    env.write("other.rsa.pub", other.public_pem().unwrap());
    let untrusted = ["solve", "-r", "repo", "-k", "other.rsa.pub", "--arch", "x86_64", "glibc"];
    assert_snapshot!(env.run(&untrusted), @r"
    exit: 4
    --- stdout
    --- stderr
    error: repo/x86_64/APKINDEX.tar.gz: the index is not trusted: the signing key `test.rsa.pub` is not trusted
    help: name its key with `-k`, or pass `--ignore-signatures`
    ");
    assert_snapshot!(env.run(&[untrusted.as_slice(), &["--ignore-signatures"]].concat()), @r"
    exit: 0
    --- stdout
    glibc=2.39-r0
    --- stderr
    ");
}

#[test]
fn an_unreachable_repository_is_an_error() {
    let env = repository();
    // A port that nobody listens at, because it was just given back.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}/os");
    let text = env.run(&["solve", "-r", &url, "--ignore-signatures", "--arch", "x86_64", "glibc"]);
    assert_snapshot!(text.replace(&port.to_string(), "PORT"), @r"
    exit: 4
    --- stdout
    --- stderr
    error: failed to fetch `http://127.0.0.1:PORT/os/x86_64/APKINDEX.tar.gz`: Connection refused (os error 111) (tried 4 times)
    ");
}

#[test]
fn concurrent_processes_share_a_cache() {
    let env = repository();
    let expected = solve(&env, &["curl", "--apk-cache-dir", "warm"]);
    let children: Vec<_> = (0..4)
        .map(|_| {
            env.command(env!("CARGO_BIN_EXE_melange2"))
                .arg("solve")
                .args(REPOSITORY)
                .args(["--apk-cache-dir", "cold", "curl"])
                .stdout(std::process::Stdio::piped())
                .stderr(std::process::Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    for child in children {
        assert_eq!(env.text(&child.wait_with_output().unwrap()), expected);
    }
}

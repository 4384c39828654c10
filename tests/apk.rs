//! The commands that make keys, sign and index, as they are typed; and how much memory writing a
//! package takes. `apk_peers` has what other programs say of the results.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use insta::assert_snapshot;
use melange2::apk::index::{self, Index};
use melange2::apk::pkginfo::PkgInfo;
use melange2::apk::reader::Apk;
use melange2::apk::tar::{Header, Kind};
use melange2::apk::writer::{DataWriter, write_apk};
use melange2::digest::Sha1;

use crate::support::TestEnv;

/// Writes an unsigned package with one file into the working directory.
pub fn package(env: &TestEnv, name: &str, version: &str, arch: &str) -> PathBuf {
    let path = env.work().join(format!("{name}-{version}.apk"));
    let content = format!("this is {name} {version}\n");
    let mut data = DataWriter::create(&env.work(), 1).unwrap();
    for directory in ["usr", "usr/share"] {
        let header = Header::new(directory, Kind::Directory);
        data.append(header, None, &mut std::io::empty()).unwrap();
    }
    let file = Header {
        size: content.len() as u64,
        ..Header::new(format!("usr/share/{name}"), Kind::File)
    };
    data.append(file, Some(Sha1::of(content.as_bytes())), &mut content.as_bytes()).unwrap();
    let info = PkgInfo {
        name: name.to_owned(),
        version: version.to_owned(),
        arch: arch.to_owned(),
        origin: name.to_owned(),
        description: format!("the {name} package"),
        licenses: vec!["MIT".to_owned(), "Apache-2.0".to_owned()],
        install_if: vec!["docs".to_owned(), format!("{name}={version}")],
        ..PkgInfo::default()
    };
    write_apk(&path, data.finish().unwrap(), &info, &[], 0, None).unwrap();
    path
}

/// Makes a key quickly.
pub fn keygen(env: &TestEnv, name: &str) {
    let text = env.run(&["keygen", "--key-size", "2048", name]);
    assert!(text.starts_with("exit: 0\n"), "{text}");
}

fn versions(path: &Path) -> Vec<String> {
    let index = index::read_file(path).unwrap().unwrap();
    index.entries.iter().map(|entry| format!("{}={}", entry.name, entry.version)).collect()
}

#[test]
fn keygen_writes_a_private_key_and_never_overwrites_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let env = TestEnv::new();
    assert_snapshot!(env.run(&["keygen", "--key-size", "2048"]), @r"
    exit: 0
    --- stdout
    --- stderr
    wrote `melange.rsa` (keep it secret) and `melange.rsa.pub`
    ");
    let key = env.work().join("melange.rsa");
    let mode = fs_err::metadata(&key).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let before = fs_err::read(&key).unwrap();
    assert_snapshot!(env.run(&["keygen", "--key-size", "2048"]), @r"
    exit: 2
    --- stdout
    --- stderr
    error: `melange.rsa` exists already
    help: give another name, or `--force` to replace it
    ");
    assert_eq!(fs_err::read(&key).unwrap(), before);
    assert_snapshot!(env.run(&["keygen", "--key-size", "2048", "--force"]), @r"
    exit: 0
    --- stdout
    --- stderr
    wrote `melange.rsa` (keep it secret) and `melange.rsa.pub`
    ");
    assert_ne!(fs_err::read(&key).unwrap(), before);
}

#[test]
fn keygen_refuses_unsafe_keys_and_warns_of_odd_names() {
    let env = TestEnv::new();
    assert_snapshot!(env.run(&["keygen", "--key-size", "1024"]), @r"
    exit: 2
    --- stdout
    --- stderr
    error: a key of 1024 bits is not safe: it needs at least 2048
    ");
    assert_snapshot!(env.run(&["keygen", "--key-size", "2048", "keys/mine"]), @r"
    exit: 0
    --- stdout
    --- stderr
    warning: apko passes over signatures of keys not named `*.rsa`, as `mine`
    wrote `keys/mine` (keep it secret) and `keys/mine.pub`
    ");
}

#[test]
fn sign_signs_packages_with_the_key_that_is_given() {
    let env = TestEnv::new();
    keygen(&env, "local-melange.rsa");
    let path = package(&env, "a", "1-r0", "x86_64");
    package(&env, "b", "1-r0", "x86_64");
    assert_snapshot!(env.run(&["sign", "a-1-r0.apk", "b-1-r0.apk"]), @r"
    exit: 0
    --- stdout
    --- stderr
    signed `a-1-r0.apk`
    signed `b-1-r0.apk`
    ");
    let signed = Apk::open(&path).unwrap();
    assert_eq!(signed.signatures[0].key, "local-melange.rsa.pub");
    signed.verify_data().unwrap();
    assert_snapshot!(env.run(&["sign", "-k", "missing.rsa", "a-1-r0.apk"]), @"
    exit: 2
    --- stdout
    --- stderr
    error: failed to open file `missing.rsa`: No such file or directory (os error 2)
    ");
    env.write("c.apk", "this is no package at all");
    assert_snapshot!(env.run(&["sign", "c.apk"]), @r"
    exit: 2
    --- stdout
    --- stderr
    error: malformed apk: `c.apk`: invalid gzip header
    ");
}

#[test]
fn index_merges_with_what_it_writes() {
    let env = TestEnv::new();
    for (name, version) in [("b", "1-r0"), ("a", "1-r0"), ("a", "2-r0")] {
        package(&env, name, version, "x86_64");
    }
    let path = env.work().join("repo/APKINDEX.tar.gz");
    let index = |args: &[&str]| {
        let text = env.run(&[&["index", "-o", "repo/APKINDEX.tar.gz"], args].concat());
        assert!(text.starts_with("exit: 0\n"), "{text}");
        versions(&path)
    };
    assert_eq!(index(&["b-1-r0.apk", "a-1-r0.apk"]), ["b=1-r0", "a=1-r0"]);
    assert_eq!(index(&["-m", "a-2-r0.apk", "b-1-r0.apk"]), ["b=1-r0", "a=1-r0", "a=2-r0"]);
    assert_eq!(index(&["a-2-r0.apk"]), ["a=2-r0"], "without -m it begins anew");
    fs_err::rename(&path, env.work().join("other.tar.gz")).unwrap();
    assert_eq!(index(&["-m", "-s", "other.tar.gz", "b-1-r0.apk"]), ["a=2-r0", "b=1-r0"]);
    assert_eq!(index(&["-m", "-s", "missing", "b-1-r0.apk"]), ["b=1-r0"]);
}

#[test]
fn index_keeps_what_melange_loses() {
    let env = TestEnv::new();
    let apk = Apk::open(&package(&env, "a", "1-r0", "x86_64")).unwrap();
    env.run(&["index", "a-1-r0.apk"]);
    let archive = fs_err::read(env.work().join("APKINDEX.tar.gz")).unwrap();
    let text = Index::read(&archive).unwrap().to_text();
    let checksum = text.lines().next().unwrap().to_owned();
    assert!(checksum.starts_with("C:Q1") && checksum.len() == 32, "{checksum}");
    let text =
        text.replace(&checksum, "C:CHECKSUM").replace(&format!("S:{}\n", apk.size), "S:SIZE\n");
    assert_snapshot!(text, @r"
    C:CHECKSUM
    P:a
    V:1-r0
    A:x86_64
    S:SIZE
    I:15
    T:the a package
    L:MIT AND Apache-2.0
    o:a
    i:docs a=1-r0
    ");
}

#[test]
fn packages_that_are_cut_short_are_neither_indexed_nor_signed() {
    let env = TestEnv::new();
    keygen(&env, "melange.rsa");
    package(&env, "a", "1-r0", "x86_64");
    package(&env, "b", "1-r0", "x86_64");
    let path = env.work().join("b-1-r0.apk");
    let whole = fs_err::read(&path).unwrap();
    let data = usize::try_from(Apk::open(&path).unwrap().data_offset).unwrap();
    // In the control segment, at its end, in the data, and by one byte.
    for length in [data / 2, data, data + (whole.len() - data) / 2, whole.len() - 1] {
        fs_err::write(&path, &whole[..length]).unwrap();
        for args in [
            &["index", "a-1-r0.apk", "b-1-r0.apk"][..],
            &["sign", "--signing-key", "melange.rsa", "b-1-r0.apk"],
        ] {
            let said = env.run(args);
            assert!(said.starts_with("exit: 2\n"), "{length}: {said}");
            assert!(said.contains("`b-1-r0.apk`"), "{length}: {said}");
            assert!(!env.work().join("APKINDEX.tar.gz").exists());
            assert_eq!(fs_err::read(&path).unwrap(), whole[..length]);
        }
    }
    fs_err::write(&path, whole).unwrap();
    assert!(env.run(&["index", "a-1-r0.apk", "b-1-r0.apk"]).starts_with("exit: 0\n"));
}

#[test]
fn index_leaves_out_other_architectures() {
    let env = TestEnv::new();
    package(&env, "a", "1-r0", "x86_64");
    package(&env, "b", "1-r0", "aarch64");
    package(&env, "c", "1-r0", "noarch");
    let text = env.run(&["index", "--arch", "amd64", "a-1-r0.apk", "b-1-r0.apk", "c-1-r0.apk"]);
    assert_snapshot!(text, @r"
    exit: 0
    --- stdout
    --- stderr
    warning: `b-1-r0.apk` is left out: its architecture is `aarch64`
    wrote 2 of 3 packages to `APKINDEX.tar.gz`
    ");
    assert_eq!(versions(&env.work().join("APKINDEX.tar.gz")), ["a=1-r0", "c=1-r0"]);
}

#[test]
fn sign_index_signs_once_unless_forced() {
    let env = TestEnv::new();
    keygen(&env, "melange.rsa");
    package(&env, "a", "1-r0", "x86_64");
    env.run(&["index", "a-1-r0.apk"]);
    let path = env.work().join("APKINDEX.tar.gz");
    let unsigned = fs_err::read(&path).unwrap();
    assert_snapshot!(env.run(&["sign-index", "APKINDEX.tar.gz"]), @r"
    exit: 0
    --- stdout
    --- stderr
    signed `APKINDEX.tar.gz`
    ");
    let signed = fs_err::read(&path).unwrap();
    assert!(signed.ends_with(&unsigned) && signed.len() > unsigned.len());
    keygen(&env, "other.rsa");
    let other = ["sign-index", "--signing-key", "other.rsa", "APKINDEX.tar.gz"];
    assert_snapshot!(env.run(&other), @r"
    exit: 0
    --- stdout
    --- stderr
    `APKINDEX.tar.gz` is signed already (`--force` replaces it)
    ");
    assert_eq!(fs_err::read(&path).unwrap(), signed);
    assert!(env.run(&[other.as_slice(), &["-f"]].concat()).contains("signed `APKINDEX.tar.gz`"));
    let replaced = fs_err::read(&path).unwrap();
    assert!(replaced.ends_with(&unsigned) && replaced != signed);
}

#[test]
fn index_signs_what_it_writes() {
    let env = TestEnv::new();
    keygen(&env, "melange.rsa");
    package(&env, "a", "1-r0", "x86_64");
    env.run(&["index", "--signing-key", "melange.rsa", "a-1-r0.apk"]);
    let mut ring = melange2::apk::key::KeyRing::default();
    ring.add("melange.rsa.pub", &fs_err::read(env.work().join("melange.rsa.pub")).unwrap())
        .unwrap();
    let archive = fs_err::read(env.work().join("APKINDEX.tar.gz")).unwrap();
    assert_eq!(index::verify(&archive, &ring).unwrap(), "melange.rsa.pub");
}

/// Set in the process that does the writing.
const CHILD: &str = "MELANGE2_TEST_WRITES_A_BIG_PACKAGE";

/// In a process of its own, whose peak memory is not that of the other tests.
#[test]
fn a_package_of_two_gibibytes_takes_little_memory() {
    if std::env::var_os(CHILD).is_some() {
        write_two_gibibytes();
        return;
    }
    let name = "apk::a_package_of_two_gibibytes_takes_little_memory";
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}");
    let peak = text.lines().find_map(|line| line.split_once("peak memory: ")).unwrap().1;
    let peak: u64 = peak.trim().parse().unwrap();
    println!("peak memory: {} MiB", peak >> 10);
    assert!(peak < 300 << 10, "{peak} KiB");
}

fn write_two_gibibytes() {
    /// Mostly blanks, which go fast, and noise now and then, which does not compress.
    struct Content(u64);
    impl std::io::Read for Content {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            for chunk in buffer.chunks_mut(4096) {
                self.0 += 1;
                chunk.fill(b' ');
                if self.0 % 8192 < 512 {
                    let mut noise = self.0;
                    for byte in chunk {
                        noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        *byte = (noise >> 56) as u8;
                    }
                }
            }
            Ok(buffer.len())
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let mut data = DataWriter::create(directory.path(), 8).unwrap();
    let header = Header { size: 2 << 30, ..Header::new("big", Kind::File) };
    data.append(header, Some(Sha1::of(b"")), &mut Content(0).take(2 << 30)).unwrap();
    let info = PkgInfo { name: "big".into(), version: "1".into(), ..PkgInfo::default() };
    let path = directory.path().join("big.apk");
    write_apk(&path, data.finish().unwrap(), &info, &[], 0, None).unwrap();
    let apk = Apk::open(&path).unwrap();
    assert_eq!(apk.info.size, 2 << 30);
    apk.verify_data().unwrap();
    let status = fs_err::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    println!("peak memory: {}", peak.trim().trim_end_matches(" kB"));
}

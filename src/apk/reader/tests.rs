//! Packages written, opened, verified, damaged.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::apk::key::Signer;
use crate::apk::tar::{Header, Writer};
use crate::apk::writer::{Data, DataWriter, sign_apk, write_apk};

static KEYS: LazyLock<[Signer; 2]> = LazyLock::new(|| {
    ["one.rsa.pub", "two.rsa.pub"].map(|name| Signer::generate(2048, name).unwrap())
});

fn ring(signers: &[&Signer]) -> KeyRing {
    let mut ring = KeyRing::default();
    for signer in signers {
        ring.add(signer.name(), signer.public_pem().unwrap().as_bytes()).unwrap();
    }
    ring
}

fn data(directory: &Path, threads: usize) -> Data {
    let mut data = DataWriter::create(directory, threads).unwrap();
    data.append(Header::new("usr", Kind::Directory), None, &mut io::empty()).unwrap();
    let file = Header { size: 5, mode: 0o4755, ..Header::new("usr/hello", Kind::File) };
    data.append(file, Some(Sha1::of(b"hello")), &mut b"hello".as_slice()).unwrap();
    let link = Header { link: b"usr/hello".to_vec(), ..Header::new("usr/hi", Kind::HardLink) };
    data.append(link, Some(Sha1::of(b"hello")), &mut io::empty()).unwrap();
    let link = Header { link: b"hello".to_vec(), ..Header::new("usr/salve", Kind::Symlink) };
    data.append(link, None, &mut io::empty()).unwrap();
    data.finish().unwrap()
}

fn info() -> PkgInfo {
    PkgInfo { name: "hello".into(), version: "1-r0".into(), ..PkgInfo::default() }
}

/// Writes a package and returns its path.
fn package(directory: &Path, signer: Option<&Signer>) -> PathBuf {
    let path = directory.join("hello-1-r0.apk");
    let control = [
        (".post-install".to_owned(), 0o755, b"#!/bin/sh\n".to_vec()),
        (".melange.yaml".to_owned(), 0o644, b"package:\n".to_vec()),
    ];
    write_apk(&path, data(directory, 2), &info(), &control, 1_700_000_000, signer).unwrap();
    path
}

#[test]
fn a_package_is_read_as_it_was_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = package(directory.path(), None);
    let apk = Apk::open(&path).unwrap();
    assert_eq!(apk.signatures, []);
    assert_eq!((apk.info.size, apk.mtime), (10, 1_700_000_000));
    let names: Vec<_> = apk.control_files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, [".melange.yaml", ".post-install"]);
    apk.verify_data().unwrap();
    let mut entries = apk.entries().unwrap();
    let mut found = Vec::new();
    while let Some(header) = entries.next_entry().unwrap() {
        let sum = header.pax.get("APK-TOOLS.checksum.SHA1").map(Vec::len);
        found.push((header.display_path(), header.kind, header.mode, sum));
    }
    assert_eq!(
        found,
        [
            ("usr".to_owned(), Kind::Directory, 0o755, None),
            ("usr/hello".to_owned(), Kind::File, 0o4755, Some(40)),
            ("usr/hi".to_owned(), Kind::HardLink, 0o644, Some(40)),
            ("usr/salve".to_owned(), Kind::Symlink, 0o777, Some(40)),
        ]
    );
}

#[test]
fn a_signature_names_its_key() {
    let directory = tempfile::tempdir().unwrap();
    let [one, two] = &*KEYS;
    let path = package(directory.path(), Some(one));
    let apk = Apk::open(&path).unwrap();
    assert_eq!(apk.verify_signature(&ring(&[one, two])).unwrap(), "one.rsa.pub");
    let error = apk.verify_signature(&ring(&[two])).unwrap_err().to_string();
    assert!(error.ends_with("the signing key `one.rsa.pub` is not trusted"), "{error}");
    let mut liar = KeyRing::default();
    liar.add("one.rsa.pub", two.public_pem().unwrap().as_bytes()).unwrap();
    let error = apk.verify_signature(&liar).unwrap_err().to_string();
    assert!(error.ends_with("the signature of the key `one.rsa.pub` does not fit"), "{error}");
}

#[test]
fn signing_replaces_the_signature_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let [one, two] = &*KEYS;
    let path = package(directory.path(), None);
    let unsigned = fs_err::read(&path).unwrap();
    let error = Apk::open(&path).unwrap().verify_signature(&ring(&[one])).unwrap_err().to_string();
    assert!(error.ends_with("it is not signed"), "{error}");
    sign_apk(&path, one).unwrap();
    let by_one = fs_err::read(&path).unwrap();
    assert!(by_one.ends_with(&unsigned));
    sign_apk(&path, two).unwrap();
    let by_two = fs_err::read(&path).unwrap();
    assert!(by_two.ends_with(&unsigned));
    assert_eq!(
        by_two.len() - unsigned.len(),
        Apk::open(&path).unwrap().data_offset as usize - Apk::open(&path).unwrap().control.len()
    );
    Apk::open(&path).unwrap().verify_signature(&ring(&[two])).unwrap();
    let names: Vec<_> = fs_err::read_dir(directory.path()).unwrap().collect();
    assert_eq!(names.len(), 1, "nothing beside the package");
    sign_apk(&path, one).unwrap();
    assert_eq!(fs_err::read(&path).unwrap(), by_one, "signatures are deterministic");
}

#[test]
fn bytes_do_not_depend_on_threads() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(data(directory.path(), 1).hash, data(directory.path(), 3).hash);
}

#[test]
fn damaged_data_and_control_are_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let path = package(directory.path(), Some(&KEYS[0]));
    let whole = fs_err::read(&path).unwrap();
    let mut damaged = whole.clone();
    *damaged.last_mut().unwrap() ^= 1;
    fs_err::write(&path, &damaged).unwrap();
    let error = Apk::open(&path).unwrap().verify_data().unwrap_err().to_string();
    assert!(error.contains("is damaged: SHA-256"), "{error}");

    let offset = Apk::open(&path).unwrap().data_offset as usize;
    for (cut, problem) in [(0, "cut short"), (offset - 1, "cut short"), (offset, "no data segment")]
    {
        fs_err::write(&path, &whole[..cut]).unwrap();
        let error = Apk::open(&path).unwrap_err().to_string();
        assert!(error.contains("hello-1-r0.apk`") && error.contains(problem), "{cut}: {error}");
    }
}

/// An apk whose control segment is this archive.
fn with_control(directory: &Path, content: &[u8]) -> Result<Apk, Error> {
    let path = directory.join("made.apk");
    fs_err::write(&path, [gzip::compress(content), gzip::compress(b"")].concat()).unwrap();
    Apk::open(&path)
}

#[test]
fn ambiguous_control_segments_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let control = |names: &[&str]| {
        let mut tar = Writer::new(Vec::new());
        for name in names {
            let text = b"pkgname = a\npkgver = 1\n";
            let header = Header { size: text.len() as u64, ..Header::new(*name, Kind::File) };
            tar.append(&header, &mut text.as_slice()).unwrap();
        }
        with_control(directory.path(), &tar.into_inner()).map_err(|error| error.to_string())
    };
    control(&[".PKGINFO", ".trigger"]).unwrap();
    for (names, problem) in [
        ([".PKGINFO", ".PKGINFO"].as_slice(), "two `.PKGINFO` files"),
        (&[".trigger"], "there is no `.PKGINFO`"),
        (&[], "there is no `.PKGINFO`"),
        (&[".SIGN.RSA256.k", ".PKGINFO"], "a signature beside other files"),
    ] {
        assert!(control(names).unwrap_err().ends_with(problem));
    }
}

#[test]
fn a_bomb_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let error = with_control(directory.path(), &vec![0; MAX_CONTROL as usize + 1]).unwrap_err();
    assert!(error.to_string().ends_with("a gzip member is longer than 67108864 bytes"), "{error}");
}

#[test]
fn control_files_have_proper_names() {
    let directory = tempfile::tempdir().unwrap();
    let write = |names: &[&str]| {
        let files: Vec<_> = names.iter().map(|name| (name.to_string(), 0o644, vec![])).collect();
        let target = directory.path().join("x.apk");
        write_apk(&target, data(directory.path(), 1), &info(), &files, 0, None)
    };
    write(&[".a", ".b"]).unwrap();
    for names in [[".a", ".PKGINFO"], [".a", ".a"], [".a", "b"], [".a", ".b/c"]] {
        assert!(write(&names).is_err(), "{names:?}");
    }
}

#[test]
fn files_without_checksum_are_refused_and_empty_packages_have_no_size() {
    let directory = tempfile::tempdir().unwrap();
    let mut data = DataWriter::create(directory.path(), 1).unwrap();
    assert!(data.append(Header::new("f", Kind::File), None, &mut io::empty()).is_err());
    assert_eq!(data.finish().unwrap().installed, 0);
    let mut data = DataWriter::create(directory.path(), 1).unwrap();
    data.append(Header::new("d", Kind::Directory), None, &mut io::empty()).unwrap();
    assert_eq!(data.finish().unwrap().installed, 1, "apk-tools passes over packages of size 0");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn mutations_never_panic(
        places in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<proptest::sample::Index>(),
        inside in any::<bool>(),
    ) {
        static WHOLE: LazyLock<(Vec<u8>, Vec<u8>)> = LazyLock::new(|| {
            let directory = tempfile::tempdir().unwrap();
            let path = package(directory.path(), Some(&KEYS[0]));
            let control = Apk::open(&path).unwrap().control;
            let content = gzip::read_member(&mut control.as_slice(), 1 << 20).unwrap().content;
            (fs_err::read(&path).unwrap(), content)
        });
        let directory = tempfile::tempdir().unwrap();
        let mut bytes = if inside { WHOLE.1.clone() } else { WHOLE.0.clone() };
        for (place, byte) in places {
            *place.get_mut(&mut bytes) = byte;
        }
        bytes.truncate(cut.index(bytes.len() * 2));
        if inside {
            let _ = with_control(directory.path(), &bytes);
        } else {
            let path = directory.path().join("x.apk");
            fs_err::write(&path, &bytes).unwrap();
            if let Ok(apk) = Apk::open(&path) {
                let _ = (apk.verify_data(), apk.verify_signature(&ring(&[&KEYS[0]])));
            }
        }
    }

    #[test]
    fn rubbish_is_no_package(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.apk");
        fs_err::write(&path, &bytes).unwrap();
        prop_assert!(Apk::open(&path).is_err());
        let _ = with_control(directory.path(), &bytes);
    }
}

//! Indexes read, written, merged, signed, damaged.

use std::sync::LazyLock;

use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;
use crate::apk::key::KeyRing;
use crate::apk::{gzip, tar};

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

fn entry(name: &str, version: &str) -> Entry {
    Entry { name: name.to_owned(), version: version.to_owned(), ..Entry::default() }
}

fn strings(list: &[&str]) -> Vec<String> {
    list.iter().copied().map(str::to_owned).collect()
}

fn full() -> Entry {
    Entry {
        checksum: "Q1pSfxbpbcSD1Wg8nNSd+F2lyBKcQ=".to_owned(),
        arch: "x86_64".to_owned(),
        size: 12,
        installed_size: 34,
        description: "says: hello".to_owned(),
        url: "https://example.com".to_owned(),
        license: "MIT AND Apache-2.0".to_owned(),
        origin: "hello".to_owned(),
        maintainer: "unknown".to_owned(),
        build_date: 1_700_000_000,
        commit: "abc".to_owned(),
        provider_priority: Some(5),
        depends: strings(&["so:libc.so.6", "!foo"]),
        provides: strings(&["cmd:hello=1-r0"]),
        install_if: strings(&["docs", "hello=1-r0"]),
        replaces: Vec::new(),
        ..entry("hello", "1-r0")
    }
}

#[test]
fn fields_are_written_in_apkos_order() {
    let index = Index { entries: vec![full(), entry("a", "1")], ..Index::default() };
    assert_eq!(Index::parse(&index.to_text()).unwrap(), index);
    assert_snapshot!(index.to_text(), @r"
    C:Q1pSfxbpbcSD1Wg8nNSd+F2lyBKcQ=
    P:hello
    V:1-r0
    A:x86_64
    S:12
    I:34
    T:says: hello
    U:https://example.com
    L:MIT AND Apache-2.0
    o:hello
    m:unknown
    t:1700000000
    c:abc
    D:so:libc.so.6 !foo
    i:docs hello=1-r0
    p:cmd:hello=1-r0
    k:5

    P:a
    V:1
    T:
    ");
}

#[test]
fn foreign_texts_are_read() {
    let index = Index::parse("P:a\nV:1\nX:unknown\nr:b c\n\n\n\nD:\nV:2\nP:b").unwrap();
    assert_eq!(index.entries.len(), 2);
    assert_eq!(index.entries[0].replaces, ["b", "c"]);
    assert_eq!(index.entries[1], entry("b", "2"));
    assert_eq!(Index::parse("").unwrap(), Index::default());
}

#[test]
fn malformed_texts_name_the_line() {
    for (text, problem) in [
        ("P:a\nV:1\nS:big\n", "line 3: `S:` is not a number"),
        ("P:a\nversion\n", "line 2: not of the form `X:value`"),
        ("é:a\n", "line 1: not of the form `X:value`"),
        ("V:1\n\n", "line 2: the package before it has no name (`P:`)"),
        ("P:a\n", "line 1: the package `a` has no version (`V:`)"),
    ] {
        let error = Index::parse(text).unwrap_err().to_string();
        assert_eq!(error, format!("malformed index: {problem}"));
    }
}

#[test]
fn line_breaks_do_not_forge_fields() {
    let index = Index {
        entries: vec![Entry { description: "x\nD:evil\n\nP:evil".to_owned(), ..full() }],
        ..Index::default()
    };
    let read = Index::parse(&index.to_text()).unwrap();
    assert_eq!(read.entries.len(), 1);
    assert_eq!(read.entries[0].depends, full().depends);
}

#[test]
fn merging_replaces_in_place_and_appends() {
    let named = |entries: &[Entry]| -> Vec<String> {
        entries.iter().map(|e| format!("{}={} {}", e.name, e.version, e.size)).collect()
    };
    let mut index = Index { entries: vec![entry("b", "1"), entry("a", "1")], ..Index::default() };
    let new = |name, version, size| Entry { size, ..entry(name, version) };
    index.merge([new("a", "2", 1), new("b", "1", 2), new("a", "2", 3)]);
    assert_eq!(named(&index.entries), ["b=1 2", "a=1 0", "a=2 3"]);
}

#[test]
fn an_archive_survives_and_is_the_same_every_time() {
    let index = Index { description: "demo".to_owned(), entries: vec![full()] };
    let archive = index.to_archive(None).unwrap();
    assert_eq!(Index::read(&archive).unwrap(), index);
    assert_eq!(index.to_archive(None).unwrap(), archive);
    assert!(!is_signed(&archive).unwrap());
}

#[test]
fn signatures_are_verified_and_replaced() {
    let [one, two] = &*KEYS;
    let index = Index { entries: vec![full()], ..Index::default() };
    let unsigned = index.to_archive(None).unwrap();
    let archive = index.to_archive(Some(one)).unwrap();
    assert!(is_signed(&archive).unwrap() && archive.ends_with(&unsigned));
    assert_eq!(Index::read(&archive).unwrap(), index);
    assert_eq!(verify(&archive, &ring(&[one, two])).unwrap(), "one.rsa.pub");
    let problem = |archive: &[u8], ring: &KeyRing| verify(archive, ring).unwrap_err().to_string();
    assert_eq!(problem(&unsigned, &ring(&[one])), "the index is not trusted: it is not signed");
    assert!(problem(&archive, &ring(&[two])).ends_with("`one.rsa.pub` is not trusted"));
    let again = sign(&archive, two).unwrap();
    assert!(again.ends_with(&unsigned));
    assert_eq!(verify(&again, &ring(&[two])).unwrap(), "two.rsa.pub");
}

#[test]
fn a_changed_index_is_not_trusted() {
    let [one, _] = &*KEYS;
    let genuine = Index { entries: vec![full()], ..Index::default() };
    let archive = genuine.to_archive(Some(one)).unwrap();
    let signature = archive.len() - genuine.to_archive(None).unwrap().len();
    let other = Index { entries: vec![entry("evil", "1")], ..Index::default() };
    let unsigned = other.to_archive(None).unwrap();
    for forged in [
        [&archive[..signature], &unsigned].concat(),
        [&archive[..], &unsigned].concat(),
        [&unsigned[..], &archive].concat(),
    ] {
        assert!(verify(&forged, &ring(&[one])).is_err());
    }
}

#[test]
fn archives_that_are_none_are_refused() {
    let archive = Index { entries: vec![full()], ..Index::default() }.to_archive(None).unwrap();
    assert_eq!(
        Index::read(&archive[..archive.len() - 9]).unwrap_err().to_string(),
        "malformed index: it is cut short"
    );
    let mut twice = tar::Writer::new(Vec::new());
    for _ in 0..2 {
        let header = tar::Header::new("APKINDEX", tar::Kind::File);
        twice.append(&header, &mut std::io::empty()).unwrap();
    }
    let twice = gzip::compress(&twice.into_inner());
    assert!(Index::read(&twice).unwrap_err().to_string().ends_with("two files `APKINDEX`"));
    let empty = gzip::compress(b"");
    assert!(Index::read(&empty).unwrap_err().to_string().ends_with("there is no `APKINDEX`"));
}

#[test]
fn concurrent_updates_lose_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x86_64/APKINDEX.tar.gz");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let path = &path;
            scope.spawn(move || {
                for number in 0..5 {
                    let new = entry(&format!("p{thread}"), &number.to_string());
                    update(path, vec![new], None).unwrap();
                }
            });
        }
    });
    assert_eq!(read_file(&path).unwrap().unwrap().entries.len(), 20);
    let mut names: Vec<_> = fs_err::read_dir(path.parent().unwrap())
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["APKINDEX.tar.gz", "APKINDEX.tar.gz.lock"]);
}

#[test]
fn a_damaged_index_is_not_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("APKINDEX.tar.gz");
    assert!(read_file(&path).unwrap().is_none());
    fs_err::write(&path, b"rubbish").unwrap();
    let error = update(&path, vec![full()], None).unwrap_err().to_string();
    assert!(error.contains("APKINDEX.tar.gz`: "), "{error}");
    assert_eq!(fs_err::read(&path).unwrap(), b"rubbish");
}

proptest! {
    #[test]
    fn rubbish_never_panics(text in "([A-Za-z]:|\\PC|\n){0,30}", bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Index::parse(&text);
        let _ = Index::read(&bytes);
        let _ = Index::read(&gzip::compress(&bytes));
        let _ = verify(&gzip::compress(&bytes), &KeyRing::default());
    }

    #[test]
    fn mutations_never_panic(
        places in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4),
        inside in any::<bool>(),
    ) {
        let index = Index { entries: vec![full()], ..Index::default() };
        let mut archive = index.to_archive(Some(&KEYS[0])).unwrap();
        if inside {
            archive = gzip::read_member(&mut archive.as_slice(), 1 << 20).unwrap().content;
        }
        for (place, byte) in places {
            *place.get_mut(&mut archive) = byte;
        }
        if inside {
            archive = gzip::compress(&archive);
        }
        let _ = (Index::read(&archive), verify(&archive, &KeyRing::default()), is_signed(&archive));
    }

    #[test]
    fn what_is_written_is_read(name in "[a-z]{1,5}", words in proptest::collection::vec("[!-~]{1,6}", 0..4), text in "[ -~é]{0,9}") {
        let index = Index {
            description: text.clone(),
            entries: vec![Entry { description: text, depends: words.clone(), provides: words, ..entry(&name, "1") }],
        };
        prop_assert_eq!(Index::read(&index.to_archive(None).unwrap()).unwrap(), index);
    }
}

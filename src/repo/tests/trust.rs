//! What is refused, and what is taken.

use std::path::PathBuf;

use fs_err as fs;
use insta::assert_snapshot;

use super::fixture::{Fixture, KEY, OTHER_KEY, choose, failure, fetch};
use crate::repo::Options;

#[test]
fn a_local_repository_is_used_where_it_is() {
    let fixture = Fixture::new();
    let universe = fixture.open_local().unwrap();
    let paths: Vec<_> = fetch(&universe).unwrap().into_iter().map(|fetched| fetched.path).collect();
    assert_eq!(paths, [fixture.package("lib"), fixture.package("app")]);
}

#[test]
fn a_tampered_index_is_refused() {
    let fixture = Fixture::new();
    fixture.open_local().unwrap();
    let mut bytes = fs::read(fixture.index()).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(fixture.index(), bytes).unwrap();
    assert_snapshot!(failure(&fixture, None, fixture.open_local()), @"$ROOT/packages/x86_64/APKINDEX.tar.gz: the index is not trusted: the signature of the key `good.rsa.pub` does not fit");
}

/// The files of the snapshots.
fn snapshots(fixture: &Fixture) -> Vec<PathBuf> {
    let entries = fs::read_dir(fixture.path("cache/snapshots")).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn an_index_that_is_not_trusted_leaves_no_snapshot() {
    let fixture = Fixture::new();
    for signer in [None, Some(&*OTHER_KEY)] {
        fixture.write_index(signer);
        fixture.open_local().unwrap_err();
        assert_eq!(snapshots(&fixture), Vec::<PathBuf>::new());
    }
    // What can't be unpacked either is not trusted in the first place.
    fixture.write_index(Some(&KEY));
    let whole = fs::read(fixture.index()).unwrap();
    fs::write(fixture.index(), &whole[..whole.len() - 20]).unwrap();
    assert_snapshot!(failure(&fixture, None, fixture.open_local()), @"$ROOT/packages/x86_64/APKINDEX.tar.gz: the index is not trusted: the signature of the key `good.rsa.pub` does not fit");
    assert_eq!(snapshots(&fixture), Vec::<PathBuf>::new());

    fs::write(fixture.index(), whole).unwrap();
    drop(fixture.open_local().unwrap());
    assert_eq!(snapshots(&fixture).len(), 1);
}

#[test]
fn a_damaged_snapshot_is_not_believed_and_made_again() {
    let fixture = Fixture::new();
    let chosen = choose(&fixture.open_local().unwrap());
    let [snapshot] = snapshots(&fixture).try_into().unwrap();
    let whole = fs::read(&snapshot).unwrap();
    // In the head, and in the lines of the last package.
    for at in [whole.len() / 2, whole.len() - 2] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&snapshot, bytes).unwrap();
        assert_eq!(choose(&fixture.open_local().unwrap()), chosen, "{at}");
        assert_eq!(fs::read(&snapshot).unwrap(), whole, "{at}");
    }
}

#[test]
fn an_index_by_an_unknown_key_is_refused() {
    let fixture = Fixture::new();
    fixture.write_index(Some(&OTHER_KEY));
    assert_snapshot!(failure(&fixture, None, fixture.open_local()), @"$ROOT/packages/x86_64/APKINDEX.tar.gz: the index is not trusted: the signing key `other.rsa.pub` is not trusted");

    // That it was parsed before, and trusted by somebody else, does not help it.
    let options = Options { ignore_signatures: true, ..fixture.options() };
    let location = fixture.path("packages").display().to_string();
    fixture.open_as(&location, &options, None).unwrap();
    assert!(fixture.open_local().is_err());
}

#[test]
fn an_unsigned_index_is_refused_unless_signatures_are_ignored() {
    let fixture = Fixture::new();
    fixture.write_index(None);
    assert_snapshot!(failure(&fixture, None, fixture.open_local()), @"$ROOT/packages/x86_64/APKINDEX.tar.gz: the index is not trusted: it is not signed");
    let options = Options { ignore_signatures: true, keys: Vec::new(), ..fixture.options() };
    let location = fixture.path("packages").display().to_string();
    let universe = fixture.open_as(&location, &options, None).unwrap();
    assert_eq!(choose(&universe).len(), 2);
}

#[test]
fn a_package_that_the_index_does_not_mean_is_refused() {
    let fixture = Fixture::new();
    let universe = fixture.open_local().unwrap();
    // Signed by the right key, but another package.
    fixture.write_package("lib", "more", Some(&KEY));
    let text = failure(&fixture, None, fetch(&universe));
    let start = "$ROOT/packages/x86_64/lib-1-r0.apk: it is not the package that the index names";
    assert!(text.starts_with(start), "{text}");
}

#[test]
fn a_package_with_damaged_data_is_refused() {
    let fixture = Fixture::new();
    let universe = fixture.open_local().unwrap();
    let mut bytes = fs::read(fixture.package("lib")).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(fixture.package("lib"), bytes).unwrap();
    let text = failure(&fixture, None, fetch(&universe));
    assert!(text.contains("the data of `$ROOT/packages/x86_64/lib-1-r0.apk` is damaged"), "{text}");
}

#[test]
fn a_package_is_taken_on_the_indexs_word_unless_a_known_key_disagrees() {
    let fixture = Fixture::new();
    for signer in [None, Some(&*OTHER_KEY)] {
        fixture.write_package("lib", "", signer);
        fixture.write_index(Some(&KEY));
        fetch(&fixture.open_local().unwrap()).unwrap();
    }
    // A signature under the known key's name, made by another key.
    let forged =
        crate::apk::key::Signer::from_pem(OTHER_KEY.private_pem().unwrap().as_bytes(), KEY.name());
    fixture.write_package("lib", "", Some(&forged.unwrap()));
    fixture.write_index(Some(&KEY));
    assert_snapshot!(failure(&fixture, None, fetch(&fixture.open_local().unwrap())), @"$ROOT/packages/x86_64/lib-1-r0.apk: `$ROOT/packages/x86_64/lib-1-r0.apk` is not trusted: the signature of the key `good.rsa.pub` does not fit");
}

#[test]
fn a_directory_without_an_index_is_empty() {
    let fixture = Fixture::new();
    fs::remove_file(fixture.index()).unwrap();
    let universe = fixture.open_local().unwrap();
    let warnings = universe.warnings().join("\n");
    assert!(warnings.starts_with("there is no `APKINDEX.tar.gz` in `"), "{warnings}");
    assert!(universe.solve(&["app".parse().unwrap()]).is_err());
}

#[test]
fn a_key_that_is_none_is_named() {
    let fixture = Fixture::new();
    fs::write(fixture.key(), "no key").unwrap();
    assert_snapshot!(failure(&fixture, None, fixture.open_local()), @"key `$ROOT/good.rsa.pub`: malformed key: `good.rsa.pub`: there is no `PUBLIC KEY` in PEM");
    fs::remove_file(fixture.key()).unwrap();
    let text = failure(&fixture, None, fixture.open_local());
    assert!(text.starts_with("key `$ROOT/good.rsa.pub`: failed to open file"), "{text}");
}

//! What is assembled from packages, as files and as a tree.

use std::error::Error as _;

use melange2::apk::key::KeyRing;
use melange2::apk::reader::Apk;
use melange2::image::{self, Error, Request};

use crate::image_fixture::{
    Environment, Recipe, Repository, assemble, assemble_difficult, base, difficult,
};
use crate::image_model::Tree;

#[test]
fn the_tree_is_the_same_however_it_is_cut_into_layers() {
    let dir = tempfile::tempdir().unwrap();
    let repository = Repository::write(dir.path(), difficult());
    let layout = assemble_difficult(&repository, &dir.path().join("store"), 50);
    // Nine packages have files, two of them share a layer because of a hard link; the last layer.
    assert_eq!(layout.layers, 9);
    let tree = Tree::of_layout(&layout);
    // Signatures differ, and with them the packages' sizes in the database.
    insta::with_settings!({ filters => [(r"db/installed \(\d+", "db/installed (N")] }, {
        insta::assert_snapshot!("difficult_tree", tree.listing());
    });
    for max_layers in [2, 3, 5, 7] {
        let layout = assemble_difficult(&repository, &dir.path().join("store"), max_layers);
        assert!(layout.layers <= max_layers);
        assert_eq!(Tree::of_layout(&layout).listing(), tree.listing(), "{max_layers} layers");
    }
}

#[test]
fn programs_have_every_name_that_leads_to_them() {
    let dir = tempfile::tempdir().unwrap();
    let repository = Repository::write(dir.path(), difficult());
    let layout = assemble_difficult(&repository, &dir.path().join("store"), 50);
    for program in ["/bin/sh", "/sbin/sh", "/usr/bin/sh", "/usr/sbin/chroot", "/bin/tool-two"] {
        assert!(layout.programs.iter().any(|known| known == program), "{program}");
    }
    assert!(layout.programs.is_sorted());
}

#[test]
fn one_request_is_one_digest_in_every_store() {
    let dir = tempfile::tempdir().unwrap();
    let repository = Repository::write(dir.path(), difficult());
    let one = assemble_difficult(&repository, &dir.path().join("one"), 5);
    let again = assemble_difficult(&repository, &dir.path().join("one"), 5);
    assert_eq!((one.digest, one.layers), (again.digest, again.layers));
    assert_eq!(one.programs, again.programs);
    // Other files, other times, another store.
    let elsewhere = dir.path().join("elsewhere/x86_64");
    fs_err::create_dir_all(&elsewhere).unwrap();
    let copies = repository.apks.iter().map(|apk| {
        let copy = elsewhere.join(apk.file_name().unwrap());
        fs_err::copy(apk, &copy).unwrap();
        copy
    });
    let copy = Repository { apks: copies.collect(), ..repository };
    let other = assemble_difficult(&copy, &dir.path().join("other"), 5);
    assert_eq!(other.digest, one.digest);
}

#[test]
fn several_at_once_share_a_store() {
    let dir = tempfile::tempdir().unwrap();
    let repository = Repository::write(dir.path(), difficult());
    let store = dir.path().join("store");
    std::thread::scope(|scope| {
        for max_layers in [50, 50, 5, 4, 3] {
            let (repository, store) = (&repository, &store);
            scope
                .spawn(move || Tree::of_layout(&assemble_difficult(repository, store, max_layers)));
        }
    });
    let index = fs_err::read(store.join("index.json")).unwrap();
    let index: serde_json::Value = serde_json::from_slice(&index).unwrap();
    assert_eq!(index["manifests"].as_array().unwrap().len(), 4);
}

#[test]
fn what_a_store_lost_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let repository = Repository::write(dir.path(), difficult());
    let store = dir.path().join("store");
    let layout = assemble_difficult(&repository, &store, 5);
    for entry in fs_err::read_dir(store.join("blobs/sha256")).unwrap() {
        fs_err::remove_file(entry.unwrap().path()).unwrap();
    }
    for entry in fs_err::read_dir(store.join("contents")).unwrap() {
        fs_err::write(entry.unwrap().path(), "rubbish").unwrap();
    }
    assert_eq!(assemble_difficult(&repository, &store, 5).digest, layout.digest);
    Tree::of_layout(&layout);
}

/// Assembles a repository's packages and returns why that fails.
fn failure(repository: &Repository, max_layers: usize) -> Error {
    let environment = Environment {
        packages: &repository.apks,
        repositories: &[],
        world: &[],
        keys: &KeyRing::default(),
        paths: &[],
    };
    assemble(&environment, &repository.dir.join("store"), max_layers).unwrap_err()
}

#[test]
fn packages_that_have_one_file_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name, content| {
        Recipe::new(name).directories(0o755, &["usr"]).file(0o644, "usr/file", content)
    };
    let repository = Repository::write(dir.path(), vec![file("one", "1"), file("two", "2")]);
    assert_eq!(
        failure(&repository, 50).to_string(),
        "`/usr/file` is in both `one` and `two`, and neither replaces the other"
    );
    assert_eq!(
        failure(&repository, 1).to_string(),
        "an environment needs at least 2 layers, 1 allowed"
    );
}

#[test]
fn a_tampered_package_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let repository = Repository::write(dir.path(), vec![base()]);
    let other = Repository::write(&dir.path().join("other"), vec![Recipe::new("base")]);
    let (apk, theirs) = (&repository.apks[0], &other.apks[0]);
    let cut = |path| {
        let offset = usize::try_from(Apk::open(path).unwrap().data_offset).unwrap();
        let mut control = fs_err::read(path).unwrap();
        let data = control.split_off(offset);
        (control, data)
    };
    fs_err::write(apk, [cut(apk).0, cut(theirs).1].concat()).unwrap();
    let error = failure(&repository, 50);
    let cause = error.source().unwrap().to_string();
    assert!(cause.starts_with("its data segment has SHA-256 "), "{cause}");
}

#[test]
fn packages_are_fetched_for_an_image_that_is_not_there() {
    let dir = tempfile::tempdir().unwrap();
    let repository = Repository::write(dir.path(), vec![base()]);
    let asked = std::cell::Cell::new(0);
    let layout = |name: &str| {
        let request = Request {
            arch: melange2::arch::Arch::X86_64,
            packages: &[name.to_owned()],
            world: &[],
            repositories: &[],
            keys: &KeyRing::default(),
            users: &[],
            groups: &[],
            paths: &[],
            max_layers: 50,
            store: &dir.path().join("store"),
        };
        let fetch = || {
            asked.set(asked.get() + 1);
            Ok::<_, Error>(repository.apks.clone())
        };
        image::assemble(&request, fetch).unwrap()
    };
    let first = layout("base-1 Q1one");
    assert_eq!(layout("base-1 Q1one").digest, first.digest);
    assert_eq!(asked.get(), 1);
    // The same version, but another package.
    assert_eq!(layout("base-1 Q1other").digest, first.digest);
    assert_eq!(asked.get(), 2);
    // Of an image that lost something nothing is believed.
    for blob in fs_err::read_dir(first.dir.join("blobs/sha256")).unwrap() {
        fs_err::remove_file(blob.unwrap().path()).unwrap();
    }
    assert_eq!(layout("base-1 Q1one").digest, first.digest);
    assert_eq!(asked.get(), 3);
}

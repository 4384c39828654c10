//! Builds that share an output directory.

use std::sync::Barrier;

use super::*;
use crate::apk::index::Index;

#[test]
fn concurrent_builds_into_one_directory_lose_nothing() {
    const BUILDS: usize = 6;
    let out = Out::new();
    let barrier = Barrier::new(BUILDS);
    std::thread::scope(|scope| {
        for n in 0..BUILDS {
            let (out, barrier) = (&out, &barrier);
            scope.spawn(move || {
                let names = [format!("pkg{n}"), format!("pkg{n}-doc")];
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                let archive = Stream::of(&names).archive();
                let options = Options { generate_index: true, ..out.options() };
                barrier.wait();
                assemble_with_recipe(&plan(&names), &mut archive.as_slice(), &options, "").unwrap();
            });
        }
    });
    let directory = out.directory.path().join("x86_64");
    let index = Index::read(&fs_err::read(directory.join("APKINDEX.tar.gz")).unwrap()).unwrap();
    let mut names: Vec<&str> = index.entries.iter().map(|entry| entry.name.as_str()).collect();
    names.sort_unstable();
    let expected: Vec<String> =
        (0..BUILDS).flat_map(|n| [format!("pkg{n}"), format!("pkg{n}-doc")]).collect();
    assert_eq!(names, expected);
    for entry in &index.entries {
        let apk = Apk::open(&directory.join(format!("{}-1.2-r3.apk", entry.name))).unwrap();
        assert_eq!(&crate::apk::index::Entry::of_apk(&apk), entry);
        apk.verify_data().unwrap();
    }
}

#[test]
fn builds_of_one_package_leave_an_index_that_fits() {
    const BUILDS: usize = 4;
    let out = Out::new();
    let barrier = Barrier::new(BUILDS);
    std::thread::scope(|scope| {
        for n in 0..BUILDS {
            let (out, barrier) = (&out, &barrier);
            scope.spawn(move || {
                let content = format!("build {n}");
                let archive = Stream::of(&["foo"]).file("foo/n", 0o644, content.as_bytes());
                let options = Options { generate_index: true, ..out.options() };
                barrier.wait();
                let archive = archive.archive();
                let recipe = content.as_str();
                assemble_with_recipe(&plan(&["foo"]), &mut archive.as_slice(), &options, recipe)
                    .unwrap();
            });
        }
    });
    let directory = out.directory.path().join("x86_64");
    let index = Index::read(&fs_err::read(directory.join("APKINDEX.tar.gz")).unwrap()).unwrap();
    let apk = Apk::open(&directory.join("foo-1.2-r3.apk")).unwrap();
    assert_eq!(index.entries, [crate::apk::index::Entry::of_apk(&apk)]);
}

#[test]
fn a_failing_index_takes_the_packages_back() {
    let out = Out::new();
    let directory = out.directory.path().join("x86_64");
    fs_err::create_dir_all(&directory).unwrap();
    fs_err::write(directory.join("APKINDEX.tar.gz"), "no index").unwrap();
    let options = Options { generate_index: true, ..out.options() };
    let archive = Stream::of(&["foo"]).archive();
    assemble_with_recipe(&plan(&["foo"]), &mut archive.as_slice(), &options, "").unwrap_err();
    assert!(!out.files().iter().any(|name| name.ends_with(".apk") || name.contains(".tmp-")));
}

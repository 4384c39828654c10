//! Libraries, programs and the links between them.

use insta::assert_snapshot;

use super::super::elf::tests::object;
use super::super::testing::{Item, run, text, tree};
use super::*;

#[test]
fn libraries_are_provided_where_the_linker_looks_and_vendored_elsewhere() {
    let library = object(None, &["libc.so.6", "libplain.so"], Some("libfoo.so.1.2"), true);
    let plugin = object(None, &[], Some("plugin.so"), true);
    let driver = object(None, &["libcuda.so.1"], Some("libnvidia-ml.so.1"), true);
    let items = [
        ("opt/app/libbar.so.1", Item::Program(&plugin)),
        ("usr/lib/deep/libfoo.so.1", Item::Program(&library)),
        ("usr/lib/libfoo.so.1.2", Item::Program(&library)),
        ("usr/lib/libnvidia-ml.so.1", Item::Program(&driver)),
        ("usr/lib/plugin.so", Item::Text(&plugin)),
    ];
    assert_snapshot!(text(&run(&SharedObjects, &items, &[])), @r"
    depend so:libc.so.6
    provides so-ver:libfoo.so.1.2=1.2-r3
    provides so-ver:plugin.so=1.2-r3
    provides so:libfoo.so.1.2=1.2
    provides so:plugin.so=0
    vendored so-ver:libfoo.so.1.2=1.2-r3
    vendored so-ver:plugin.so=1.2-r3
    vendored so:libfoo.so.1.2=1.2
    vendored so:plugin.so=0
    ");
}

#[test]
fn programs_need_their_linker_and_have_no_soname() {
    let glibc = object(Some("/lib64/ld-linux-x86-64.so.2"), &["libm.so.6"], Some("app"), true);
    let musl = object(Some("/lib/ld-musl-x86_64.so.1"), &[], None, true);
    let runnable = object(Some("/lib64/ld-linux-x86-64.so.2"), &[], Some("libcap.so.2"), true);
    let items = [
        ("usr/bin/app", Item::Program(&glibc)),
        ("usr/bin/other", Item::Program(&musl)),
        ("usr/lib/libcap.so.2.1", Item::Program(&runnable)),
    ];
    assert_snapshot!(text(&run(&SharedObjects, &items, &[])), @r"
    depend so:ld-linux-x86-64.so.2
    depend so:libc.musl-x86_64.so.1
    depend so:libm.so.6
    provides so-ver:libcap.so.2=1.2-r3
    provides so:libcap.so.2=2
    ");
}

#[test]
fn a_link_in_a_library_directory_provides_what_it_leads_to() {
    let library = object(None, &[], Some("libfoo.so.1"), true);
    let items = [
        ("opt/foo/libfoo.so.1", Item::Program(&library)),
        ("usr/lib/libfoo.so.1", Item::Link("../../opt/foo/libfoo.so.1")),
    ];
    assert_snapshot!(text(&run(&SharedObjects, &items, &[])), @r"
    depend so:libfoo.so.1
    provides so-ver:libfoo.so.1=1.2-r3
    provides so:libfoo.so.1=1
    vendored so-ver:libfoo.so.1=1.2-r3
    vendored so:libfoo.so.1=1
    ");
}

#[test]
fn configured_directories_of_any_package_count() {
    let library = object(None, &[], Some("libfoo.so.1"), true);
    let items = [
        ("etc/ld.so.conf.d/foo.conf", Item::Text(b"# no\n/opt/foo/lib/\ninclude x\n/\n")),
        ("opt/foo/lib/libfoo.so.1", Item::Program(&library)),
    ];
    assert_snapshot!(text(&run(&SharedObjects, &items, &[])), @r"
    provides so-ver:libfoo.so.1=1.2-r3
    provides so:libfoo.so.1=1
    ");
}

fn of_development_package(versioned_libraries: bool) -> String {
    let library = object(None, &[], Some("libfoo.so.1"), true);
    let main = tree(&[
        ("usr/lib/libfoo.so.1", Item::Link("libfoo.so.1.2")),
        ("usr/lib/libfoo.so.1.2", Item::Program(&library)),
    ]);
    let development = tree(&[
        ("usr/lib/libfoo.so", Item::Link("libfoo.so.1.2")),
        ("usr/lib/libnone.so", Item::Link("libnone.so.1")),
    ]);
    let subject = Subject {
        name: "foo-dev",
        version: "1.2-r3",
        tree: &development,
        family: &[&main, &development],
        declared: &[],
        versioned_libraries,
    };
    let mut generated = Generated::default();
    SharedObjects.generate(&subject, &mut generated);
    text(&generated)
}

#[test]
fn a_link_to_a_library_of_a_sibling_needs_it() {
    assert_eq!(of_development_package(false), "depend so:libfoo.so.1\n");
    assert_snapshot!(of_development_package(true), @r"
    depend so-ver:libfoo.so.1>=1.2-r3
    depend so:libfoo.so.1
    ");
}

#[test]
fn versions_of_libraries() {
    for (soname, version) in [
        ("libfoo.so.1", "1"),
        ("libfoo.so.1.2.3", "1.2.3"),
        ("libfoo.so.1d", "0"),
        ("libfoo.so.", "0"),
        ("libfoo.so", "0"),
        ("libfoo-1.2.so", "0"),
    ] {
        assert_eq!(library_version(soname), version, "{soname}");
    }
}

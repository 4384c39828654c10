//! Streams that break off, lie, or are not ours: an error, and nothing is left.

use std::io::{self, Read};

use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;

fn two_packages() -> Vec<u8> {
    Stream::of(&["foo", "foo/usr", "foo-doc"])
        .file("foo/usr/a", 0o755, b"#!/bin/sh\n")
        .file("foo/usr/zeros", 0o644, &[0; 2048])
        .hard_link("foo/usr/zlink", "foo/usr/a")
        .file("foo-doc/text", 0o644, &[b'x'; 700])
        .archive()
}

/// Gives some bytes, then fails.
struct Failing<'a>(&'a [u8]);

impl Read for Failing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::Error::other("the daemon is gone")),
            count => Ok(count),
        }
    }
}

#[test]
fn a_stream_that_ends_anywhere_leaves_nothing() {
    let archive = two_packages();
    let plan = plan(&["foo", "foo-doc"]);
    // All but the last block, which is the second half of the end marker.
    let ends =
        (0..archive.len() - 1024).step_by(128).chain([archive.len() - 1024, archive.len() - 513]);
    for end in ends {
        let out = Out::new();
        let cut = &archive[..end];
        let error = out.build(&plan, cut).unwrap_err();
        assert!(matches!(error, Error::Stream(_)), "cut at {end}: {error}");
        assert_eq!(out.files(), Vec::<String>::new(), "cut at {end}");
        let options = out.options();
        let failed = assemble_with_recipe(&plan, &mut Failing(cut), &options, "").unwrap_err();
        assert!(matches!(failed, Error::Stream(_)), "failed at {end}: {failed}");
        assert!(failed.to_string().ends_with("breaks off: the daemon is gone"), "{failed}");
        assert_eq!(out.files(), Vec::<String>::new(), "failed at {end}");
    }
}

#[test]
fn a_failure_leaves_the_packages_of_the_last_build() {
    let out = Out::new();
    let plan = plan(&["foo", "foo-doc"]);
    let archive = two_packages();
    let built = out.build(&plan, &archive).unwrap();
    let before: Vec<_> = built.iter().map(|built| fs_err::read(&built.path).unwrap()).collect();
    let files = out.files();
    out.build(&plan, &archive[..1500]).unwrap_err();
    let after: Vec<_> = built.iter().map(|built| fs_err::read(&built.path).unwrap()).collect();
    assert!(before == after);
    assert_eq!(out.files(), files);
}

/// What is said of a stream that does not belong.
fn refusal(stream: Stream, sorted: bool) -> String {
    let out = Out::new();
    let archive = if sorted { stream.archive() } else { stream.archive_as_it_stands() };
    let error = out.build(&plan(&["foo", "foo-doc"]), &archive).unwrap_err();
    assert_eq!(out.files(), Vec::<String>::new());
    error.to_string()
}

#[test]
fn what_does_not_belong_is_refused() {
    let base = || Stream::of(&["foo", "foo-doc"]);
    let after = |stream: Stream| refusal(stream, false);
    let lines = [
        refusal(base().directory("bar"), true),
        refusal(Stream::default().file("foo", 0o644, b""), true),
        refusal(base().file("foo/a", 0o644, b"").hard_link("foo-doc/a", "foo/a"), true),
        refusal(base().hard_link("foo/a", "foo/none"), true),
        refusal(base().directory("foo/a").hard_link("foo/c", "foo/a"), true),
        refusal(base().file("foo/a", 0o644, b"").file("foo/a/b", 0o644, b""), true),
        refusal(base().file("foo/a", 0o644, b"").file("foo/a", 0o644, b""), true),
        refusal(base().symlink("foo/var", "/tmp"), true),
        refusal(base().directory("foo/var").file("foo/var/lib", 0o644, b""), true),
        after(base().file("foo/a", 0o644, b"")),
        after(Stream::of(&["foo"]).file("foo/b", 0o644, b"").file("foo/a", 0o644, b"")),
    ];
    assert_snapshot!(lines.join("\n"), @r"
    the build's output stream holds `bar`, which is no package of the recipe
    the build's output stream `foo` is not a directory
    package `foo-doc`: `a` is a hard link to `foo/a`, which is no earlier file of the package
    package `foo`: `a` is a hard link to `foo/none`, which is no earlier file of the package
    package `foo`: `c` is a hard link to `foo/a`, which is no earlier file of the package
    the build's output stream has `a/b` below something that is no directory
    the build's output stream of package `foo` is not in order: `a` comes after `a`
    package `foo`: the SBOM has no place: `var` is no directory
    package `foo`: the SBOM has no place: `var/lib` is no directory
    the build's output stream returns to package `foo`, which had ended
    the build's output stream of package `foo` is not in order: `a` comes after `b`
    ");
}

#[test]
fn what_cannot_be_packaged_is_named() {
    let out = Out::new();
    let mut archive =
        Stream::of(&["foo"]).file("foo/a", 0o644, b"").file("foo/b", 0o644, b"").archive();
    // No archive knows sockets; this is what else a type may be.
    let header = &mut archive[1024..1536];
    header[156] = b's';
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let error = out.build(&plan(&["foo"]), &archive).unwrap_err();
    assert_snapshot!(error, @"the build's output stream holds, after `foo/a`, an entry of unknown type `s`");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_damaged_stream_never_leaves_half_a_package(
        changes in proptest::collection::vec((0usize..8192, any::<u8>()), 1..4),
    ) {
        let mut archive = two_packages();
        for (at, byte) in changes {
            let len = archive.len();
            archive[at % len] = byte;
        }
        let out = Out::new();
        match out.build(&plan(&["foo", "foo-doc"]), &archive) {
            Ok(built) => {
                for built in &built {
                    Apk::open(&built.path).unwrap().verify_data().unwrap();
                }
                prop_assert_eq!(out.files().len(), 2);
            }
            Err(_) => prop_assert_eq!(out.files(), Vec::<String>::new()),
        }
    }
}

//! What stands in a package after its stream has passed.

use indexmap::IndexMap;
use insta::assert_snapshot;

use super::*;
use crate::image::{Group, User};
use crate::plan::SetCap;

#[test]
fn entries_become_the_packages_own() {
    let xattr = |header: Header, name: &str, value: &[u8]| {
        let mut header = header;
        header.pax.insert(format!("SCHILY.xattr.{name}"), value.to_vec());
        header
    };
    let device = Stream::owned("foo/dev/null", Kind::CharDevice(1, 3));
    let file = Header { mode: 0o4755, ..Stream::owned("foo/usr/bin/su", Kind::File) };
    let file = xattr(file, "security.capability", b"\x01\x00\x00\x02");
    let file = xattr(file, "user.note", b"kept");
    let file = xattr(file, "security.selinux", b"dropped");
    let mut file = xattr(file, "trusted.overlay.opaque", b"y");
    file.pax.insert("VENDOR.thing".to_owned(), b"dropped".to_vec());
    let spool =
        Header { mode: 0o1777, uid: 7, gid: 8, ..Stream::owned("foo/var/tmp", Kind::Directory) };
    let stream = Stream::of(&["foo", "foo/dev", "foo/usr", "foo/usr/bin", "foo/var"])
        .entry(device, b"")
        .entry(file, b"setuid")
        .entry(xattr(spool, "user.directory", b"kept"), b"")
        .symlink("foo/usr/bin/sudo", "./su")
        .hard_link("foo/usr/bin/su2", "foo/usr/bin/su")
        .hard_link("foo/usr/bin/sudo2", "foo/usr/bin/sudo")
        .file("foo/usr/bin/other", 0o755, b"")
        .entry(Stream::owned(b"foo/usr/bin/\xff\xfename".to_vec(), Kind::File), b"x");
    let mut plan = plan(&["foo"]);
    plan.environment.users =
        vec![User { name: "lp".to_owned(), uid: 7, gid: 8, ..User::default() }];
    plan.environment.groups =
        vec![Group { name: "printers".to_owned(), gid: 8, ..Group::default() }];

    let out = Out::new();
    let built = out.build(&plan, &stream.archive()).unwrap();
    let apk = Apk::open(&built[0].path).unwrap();
    let sbom = regex::Regex::new(r"json \d+ bytes SHA1:\w+").unwrap();
    assert_snapshot!(sbom.replace(&listing(&apk), "json …"), @r"
    dir  0755 0:0(root:root) @0 dev
    CharDevice(1, 3) 0644 0:0(root:root) @0 dev/null
    dir  0755 0:0(root:root) @0 usr
    dir  0755 0:0(root:root) @0 usr/bin
    file 0755 0:0(root:root) @0 usr/bin/other 0 bytes SHA1:da39a3
    file 4755 0:0(root:root) @0 usr/bin/su 6 bytes SHA1:849e1a SCHILY.xattr.security.capability=\x01\x00\x00\x02 SCHILY.xattr.user.note=kept
    hard 0644 0:0(root:root) @0 usr/bin/su2 -> usr/bin/su SHA1:849e1a
    link 0777 0:0(root:root) @0 usr/bin/sudo -> ./su SHA1:d26dd1
    link 0644 0:0(root:root) @0 usr/bin/sudo2 -> ./su SHA1:d26dd1
    file 0644 0:0(root:root) @0 usr/bin/\xff\xfename 1 bytes SHA1:11f6ad
    dir  0755 0:0(root:root) @0 var
    dir  0755 0:0(root:root) @0 var/lib
    dir  0755 0:0(root:root) @0 var/lib/db
    dir  0755 0:0(root:root) @0 var/lib/db/sbom
    file 0644 0:0(root:root) @0 var/lib/db/sbom/foo-1.2-r3.spdx.json …
    dir  1777 7:8(lp:printers) @0 var/tmp SCHILY.xattr.user.directory=kept
    ");
}

#[test]
fn the_build_user_is_whom_the_recipe_says() {
    let mut plan = plan(&["foo"]);
    let user = User { name: "build".to_owned(), uid: 1234, gid: 1000, ..User::default() };
    plan.environment.users = vec![user];
    let odd = Header { uid: 1234, ..Stream::owned("foo/a", Kind::File) };
    let stream = Stream::of(&["foo"]).entry(odd, b"").file("foo/b", 0o644, b"");
    let out = Out::new();
    let built = out.build(&plan, &stream.archive()).unwrap();
    let entries = own_entries(&Apk::open(&built[0].path).unwrap());
    let owners = |path: &[u8]| (entries[path].0.uid, entries[path].0.gid);
    assert_eq!(owners(b"a"), (0, 0));
    assert_eq!(owners(b"b"), (1000, 0));
}

#[test]
fn capabilities_are_set_on_their_files() {
    let mut plan = plan(&["foo"]);
    let add = IndexMap::from([("cap_net_raw".to_owned(), "+ep".to_owned())]);
    plan.packages[0].setcap = vec![SetCap { path: "/usr/bin/ping".to_owned(), add }];
    let stream = Stream::of(&["foo", "foo/usr", "foo/usr/bin"]);
    let out = Out::new();
    let with_file = stream.clone().file("foo/usr/bin/ping", 0o755, b"");
    let built = out.build(&plan, &with_file.archive()).unwrap();
    let entries = own_entries(&Apk::open(&built[0].path).unwrap());
    let attribute = &entries[b"usr/bin/ping".as_slice()].0.pax["SCHILY.xattr.security.capability"];
    assert_eq!(attribute[..8], [1, 0, 0, 3, 0, 0x20, 0, 0]);
    assert_eq!(attribute.len(), 24);

    let error = out.build(&plan, &stream.clone().archive()).unwrap_err();
    assert_snapshot!(error, @"package `foo`: `setcap` names `usr/bin/ping`, which is no file of it");
    let linked =
        stream.file("foo/usr/bin/a", 0o755, b"").hard_link("foo/usr/bin/ping", "foo/usr/bin/a");
    assert_snapshot!(out.build(&plan, &linked.archive()).unwrap_err(), @"package `foo`: `setcap` names `usr/bin/ping`, a hard link to `usr/bin/a`: name that one");
}

#[test]
fn the_sbom_takes_the_place_of_an_older_one() {
    let path = "foo/var/lib/db/sbom/foo-1.2-r3.spdx.json";
    let directories = ["foo", "foo/var", "foo/var/lib", "foo/var/lib/db", "foo/var/lib/db/sbom"];
    let stream = Stream::of(&directories)
        .file("foo/usr.txt", 0o644, b"")
        .file("foo/var/lib/db/sbom/a.spdx.json", 0o644, b"kept")
        .file(path, 0o600, b"old")
        .file("foo/var/lib/db/sbom/z.spdx.json", 0o644, b"kept")
        .file("foo/zzz", 0o644, b"");
    let out = Out::new();
    let apk = out.build_one(stream).unwrap();
    let entries = entries(&apk);
    let names: Vec<String> = entries.iter().map(|(header, _)| header.display_path()).collect();
    assert_snapshot!(names.join("\n"), @r"
    usr.txt
    var
    var/lib
    var/lib/db
    var/lib/db/sbom
    var/lib/db/sbom/a.spdx.json
    var/lib/db/sbom/foo-1.2-r3.spdx.json
    var/lib/db/sbom/z.spdx.json
    zzz
    ");
    let (header, sbom) = &entries[6];
    assert_eq!(header.mode, 0o644);
    let sbom: serde_json::Value = serde_json::from_slice(sbom).unwrap();
    assert_eq!(sbom["name"], "apk-foo-1.2-r3");
}

#[test]
fn packages_without_files_hold_their_sbom() {
    let out = Out::new();
    // The third is not in the stream at all.
    let plan = plan(&["foo", "foo-empty", "foo-absent"]);
    let stream = Stream::of(&["foo", "foo-empty"]).file("foo/a", 0o644, b"a");
    let built = out.build(&plan, &stream.archive()).unwrap();
    assert_eq!(built.len(), 3);
    for built in &built[1..] {
        let apk = Apk::open(&built.path).unwrap();
        let names: Vec<String> =
            entries(&apk).iter().map(|(header, _)| header.display_path()).collect();
        let sbom = format!("var/lib/db/sbom/{}-1.2-r3.spdx.json", built.name);
        let expected = ["var", "var/lib", "var/lib/db", "var/lib/db/sbom", &sbom];
        assert_eq!(names, expected);
        assert!(apk.info.size > 0);
        assert_eq!(built.size, fs_err::metadata(&built.path).unwrap().len());
    }
}

#[test]
fn large_files_pass_through_the_spool() {
    let large: Vec<u8> = (0..6_000_000u32).flat_map(|n| (n % 7919).to_le_bytes()).collect();
    let stream = Stream::of(&["foo"])
        .file("foo/a-large", 0o644, &large)
        .file("foo/b-small", 0o644, b"small")
        .hard_link("foo/c-large", "foo/a-large");
    let out = Out::new();
    let apk = out.build_one(stream).unwrap();
    let entries = own_entries(&apk);
    assert!(entries[b"a-large".as_slice()].1 == large);
    assert_eq!(entries[b"b-small".as_slice()].1, b"small");
    let checksum = |path: &[u8]| entries[path].0.pax["APK-TOOLS.checksum.SHA1"].clone();
    assert_eq!(checksum(b"a-large"), checksum(b"c-large"));
    assert_eq!(checksum(b"a-large"), crate::digest::Sha1::of(&large).to_string().into_bytes());
}

#[test]
fn the_same_stream_gives_the_same_bytes() {
    let stream = Stream::of(&["foo", "foo-doc"])
        .file("foo/x", 0o755, &shared_bytes())
        .file("foo-doc/y", 0o644, b"text")
        .archive();
    let plan = plan(&["foo", "foo-doc"]);
    let files = |out: &Out| {
        let built = out.build(&plan, &stream).unwrap();
        built.iter().map(|built| fs_err::read(&built.path).unwrap()).collect::<Vec<_>>()
    };
    assert!(files(&Out::new()) == files(&Out::new()));
}

/// Some megabytes of something real.
fn shared_bytes() -> Vec<u8> {
    let mut bytes = fs_err::read(std::env::current_exe().unwrap()).unwrap();
    bytes.truncate(5 << 20);
    bytes
}

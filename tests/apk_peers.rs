//! Packages, archives, keys and signatures against the programs that others read and write them
//! with: Python's tarfile, GNU tar, gzip, openssl, apko. Where one is missing, its test prints a
//! note and checks nothing.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use insta::assert_snapshot;
use melange2::apk::key::{Algorithm, KeyRing, Signer};
use melange2::apk::pkginfo::PkgInfo;
use melange2::apk::reader::Apk;
use melange2::apk::tar::{Header, Kind, Reader};
use melange2::apk::writer::{DataWriter, write_apk};
use melange2::digest::Sha1;

use crate::apk::{keygen, package};
use crate::support::TestEnv;

/// A program, unless it is missing.
fn peer(name: &str) -> Option<PathBuf> {
    let found = which::which(name).ok();
    if found.is_none() {
        crate::support::parts::without(&format!("there is no `{name}` on PATH"));
    }
    found
}

/// Runs a program that must succeed and returns what it printed.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{command:?}: {text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

/// Every kind of entry, and names and numbers that ustar has no room for.
fn everything() -> Vec<(Header, &'static [u8])> {
    let owner = |header: Header| Header {
        uid: 1000,
        gid: 4_000_000_000,
        uname: b"build".to_vec(),
        mtime: 1_700_000_000,
        ..header
    };
    let file = |path: Vec<u8>, content: &'static [u8]| {
        (owner(Header { size: content.len() as u64, ..Header::new(path, Kind::File) }), content)
    };
    let link = |path: &str, kind, target: Vec<u8>| {
        (owner(Header { link: target, ..Header::new(path, kind) }), b"".as_slice())
    };
    let mut tool = file(b"usr/bin/tool".to_vec(), b"hello\n");
    tool.0.mode = 0o4755;
    let capability = b"\x01\x00\x00\x02\x0a\x00=\n11 path=x\n".to_vec();
    tool.0.pax.insert("SCHILY.xattr.security.capability".to_owned(), capability);
    vec![
        (Header::new("usr", Kind::Directory), b"".as_slice()),
        (Header { mode: 0o1777, ..owner(Header::new("usr/bin", Kind::Directory)) }, b""),
        tool,
        link("usr/bin/same", Kind::HardLink, b"usr/bin/tool".to_vec()),
        link("usr/bin/link", Kind::Symlink, b"../bin/tool".to_vec()),
        link("usr/bin/far", Kind::Symlink, [b"t".repeat(150), b"/end".to_vec()].concat()),
        link("usr/null", Kind::CharDevice(1, 3), Vec::new()),
        link("usr/disk", Kind::BlockDevice(8, 0), Vec::new()),
        link("usr/pipe", Kind::Fifo, Vec::new()),
        file([b"usr/".as_slice(), &b"n".repeat(120)].concat(), b"120"),
        (Header::new(deep(b"d"), Kind::Directory), b""),
        file(deep(b"dp"), b"prefix and name"),
        (Header::new(deep(b"de"), Kind::Directory), b""),
        file(deep(b"def"), b"too deep for a prefix"),
        file([b"usr/".as_slice(), &b"m".repeat(251)].concat(), b"255"),
        file(b"usr/latin-\xe9\xff".to_vec(), b"not UTF-8"),
        file([b"usr/".as_slice(), &b"\xe9".repeat(130)].concat(), b"long and not UTF-8"),
        file("usr/grüße".as_bytes().to_vec(), b"UTF-8"),
        file(b"usr/empty".to_vec(), b""),
    ]
}

/// A path below `usr` of components of 80 characters each.
fn deep(components: &[u8]) -> Vec<u8> {
    components.iter().fold(b"usr".to_vec(), |path, component| {
        [path, b"/".to_vec(), vec![*component; 80]].concat()
    })
}

/// A package with [`everything`] of some kinds in it.
fn full_package(env: &TestEnv, wanted: impl Fn(Kind) -> bool) -> PathBuf {
    let path = env.work().join("full-1-r0.apk");
    let mut data = DataWriter::create(&env.work(), 2).unwrap();
    for (header, mut content) in everything().into_iter().filter(|(h, _)| wanted(h.kind)) {
        let sha1 = Some(Sha1::of(content));
        data.append(header, sha1, &mut content).unwrap();
    }
    let info = PkgInfo {
        name: "full".into(),
        version: "1-r0".into(),
        arch: "x86_64".into(),
        ..PkgInfo::default()
    };
    let control = [(".melange.yaml".to_owned(), 0o644, b"package: {}\n".to_vec())];
    write_apk(&path, data.finish().unwrap(), &info, &control, 0, None).unwrap();
    path
}

/// Writes the three segments of a package into files.
fn segments(env: &TestEnv, apk: &Apk) -> [PathBuf; 2] {
    let mut data = Vec::new();
    apk.data().unwrap().read_to_end(&mut data).unwrap();
    [env.write("control.tar.gz", &apk.control), env.write("data.tar.gz", data)]
}

const LIST: &str = r#"
import sys, tarfile
for m in tarfile.open(sys.argv[1], errors="surrogateescape"):
    name = m.name.encode("utf-8", "surrogateescape")
    name = ascii(name[:24])[2:-1] + ("..%d" % len(name) if len(name) > 24 else "")
    target = " -> %s" % m.linkname[:16] if m.linkname else ""
    device = " %d:%d" % (m.devmajor, m.devminor) if m.isdev() and not m.isfifo() else ""
    pax = ",".join(k.split(".")[-1] for k in sorted(m.pax_headers))
    owner = "%d:%d:%s" % (m.uid, m.gid, m.uname)
    print(m.type.decode(), oct(m.mode)[2:], owner, m.size, int(m.mtime), name + target + device, pax)
"#;

#[test]
fn python_reads_every_entry() {
    let Some(python) = peer("python3") else { return };
    let env = TestEnv::new();
    let apk = Apk::open(&full_package(&env, |_| true)).unwrap();
    let [control, data] = segments(&env, &apk);
    let list = |archive: &Path| run(env.command(&python).arg("-c").arg(LIST).arg(archive));
    assert_snapshot!(list(&control).replace(" \n", "\n"), @r"
    0 644 0:0:root 191 0 .PKGINFO
    0 644 0:0:root 12 0 .melange.yaml
    ");
    assert_snapshot!(list(&data).replace(" \n", "\n"), @r"
    5 755 0:0: 0 0 usr
    5 1777 1000:4000000000:build 0 1700000000 usr/bin gid
    0 4755 1000:4000000000:build 6 1700000000 usr/bin/tool SHA1,capability,gid
    1 644 1000:4000000000:build 0 1700000000 usr/bin/same -> usr/bin/tool SHA1,gid
    2 777 1000:4000000000:build 0 1700000000 usr/bin/link -> ../bin/tool SHA1,gid
    2 777 1000:4000000000:build 0 1700000000 usr/bin/far -> tttttttttttttttt SHA1,gid,linkpath
    3 644 1000:4000000000:build 0 1700000000 usr/null 1:3 gid
    4 644 1000:4000000000:build 0 1700000000 usr/disk 8:0 gid
    6 644 1000:4000000000:build 0 1700000000 usr/pipe gid
    0 644 1000:4000000000:build 3 1700000000 usr/nnnnnnnnnnnnnnnnnnnn..124 SHA1,gid,path
    5 755 0:0: 0 0 usr/dddddddddddddddddddd..84
    0 644 1000:4000000000:build 15 1700000000 usr/dddddddddddddddddddd..165 SHA1,gid
    5 755 0:0: 0 0 usr/dddddddddddddddddddd..165
    0 644 1000:4000000000:build 21 1700000000 usr/dddddddddddddddddddd..246 SHA1,gid,path
    0 644 1000:4000000000:build 3 1700000000 usr/mmmmmmmmmmmmmmmmmmmm..255 SHA1,gid,path
    0 644 1000:4000000000:build 9 1700000000 usr/latin-\xe9\xff SHA1,gid,path
    0 644 1000:4000000000:build 18 1700000000 usr/\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9..134 SHA1,gid,path
    0 644 1000:4000000000:build 5 1700000000 usr/gr\xc3\xbc\xc3\x9fe SHA1,gid,path
    0 644 1000:4000000000:build 0 1700000000 usr/empty SHA1,gid
    ");
}

#[test]
fn gnu_tar_unpacks_names_modes_and_links() {
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let Some(tar) = peer("tar") else { return };
    let env = TestEnv::new();
    let apk = Apk::open(&full_package(&env, |_| true)).unwrap();
    let [_, data] = segments(&env, &apk);
    let root = env.work().join("root");
    fs_err::create_dir(&root).unwrap();
    run(env
        .command(tar)
        .args(["--extract", "--gzip", "--no-same-owner", "--preserve-permissions"])
        .args(["--warning=no-unknown-keyword", "--exclude=usr/null", "--exclude=usr/disk"])
        .arg("--directory")
        .arg(&root)
        .arg("--file")
        .arg(&data));
    for (header, content) in everything() {
        let path = root.join(Path::new(std::ffi::OsStr::from_bytes(&header.path)));
        match header.kind {
            Kind::File => assert_eq!(fs_err::read(path).unwrap(), content),
            Kind::Symlink => {
                let target = fs_err::read_link(path).unwrap();
                assert_eq!(target.as_os_str().as_encoded_bytes(), header.link);
            }
            _ => {}
        }
    }
    let tool = fs_err::metadata(root.join("usr/bin/tool")).unwrap();
    assert_eq!((tool.permissions().mode() & 0o7777, tool.nlink()), (0o4755, 2));
}

const MAKE: &str = r#"
import io, sys, tarfile
formats = {"gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT, "ustar": tarfile.USTAR_FORMAT}
with tarfile.open(sys.argv[1], "w", format=formats[sys.argv[2]]) as t:
    def add(name, type=tarfile.REGTYPE, data=b"", **more):
        m = tarfile.TarInfo(name)
        m.type, m.size, m.mtime = type, len(data), 1700000000
        for key, value in more.items():
            setattr(m, key, value)
        t.addfile(m, io.BytesIO(data))
    add("./d/", tarfile.DIRTYPE, mode=0o2755)
    add("d/file", data=b"x" * 1000, uid=1000, gid=1000, uname="build", mode=0o755)
    add("d/hard", tarfile.LNKTYPE, linkname="./d/file")
    add("d/null", tarfile.CHRTYPE, devmajor=1, devminor=3)
    if sys.argv[2] != "ustar":
        add("d/" + "n" * 300, data=b"long", uid=3000000000)
        add("d/soft", tarfile.SYMTYPE, linkname="t" * 300)
    if sys.argv[2] == "pax":
        add("d/xattr", pax_headers={"SCHILY.xattr.user.x": "a\n9 uid=1\n", "atime": "1.5"})
"#;

#[test]
fn archives_of_python_are_read() {
    let Some(python) = peer("python3") else { return };
    let env = TestEnv::new();
    for (format, count) in [("ustar", 4), ("gnu", 6), ("pax", 7)] {
        let path = env.work().join(format);
        run(env.command(&python).args(["-c", MAKE]).arg(&path).arg(format));
        let archive = fs_err::read(&path).unwrap();
        let mut reader = Reader::new(archive.as_slice());
        let mut headers = Vec::new();
        while let Some(header) = reader.next_entry().unwrap() {
            headers.push(header);
        }
        assert_eq!(headers.len(), count, "{format}");
        assert_eq!((headers[0].path.as_slice(), headers[0].mode), (b"d".as_slice(), 0o2755));
        assert_eq!((headers[1].size, headers[1].uname.as_slice()), (1000, b"build".as_slice()));
        assert_eq!(
            (headers[2].kind, headers[2].link.as_slice()),
            (Kind::HardLink, b"d/file".as_slice())
        );
        assert_eq!(headers[3].kind, Kind::CharDevice(1, 3));
        if format != "ustar" {
            assert_eq!((headers[4].path.len(), headers[4].uid), (302, 3_000_000_000));
            assert_eq!(headers[5].link, b"t".repeat(300));
        }
        if format == "pax" {
            let pax: Vec<_> = headers[6].pax.iter().collect();
            assert_eq!(pax, [(&"SCHILY.xattr.user.x".to_owned(), &b"a\n9 uid=1\n".to_vec())]);
            assert_eq!(headers[6].uid, 0);
        }
    }
}

#[test]
fn archives_of_gnu_tar_are_read() {
    let Some(tar) = peer("tar") else { return };
    let env = TestEnv::new();
    let long = format!("tree/{}/{}", "a".repeat(120), "b".repeat(120));
    env.write(&long, "long");
    env.write("tree/plain", "plain");
    for format in ["gnu", "oldgnu", "pax", "posix"] {
        run(env.command(&tar).args([
            "--create",
            "--sort=name",
            "--file=out.tar",
            "--format",
            format,
            "tree",
        ]));
        let archive = fs_err::read(env.work().join("out.tar")).unwrap();
        let mut reader = Reader::new(archive.as_slice());
        let mut found = Vec::new();
        while let Some(header) = reader.next_entry().unwrap() {
            let mut content = String::new();
            reader.content().read_to_string(&mut content).unwrap();
            if header.kind == Kind::File {
                found.push((header.display_path(), content));
            }
        }
        let wanted = [(long.clone(), "long".to_owned()), ("tree/plain".into(), "plain".into())];
        assert_eq!(found, wanted, "{format}");
    }
}

#[test]
fn a_package_has_as_many_gzip_members_as_apk_expects() {
    let Some(python) = peer("python3") else { return };
    let env = TestEnv::new();
    let count = "
import sys, zlib
rest, members = open(sys.argv[1], 'rb').read(), 0
while rest:
    unpack = zlib.decompressobj(31)
    unpack.decompress(rest)
    assert unpack.eof
    rest, members = unpack.unused_data, members + 1
print(members)
";
    let members = |path: &Path| run(env.command(&python).args(["-c", count]).arg(path));
    let path = full_package(&env, |_| true);
    assert_eq!(members(&path), "2\n");
    keygen(&env, "local-melange.rsa");
    env.run(&["sign", "full-1-r0.apk"]);
    assert_eq!(members(&path), "3\n");
}

#[test]
fn openssl_verifies_what_was_signed() {
    let Some(openssl) = peer("openssl") else { return };
    let env = TestEnv::new();
    keygen(&env, "local-melange.rsa");
    run(env.command(&openssl).args(["rsa", "-check", "-noout", "-in", "local-melange.rsa"]));
    let path = package(&env, "a", "1-r0", "x86_64");
    env.run(&["sign", "a-1-r0.apk"]);
    let apk = Apk::open(&path).unwrap();
    env.write("control", &apk.control);
    env.write("signature", &apk.signatures[0].bytes);
    let verify = ["dgst", "-sha256", "-verify", "local-melange.rsa.pub", "-signature", "signature"];
    assert_eq!(run(env.command(&openssl).args(verify).arg("control")), "Verified OK\n");
    let sign = ["dgst", "-sha256", "-sign", "local-melange.rsa", "-out", "theirs", "control"];
    run(env.command(&openssl).args(sign));
    assert_eq!(fs_err::read(env.work().join("theirs")).unwrap(), apk.signatures[0].bytes);
}

#[test]
fn keys_and_sha1_signatures_of_openssl_are_read() {
    let Some(openssl) = peer("openssl") else { return };
    let env = TestEnv::new();
    let tool = |args: &[&str]| run(env.command(&openssl).args(args));
    let rsa = ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"];
    tool(&[&["genpkey", "-out", "pkcs8.rsa"], rsa.as_slice()].concat());
    tool(&["rsa", "-traditional", "-in", "pkcs8.rsa", "-out", "pkcs1.rsa"]);
    tool(&["rsa", "-in", "pkcs8.rsa", "-pubout", "-out", "pub"]);
    tool(&["rsa", "-in", "pkcs8.rsa", "-RSAPublicKey_out", "-out", "pub1"]);
    env.write("message", "old index");
    tool(&["dgst", "-sha1", "-sign", "pkcs8.rsa", "-out", "sha1", "message"]);
    let mut ring = KeyRing::default();
    for name in ["pub", "pub1"] {
        ring.add(name, &fs_err::read(env.work().join(name)).unwrap()).unwrap();
        let signature = fs_err::read(env.work().join("sha1")).unwrap();
        ring.verify(name, Algorithm::RsaSha1, b"old index", &signature).unwrap();
        ring.verify(name, Algorithm::RsaSha256, b"old index", &signature).unwrap_err();
    }
    let read = |name| Signer::from_file(&env.work().join(name)).unwrap();
    assert_eq!(read("pkcs8.rsa").private_pem().unwrap(), read("pkcs1.rsa").private_pem().unwrap());
    let small =
        ["genpkey", "-out", "small.rsa", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"];
    tool(&small);
    let error = Signer::from_file(&env.work().join("small.rsa")).unwrap_err().to_string();
    assert!(error.contains("not safe") || error.contains("not usable"), "{error}");
    tool(&["rsa", "-aes256", "-passout", "pass:x", "-in", "pkcs8.rsa", "-out", "locked.rsa"]);
    let error = Signer::from_file(&env.work().join("locked.rsa")).unwrap_err().to_string();
    assert!(error.contains("encrypted"), "{error}");
}

/// A signed repository of packages from the working directory.
fn repository(env: &TestEnv, packages: &[&str]) {
    keygen(env, "local-melange.rsa");
    fs_err::create_dir_all(env.work().join("repo/x86_64")).unwrap();
    let mut paths = Vec::new();
    for name in packages {
        let path = format!("repo/x86_64/{name}");
        fs_err::rename(env.work().join(name), env.work().join(&path)).unwrap();
        assert!(env.run(&["sign", &path]).starts_with("exit: 0"));
        paths.push(path);
    }
    let mut args = vec!["index", "-o", "repo/x86_64/APKINDEX.tar.gz"];
    args.extend(["--signing-key", "local-melange.rsa"]);
    args.extend(paths.iter().map(String::as_str));
    assert!(env.run(&args).starts_with("exit: 0"));
}

#[test]
fn apko_installs_from_a_repository_of_ours() {
    let Some(apko) = peer("apko") else { return };
    let env = TestEnv::new();
    // apko refuses devices and pipes.
    let is_plain =
        |kind| matches!(kind, Kind::File | Kind::Directory | Kind::Symlink | Kind::HardLink);
    full_package(&env, is_plain);
    package(&env, "a", "1-r0", "x86_64");
    package(&env, "a", "1-r10", "x86_64");
    repository(&env, &["full-1-r0.apk", "a-1-r0.apk", "a-1-r10.apk"]);
    let work = env.work().display().to_string();
    env.write(
        "image.yaml",
        format!(
            "contents:\n  keyring: [{work}/local-melange.rsa.pub]\n  repositories: [{work}/repo]\n  \
             packages: [full, a]\narchs: [x86_64]\n"
        ),
    );
    run(env.command(apko).args([
        "build-minirootfs",
        "--build-arch",
        "amd64",
        "image.yaml",
        "root.tar",
    ]));
    let archive = fs_err::read(env.work().join("root.tar")).unwrap();
    let mut reader = Reader::new(archive.as_slice());
    let mut found = std::collections::BTreeMap::new();
    while let Some(header) = reader.next_entry().unwrap() {
        let mut content = Vec::new();
        reader.content().read_to_end(&mut content).unwrap();
        found.insert(header.path.clone(), (header, content));
    }
    assert_eq!(found[b"usr/share/a".as_slice()].1, b"this is a 1-r10\n");
    for (wanted, content) in everything().into_iter().filter(|(h, _)| is_plain(h.kind)) {
        let (header, data) = &found[&wanted.path];
        assert_eq!(header.kind, wanted.kind, "{}", header.display_path());
        assert_eq!(data, content, "{}", header.display_path());
        // `build-minirootfs` gives all to root, and directories lose their sticky bit.
        if wanted.kind == Kind::File {
            assert_eq!(header.mode, wanted.mode, "{}", header.display_path());
        }
    }
}

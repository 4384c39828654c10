//! The same package, read by other programs: Python's `tarfile`, `openssl`, and melange itself.

use std::process::{Command, Stdio};

use super::*;
use crate::apk::key::Signer;

/// Whether a program can be started; if not, the test says so and ends.
fn has(program: &str, argument: &str) -> bool {
    let started = Command::new(program)
        .arg(argument)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !started {
        crate::required::without(&format!("there is no `{program}`"));
    }
    started
}

/// Opens the three gzip members of a package as the one tar archive that they are to apk, checks
/// every checksum, and prints what it finds.
const READ: &str = r#"
import gzip, hashlib, io, sys, tarfile
data = gzip.open(sys.argv[1]).read()
archive = tarfile.open(fileobj=io.BytesIO(data))
for member in archive:
    line = [member.name, oct(member.mode), str(member.uid), member.uname, member.linkname]
    record = member.pax_headers.get("APK-TOOLS.checksum.SHA1")
    if member.isfile():
        content = archive.extractfile(member).read()
        if not member.name.startswith("."):
            assert record == hashlib.sha1(content).hexdigest(), member.name
    elif member.issym():
        assert record == hashlib.sha1(member.linkname.encode()).hexdigest(), member.name
    elif member.islnk():
        assert record and record == archive.getmember(member.linkname).pax_headers["APK-TOOLS.checksum.SHA1"]
    if not member.name.startswith("var"):
        print(" ".join(line))
"#;

#[test]
fn python_reads_the_package() {
    if !has("python3", "--version") {
        return;
    }
    let stream = Stream::of(&["foo", "foo/usr"])
        .file("foo/usr/a", 0o4755, b"content")
        .hard_link("foo/usr/b", "foo/usr/a")
        .symlink("foo/usr/c", "a")
        .file(&format!("foo/usr/{}", "long".repeat(60)), 0o644, b"x");
    let out = Out::new();
    let apk = out.build_one(stream).unwrap();
    let output = Command::new("python3").args(["-c", READ]).arg(&apk.path).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).replace(&"long".repeat(60), "LONG");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    insta::assert_snapshot!(text.replace(" \n", "\n"), @r"
    .PKGINFO 0o644 0 root
    .melange.yaml 0o644 0 root
    usr 0o755 0 root
    usr/a 0o4755 0 root
    usr/b 0o644 0 root usr/a
    usr/c 0o777 0 root a
    usr/LONG 0o644 0 root
    ");
}

#[test]
fn openssl_verifies_the_signature() {
    if !has("openssl", "version") {
        return;
    }
    let signer = Signer::generate(2048, "test.rsa").unwrap();
    let out = Out::new();
    let options = Options { signer: Some(&signer), ..options(out.directory.path()) };
    let archive = Stream::of(&["foo"]).archive();
    let built =
        assemble_with_recipe(&plan(&["foo"]), &mut archive.as_slice(), &options, "").unwrap();
    let apk = Apk::open(&built[0].path).unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = out.directory.path().join(name);
        fs_err::write(&path, bytes).unwrap();
        path
    };
    let status = Command::new("openssl")
        .args(["dgst", "-sha256", "-verify"])
        .arg(file("key", signer.public_pem().unwrap().as_bytes()))
        .arg("-signature")
        .arg(file("signature", &apk.signatures[0].bytes))
        .arg(file("control", &apk.control))
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
}

/// The recipe of `dependencies::recipe`, as a person would write it.
const RECIPE: &str = r#"
package:
  name: foo
  version: "1.2"
  epoch: 3
  description: a library & a tool
  url: https://example.org/foo
  copyright:
    - license: MIT
    - license: Own
  dependencies:
    runtime: [zlib, "!foo-old", "cmd:foo"]
    provides: [foo-virtual=1]
    replaces: [z-old, a-old]
    provider-priority: 10
    replaces-priority: 5
  scriptlets:
    trigger:
      script: 'true'
      paths: [/usr/lib/foo, /usr/share/foo]
subpackages:
  - name: foo-dev
  - name: foo-doc
"#;

/// melange looks at the files of our packages and writes the `.PKGINFO` that it would have written.
#[test]
fn melange_finds_the_same_dependencies() {
    if !has("melange", "version") {
        return;
    }
    let (plan, stream) = dependencies::recipe();
    let out = Out::new();
    let built = out.build(&plan, &stream).unwrap();
    let recipe = out.directory.path().join("foo.yaml");
    fs_err::write(&recipe, RECIPE).unwrap();
    let output = Command::new("melange")
        .args(["scan", "--diff", "--comments", "--arch", "x86_64", "-r"])
        .arg(out.directory.path())
        .arg(&recipe)
        .env("TMPDIR", out.directory.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    // The differences, if there are any.
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    assert!(output.status.success(), "{said}");
    // That it looked at all: a library of ours is in its log.
    assert!(said.contains("libfoo.so.1"), "{said}");
    assert_eq!(built.len(), 3);
}

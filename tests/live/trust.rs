//! Signatures: made so that openssl agrees, and refused where anything was tampered with.

use super::recipe;
use crate::support::TestEnv;
use crate::support::lab::{Lab, nonce, written};

/// Builds a small signed package, another one each time, and returns the environment.
fn built(lab: &Lab) -> TestEnv {
    let env = TestEnv::new();
    let script = "mkdir -p ${{targets.destdir}}/usr/bin\nprintf '#!/bin/sh\\necho hi\\n' > ${{targets.destdir}}/usr/bin/hi\nchmod 755 ${{targets.destdir}}/usr/bin/hi";
    // Of a package whose environment is known nobody would look at the file.
    let script = format!("# {}\n{script}", nonce());
    env.write("hi.yaml", recipe("hi", &[("hi", &script)]));
    lab.ok(&env, &mut lab.build(&env, "hi.yaml"));
    assert!(written(&env).contains(&"x86_64/hi-1.0.0-r0.apk".to_owned()));
    env
}

/// Flips a byte of a file, counted from its end.
fn tamper(env: &TestEnv, path: &str, from_end: usize) {
    let path = env.work().join(path);
    let mut bytes = fs_err::read(&path).unwrap();
    let at = bytes.len() - from_end;
    bytes[at] ^= 0x20;
    fs_err::write(path, bytes).unwrap();
}

/// Builds a recipe whose environment holds the package, and returns exit code and text.
fn use_it(lab: &Lab, env: &TestEnv) -> (Option<i32>, String) {
    let text = recipe("user", &[("use", "hi")]).replace("- busybox", "- busybox\n      - hi");
    env.write("user.yaml", text);
    let mut command = lab.build(env, "user.yaml");
    command.args(["-r", "packages", "-k", "test.rsa.pub"]);
    let output = command.output().unwrap();
    (output.status.code(), env.text(&output))
}

#[test]
fn a_package_and_its_index_are_usable_right_away() {
    let Some(lab) = Lab::find() else { return };
    let env = built(lab);
    let (code, text) = use_it(lab, &env);
    assert_eq!(code, Some(0), "{text}");
}

#[test]
fn a_tampered_index_package_or_key_is_refused() {
    let Some(lab) = Lab::find() else { return };
    for path in
        ["packages/x86_64/APKINDEX.tar.gz", "packages/x86_64/hi-1.0.0-r0.apk", "test.rsa.pub"]
    {
        let env = built(lab);
        tamper(&env, path, if path.ends_with(".pub") { 60 } else { 40 });
        let (code, text) = use_it(lab, &env);
        assert!(matches!(code, Some(2 | 4)), "{path}: {text}");
        let name = path.rsplit('/').next().unwrap();
        assert!(text.contains(name), "names what can't be trusted: {text}");
    }
}

#[test]
fn an_unknown_key_is_refused() {
    let Some(lab) = Lab::find() else { return };
    let env = built(lab);
    let mut command = lab.melange2(&env);
    command.args(["solve", "hi", "-r", "packages"]);
    lab.repository_flags(&mut command);
    let output = command.output().unwrap();
    let text = env.text(&output);
    assert_eq!(output.status.code(), Some(4), "{text}");
    assert!(text.contains("test.rsa.pub"), "names the key that is missing: {text}");
}

#[test]
fn openssl_agrees_with_the_signatures() {
    let Some(lab) = Lab::find() else { return };
    let env = built(lab);
    // An apk is gzip members one after another: signature, control, data. Python's zlib cuts them.
    let cut = "\
import sys, zlib, io, tarfile
data = open(sys.argv[1], 'rb').read()
first = zlib.decompressobj(31); tar = first.decompress(data); rest = first.unused_data
name = tarfile.open(fileobj=io.BytesIO(tar + bytes(1024))).getmembers()[0]
assert name.name == '.SIGN.RSA256.test.rsa.pub', name.name
open('signature', 'wb').write(tar[512:512 + name.size])
if sys.argv[2] == 'control':
    second = zlib.decompressobj(31); second.decompress(rest)
    rest = rest[:len(rest) - len(second.unused_data)]
open('signed', 'wb').write(rest)
";
    env.write("cut.py", cut);
    for (file, what) in [("hi-1.0.0-r0.apk", "control"), ("APKINDEX.tar.gz", "all")] {
        let path = format!("packages/x86_64/{file}");
        lab.ok(&env, env.command("python3").args(["cut.py", &path, what]));
        let mut openssl = env.command("openssl");
        openssl.args([
            "dgst",
            "-sha256",
            "-verify",
            "test.rsa.pub",
            "-signature",
            "signature",
            "signed",
        ]);
        let text = lab.ok(&env, &mut openssl);
        assert!(text.contains("Verified OK"), "{text}");
    }
}

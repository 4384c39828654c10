//! Architectures that are not the machine's: built where the daemon has an emulator, a clear error
//! where it has none.
//!
//! An emulator is registered with the kernel (binfmt_misc), which since Linux 6.7 can be done for
//! one user namespace: so the daemon here is that of a user who is not root, and the machine stays
//! as it is. BuildKit also takes a `buildkit-qemu-ARCH` of its daemon's `PATH`, unregistered, as the
//! step's first process; but with a plain QEMU that cannot execute any other program.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use melange2::apk::{index, pkginfo::PkgInfo, reader::Apk, tar, writer};
use melange2::arch::Arch;

use super::{recipe, rootless};
use crate::support::lab::{Lab, nonce, written};
use crate::support::{TestEnv, parts};

/// Adds an architecture to the repository `foreign`, whose only package is a `busybox` that is no
/// more than this shell.
fn repository(env: &TestEnv, arch: Arch, shell: &[u8]) {
    let directory = env.work().join("foreign").join(arch.apk());
    fs_err::create_dir_all(&directory).unwrap();
    let mut data = writer::DataWriter::create(&directory, 1).unwrap();
    for path in ["bin", "bin/sh"] {
        let kind = if path == "bin" { tar::Kind::Directory } else { tar::Kind::File };
        let mut header = tar::Header::new(path, kind);
        header.mode = 0o755;
        let content = if path == "bin" { &[][..] } else { shell };
        header.size = content.len() as u64;
        let sha1 = melange2::digest::Sha1::of(content);
        data.append(header, (path != "bin").then_some(sha1), &mut &*content).unwrap();
    }
    let info = PkgInfo {
        name: "busybox".into(),
        version: "1-r0".into(),
        arch: arch.apk().into(),
        ..PkgInfo::default()
    };
    let target = directory.join("busybox-1-r0.apk");
    writer::write_apk(&target, data.finish().unwrap(), &info, &[], 0, None).unwrap();
    let entry = index::Entry::of_apk(&Apk::open(&target).unwrap());
    index::update(&directory.join("APKINDEX.tar.gz"), vec![entry], None).unwrap();
}

/// `melange2 VERB RECIPE` for some architectures, with packages of that repository alone.
fn command(lab: &Lab, env: &TestEnv, words: [&str; 2], archs: &str) -> std::process::Command {
    let mut command = lab.melange2(env);
    command.args(words).args(["--arch", archs, "-r", "foreign", "--ignore-signatures"]);
    command
}

#[test]
fn an_architecture_that_the_daemon_cannot_run_is_a_clear_error() {
    let Some(lab) = Lab::find() else { return };
    if std::env::consts::ARCH != "x86_64" {
        return parts::without("this machine is not one of x86_64");
    }
    let env = TestEnv::new();
    env.write("other.yaml", recipe("other", &[("run", "true")]));
    // A shell that only a RISC-V processor could run: the head of such an ELF file, and no more.
    let mut elf = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0];
    elf.resize(16, 0);
    elf.extend([2, 0, 243, 0, 1, 0, 0, 0]);
    elf.resize(4096, 0);
    repository(&env, Arch::Riscv64, &elf);
    let output = command(lab, &env, ["build", "other.yaml"], "riscv64").output().unwrap();
    let text = env.text(&output);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("linux/riscv64") && text.contains("binfmt"), "{text}");

    // It can be rendered all the same.
    let mut render = command(lab, &env, ["render", "other.yaml"], "riscv64");
    assert!(lab.ok(&env, &mut render).contains("FROM env"));
}

/// A `buildkitd` that has its user namespace run programs for aarch64 with QEMU, and then is the
/// real one. `F` has the kernel open QEMU now, since a step's root file system has none; `P` keeps the name under which a program was called.
const BUILDKITD: &str = r#"#!/bin/sh -e
mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
cd "$(dirname "$0")/.."
magic='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
printf '%s\n' ":aarch64:M::$magic:$mask:$PWD/qemu:PF" > /proc/sys/fs/binfmt_misc/register
exec tools/buildkitd "$@"
"#;

/// Whether this kernel knows emulators of one user namespace.
fn has_emulators_of_namespaces(env: &TestEnv) -> bool {
    let mount = ["mount", "-t", "binfmt_misc", "none", "/proc/sys/fs/binfmt_misc"];
    let mut unshare = env.command("unshare");
    unshare.args(["--user", "--map-root-user", "--mount"]).args(mount);
    unshare.output().unwrap().status.success()
}

/// The architecture that an apk says it is for, and the one that its step saw.
fn of_package(env: &TestEnv, arch: &str) -> (String, String) {
    let file: PathBuf = env.work().join(format!("packages/{arch}/machine-1.0.0-r0.apk"));
    let said = Apk::open(&file).unwrap().info.arch;
    let output = env.command("tar").arg("-xzOf").arg(&file).arg("machine").output().unwrap();
    (said, String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

#[test]
fn another_architecture_is_built_where_the_daemon_has_an_emulator() {
    let Some(lab) = Lab::find() else { return };
    if std::env::consts::ARCH != "x86_64" {
        return parts::without("this machine is not one of x86_64");
    }
    let names = ["qemu-aarch64-static", "busybox.aarch64", "busybox"];
    let [Some(emulator), Some(foreign), Some(own)] = names.map(parts::program) else {
        parts::without("there is no QEMU, or no static busybox");
        return;
    };
    let env = TestEnv::new();
    if !has_emulators_of_namespaces(&env) {
        println!("not run: to this kernel, older than 6.7, an emulator is the whole machine's");
        return;
    }
    // Where that user can read it.
    fs_err::copy(emulator, env.work().join("qemu")).unwrap();
    repository(&env, Arch::Aarch64, &fs_err::read(foreign).unwrap());
    repository(&env, Arch::X86_64, &fs_err::read(own).unwrap());
    let script = env.write("emulating/buildkitd", BUILDKITD);
    fs_err::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let user = rootless::namespace(lab, &env);
    let run = |args: &[&str]| {
        let mut command = rootless::melange2(&env, args);
        command.env("MELANGE2_TOOLS", script.parent().unwrap());
        lab.ok(&env, &mut user.enter(&command))
    };
    let build = |archs: &str| {
        // More than one program: the shell starts others.
        let script = format!(
            "# {}\nmkdir -p ${{{{targets.destdir}}}}\n/bin/sh -c 'uname -m' | cat > ${{{{targets.destdir}}}}/machine",
            nonce()
        );
        env.write("machine.yaml", recipe("machine", &[("look", &script)]));
        run(&["build", "machine.yaml", "--arch", archs, "-r", "foreign", "--ignore-signatures"])
    };
    let both = |arch: &str| (arch.to_owned(), arch.to_owned());

    build("aarch64");
    assert_eq!(of_package(&env, "aarch64"), both("aarch64"));
    assert!(written(&env).iter().all(|path| path.starts_with("aarch64/")), "no other is built");
    build("x86_64,aarch64");
    for arch in ["x86_64", "aarch64"] {
        assert_eq!(of_package(&env, arch), both(arch));
        let index = env.work().join(format!("packages/{arch}/APKINDEX.tar.gz"));
        let index = index::read_file(&index).unwrap().unwrap();
        assert!(index.entries.iter().all(|entry| entry.arch == arch) && index.entries.len() == 1);
    }
    run(&["daemon", "stop"]);
}

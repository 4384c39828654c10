//! What Debian makes when it installs and configures, and no package holds: the base layout,
//! accounts, the bundle of certificates, busybox's list of links.

use std::process::Command;

use color_eyre::eyre::{ContextCompat as _, Result, bail};
use fs_err as fs;

use crate::content::Link;
use crate::select::Plan;
use crate::tree::Tree;

/// The package that every root file system needs.
const BASELAYOUT: &str = "demo-baselayout";
/// The package of the certificate bundle.
const CERTIFICATES: &str = "ca-certificates-bundle";

/// Plans of the packages that are made here.
pub fn plans() -> Vec<Plan> {
    let plan = |name: &str, description: &str, members: &[&str]| Plan {
        name: name.to_owned(),
        version: "1.0-r0".to_owned(),
        origin: name.to_owned(),
        description: description.to_owned(),
        members: members.iter().map(|member| (*member).to_owned()).collect(),
        ..Plan::default()
    };
    let mut base = plan(BASELAYOUT, "Directories, links, accounts and files below /etc", &[]);
    base.provides.insert("wolfi-baselayout=1.0-r0".to_owned());
    vec![base, plan(CERTIFICATES, "Mozilla's certificates in one file", &["ca-certificates"])]
}

/// Adds to an apk's files what only this module knows, and the list's links.
pub fn finish(name: &str, links: &[Link], tree: &mut Tree) -> Result<()> {
    match name {
        BASELAYOUT => base_layout(tree),
        CERTIFICATES => *tree = certificate_bundle(tree)?,
        "busybox" => busybox(tree)?,
        _ => {}
    }
    for link in links {
        tree.symlink(&link.path, &link.target);
    }
    Ok(())
}

fn base_layout(tree: &mut Tree) {
    for (path, target) in [
        ("bin", "usr/bin"),
        ("sbin", "usr/sbin"),
        ("lib", "usr/lib"),
        ("lib64", "usr/lib64"),
        ("var/run", "../run"),
        ("etc/mtab", "../proc/self/mounts"),
    ] {
        tree.symlink(path, target);
    }
    for (path, mode) in [
        ("dev", 0o755),
        ("etc/ssl/certs", 0o755),
        ("home", 0o755),
        ("mnt", 0o755),
        ("opt", 0o755),
        ("proc", 0o555),
        ("root", 0o700),
        ("run", 0o755),
        ("srv", 0o755),
        ("sys", 0o555),
        ("tmp", 0o1777),
        ("usr/bin", 0o755),
        ("usr/lib", 0o755),
        ("usr/lib64", 0o755),
        ("usr/local/bin", 0o755),
        ("usr/sbin", 0o755),
        ("usr/share", 0o755),
        ("var/cache", 0o755),
        ("var/lib", 0o755),
        ("var/log", 0o755),
        ("var/tmp", 0o1777),
    ] {
        tree.directory(path, mode);
    }
    for (path, text) in [
        // apko makes the homes that are named here, except this one.
        (
            "etc/passwd",
            "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/dev/null:/bin/false\n",
        ),
        ("etc/group", "root:x:0:\ntty:x:5:\nstaff:x:50:\nnogroup:x:65534:\n"),
        ("etc/shells", "/bin/sh\n/bin/bash\n"),
        ("etc/hosts", "127.0.0.1\tlocalhost\n::1\tlocalhost\n"),
        ("etc/hostname", "demo\n"),
        (
            "etc/nsswitch.conf",
            "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\n\
             protocols: files\n",
        ),
        (
            "etc/profile",
            "export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n",
        ),
        (
            "etc/os-release",
            "NAME=\"melange2 demo distribution\"\nID=melange2-demo\nID_LIKE=debian\n\
             PRETTY_NAME=\"melange2 demo distribution, made of Debian packages\"\nVERSION_ID=1.0\n",
        ),
    ] {
        tree.file(path, text);
    }
}

/// `/etc/ssl/certs/ca-certificates.crt`, as `update-ca-certificates` writes it, and the places
/// where OpenSSL looks for one file.
fn certificate_bundle(certificates: &Tree) -> Result<Tree> {
    let mut bundle = Vec::new();
    for (path, _, content) in certificates.files() {
        if path.starts_with("usr/share/ca-certificates/") && path.ends_with(".crt") {
            bundle.extend_from_slice(content.trim_ascii_end());
            bundle.push(b'\n');
        }
    }
    if bundle.is_empty() {
        bail!("there is no certificate in Debian's `ca-certificates`");
    }
    let mut tree = Tree::default();
    tree.file("etc/ssl/certs/ca-certificates.crt", bundle);
    tree.symlink("etc/ssl/cert.pem", "certs/ca-certificates.crt");
    tree.symlink("usr/lib/ssl/cert.pem", "/etc/ssl/certs/ca-certificates.crt");
    Ok(tree)
}

/// `sh`, and the list of links that image builders make where no other package has the program.
fn busybox(tree: &mut Tree) -> Result<()> {
    let program = tree.read("usr/bin/busybox").context("there is no busybox in its package")?;
    let directory = tempfile::tempdir()?;
    let (copy, runnable) = (directory.path().join("copy"), directory.path().join("busybox"));
    fs::write(&copy, program)?;
    // Written by another process: were it open for writing here while another thread starts a
    // program, it would be "busy" until that program runs.
    let status = Command::new("install").arg("-m755").arg(&copy).arg(&runnable).status()?;
    if !status.success() {
        bail!("`{}` can't be copied", copy.display());
    }
    let output = Command::new(&runnable).arg("--list-full").output()?;
    if !output.status.success() {
        bail!("`busybox --list-full` failed");
    }
    let list = String::from_utf8_lossy(&output.stdout);
    let links: Vec<String> = list.lines().map(|line| format!("/{line}\n")).collect();
    tree.file("etc/busybox-paths.d/busybox", links.concat());
    tree.symlink("usr/bin/sh", "busybox");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_become_one_file() {
        let mut debian = Tree::default();
        debian.file("usr/share/ca-certificates/mozilla/b.crt", "B\n\n");
        debian.file("usr/share/ca-certificates/mozilla/a.crt", "A");
        let tree = certificate_bundle(&debian).unwrap();
        assert_eq!(tree.read("etc/ssl/certs/ca-certificates.crt"), Some(&b"A\nB\n"[..]));
        assert!(certificate_bundle(&Tree::default()).is_err());
    }

    #[test]
    fn the_list_adds_links() {
        let mut tree = Tree::default();
        let link = Link { path: "usr/bin/cc".to_owned(), target: "gcc".to_owned() };
        finish("gcc", &[link], &mut tree).unwrap();
        assert_eq!(tree.iter().last().map(|(path, _)| path), Some("usr/bin/cc"));
    }
}

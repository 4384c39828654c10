//! What comes from a mount, as a hostile or careless step may have left it.

use super::super::entry::Time;
use super::super::listing;
use super::*;
use crate::apk::tar::Writer;

struct Trial {
    root: tempfile::TempDir,
    archive: Writer<Vec<u8>>,
    mount: Tree<MountEntry>,
}

impl Trial {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("cache")).unwrap();
        fs::create_dir_all(root.path().join("staging")).unwrap();
        Self { root, archive: Writer::new(Vec::new()), mount: Tree::new() }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.root.path().join("cache").join(name)
    }

    fn list(&mut self, name: &str, kind: Kind, size: u64, mode: u32) {
        let time = Time { seconds: 7, nanoseconds: 0 };
        let entry = MountEntry { kind, size, time, mode, stamp: String::new() };
        self.mount.insert(name.as_bytes().to_vec(), entry);
    }

    fn send(&mut self, name: &str, kind: tar::Kind, content: &str) {
        let mut header = Header::new(name, kind);
        header.mtime = 7;
        match kind {
            tar::Kind::File => header.size = content.len() as u64,
            _ => header.link = content.as_bytes().to_vec(),
        }
        self.archive.append(&header, &mut content.as_bytes()).unwrap();
    }

    fn file(&mut self, name: &str, content: &str) {
        self.list(name, Kind::File, content.len() as u64, 0o640);
        self.send(name, tar::Kind::File, content);
    }

    /// Receives, with `cut` bytes missing in the end of the archive.
    fn receive(self, cut: usize) -> (tempfile::TempDir, Vec<String>) {
        let Self { root, archive, mount } = self;
        let mut archive = archive.finish().unwrap();
        archive.truncate(archive.len() - cut);
        let mut outer = Writer::new(Vec::new());
        let mut header = Header::new("1.tar", tar::Kind::File);
        header.size = archive.len() as u64;
        outer.append(&header, &mut archive.as_slice()).unwrap();
        let stream = outer.finish().unwrap();
        let wanted: Vec<Name> = mount.keys().cloned().collect();
        let (cache, staging) = (root.path().join("cache"), root.path().join("staging"));
        let mut receiver = Receiver::new(&cache, &staging, &wanted, &mount);
        receiver.read(&mut stream.as_slice()).unwrap();
        let placed = receiver.place().unwrap();
        let names = placed.iter().map(|name| String::from_utf8_lossy(name).into_owned());
        let names = names.collect();
        (root, names)
    }
}

#[test]
fn what_came_is_in_place_with_mode_and_time() {
    let mut trial = Trial::new();
    fs::write(trial.path("old"), "old").unwrap();
    trial.file("old", "new!");
    trial.list("mod", Kind::Directory, 0, 0o555);
    trial.list("mod/empty", Kind::Directory, 0, 0o555);
    trial.file("mod/a:b", "content");
    trial.list("mod/hard", Kind::File, 7, 0o640);
    trial.send("mod/hard", tar::Kind::HardLink, "mod/a:b");
    trial.list("sym", Kind::Symlink, 11, 0o777);
    trial.send("sym", tar::Kind::Symlink, "/etc/passwd");
    // Not asked for.
    trial.send("other", tar::Kind::File, "x");
    let (root, placed) = trial.receive(0);
    assert_eq!(placed, ["mod", "mod/a:b", "mod/empty", "mod/hard", "old", "sym"]);
    let tree = listing::host(&root.path().join("cache")).unwrap();
    let shown: Vec<String> = tree
        .iter()
        .map(|(name, entry)| {
            format!("{} {:o} {}", String::from_utf8_lossy(name), entry.mode, entry.time.seconds)
        })
        .filter(|line| !line.starts_with("mod"))
        .collect();
    assert_eq!(shown, ["old 640 7", "sym 777 7"]);
    assert_eq!(tree[&b"mod"[..]].mode, 0o555);
    assert_eq!(fs::read_to_string(root.path().join("cache/old")).unwrap(), "new!");
    assert_eq!(fs::read_to_string(root.path().join("cache/mod/hard")).unwrap(), "content");
    for directory in ["cache/mod/empty", "cache/mod"] {
        fs::set_permissions(root.path().join(directory), Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn a_link_in_the_way_is_not_followed() {
    let mut trial = Trial::new();
    let elsewhere = tempfile::tempdir().unwrap();
    fs_err::os::unix::fs::symlink(elsewhere.path(), trial.path("d")).unwrap();
    trial.file("d/file", "x");
    let (_root, placed) = trial.receive(0);
    assert!(placed.is_empty(), "{placed:?}");
    assert!(fs::read_dir(elsewhere.path()).unwrap().next().is_none());
}

#[test]
fn what_did_not_come_whole_does_not_come() {
    let mut trial = Trial::new();
    trial.file("a", "whole");
    trial.file("b", &"x".repeat(2000));
    trial.list("c", Kind::File, 3, 0o644);
    // 2,000 bytes take four blocks, and the trailer two: one of the file's is missing.
    let (root, placed) = trial.receive(3 * 512);
    assert_eq!(placed, ["a"]);
    assert!(!root.path().join("cache/b").exists());
}

#[test]
fn what_changed_since_the_listing_does_not_come() {
    let mut trial = Trial::new();
    trial.list("a", Kind::File, 3, 0o644);
    trial.send("a", tar::Kind::File, "longer");
    trial.list("b", Kind::File, 1, 0o644);
    trial.send("b", tar::Kind::Symlink, "/etc");
    assert!(trial.receive(0).1.is_empty());
}

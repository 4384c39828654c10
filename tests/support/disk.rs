//! A disk that is soon full.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// A small disk that goes with the value.
pub struct Disk<'a>(&'a Path);

impl<'a> Disk<'a> {
    /// Makes the place and mounts a disk of that size there, such as `16m`.
    pub fn mount(place: &'a Path, size: &str) -> Self {
        fs_err::create_dir_all(place).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(place);
        assert!(mount.status().unwrap().success());
        Self(place)
    }

    /// How much of it is used, in percent.
    pub fn used(&self) -> u64 {
        let disk = rustix::fs::statvfs(self.0).unwrap();
        100 - disk.f_bfree * 100 / disk.f_blocks
    }

    /// Waits until no more than that is used; `look` is asked meanwhile.
    pub fn wait_for_room(&self, percent: u64, mut look: impl FnMut()) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.used() > percent {
            assert!(Instant::now() < deadline, "{} %", self.used());
            look();
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Leaves no room.
    pub fn fill(&self) {
        let mut file = fs_err::File::create(self.0.join("ballast")).unwrap();
        let _ = std::io::copy(&mut std::io::repeat(1), &mut file);
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

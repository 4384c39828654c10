//! What runs beside the mount, in busybox's shell.
//!
//! Part of the host cache. The scripts decide nothing: they list, unpack, pack, and do what
//! `merge.rs` decided, as far as the mount is still as it was listed. Builds may be writing into it
//! all the time, so nothing is overwritten or deleted unseen, and what is new appears by a rename,
//! whole directories at once. What could not be done is seen in the next listing.

use super::entry::{Kind, MountEntry, Name, Tree, parent};
use super::listing::{CONTROL, FORMAT, STAMP};
use super::merge::{Merge, topmost};

/// Where the mount is.
pub(super) const MOUNT: &str = "/m";
/// Where the list of what was agreed is.
pub(super) const LIST: &str = "/agreed";
/// Where what the host sends is.
pub(super) const INPUT: &str = "/in";

/// How many names one program gets, and how many bytes of them.
const CHUNK: (usize, usize) = (200, 48 << 10);

/// Prints the mount's entries and the list. What `fetch` has left of a step that was killed a day
/// ago or more goes.
pub(super) fn list() -> String {
    format!(
        "cd {MOUNT} && {{ find . -maxdepth 1 -type f -name '{CONTROL}-fetch-*' -mtime +0 \
         -exec rm -f {{}} + || :; }} && {{ find . -path './{CONTROL}*' -prune -o '(' -type f -o -type l \
         -o -type d ')' -exec stat -c '{FORMAT}' {{}} + > /out/listing || :; }} && {{ [ ! -f \
         {LIST}/list ] || cp {LIST}/list /out/agreed; }}\n"
    )
}

/// Stores the list, which is the file `agreed` of the input.
pub(super) fn remember() -> String {
    format!("cp {INPUT}/agreed {LIST}/new && mv -f {LIST}/new {LIST}/list\n")
}

/// Unpacks `FILE` of the input beside the mount's content.
pub(super) fn unpack(staging: &str, file: &str) -> String {
    format!(
        "mkdir -p {MOUNT}/{CONTROL}/{staging} && tar -x -f {INPUT}/{file} -C \
         {MOUNT}/{CONTROL}/{staging} || exit 1\n"
    )
}

/// Deletes what is to be deleted and puts in place what was unpacked, but for `bad`.
pub(super) fn apply(
    merge: &Merge,
    mount: &Tree<MountEntry>,
    staging: &str,
    bad: &[Name],
) -> Vec<u8> {
    let mut script =
        Script::new(&format!("s={MOUNT}/{CONTROL}/{staging}\nstamp='{STAMP}'\n{FUNCTIONS}"));
    let is = |name: &Name, directory: bool| {
        mount.get(name).is_some_and(|entry| (entry.kind == Kind::Directory) == directory)
    };
    let doomed: Vec<&[u8]> =
        merge.delete.iter().filter(|name| is(name, false)).map(Vec::as_slice).collect();
    script.calls(&doomed, |names| vec![b"gone".to_vec(), stamps(names, mount)]);
    let emptied: Vec<&[u8]> =
        merge.delete.iter().rev().filter(|name| is(name, true)).map(Vec::as_slice).collect();
    script.calls(&emptied, |_| vec![b"empty".to_vec()]);
    let spoilt: Vec<&[u8]> = bad.iter().map(Vec::as_slice).collect();
    script.calls(&spoilt, |_| vec![b"spoilt".to_vec()]);

    let arrived: Vec<&[u8]> = merge.bring_in.iter().map(Vec::as_slice).collect();
    let arrived = topmost(&arrived).into_iter().filter(|name| !bad.iter().any(|bad| bad == name));
    let (over, new): (Vec<&[u8]>, Vec<&[u8]>) = arrived.partition(|name| mount.contains_key(*name));
    for (directory, names) in by_directory(&new) {
        script.calls(&names, |_| vec![b"put".to_vec(), directory.clone()]);
    }
    for (directory, names) in by_directory(&over) {
        script
            .calls(&names, |names| vec![b"over".to_vec(), directory.clone(), stamps(names, mount)]);
    }
    script.text.extend_from_slice(format!("rm -rf {MOUNT}/{CONTROL}\n").as_bytes());
    script.text
}

/// The functions of [`apply`].
const FUNCTIONS: &str = concat!(
    "cd /m\n",
    "same() { expected=$1; shift; ",
    "[ \"$(stat -c \"$stamp\" -- \"$@\" 2>/dev/null)\" = \"$expected\" ]; }\n",
    "gone() { same \"$@\" || return 0; shift; rm -f -- \"$@\"; }\n",
    "empty() { rmdir -- \"$@\" 2>/dev/null || :; }\n",
    "spoilt() { ( cd \"$s\" && rm -f -- \"$@\" ) || :; }\n",
    "put() { to=$1; shift; ( cd \"$s\" && mv -n -- \"$@\" \"/m/$to/\" ) || :; }\n",
    "over() { to=$1; shift; same \"$@\" || return 0; shift; ",
    "( cd \"$s\" && mv -f -- \"$@\" \"/m/$to/\" ) || :; }\n",
);

/// Packs what is to be brought home: archives of some names each.
pub(super) fn pack(names: &[&[u8]]) -> Vec<u8> {
    let mut script = Script::new(&format!(
        "cd {MOUNT}\npack() {{ n=$(( ${{n:-0}} + 1 )); tar -c -f /out/$n.tar -- \
         \"$@\" || :; }}\n"
    ));
    script.calls(names, |_| vec![b"pack".to_vec()]);
    script.text
}

fn stamps(names: &[&[u8]], mount: &Tree<MountEntry>) -> Vec<u8> {
    let stamps: Vec<&str> =
        names.iter().filter_map(|name| Some(mount.get(*name)?.stamp.as_str())).collect();
    stamps.join("\n").into_bytes()
}

/// The names of each directory, `.` for the root.
fn by_directory<'a>(names: &[&'a [u8]]) -> Tree<Vec<&'a [u8]>> {
    let mut directories = Tree::<Vec<&[u8]>>::new();
    for &name in names {
        directories.entry(parent(name).unwrap_or(b".").to_vec()).or_default().push(name);
    }
    directories
}

/// A script under construction: bytes, because names are.
struct Script {
    text: Vec<u8>,
}

impl Script {
    fn new(beginning: &str) -> Self {
        Self { text: beginning.as_bytes().to_vec() }
    }

    /// Calls a function with all names, some at a time, after the words that these need.
    fn calls(&mut self, names: &[&[u8]], words: impl Fn(&[&[u8]]) -> Vec<Vec<u8>>) {
        let mut rest = names;
        while !rest.is_empty() {
            let mut bytes = 0;
            let fits = rest.iter().take(CHUNK.0).take_while(|name| {
                bytes += name.len();
                bytes < CHUNK.1
            });
            let (chunk, others) = rest.split_at(fits.count().max(1));
            rest = others;
            for (index, word) in words(chunk).iter().enumerate() {
                if index > 0 {
                    self.text.push(b' ');
                }
                quote(word, &mut self.text);
            }
            for name in chunk {
                self.text.push(b' ');
                // A name may look like a flag to programs that do not know `--`.
                quote(&[b"./", *name].concat(), &mut self.text);
            }
            self.text.push(b'\n');
        }
    }
}

fn quote(word: &[u8], text: &mut Vec<u8>) {
    text.push(b'\'');
    for &byte in word {
        match byte {
            b'\'' => text.extend_from_slice(br"'\''"),
            _ => text.push(byte),
        }
    }
    text.push(b'\'');
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::super::entry::HostEntry;
    use super::super::listing;
    use super::*;

    #[test]
    fn the_functions_know_the_stamp() {
        assert!(FORMAT.contains(STAMP) && FUNCTIONS.contains(MOUNT));
    }

    /// A mount and what came for it, in two directories of this machine.
    struct Trial {
        root: tempfile::TempDir,
    }

    impl Trial {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            fs_err::create_dir_all(root.path().join("m").join(CONTROL).join("new")).unwrap();
            fs_err::create_dir_all(root.path().join("out")).unwrap();
            Self { root }
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.root.path().join("m").join(path);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, text).unwrap();
        }

        fn arrive(&self, path: &str, text: &str) {
            self.write(&format!("{CONTROL}/new/{path}"), text);
        }

        fn sh(&self, script: &[u8]) {
            let place = |text: &str| text.replace("/out", "OUT").replace("/m", "MOUNT");
            // Bytes beyond UTF-8 are tried on a real daemon.
            let text = place(std::str::from_utf8(script).unwrap());
            let root = self.root.path().display().to_string();
            let text = text
                .replace("MOUNT", &format!("{root}/m"))
                .replace("OUT", &format!("{root}/out"))
                .replace(LIST, &format!("{root}/agreed"));
            let output = Command::new("sh").arg("-c").arg(text).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }

        fn list(&self) -> Tree<MountEntry> {
            self.sh(list().as_bytes());
            listing::mount(&fs_err::read(self.root.path().join("out/listing")).unwrap())
        }

        fn content(&self) -> Vec<String> {
            let host: Tree<HostEntry> = listing::host(&self.root.path().join("m")).unwrap();
            host.iter()
                .map(|(name, entry)| {
                    let name = std::str::from_utf8(name).unwrap();
                    let path = self.root.path().join("m").join(name);
                    match entry.kind {
                        Kind::Directory => format!("{name}/"),
                        _ => format!("{name}={}", fs_err::read_to_string(path).unwrap()),
                    }
                })
                .collect()
        }
    }

    fn names(names: &[&str]) -> Vec<Name> {
        names.iter().map(|name| name.as_bytes().to_vec()).collect()
    }

    #[test]
    fn what_was_decided_is_done() {
        let trial = Trial::new();
        for name in ["gone", "kept", "over", "-n", "d/a", "d/e/f", "it's\nhere"] {
            trial.write(name, "old");
        }
        for name in ["over", "new/x/y", "d/b", "d/bad"] {
            trial.arrive(name, "new");
        }
        let merge = Merge {
            bring_in: names(&["d/b", "d/bad", "new", "new/x", "new/x/y", "over"]),
            delete: names(&["-n", "d", "d/e", "d/e/f", "gone", "it's\nhere"]),
            ..Merge::default()
        };
        let mount = trial.list();
        trial.sh(&apply(&merge, &mount, "new", &names(&["d/bad"])));
        let content = ["d/", "d/a=old", "d/b=new", "kept=old", "new/", "new/x/", "new/x/y=new"];
        assert_eq!(trial.content(), [&content[..], &["over=new"]].concat());
    }

    #[test]
    fn what_a_build_wrote_meanwhile_stays() {
        let trial = Trial::new();
        trial.write("gone", "old");
        trial.write("over", "old");
        let mount = trial.list();
        trial.write("gone", "just written");
        trial.write("over", "just written");
        trial.write("new", "just written");
        trial.arrive("over", "new");
        trial.arrive("new", "new");
        let merge = Merge {
            bring_in: names(&["new", "over"]),
            delete: names(&["gone"]),
            ..Merge::default()
        };
        trial.sh(&apply(&merge, &mount, "new", &[]));
        assert_eq!(trial.content(), ["gone=just written", "new=just written", "over=just written"]);
    }

    #[test]
    fn what_killed_steps_left_goes_after_a_day() {
        let trial = Trial::new();
        let day = std::time::Duration::from_secs(24 * 3600);
        for (name, age) in [("fetch-old", 2 * day), ("fetch-new", day / 2)] {
            let name = format!("{CONTROL}-{name}");
            trial.write(&name, "half");
            let path = trial.root.path().join("m").join(&name);
            let file = std::fs::File::options().write(true).open(path).unwrap();
            file.set_modified(std::time::SystemTime::now() - age).unwrap();
        }
        trial.list();
        let entries = fs_err::read_dir(trial.root.path().join("m")).unwrap();
        let mut left: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [CONTROL, ".melange2-fetch-new"]);
    }

    #[test]
    fn many_names_are_several_calls() {
        let many: Vec<String> = (0..450).map(|index| format!("name-{index}")).collect();
        let many: Vec<&[u8]> = many.iter().map(String::as_bytes).collect();
        let script = String::from_utf8(pack(&many)).unwrap();
        assert_eq!(script.lines().filter(|line| line.starts_with("'pack' ")).count(), 3);
        let long = [b'x'; 30 << 10];
        let script = pack(&[&long, &long]);
        assert_eq!(script.windows(8).filter(|window| window == b"\n'pack' ").count(), 2);
    }
}

//! Which side has to get what: pure.
//!
//! Part of the host cache. Three are compared: the host's directory, the mount, and the list of how
//! both were when they were last the same. Who has changed since wins; where both have, the newer
//! file. A deletion counts on the host only, and only of what is on the list and has not been
//! written since: what a build has just stored is never taken for something that was deleted.

use std::collections::BTreeSet;

use super::entry::{Agreed, HostEntry, Kind, MountEntry, Name, Time, Tree, ancestors};

/// What has to be done. Each list is sorted: a directory comes before what is in it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Merge {
    /// From the directory into the mount.
    pub(super) bring_in: Vec<Name>,
    /// From the mount into the directory.
    pub(super) bring_home: Vec<Name>,
    /// To delete from the mount.
    pub(super) delete: Vec<Name>,
    /// A directory on one side and something else on the other: left alone.
    pub(super) conflicts: Vec<Name>,
}

impl Merge {
    /// Compares, and brings the list up to date with what is the same on both sides.
    pub(super) fn new(
        host: &Tree<HostEntry>,
        mount: &Tree<MountEntry>,
        agreed: &mut Tree<Agreed>,
    ) -> Self {
        let mut merge = Self::default();
        agreed.retain(|name, _| host.contains_key(name) || mount.contains_key(name));
        for (name, here) in host {
            match mount.get(name) {
                None => merge.bring_in.push(name.clone()),
                Some(there) => merge.both(name, here, there, agreed),
            }
        }
        for (name, there) in mount {
            if !host.contains_key(name) {
                match agreed.get(name) {
                    Some(agreed) if agreed.is_mount(there) => merge.delete.push(name.clone()),
                    _ => merge.bring_home.push(name.clone()),
                }
            }
        }
        // Below a conflict nothing can be placed.
        merge.bring_in.retain(|name| {
            !ancestors(name)
                .any(|above| mount.get(above).is_some_and(|entry| entry.kind != Kind::Directory))
        });
        merge.bring_home.retain(|name| {
            !ancestors(name)
                .any(|above| host.get(above).is_some_and(|entry| entry.kind != Kind::Directory))
        });
        merge.keep_parents(host);
        merge
    }

    /// What is new comes home with the directories that it lies in, also where these were deleted
    /// on the host.
    fn keep_parents(&mut self, host: &Tree<HostEntry>) {
        let around = self.bring_home.iter().flat_map(|name| ancestors(name));
        let missing: BTreeSet<Name> =
            around.filter(|name| !host.contains_key(*name)).map(<[u8]>::to_vec).collect();
        self.delete.retain(|name| !missing.contains(name));
        self.bring_home.extend(missing);
        self.bring_home.sort();
        self.bring_home.dedup();
    }

    fn both(&mut self, name: &Name, here: &HostEntry, there: &MountEntry, list: &mut Tree<Agreed>) {
        let directories = [here.kind, there.kind].map(|kind| kind == Kind::Directory);
        if directories == [true, true] {
            list.entry(name.clone()).or_insert_with(|| Agreed::new(here, there));
            return;
        }
        if directories != [false, false] {
            self.conflicts.push(name.clone());
            return;
        }
        let known = list.get(name);
        let unchanged = (
            known.is_some_and(|agreed| agreed.is_host(here)),
            known.is_some_and(|agreed| agreed.is_mount(there)),
        );
        match unchanged {
            (true, true) => {}
            (true, false) => self.bring_home.push(name.clone()),
            (false, true) => self.bring_in.push(name.clone()),
            (false, false)
                if (here.kind, here.size) == (there.kind, there.size)
                    && is_same(here.time, there.time) =>
            {
                list.insert(name.clone(), Agreed::new(here, there));
            }
            (false, false) if there.time > here.time => self.bring_home.push(name.clone()),
            (false, false) => self.bring_in.push(name.clone()),
        }
    }
}

/// Whether two times may be those of a file and its copy, which has whole seconds. Where both have
/// fractions, each side has written a file of its own.
fn is_same(here: Time, there: Time) -> bool {
    here == there
        || here.seconds == there.seconds && (here.nanoseconds == 0 || there.nanoseconds == 0)
}

/// The names under which a whole set can be put in place: `names` without those that lie in a
/// directory which is itself among them. To move these is to move all, new directories at once.
pub(super) fn topmost<'a>(names: &[&'a [u8]]) -> Vec<&'a [u8]> {
    let mut top: Vec<&[u8]> = Vec::new();
    let all: std::collections::HashSet<&[u8]> = names.iter().copied().collect();
    for &name in names {
        if !ancestors(name).any(|above| all.contains(above)) {
            top.push(name);
        }
    }
    top
}

#[cfg(test)]
mod tests {
    use super::*;

    type Side = &'static [(&'static str, u64, i64)];

    fn time(seconds: i64) -> Time {
        Time { seconds, nanoseconds: 0 }
    }

    fn kind(size: u64) -> Kind {
        if size == 0 { Kind::Directory } else { Kind::File }
    }

    fn host(side: Side) -> Tree<HostEntry> {
        side.iter()
            .map(|&(name, size, seconds)| {
                let entry = HostEntry { kind: kind(size), size, time: time(seconds), mode: 0 };
                (name.as_bytes().to_vec(), entry)
            })
            .collect()
    }

    fn mount(side: Side) -> Tree<MountEntry> {
        side.iter()
            .map(|&(name, size, seconds)| {
                let entry = MountEntry {
                    kind: kind(size),
                    size,
                    time: time(seconds),
                    mode: 0,
                    stamp: format!("{size} {seconds}"),
                };
                (name.as_bytes().to_vec(), entry)
            })
            .collect()
    }

    fn agreed(side: Side) -> Tree<Agreed> {
        let (host, mount) = (host(side), mount(side));
        host.iter().map(|(name, here)| (name.clone(), Agreed::new(here, &mount[name]))).collect()
    }

    /// `>` into the mount, `<` home, `-` deleted from the mount, `!` a conflict.
    fn merge(list: Side, here: Side, there: Side) -> String {
        let mut list = agreed(list);
        let merge = Merge::new(&host(here), &mount(there), &mut list);
        let mut words = Vec::new();
        for (sign, names) in [
            ('>', &merge.bring_in),
            ('<', &merge.bring_home),
            ('-', &merge.delete),
            ('!', &merge.conflicts),
        ] {
            words.extend(
                names.iter().map(|name| format!("{sign}{}", String::from_utf8_lossy(name))),
            );
        }
        words.join(" ")
    }

    #[test]
    fn what_one_side_lacks_comes_to_it() {
        assert_eq!(merge(&[], &[("a", 1, 1)], &[("b", 1, 1)]), ">a <b");
        assert_eq!(merge(&[], &[("a", 1, 1)], &[("a", 1, 1)]), "");
        // The mount lost what it had: pruned, or deleted by a step.
        assert_eq!(merge(&[("a", 1, 1)], &[("a", 1, 1)], &[]), ">a");
    }

    #[test]
    fn only_what_was_agreed_and_is_unchanged_is_deleted() {
        assert_eq!(merge(&[("a", 1, 1)], &[], &[("a", 1, 1)]), "-a");
        // A build has written it since.
        assert_eq!(merge(&[("a", 1, 1)], &[], &[("a", 1, 2)]), "<a");
        assert_eq!(merge(&[], &[], &[("a", 1, 1)]), "<a");
        let directory: Side = &[("d", 0, 0), ("d/a", 1, 1)];
        assert_eq!(merge(directory, &[], directory), "-d -d/a");
    }

    #[test]
    fn what_is_new_in_a_deleted_directory_comes_with_the_directory() {
        let list: Side = &[("d", 0, 0), ("d/a", 1, 1), ("d/e", 0, 0), ("d/f", 0, 0)];
        let there: Side =
            &[("d", 0, 0), ("d/a", 1, 1), ("d/e", 0, 0), ("d/e/new", 1, 2), ("d/f", 0, 0)];
        assert_eq!(merge(list, &[], there), "<d <d/e <d/e/new -d/a -d/f");
        // Where the outer one was made again it is not brought.
        assert_eq!(merge(list, &[("d", 0, 0)], there), "<d/e <d/e/new -d/a -d/f");
    }

    #[test]
    fn who_has_changed_wins_and_else_the_newer() {
        let list: Side = &[("a", 1, 5)];
        assert_eq!(merge(list, &[("a", 2, 3)], &[("a", 1, 5)]), ">a");
        assert_eq!(merge(list, &[("a", 1, 5)], &[("a", 2, 3)]), "<a");
        assert_eq!(merge(list, &[("a", 2, 7)], &[("a", 2, 8)]), "<a");
        assert_eq!(merge(list, &[("a", 2, 8)], &[("a", 2, 7)]), ">a");
        assert_eq!(merge(&[], &[("a", 1, 8)], &[("a", 2, 7)]), ">a");
    }

    #[test]
    fn two_files_of_one_second_are_told_apart() {
        let name = b"a".to_vec();
        let compare = |here: u32, there: u32| {
            let (mut host, mut mount) = (host(&[("a", 1, 8)]), mount(&[("a", 1, 8)]));
            host.get_mut(&name).unwrap().time.nanoseconds = here;
            mount.get_mut(&name).unwrap().time.nanoseconds = there;
            let merge = Merge::new(&host, &mount, &mut Tree::new());
            (merge.bring_in.len(), merge.bring_home.len())
        };
        assert_eq!((compare(5, 6), compare(6, 5)), ((0, 1), (1, 0)));
        // One is the other's copy.
        assert_eq!((compare(5, 0), compare(0, 5), compare(5, 5)), ((0, 0), (0, 0), (0, 0)));
    }

    #[test]
    fn a_file_and_a_directory_of_one_name_stay_as_they_are() {
        let directory: Side = &[("d", 0, 0), ("d/a", 1, 1)];
        assert_eq!(merge(&[], directory, &[("d", 1, 1)]), "!d");
        assert_eq!(merge(&[], &[("d", 1, 1)], directory), "!d");
    }

    #[test]
    fn equal_sides_are_put_on_the_list() {
        let side: Side = &[("d", 0, 0), ("d/a", 1, 1)];
        let mut list = agreed(&[("gone", 1, 1)]);
        Merge::new(&host(side), &mount(side), &mut list);
        assert_eq!(list, agreed(side));
    }

    #[test]
    fn whole_directories_are_moved_at_once() {
        let names: [&[u8]; 5] = [b"a/b", b"d", b"d-e", b"d/f", b"d/f/g"];
        assert_eq!(topmost(&names), [&b"a/b"[..], b"d", b"d-e"]);
    }
}

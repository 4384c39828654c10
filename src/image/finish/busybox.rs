//! Links from applet names to busybox.
//!
//! Beneath the stages. Packages' scripts are not run, so nothing else makes them. Which ones: the
//! list that the busybox package ships (`/etc/busybox-paths.d/PACKAGE`, as apko); a package without
//! one gets a list of our own, of what busybox has in every common configuration.

use super::{Error, make_directories, text};
use crate::image::install::Member;
use crate::image::tree::{Body, Node, Tree, join, parent};

const BUSYBOX: &[u8] = b"/bin/busybox";
const LISTS: &str = "etc/busybox-paths.d/";

/// One path in each line.
const COMMON_APPLETS: &str = include_str!("busybox-applets.txt");

/// Makes the links, where `/bin/busybox` is there; what has a name already keeps it.
pub(super) fn link(tree: &mut Tree, members: &[Member<'_>]) -> Result<(), Error> {
    let Ok(busybox) = tree.resolve(BUSYBOX) else { return Ok(()) };
    let Some(Node { body: Body::File(_), owner, .. }) = tree.get(&busybox) else { return Ok(()) };
    let package = provider(members).or_else(|| Some(members.get((*owner)?)?.info.name.as_str()));
    let list = package.map(|package| format!("{LISTS}{package}"));
    let list = list.and_then(|list| text(tree, members, list.as_bytes()));
    let list = list.unwrap_or(COMMON_APPLETS.as_bytes()).to_vec();
    for path in list.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii) {
        if path == BUSYBOX || !path.contains(&b'/') {
            continue;
        }
        let directory = make_directories(tree, parent(path))?;
        let at = join(&directory, crate::image::contents::file_name(path));
        if tree.get(&at).is_none() {
            tree.insert(at, Node::symlink(BUSYBOX));
        }
    }
    Ok(())
}

/// apko's rule: the package of that name, or the first that provides something like it.
fn provider<'a>(members: &[Member<'a>]) -> Option<&'a str> {
    let is_busybox = |member: &&Member<'_>| {
        member.info.name == "busybox"
            || member.info.provides.iter().any(|provided| provided.contains("busybox"))
    };
    members.iter().find(is_busybox).map(|member| member.info.name.as_str())
}

#[cfg(test)]
mod tests {
    use super::super::write_file;
    use super::*;

    #[test]
    fn common_applets_are_linked_where_nothing_is() {
        let mut tree = super::super::base();
        tree.make_directories(b"usr/bin", 0o755).unwrap();
        tree.insert(b"bin".to_vec(), Node::symlink(b"usr/bin"));
        write_file(&mut tree, b"bin/ls", 0o755, b"GNU".to_vec()).unwrap();
        link(&mut tree, &[]).unwrap();
        assert!(tree.get(b"usr/bin/sh").is_none(), "there is no busybox");
        write_file(&mut tree, b"bin/busybox", 0o755, b"ELF".to_vec()).unwrap();
        link(&mut tree, &[]).unwrap();
        assert_eq!(tree.get(b"usr/bin/sh"), Some(&Node::symlink(BUSYBOX)));
        assert_eq!(tree.get(b"usr/bin/awk"), Some(&Node::symlink(BUSYBOX)));
        assert!(matches!(tree.get(b"usr/bin/ls").unwrap().body, Body::File(_)));
    }

    #[test]
    fn the_list_is_sorted_and_has_full_paths() {
        let list: Vec<_> = COMMON_APPLETS.lines().collect();
        assert!(list.is_sorted() && list.iter().all(|path| path.starts_with('/')));
    }
}

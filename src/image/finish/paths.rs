//! apko's `paths:`: changes to the tree that a recipe's environment asks for.
//!
//! Beneath the stages. As apko applies them: in order, parents made (0755), then mode and owner
//! set; a link in the way of a hard link is replaced, anything in the way of the others is an
//! error.

use super::{Error, blocked, make_directories};
use crate::image::PathChange;
use crate::image::tree::{Body, Node, Source, Tree, join, parent};

/// Applies one change.
pub(super) fn apply(tree: &mut Tree, change: &PathChange) -> Result<(), Error> {
    let path = change.path.as_bytes();
    let mode = change.permissions & 0o7777;
    match change.kind.as_str() {
        "directory" => {
            tree.make_directories(path, mode).map_err(|_| blocked(path))?;
        }
        "empty-file" => {
            let at = place(tree, path)?;
            if tree.get(&at).is_some_and(Node::is_directory) {
                return Err(blocked(path));
            }
            tree.insert(at, Node::file(0o644, Vec::new()));
        }
        "symlink" => {
            let at = place(tree, path)?;
            if tree.get(&at).is_some() {
                return Err(Error::Invalid(format!("`{}` of `paths` exists", change.path)));
            }
            tree.insert(at, Node::symlink(change.source.as_bytes()));
            // Like apko, mode and owner go to what the link leads to, if there is anything.
            if tree.resolve(path).is_err() {
                return Ok(());
            }
        }
        "hardlink" => hard_link(tree, change)?,
        "permissions" => {}
        other => {
            return Err(Error::Invalid(format!(
                "`{other}` is no kind of `paths`: expected `directory`, `empty-file`, `hardlink`, \
                 `symlink` or `permissions`"
            )));
        }
    }
    let at = tree.resolve(path).map_err(|_| missing(&change.path))?;
    if change.recursive {
        let below: Vec<Vec<u8>> = tree.below(&at).map(|(path, _)| path.to_vec()).collect();
        for path in below {
            set_rights(tree, &path, change);
        }
    }
    set_rights(tree, &at, change);
    Ok(())
}

fn missing(path: &str) -> Error {
    Error::Invalid(format!("`{path}` of `paths` does not exist"))
}

/// Where a new entry goes; its directory is made.
fn place(tree: &mut Tree, path: &[u8]) -> Result<Vec<u8>, Error> {
    let path = path.strip_suffix(b"/").unwrap_or(path);
    let above = make_directories(tree, parent(path))?;
    Ok(join(&above, crate::image::contents::file_name(path)))
}

fn hard_link(tree: &mut Tree, change: &PathChange) -> Result<(), Error> {
    let source = tree.resolve(change.source.as_bytes()).map_err(|_| missing(&change.source))?;
    let Some(node) = tree.get(&source).filter(|node| !node.is_directory()).cloned() else {
        return Err(blocked(change.source.as_bytes()));
    };
    let at = place(tree, change.path.as_bytes())?;
    if tree.get(&at).is_some_and(Node::is_directory) {
        return Err(blocked(change.path.as_bytes()));
    }
    tree.insert(at, node);
    Ok(())
}

/// Sets mode and owner of a path, and of all other names of a file.
fn set_rights(tree: &mut Tree, path: &[u8], change: &PathChange) {
    let set = |node: &mut Node| {
        node.mode = change.permissions & 0o7777;
        (node.uid, node.gid) = (change.uid.into(), change.gid.into());
    };
    let Some(node) = tree.get_mut(path) else { return };
    if matches!(node.body, Body::Symlink(_)) {
        return;
    }
    set(node);
    if let Body::File(source @ Source::Package { .. }) = node.body.clone() {
        for (_, other) in tree.iter_mut() {
            if other.body == Body::File(source.clone()) {
                set(other);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(kind: &str, path: &str, source: &str) -> PathChange {
        PathChange {
            kind: kind.into(),
            path: path.into(),
            source: source.into(),
            uid: 7,
            gid: 8,
            permissions: 0o2750,
            recursive: false,
        }
    }

    fn rights(tree: &Tree, path: &str) -> (u32, u64, u64) {
        let node = tree.get(path.as_bytes()).unwrap();
        (node.mode, node.uid, node.gid)
    }

    #[test]
    fn each_kind_is_applied() {
        let mut tree = super::super::base();
        apply(&mut tree, &change("directory", "/var/a/b", "")).unwrap();
        assert_eq!(rights(&tree, "var/a/b"), (0o2750, 7, 8));
        assert_eq!(rights(&tree, "var/a"), (0o2750, 0, 0), "as apko: parents get the mode too");
        apply(&mut tree, &change("empty-file", "/srv/file", "")).unwrap();
        assert_eq!(rights(&tree, "srv/file"), (0o2750, 7, 8));
        assert_eq!(rights(&tree, "srv"), (0o755, 0, 0));
        apply(&mut tree, &change("hardlink", "/srv/again", "/srv/file")).unwrap();
        apply(&mut tree, &change("symlink", "/srv/link", "nowhere")).unwrap();
        assert_eq!(tree.get(b"srv/link"), Some(&Node::symlink(b"nowhere")));
        let all = PathChange { recursive: true, ..change("permissions", "/var", "") };
        apply(&mut tree, &all).unwrap();
        assert_eq!(rights(&tree, "var/cache/misc"), (0o2750, 7, 8));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let mut tree = super::super::base();
        let mut error = |kind, path, source| {
            apply(&mut tree, &change(kind, path, source)).unwrap_err().to_string()
        };
        assert_eq!(error("symlink", "/etc", "x"), "`/etc` of `paths` exists");
        assert_eq!(error("hardlink", "/x", "/y"), "`/y` of `paths` does not exist");
        assert_eq!(error("permissions", "/y", ""), "`/y` of `paths` does not exist");
        assert!(error("dir", "/y", "").starts_with("`dir` is no kind of `paths`: expected"));
    }
}

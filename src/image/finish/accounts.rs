//! `/etc/passwd`, `/etc/group`, `/etc/shadow` and home directories, as apko makes them.
//!
//! Beneath the stages. Lines that packages brought stay as they are; ours follow. Every account's
//! home directory is made when missing (0700, the account's), also `/nonexistent`; only `/dev/null`
//! stands for "no home".

use super::{Error, blocked, make_directories, text, write_file};
use crate::image::install::{Member, show};
use crate::image::tree::{Lost, Node, Tree, join, parent};
use crate::image::{Group, User};

/// Adds accounts.
pub(super) fn write(
    tree: &mut Tree,
    members: &[Member<'_>],
    users: &[User],
    groups: &[Group],
) -> Result<(), Error> {
    if !groups.is_empty() {
        let lines = groups
            .iter()
            .map(|group| format!("{}:x:{}:{}", group.name, group.gid, group.members.join(",")));
        append(tree, members, b"etc/group", 0o644, lines)?;
    }
    let lines = users.iter().map(|user| {
        let User { name, uid, gid, .. } = user;
        let shell = if user.shell.is_empty() { "/bin/sh" } else { &user.shell };
        let home = home(user);
        format!("{name}:x:{uid}:{gid}:Account created by apko:{home}:{shell}")
    });
    let passwd = append(tree, members, b"etc/passwd", 0o644, lines)?;
    if !users.is_empty() {
        let lines = users.iter().map(|user| format!("{}:!:::::::", user.name));
        append(tree, members, b"etc/shadow", 0o640, lines)?;
    }
    for line in passwd.split(|byte| *byte == b'\n') {
        make_home(tree, line)?;
    }
    Ok(())
}

fn home(user: &User) -> String {
    if user.home.is_empty() { format!("/home/{}", user.name) } else { user.home.clone() }
}

/// Adds lines to a file and returns what it then holds.
fn append(
    tree: &mut Tree,
    members: &[Member<'_>],
    path: &[u8],
    mode: u32,
    lines: impl Iterator<Item = String>,
) -> Result<Vec<u8>, Error> {
    let mut content = text(tree, members, path).unwrap_or_default().to_vec();
    for line in lines {
        if line.contains(['\n', '\0']) {
            let text = format!("an account's name, home or shell has a line break: `{line:?}`");
            return Err(Error::Invalid(text));
        }
        if content.last().is_some_and(|last| *last != b'\n') {
            content.push(b'\n');
        }
        content.extend_from_slice(line.as_bytes());
        content.push(b'\n');
    }
    write_file(tree, path, mode, content.clone())?;
    Ok(content)
}

/// Makes the home directory that a line of `/etc/passwd` names; lines that are none are passed
/// over.
fn make_home(tree: &mut Tree, line: &[u8]) -> Result<(), Error> {
    let fields: Vec<&[u8]> = line.trim_ascii().split(|byte| *byte == b':').collect();
    let [name, _, uid, gid, _, home, _] = fields.as_slice() else { return Ok(()) };
    let number = |text: &[u8]| std::str::from_utf8(text).ok()?.parse::<u32>().ok();
    let (Some(uid), Some(gid)) = (number(uid), number(gid)) else { return Ok(()) };
    if *home == b"/dev/null" || home.is_empty() {
        return Ok(());
    }
    match tree.resolve(home) {
        Ok(found) if tree.get(&found).is_some_and(Node::is_directory) => Ok(()),
        Ok(_) => Err(Error::Invalid(format!(
            "the home directory `{}` of `{}` exists and is no directory",
            show(home),
            show(name)
        ))),
        Err(Lost::NotADirectory) => Err(blocked(home)),
        Err(Lost::Missing) => {
            let home = home.strip_suffix(b"/").unwrap_or(home);
            let above = make_directories(tree, parent(home))?;
            let at = join(&above, crate::image::contents::file_name(home));
            if tree.get(&at).is_some() {
                return Err(blocked(home));
            }
            let node = Node { uid: uid.into(), gid: gid.into(), ..Node::directory(0o700) };
            tree.insert(at, node);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished(passwd: &str) -> (Tree, Result<(), Error>) {
        let mut tree = super::super::base();
        write_file(&mut tree, b"etc/passwd", 0o600, passwd.into()).unwrap();
        tree.insert(b"file".to_vec(), Node::file(0o644, *b""));
        let user = User { name: "build".into(), uid: 1000, gid: 1000, ..User::default() };
        let group = Group { name: "build".into(), gid: 1000, members: vec!["build".into()] };
        let result = write(&mut tree, &[], &[user], &[group]);
        (tree, result)
    }

    #[test]
    fn accounts_follow_those_of_packages() {
        let (tree, result) = finished("root:x:0:0:root:/root:/bin/sh\nnone:x:9:9::/dev/null:/x");
        result.unwrap();
        let read = |path: &str| {
            String::from_utf8_lossy(text(&tree, &[], path.as_bytes()).unwrap()).into_owned()
        };
        insta::assert_snapshot!(read("etc/passwd"), @r"
        root:x:0:0:root:/root:/bin/sh
        none:x:9:9::/dev/null:/x
        build:x:1000:1000:Account created by apko:/home/build:/bin/sh
        ");
        assert_eq!(read("etc/group"), "build:x:1000:build\n");
        assert_eq!(read("etc/shadow"), "build:!:::::::\n");
        let node = tree.get(b"etc/passwd").unwrap();
        assert_eq!(node.mode, 0o600, "the file keeps its mode");
        let home = tree.get(b"home/build").unwrap();
        assert_eq!((home.mode, home.uid, home.gid), (0o700, 1000, 1000));
        assert_eq!(tree.get(b"home").unwrap().mode, 0o755);
        assert_eq!(tree.get(b"root").unwrap().mode, 0o700);
        assert!(tree.get(b"dev/null").is_none());
    }

    #[test]
    fn homes_that_exist_are_left_alone() {
        finished("bin:x:1:1::/usr/lib:/x\nodd:x:y:z::/nowhere:/x\n").1.unwrap();
        let error = finished("bin:x:1:1::/file:/x\n").1.unwrap_err().to_string();
        assert_eq!(error, "the home directory `/file` of `bin` exists and is no directory");
    }
}

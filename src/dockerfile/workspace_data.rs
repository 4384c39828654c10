//! Whether a script treats the workspace's root as data: copies, packs, lists or cleans it.
//!
//! Part of stage 3, for the rule in `cache_mounts.rs`. Cache mounts lie inside the workspace, and
//! such a script would find them there. This looks at words and does not run the shell's grammar;
//! where it is not sure it says yes, which costs a cache and never a build.

/// The directory in which sources are checked out and steps start.
pub(super) const WORKSPACE: &str = "/home/build";

/// The first command of the script that does, as it would be shown to a person.
pub(super) fn find(script: &str, working_directory: &str) -> Option<String> {
    let script = script.replace("\\\n", " ").replace("$(pwd)", ".").replace("`pwd`", ".");
    let commands: Vec<Vec<String>> = script
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .flat_map(|line| line.split([';', '|', '&', '(', ')', '`']))
        .map(words)
        .filter(|words| !words.is_empty())
        .collect();
    let directory = working_directory.trim_end_matches('/');
    let above = WORKSPACE == directory || WORKSPACE.starts_with(&format!("{directory}/"));
    let at_root = above || commands.iter().any(|command| leaves_directory(command));
    commands.iter().find_map(|command| {
        let root = |word: &str| is_root(word, at_root);
        takes_root(command, root).then(|| command.join(" ").chars().take(60).collect())
    })
}

/// The words of a command from its program on: without keywords, assignments and quotes.
fn words(command: &str) -> Vec<String> {
    const BEFORE: [&str; 15] = [
        "if", "then", "else", "elif", "do", "while", "until", "!", "{", "time", "exec", "env",
        "command", "nice", "sudo",
    ];
    command
        .split_whitespace()
        .map(|word| word.replace(['"', '\''], ""))
        .skip_while(|word| {
            let assignment =
                word.split_once('=').is_some_and(|(name, _)| super::quote::is_variable_name(name));
            assignment || BEFORE.contains(&word.as_str())
        })
        .collect()
}

/// `cd` to a place that may be the workspace: upwards, absolute, or computed.
fn leaves_directory(command: &[String]) -> bool {
    matches!(command[0].as_str(), "cd" | "pushd" | "popd")
        && command.get(1).is_none_or(|to| to.starts_with(['.', '/', '$', '~', '-']))
}

/// Whether a word names the workspace's root or everything in it.
fn is_root(word: &str, at_root: bool) -> bool {
    let mut path = word;
    while let Some(shorter) = path.strip_suffix("/.").or_else(|| path.strip_suffix('/')) {
        path = shorter;
    }
    while let Some(shorter) = path.strip_prefix("./") {
        path = shorter.trim_start_matches('/');
    }
    let path = path.strip_suffix("/*").unwrap_or(path);
    match path {
        "" => word != "/",
        "." | ".." | "*" | ".*" | ".[!.]*" | "$PWD" | "${PWD}" | "$OLDPWD" | "${OLDPWD}" => at_root,
        "~" | "$HOME" | "${HOME}" | WORKSPACE => true,
        _ => false,
    }
}

fn takes_root(command: &[String], root: impl Fn(&str) -> bool) -> bool {
    let program = command[0].rsplit('/').next().unwrap_or_default();
    let arguments = &command[1..];
    let operands: Vec<&str> =
        arguments.iter().map(String::as_str).filter(|word| !word.starts_with('-')).collect();
    let any = |operands: &[&str]| operands.iter().any(|operand| root(operand));
    let sources = match operands.split_last() {
        // `-t DIR` and `--target-directory` name the destination first.
        Some(_) if has_flag(arguments, 't', "--target-directory") => &operands[..],
        Some((_, sources)) => sources,
        None => &[],
    };
    match program {
        "find" => find_paths(arguments).iter().any(|path| root(path)),
        "git" => git_takes_root(arguments, root),
        "tar" | "bsdtar" => !extracts(arguments) && any(&operands),
        "zip" | "du" | "tree" | "pax" | "cpio" | "mksquashfs" => any(&operands),
        "cp" => is_recursive(arguments) && any(sources),
        "mv" | "rsync" => any(sources),
        "rm" | "chmod" | "chown" | "chgrp" | "grep" | "egrep" | "ls" | "diff" => {
            is_recursive(arguments) && any(&operands)
        }
        _ => false,
    }
}

/// The paths that `find` starts at; none means the current directory.
fn find_paths(arguments: &[String]) -> Vec<&str> {
    let paths: Vec<&str> = arguments
        .iter()
        .map(String::as_str)
        .skip_while(|word| matches!(*word, "-H" | "-L" | "-P"))
        .take_while(|word| !word.starts_with('-') && !word.starts_with(['!', '\\', '>']))
        .collect();
    if paths.is_empty() { vec!["."] } else { paths }
}

/// `git clean` as such; `add` and `stash` when they take everything that is not tracked.
fn git_takes_root(arguments: &[String], root: impl Fn(&str) -> bool) -> bool {
    let mut rest = arguments.iter();
    let subcommand = loop {
        match rest.next().map(String::as_str) {
            Some("-C" | "-c" | "--git-dir" | "--work-tree") => drop(rest.next()),
            Some(option) if option.starts_with('-') => {}
            other => break other,
        }
    };
    let rest: Vec<String> = rest.cloned().collect();
    match subcommand {
        Some("clean") => true,
        Some("add") => has_flag(&rest, 'A', "--all") || rest.iter().any(|word| root(word)),
        Some("stash") => {
            has_flag(&rest, 'u', "--include-untracked") || has_flag(&rest, 'a', "--all")
        }
        _ => false,
    }
}

/// Whether `tar` unpacks: then its directory is where to, not what.
fn extracts(arguments: &[String]) -> bool {
    let bundled =
        arguments.first().is_some_and(|word| !word.starts_with('-') && word.contains('x'));
    bundled || has_flag(arguments, 'x', "--extract") || has_flag(arguments, 't', "--list")
}

fn is_recursive(arguments: &[String]) -> bool {
    has_flag(arguments, 'r', "--recursive")
        || has_flag(arguments, 'R', "--recursive")
        || has_flag(arguments, 'a', "--archive")
}

/// A short option (alone or among others behind one dash), or a long one.
fn has_flag(arguments: &[String], short: char, long: &str) -> bool {
    arguments.iter().any(|word| match word.strip_prefix('-') {
        Some(bundle) if !bundle.starts_with('-') => bundle.contains(short),
        _ => word.split('=').next() == Some(long),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_that_take_the_root_are_found() {
        for script in [
            "git clean -fdx .",
            "git -C /home/build clean -fd",
            "cp -r . /tmp/copy",
            "cp -a ./* \"$dest\"/",
            "cd src\ncp -R \"$(pwd)\" ../x",
            "mkdir d && cp -r ./. d",
            "tar -czf ../all.tgz .",
            "tar c . | tar x -C out",
            "find . -name '*.la' -delete",
            "find -name x",
            "for f in $(find . -type f); do echo $f; done",
            "find . -type f \\\n  | xargs sed -i s/a/b/",
            "mv * /tmp/x/",
            "rm -rf *",
            "chmod -R u+w \"$HOME\"",
            "LC_ALL=C grep -rl foo .",
            "git add -A",
            "rsync -a ./ /tmp/x",
            "if find ${PWD} -name x; then :; fi",
        ] {
            assert!(find(script, "/home/build").is_some(), "{script}");
        }
    }

    #[test]
    fn others_are_not() {
        for script in [
            "go build ./...",
            "make -C . install",
            "cp -r src/. /tmp/copy",
            "cp -r foo .",
            "cp config.h .",
            "tar -xf a.tgz -C .",
            "tar xf a.tgz",
            "find src -name '*.la'",
            "find /home/build/melange-out/hello -name '*.la' -delete",
            "# find . is a comment",
            "git add go.mod",
            "git clone . x",
            "rm -rf ./build",
            "mv a .",
            "./configure --prefix=/usr",
            "cmake ..",
        ] {
            assert_eq!(find(script, "/home/build"), None, "{script}");
        }
    }

    #[test]
    fn a_directory_below_is_not_the_root() {
        assert_eq!(find("find . -name x", "/home/build/src"), None);
        assert_eq!(find("find . -name x", "/tmp/src"), None);
        assert!(find("cd ..\nfind . -name x", "/home/build/src").is_some());
        assert!(find("find $HOME -name x", "/home/build/src").is_some());
        assert!(find("find . -name x", "/home").is_some());
        assert!(find("find . -name x", "/").is_some());
    }
}

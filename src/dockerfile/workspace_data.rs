//! Whether a script treats the workspace's root, or a cache in it, as data: copies, packs, lists,
//! rewrites or cleans it.
//!
//! Part of stage 3, for the rule in `cache_mounts.rs`. Cache mounts lie inside the workspace, and
//! such a script would find them there. This looks at words (`shell_words.rs`) and does not run the
//! shell's grammar; where it is not sure it says yes, which costs a cache and never a build. What a
//! script calls (a `Makefile`, a variable that something computes) it does not see.
//!
//! Left out on purpose: `git status`. It lists mounts, but the workspace always has files that git
//! does not know (`.melange.gcc.spec`), so that a tree is no dirtier with mounts than without.

use super::shell_words::{self, Command};

/// The directory in which sources are checked out and steps start.
pub(super) const WORKSPACE: &str = "/home/build";

/// The variables that name a cache's directory, by where that is below the workspace.
const VARIABLES: [(&str, &str); 8] = [
    ("GOPATH", "go"),
    ("GOMODCACHE", "go/pkg/mod"),
    ("GOCACHE", ".cache/go-build"),
    ("PIP_CACHE_DIR", ".cache/pip"),
    ("NPM_CONFIG_CACHE", ".npm"),
    ("npm_config_cache", ".npm"),
    ("CARGO_HOME", ".cargo"),
    ("CCACHE_DIR", ".ccache"),
];

/// The first command of the script that does, as it would be shown to a person. `targets` are where
/// the mounts would be.
pub(super) fn find(script: &str, working_directory: &str, targets: &[&str]) -> Option<String> {
    let directory = working_directory.trim_end_matches('/');
    let above = WORKSPACE == directory || WORKSPACE.starts_with(&format!("{directory}/"));
    let below = |target: &&str| Some(target.strip_prefix(WORKSPACE)?.trim_matches('/').to_owned());
    let targets: Vec<String> = targets.iter().filter_map(below).collect();
    shell_words::commands(script).iter().find_map(|commands| {
        let mut places = Places { at_root: true, targets: targets.clone(), aliases: Vec::new() };
        places.aliases = aliases(commands, &places);
        let changes = |command: &Command| {
            command
                .words
                .first()
                .is_some_and(|word| matches!(word.as_str(), "cd" | "pushd" | "popd"))
        };
        // Unless it is sure where the script goes, it may be anywhere.
        let strays = |command: &Command| {
            changes(command) && !command.sure && !matches!(heading(command, &places), Heading::Down)
        };
        let lost = commands.iter().any(strays);
        places.at_root = above || lost;
        commands.iter().find_map(|command| {
            if changes(command) && !lost && command.sure {
                match heading(command, &places) {
                    Heading::Down => places.at_root = false,
                    Heading::Anywhere => places.at_root = true,
                    Heading::Nowhere => {}
                }
            }
            takes(command, &places).then(|| command.words.join(" ").chars().take(60).collect())
        })
    })
}

/// Programs whose arguments are a command.
const WRAPPERS: [&str; 12] = [
    "env", "fakeroot", "nice", "nohup", "setpriv", "stdbuf", "su", "sudo", "timeout", "vr",
    "xargs", "busybox",
];

/// Whether a command takes the workspace as data. Every word of it may be the program: after
/// `sudo`, `timeout 60`, `xargs`, `sh -c` … Where quotes hold separators, a word is not looked at
/// as such without reason: `go build -ldflags "-X v=$(git diff …)" .` runs no `diff … .`.
fn takes(command: &Command, places: &Places) -> bool {
    let mut words = command.words.clone();
    if words.iter().any(|word| word == "xargs") && !words.iter().any(|word| word == "{}") {
        // What it appends comes last: the last word of ours is no destination.
        words.push("appended".to_owned());
    }
    let wraps = words.first().is_some_and(|word| WRAPPERS.contains(&word.as_str()));
    let anywhere = !command.whole || wraps;
    let starts = if anywhere { words.len() } else { words.len().min(1) };
    (0..starts).any(|at| takes_data(&words[at..], command.read, places))
}

/// Where a `cd` goes.
#[derive(Debug)]
enum Heading {
    /// To a directory that is not the workspace's root and has nothing to do with a cache.
    Down,
    /// Where it was.
    Nowhere,
    /// To the root, or where only the running shell knows.
    Anywhere,
}

fn heading(command: &Command, places: &Places) -> Heading {
    let to = match command.words.as_slice() {
        [program, to, ..] if program == "cd" => to.as_str(),
        _ => return Heading::Anywhere,
    };
    let relative = !to.starts_with(['/', '$', '~', '-']);
    match places.below(to) {
        Some(path) if path.is_empty() && relative && !to.contains("..") => Heading::Nowhere,
        Some(_) if places.is_data(to) || to.contains("..") || to.contains(['*', '?', '[']) => {
            Heading::Anywhere
        }
        Some(_) => Heading::Down,
        None if to.starts_with('/') => Heading::Down,
        None => Heading::Anywhere,
    }
}

/// Variables of the script that hold the workspace's root: `SRC=$PWD`.
fn aliases(commands: &[Command], places: &Places) -> Vec<String> {
    let assigned = commands.iter().flat_map(|command| &command.assignments);
    assigned
        .filter(|(_, value)| places.below(value).is_some_and(|path| path.is_empty()))
        .map(|(name, _)| name.clone())
        .collect()
}

/// What words mean as places.
#[derive(Debug)]
struct Places {
    /// Whether the script works in the workspace's root, or may.
    at_root: bool,
    /// Where mounts are, below the workspace.
    targets: Vec<String>,
    aliases: Vec<String>,
}

impl Places {
    /// Whether a word names the root, everything in it, or a directory that holds a cache.
    fn is_data(&self, word: &str) -> bool {
        shell_words::alternatives(word).iter().any(|word| {
            self.below(word).is_some_and(|path| {
                path.is_empty() || self.targets.iter().any(|target| meets(&path, target))
            })
        })
    }

    /// The path below the workspace that a word may name: empty for the root and what lies above.
    fn below(&self, word: &str) -> Option<String> {
        let mut path = word;
        while let Some(shorter) = path.strip_suffix("/.").or_else(|| path.strip_suffix('/')) {
            path = shorter;
        }
        if path.is_empty() {
            return word.starts_with('/').then(String::new);
        }
        if path.starts_with('/') {
            if WORKSPACE.starts_with(&format!("{path}/")) {
                return Some(String::new());
            }
            let rest = path.strip_prefix(WORKSPACE)?;
            return (rest.is_empty() || rest.starts_with('/')).then(|| clean(rest));
        }
        let (first, rest) = path.split_once('/').unwrap_or((path, ""));
        let name = first.strip_prefix('$').map(|name| name.trim_matches(['{', '}']));
        let prefix = match (first, name) {
            ("~", _) | (_, Some("HOME")) => "",
            (_, Some(name)) if self.aliases.iter().any(|alias| alias == name) => "",
            (_, Some("PWD" | "OLDPWD")) => return self.at_root.then(|| clean(rest)),
            (_, Some(name)) => VARIABLES.iter().find(|(known, _)| *known == name)?.1,
            _ => return self.at_root.then(|| clean(path)),
        };
        Some(clean(&format!("{prefix}/{rest}")))
    }
}

/// A relative path without `.` and `..`, cut where a pattern takes everything.
fn clean(path: &str) -> String {
    // Seen from the workspace, `../build` is the workspace.
    let path = path
        .strip_prefix("../build")
        .filter(|rest| !rest.starts_with(|c| c != '/'))
        .unwrap_or(path);
    let parts = path.split('/').filter(|part| !matches!(*part, "" | "." | ".."));
    let known =
        parts.take_while(|part| !matches!(*part, "*" | "**" | ".*" | "?*" | ".[!.]*" | ".??*"));
    known.collect::<Vec<_>>().join("/")
}

/// Whether one path (which may have patterns) is the other, above it, or below it.
fn meets(path: &str, target: &str) -> bool {
    path.split('/')
        .zip(target.split('/'))
        .all(|(pattern, name)| shell_words::matches(pattern, name))
}

fn takes_data(command: &[String], read: bool, places: &Places) -> bool {
    let [program, arguments @ ..] = command else { return false };
    let program = program.rsplit('/').next().unwrap_or_default();
    let operands: Vec<&str> =
        arguments.iter().map(String::as_str).filter(|word| !word.starts_with('-')).collect();
    let any = |operands: &[&str]| operands.iter().any(|operand| places.is_data(operand));
    let here = |operands: &[&str]| places.at_root && operands.is_empty() || any(operands);
    let sources = match operands.split_last() {
        // `-t DIR` and `--target-directory` name the destination first.
        Some(_) if has_flag(arguments, 't', "--target-directory") => &operands[..],
        Some((_, sources)) => sources,
        None => &[],
    };
    match program {
        "find" => find_paths(arguments).iter().any(|path| places.is_data(path)),
        "git" => git_takes_data(arguments, places),
        "tar" | "bsdtar" => !extracts(arguments) && any(&operands),
        "zip" | "7z" | "7za" | "pax" | "cpio" | "mksquashfs" | "gofmt" | "goimports" => {
            any(&operands)
        }
        "du" | "tree" => here(&operands),
        "cp" => is_recursive(arguments) && any(sources),
        "mv" | "rsync" => any(sources),
        "rm" | "chmod" | "chown" | "chgrp" | "grep" | "egrep" | "fgrep" | "diff" => {
            is_recursive(arguments) && any(&operands)
        }
        "ls" => (read || has_flag(arguments, 'R', "--recursive")) && here(&operands),
        "for" => {
            let all = |word: &&str| {
                *word != "/" && places.below(word).is_some_and(|path| path.is_empty())
            };
            operands.get(1) == Some(&"in") && operands[2..].iter().any(all)
        }
        "go" => cleans(arguments, &["clean"], &["-cache", "-modcache", "-fuzzcache"]),
        "npm" | "pnpm" | "yarn" => {
            matches!(operands.first(), Some(&("pack" | "publish")))
                || cleans(arguments, &["cache"], &["clean", "clear", "rm"])
        }
        "cargo" => matches!(operands.first(), Some(&("package" | "publish"))),
        "pip" | "pip3" => cleans(arguments, &["cache"], &["purge", "remove"]),
        "ccache" => has_flag(arguments, 'C', "--clear"),
        _ => false,
    }
}

/// Whether a cache is told to empty itself, for everyone: `go clean -modcache`.
fn cleans(arguments: &[String], command: &[&str], how: &[&str]) -> bool {
    let [first, rest @ ..] = arguments else { return false };
    command.contains(&first.as_str()) && rest.iter().any(|word| how.contains(&word.as_str()))
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

/// `git clean` as such; `add`, `stash` and `ls-files` when they take what is not tracked.
fn git_takes_data(arguments: &[String], places: &Places) -> bool {
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
        Some("add") => {
            has_flag(&rest, 'A', "--all") || rest.iter().any(|word| places.is_data(word))
        }
        Some("stash") => {
            has_flag(&rest, 'u', "--include-untracked") || has_flag(&rest, 'a', "--all")
        }
        Some("ls-files") => has_flag(&rest, 'o', "--others"),
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

/// Whether a script builds a Python project in the directory where it works.
///
/// setuptools takes a directory whose name could be a package's for one: `go`, in which Go's module
/// cache lies. The other mounts' directories begin with a dot.
pub(super) fn builds_python(script: &str) -> bool {
    let builds = |words: &[String]| {
        let [program, arguments @ ..] = words else { return false };
        let program = program.rsplit('/').next().unwrap_or_default();
        let has = |names: &[&str]| arguments.iter().any(|word| names.contains(&word.as_str()));
        let here = || arguments.iter().any(|word| word.starts_with(['.', '/', '$']));
        match program.trim_end_matches(|c: char| c == '.' || c.is_ascii_digit()) {
            "python" => has(&["setup.py", "./setup.py", "build"]),
            "pip" => has(&["install", "wheel"]) && here(),
            "gpep" | "flit" | "hatch" | "poetry" | "pyproject-build" => true,
            "uv" => has(&["build"]),
            _ => program == "setup.py",
        }
    };
    let commands = shell_words::commands(script);
    commands
        .iter()
        .flatten()
        .any(|command| (0..command.words.len()).any(|at| builds(&command.words[at..])))
}

#[cfg(test)]
mod tests;

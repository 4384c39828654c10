//! Whether a script treats the workspace's root, or a cache in it, as data: copies, packs, lists,
//! rewrites or cleans it; and whether it makes or looks for a directory that a mount needs.
//!
//! Part of stage 3, for the rule in `cache_mounts.rs`. Cache mounts lie inside the workspace, and
//! such a script would find them there. This looks at words (`shell_words.rs`) as places
//! (`places.rs`) and does not run the shell's grammar; where it is not sure it says yes, which costs
//! a cache and never a build: a program that it does not know takes as data what its operands name.
//! What a script calls (a `Makefile`, a variable that something computes) it does not see.
//!
//! Left out on purpose: `git status`. It lists mounts, but the workspace always has files that git
//! does not know (`.melange.gcc.spec`), so that a tree is no dirtier with mounts than without.

use std::collections::BTreeSet;

use super::places::{self, Places};
use super::shell_words::{self, Command};

/// The directory in which sources are checked out and steps start.
pub(super) const WORKSPACE: &str = "/home/build";

/// A script and what decides what its words mean.
#[derive(Clone, Debug)]
pub(super) struct Script<'a> {
    pub(super) text: &'a str,
    pub(super) working_directory: &'a str,
    /// The recipe's, and the step's.
    pub(super) variables: Vec<(&'a str, &'a str)>,
}

impl Script<'_> {
    /// The first command that takes the workspace as data, as it would be shown to a person.
    /// `targets` are where the mounts would be.
    pub(super) fn takes_workspace(&self, targets: &[&str]) -> Option<String> {
        self.first(targets, takes)
    }

    /// The first command for which it matters whether these targets, or directories around them,
    /// are there.
    pub(super) fn meets_mounts(&self, targets: &[&str]) -> Option<String> {
        let mut made = BTreeSet::new();
        self.first(targets, |command, places| meets_mounts(command, places, &mut made))
    }

    fn first(
        &self,
        targets: &[&str],
        mut is: impl FnMut(&Command, &Places) -> bool,
    ) -> Option<String> {
        let commands = shell_words::commands(self.text);
        commands.iter().find_map(|commands| {
            let variables = self.variables.iter().copied();
            let mut places = Places::new(self.working_directory, targets, variables);
            // What a variable holds may be used above where it is set: in a function.
            let lost = commands.iter().any(|c| changes(c) && !c.sure && !places.goes_down(c));
            let mut before = places.clone();
            for command in commands {
                walk(command, &mut before, lost);
            }
            places.know(&before);
            commands.iter().find_map(|command| {
                walk(command, &mut places, lost);
                is(command, &places).then(|| command.shown())
            })
        })
    }
}

fn changes(command: &Command) -> bool {
    let program = command.words.first();
    program.is_some_and(|word| matches!(word.as_str(), "cd" | "pushd" | "popd"))
}

/// What a command does to places. Unless it is sure where the script goes, it may be anywhere all
/// the time.
fn walk(command: &Command, places: &mut Places, lost: bool) {
    if lost {
        places.lose();
    } else if changes(command) {
        places.change(command);
    }
    for (name, value) in &command.assignments {
        places.assign(name, value);
    }
}

/// Programs whose arguments are a command.
const WRAPPERS: [&str; 13] = [
    "env", "fakeroot", "nice", "nohup", "nproc", "setpriv", "stdbuf", "su", "sudo", "timeout",
    "vr", "xargs", "busybox",
];

/// Programs that build in the directory that they are given, or do no more than name it, look at a
/// name, or put something there.
const HARMLESS: &str = "R Rscript ar autoreconf bundle c++ cabal cargo case cc cd clang clang++ cmake cp dirname \
     echo export g++ gcc go install javac ld let ln make meson mkdir ninja npm patch pip pnpm \
     popd printf pushd python readlink realpath test touch unzip yarn";

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
        || command.whole && unknown_takes_data(&words, places)
}

/// Whether a program that is not known to be harmless is given the workspace, or any program all
/// that is in it. Only the shell's own reading tells operands from text.
fn unknown_takes_data(words: &[String], places: &Places) -> bool {
    let begin = words.iter().position(|word| {
        !(WRAPPERS.contains(&word.as_str())
            || word.starts_with('-')
            || word.contains('=')
            || word.starts_with(|c: char| c.is_ascii_digit()))
    });
    let [program, arguments @ ..] = &words[begin.unwrap_or(words.len())..] else { return false };
    let everything = |word: &String| places::is_everything(word) && places.is_data(word);
    let name = base(program);
    // Patterns of these are no files, or no content.
    if matches!(name, "case" | "[[" | "expr" | "let" | "for" | "cd" | "pushd") {
        return false;
    }
    if arguments.iter().any(everything) {
        return true;
    }
    let versioned = name.trim_end_matches(|c: char| c == '.' || c.is_ascii_digit());
    let is_in = |list: &str, name: &str| list.split(' ').any(|word| word == name);
    if is_in(HARMLESS, versioned) || is_in(KNOWN, name) || name.starts_with('$') {
        return false;
    }
    // A bare name may be anything.
    let named = |word: &&String| word.starts_with(['.', '$', '~']) || word.contains('/');
    arguments
        .iter()
        .filter(named)
        .any(|word| !word.trim_matches('/').is_empty() && places.is_data(word))
}

/// A program's name without its directory.
fn base(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or_default()
}

fn takes_data(command: &[String], read: bool, places: &Places) -> bool {
    let [program, arguments @ ..] = command else { return false };
    let program = base(program);
    let operands: Vec<&str> =
        arguments.iter().map(String::as_str).filter(|word| !word.starts_with('-')).collect();
    let any = |operands: &[&str]| operands.iter().any(|operand| places.is_data(operand));
    let here = |operands: &[&str]| places.at_root() && operands.is_empty() || any(operands);
    let sources = match operands.split_last() {
        // `-t DIR` and `--target-directory` name the destination first.
        Some(_) if has_flag(arguments, 't', "--target-directory") => &operands[..],
        Some((_, sources)) => sources,
        None => &[],
    };
    match program {
        "find" => find_paths(arguments).iter().any(|path| places.is_data(path)),
        "git" => git_takes_data(arguments, places),
        "tar" | "bsdtar" | "gtar" => !extracts(arguments) && any(&operands),
        "zip" | "7z" | "7za" | "7zz" | "pax" | "cpio" | "mksquashfs" | "gofmt" | "goimports"
        | "jar" => any(&operands),
        "du" | "tree" => here(&operands),
        "cp" => is_recursive(arguments) && any(sources),
        "mv" | "rsync" => any(sources),
        "grep" | "egrep" | "fgrep" | "rg" if command[0] == "rg" || is_recursive(arguments) => {
            any(&operands) || places.at_root() && greps_here(arguments)
        }
        "rm" | "chmod" | "chown" | "chgrp" | "diff" => is_recursive(arguments) && any(&operands),
        "ls" => (read || has_flag(arguments, 'R', "--recursive")) && here(&operands),
        "for" => {
            let all = |word: &&str| *word != "/" && places.is_root(word);
            operands.get(1) == Some(&"in") && operands[2..].iter().any(all)
        }
        "go" => cleans(arguments, &["clean"], &["-cache", "-modcache", "-fuzzcache"]),
        "npm" | "pnpm" | "yarn" => {
            matches!(operands.first(), Some(&("pack" | "publish")))
                || cleans(arguments, &["cache"], &["clean", "clear", "rm"])
        }
        "cargo" => matches!(operands.first(), Some(&("package" | "publish"))),
        "pip" | "pip3" => cleans(arguments, &["cache"], &["purge", "remove"]),
        "python" | "python3" => {
            let module = arguments.iter().skip_while(|word| *word != "-m").nth(1);
            let walks =
                |module: &String| matches!(module.as_str(), "tarfile" | "zipfile" | "compileall");
            module.is_some_and(walks) && any(&operands)
        }
        "ccache" => has_flag(arguments, 'C', "--clear"),
        _ => false,
    }
}

/// Programs that [`takes_data`] and the rule in `cache_mounts.rs` know.
const KNOWN: &str = ". 7z 7za 7zz [ apk bsdtar ccache chgrp chmod chown cpio diff du egrep fgrep find git \
     gpep grep gtar jar ls mv pax rm rsync set source tar tree uv zip";

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

/// Whether a recursive `grep` is given no path.
fn greps_here(arguments: &[String]) -> bool {
    let mut pattern = false;
    let mut paths = 0;
    let mut rest = arguments.iter();
    while let Some(word) = rest.next() {
        match word.as_str() {
            "-e" | "-f" | "--regexp" | "--file" => pattern = rest.next().is_some(),
            "-A" | "-B" | "-C" | "-m" | "-g" | "-t" | "--include" | "--exclude"
            | "--exclude-dir" => drop(rest.next()),
            flag if flag.starts_with('-') => {
                pattern |= flag.starts_with("--regexp=") || flag.starts_with("--file=");
            }
            _ => paths += 1,
        }
    }
    paths <= usize::from(!pattern)
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

/// Whether it matters to a command that a directory around a mount is there: it makes one of that
/// name, removes it, moves something to it, or asks for it. `made` are those that the script makes
/// in a way to which it does not matter.
fn meets_mounts(command: &Command, places: &Places, made: &mut BTreeSet<Vec<String>>) -> bool {
    let there = |word: &str| {
        let paths = places.around_mounts(word);
        paths.iter().any(|path| !made.iter().any(|made| made.starts_with(path)))
    };
    let starts = if command.whole { command.words.len().min(1) } else { command.words.len() };
    let meets = command.files.iter().any(|file| there(file))
        || (0..starts).any(|at| {
            let removed = |word: &str| !places.around_mounts(word).is_empty();
            minds(&command.words[at..], at == 0, &there, &removed)
        });
    if let [program, arguments @ ..] = command.words.as_slice()
        && command.sure
        && makes_parents(base(program), arguments)
    {
        made.extend(arguments.iter().flat_map(|word| places.resolve(word)));
    }
    meets
}

fn makes_parents(program: &str, arguments: &[String]) -> bool {
    program == "mkdir" && has_flag(arguments, 'p', "--parents")
        || program == "install" && has_flag(arguments, 'd', "--directory")
}

fn minds(
    words: &[String],
    first: bool,
    there: &impl Fn(&str) -> bool,
    removed: &impl Fn(&str) -> bool,
) -> bool {
    let [program, arguments @ ..] = words else { return false };
    let program = base(program);
    let operands: Vec<&str> =
        arguments.iter().map(String::as_str).filter(|word| !word.starts_with('-')).collect();
    let last = || operands.last().is_some_and(|word| there(word));
    let named = |path: &&str| there(base(path.trim_end_matches('/').trim_end_matches(".git")));
    let output = || {
        let flag = |word: &str| matches!(word, "-o" | "-O" | "--output" | "--out");
        first && arguments.windows(2).any(|pair| flag(&pair[0]) && there(&pair[1]))
    };
    match program {
        "mkdir" => !makes_parents(program, arguments) && operands.iter().any(|word| there(word)),
        "rm" | "rmdir" | "unlink" => operands.iter().any(|word| removed(word)),
        "mv" | "cp" | "rsync" => last(),
        "install" => !makes_parents(program, arguments) && last(),
        "ln" if operands.len() == 1 => operands.first().is_some_and(named),
        "ln" => last(),
        "git" | "hg" => match operands.iter().position(|word| matches!(*word, "clone" | "add")) {
            Some(at) if operands[at] == "clone" => {
                operands[at + 1..].iter().any(|word| there(word))
                    || operands.last().is_some_and(named)
            }
            Some(_) => {
                operands.iter().any(|word| matches!(*word, "worktree" | "submodule")) && last()
            }
            None => false,
        },
        "test" | "[" | "[[" if first => arguments
            .windows(2)
            .any(|pair| pair[0].len() == 2 && pair[0].starts_with('-') && there(&pair[1])),
        "ls" | "stat" | "touch" | "readlink" => operands.iter().any(|word| there(word)),
        "grep" | "egrep" | "fgrep" | "find" | "set" => false,
        _ => output(),
    }
}

/// Whether a script builds a Python project in the directory where it works.
///
/// setuptools takes a directory whose name could be a package's for one: `go`, in which Go's module
/// cache lies. The other mounts' directories begin with a dot.
pub(super) fn builds_python(script: &str) -> bool {
    let builds = |words: &[String]| {
        let [program, arguments @ ..] = words else { return false };
        let program = base(program);
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

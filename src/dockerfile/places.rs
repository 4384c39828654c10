//! What words of a script mean as places, and where a script is while it runs.
//!
//! Part of stage 3, for `workspace_data.rs`. A word may be several places, because a script that
//! changes its directory in a condition is in either from then on; where it can't be told, a script
//! may be anywhere, the workspace's root included.

use std::collections::{BTreeMap, BTreeSet};

use super::shell_words::{self, Command};
use super::workspace_data::WORKSPACE;

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

/// Patterns that take everything in a directory.
const EVERYTHING: [&str; 6] = ["*", "**", ".*", "?*", ".[!.]*", ".??*"];

/// The parts of an absolute path.
type Path = Vec<String>;

/// How many directories a script is followed into at once.
const MANY: usize = 64;

/// Where the script is.
#[derive(Clone, Debug)]
enum Directory {
    /// In one of these.
    OneOf(BTreeSet<Path>),
    Anywhere,
}

/// What words mean, at one point of a script.
#[derive(Clone, Debug)]
pub(super) struct Places {
    directory: Directory,
    /// Where mounts in the workspace are.
    targets: Vec<Path>,
    /// What variables of the script and of the recipe may hold.
    variables: BTreeMap<String, BTreeSet<Path>>,
}

fn parts(path: &str) -> Path {
    path.split('/').filter(|part| !matches!(*part, "" | ".")).map(str::to_owned).collect()
}

impl Places {
    /// At the beginning of a script.
    pub(super) fn new<'a>(
        working_directory: &str,
        targets: &[&str],
        variables: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let below = |target: &&&str| target.starts_with(&format!("{WORKSPACE}/"));
        let mut places = Self {
            directory: Directory::OneOf([parts(working_directory)].into()),
            targets: targets.iter().filter(below).map(|target| parts(target)).collect(),
            variables: BTreeMap::new(),
        };
        for (name, value) in variables {
            places.assign(name, value);
        }
        places
    }

    /// Whether the root itself may be meant by `.`.
    pub(super) fn at_root(&self) -> bool {
        self.is_data(".")
    }

    /// The script may be anywhere from now on.
    pub(super) fn lose(&mut self) {
        self.directory = Directory::Anywhere;
    }

    /// Notes what a variable is set to, beside what it was before: the order in which lines of a
    /// script run is not known.
    pub(super) fn assign(&mut self, name: &str, value: &str) {
        let paths = self.resolve(value);
        if !paths.is_empty() {
            self.variables.entry(name.to_owned()).or_default().extend(paths);
        }
    }

    /// Takes over what is known of variables.
    pub(super) fn know(&mut self, other: &Self) {
        self.variables.clone_from(&other.variables);
    }

    /// Whether it is told by a `cd` alone where it goes, and not upwards.
    pub(super) fn goes_down(&self, command: &Command) -> bool {
        destination(command).is_some_and(|to| !to.contains("..") && !self.resolve(to).is_empty())
    }

    /// Follows a `cd`. One that is not sure to run leaves the script where it was, or not.
    pub(super) fn change(&mut self, command: &Command) {
        let Some(to) = destination(command) else { return self.lose() };
        let mut paths: BTreeSet<Path> = self.resolve(to).into_iter().collect();
        let lost = matches!(self.directory, Directory::Anywhere);
        // From anywhere, a way up may end anywhere.
        if paths.is_empty() || lost && !to.starts_with('/') && (to.contains("..") || to == ".") {
            return self.lose();
        }
        if let Directory::OneOf(before) = &self.directory
            && !command.sure
        {
            paths.extend(before.iter().cloned());
        }
        self.directory = match paths.len() {
            ..MANY => Directory::OneOf(paths),
            _ => Directory::Anywhere,
        };
    }

    /// Whether a word names the root, everything in it, what lies above it, or a directory that
    /// holds a cache, or is in one.
    pub(super) fn is_data(&self, word: &str) -> bool {
        self.resolve(word)
            .iter()
            .any(|path| is_root(path) || self.targets.iter().any(|target| meets(path, target)))
    }

    /// Whether a word names the root, or everything in it.
    pub(super) fn is_root(&self, word: &str) -> bool {
        self.resolve(word).iter().any(|path| is_root(path))
    }

    /// The places of a word that are those of mounts, or of the directories around them.
    pub(super) fn around_mounts(&self, word: &str) -> Vec<Path> {
        let mut paths = self.resolve(word);
        paths.retain(|path| {
            !is_root(path)
                && self
                    .targets
                    .iter()
                    .any(|target| path.len() <= target.len() && meets(path, target))
        });
        paths
    }

    /// The absolute paths that a word may be; none where only the running shell knows.
    pub(super) fn resolve(&self, word: &str) -> Vec<Path> {
        let mut paths = Vec::new();
        for word in shell_words::alternatives(word) {
            if !word.contains(char::is_whitespace) {
                self.resolve_one(&word, &mut paths);
            }
        }
        paths
    }

    fn resolve_one(&self, word: &str, paths: &mut Vec<Path>) {
        if word.is_empty() || word.starts_with("http") && word.contains("://") {
            return;
        }
        if let Some(rest) = word.strip_prefix('/') {
            paths.extend(join([Path::new()], rest, false));
        } else if let Some((name, default, rest)) = variable(word) {
            let bases = match name {
                "HOME" => vec![parts(WORKSPACE)],
                "PWD" => self.here(),
                "OLDPWD" => vec![parts(WORKSPACE)],
                _ => self.held(name, default),
            };
            paths.extend(join(bases, rest, false));
        } else if word.starts_with('$') {
            // A part of a name, or what a command says.
        } else if word == "~" || word.starts_with("~/") {
            paths.extend(join([parts(WORKSPACE)], &word[1..], false));
        } else {
            let anywhere = matches!(self.directory, Directory::Anywhere);
            paths.extend(join(self.here(), word, anywhere));
        }
    }

    fn held(&self, name: &str, default: Option<&str>) -> Vec<Path> {
        let cache = VARIABLES.iter().find(|(known, _)| *known == name);
        let cache = cache.map(|(_, below)| parts(&format!("{WORKSPACE}/{below}")));
        let own = self.variables.get(name).into_iter().flatten().cloned();
        let default = default.map(|word| self.resolve(word)).unwrap_or_default();
        cache.into_iter().chain(own).chain(default).collect()
    }

    fn here(&self) -> Vec<Path> {
        match &self.directory {
            Directory::OneOf(paths) => paths.iter().cloned().collect(),
            Directory::Anywhere => vec![parts(WORKSPACE)],
        }
    }
}

/// Where a `cd` goes, if that can be told: what a variable holds at that moment can't.
fn destination(command: &Command) -> Option<&str> {
    let [program, to, ..] = command.words.as_slice() else { return None };
    let held = variable(to).is_some_and(|(name, ..)| !matches!(name, "HOME" | "PWD"));
    (program == "cd" && to != "-" && !held && !to.contains(['*', '?', '['])).then_some(to)
}

/// `$NAME`, `${NAME}`, `${NAME:-DEFAULT}` and what follows, which is nothing or begins with a `/`.
fn variable(word: &str) -> Option<(&str, Option<&str>, &str)> {
    let word = word.strip_prefix('$')?;
    let (name, default, rest) = if let Some(inside) = word.strip_prefix('{') {
        let (inside, rest) = inside.split_once('}')?;
        let end = inside.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let (name, more) = inside.split_at(end.unwrap_or(inside.len()));
        let default = more.trim_start_matches(':').strip_prefix(['-', '=']);
        (name, default, rest)
    } else {
        let end = word.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let (name, rest) = word.split_at(end.unwrap_or(word.len()));
        (name, None, rest)
    };
    (rest.is_empty() || rest.starts_with('/')).then_some((name, default, rest))
}

/// Paths below others, cut where a pattern takes everything. Seen from `anywhere`, a way up may end
/// where it began.
fn join(bases: impl IntoIterator<Item = Path>, rest: &str, anywhere: bool) -> Vec<Path> {
    let mut paths = Vec::new();
    for base in bases {
        let mut path = base;
        for part in rest.split('/').filter(|part| !matches!(*part, "" | ".")) {
            match part {
                ".." if anywhere => {}
                ".." => drop(path.pop()),
                part if EVERYTHING.contains(&part) => break,
                // Seen from the workspace, `../build` is the workspace.
                "build" if anywhere && rest.trim_start_matches("./").starts_with("../build") => {}
                _ => path.push(part.to_owned()),
            }
        }
        paths.push(path);
    }
    paths
}

/// Whether a path is the workspace, or above it.
fn is_root(path: &[String]) -> bool {
    parts(WORKSPACE).starts_with(path)
}

/// Whether one path (which may have patterns) is the other, above it, or below it.
fn meets(path: &[String], target: &[String]) -> bool {
    path.iter().zip(target).all(|(pattern, name)| shell_words::matches(pattern, name))
}

/// Whether a word ends in patterns that take everything: `*`, `./*`, `**/*`.
pub(super) fn is_everything(word: &str) -> bool {
    let mut parts = word.trim_end_matches('/').split('/');
    let is = |part: &str| EVERYTHING.contains(&part);
    parts.by_ref().any(is) && parts.all(is)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(places: &Places, word: &str) -> Vec<String> {
        places.resolve(word).iter().map(|path| format!("/{}", path.join("/"))).collect()
    }

    #[test]
    fn words_are_places() {
        let own = [("SRC", "/home/build"), ("TOP", "$SRC/x"), ("WORD", "two words")];
        let places = Places::new("/home/build/src", &[], own.into_iter());
        for (word, path) in [
            (".", "/home/build/src"),
            ("..", "/home/build"),
            ("../*", "/home/build"),
            ("a/../b/.", "/home/build/src/b"),
            ("~/x", "/home/build/x"),
            ("${HOME}", "/home/build"),
            ("$PWD/y", "/home/build/src/y"),
            ("$SRC", "/home/build"),
            ("${TOP}/..", "/home/build"),
            ("${UNKNOWN:-..}", "/home/build"),
            ("$CARGO_HOME/x", "/home/build/.cargo/x"),
        ] {
            assert_eq!(shown(&places, word), [path], "{word}");
        }
        for word in ["$UNKNOWN", "$SRC-1.0", "two words", "$WORD", "$"] {
            assert!(shown(&places, word).is_empty(), "{word}");
        }
        assert_eq!(shown(&places, "{a,b}").len(), 2);
    }
}

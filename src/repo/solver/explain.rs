//! Says why a request can't be met, in terms of what was asked.
//!
//! One sentence about the candidate that would have been taken; what to do about it as hints.

use std::collections::BTreeSet;

use super::pool::{Id, Pool};
use super::rules::{Demand, Exclusion, Why};
use super::search::{Failure, Unsolvable};
use crate::apk::dependency::Atom;
use crate::repo::Error;

/// How many names a sentence lists.
const LISTED: usize = 4;

/// The error for a request that can't be met.
pub(super) fn explain(pool: &Pool<'_>, request: &[Atom], unsolvable: &Unsolvable) -> Error {
    let told = telling(unsolvable);
    let mut problem = Sentence { pool, request, failure: told }.text();
    problem.push_str(&others(pool, &unsolvable.failure));
    if unsolvable.gave_up {
        problem.push_str("; the search was given up, the request may have a solution");
    }
    Error::Unsolvable {
        problem,
        atoms: asked(pool, request, told),
        unknown: told.rejected.is_empty(),
        hints: hints(pool, told),
    }
}

/// The atoms of the request that led to what is told: to the demand, then to what it collides with.
fn asked(pool: &Pool<'_>, request: &[Atom], failure: &Failure) -> Vec<String> {
    let mut atoms = Vec::new();
    let mut add = |atom: &Atom| {
        let text = atom.to_string();
        if !atoms.contains(&text) {
            atoms.push(text);
        }
    };
    let for_package = |id: Id| {
        let member = pool.get(id);
        request.iter().filter(move |atom| member.names().any(|(name, _)| name == atom.name))
    };
    match failure.path.first() {
        None => add(&failure.demand.atom),
        Some(first) => for_package(*first).for_each(&mut add),
    }
    let other = match primary(failure).map(|(_, exclusion)| &exclusion.why) {
        Some(Why::Demand(Demand { by: None, atom, .. })) => {
            add(atom);
            None
        }
        Some(Why::Demand(Demand { by, .. })) => *by,
        Some(Why::Demands(other, _) | Why::Taken(other, _)) => Some(*other),
        _ => None,
    };
    if let Some(other) = other {
        let first = failure.paths.get(&other).and_then(|path| path.first());
        for_package(*first.unwrap_or(&other)).for_each(&mut add);
    }
    atoms
}

/// The failure to tell: from where the search ended back to what went wrong with the preferred
/// candidate first.
fn telling(unsolvable: &Unsolvable) -> &Failure {
    let mut failure = &unsolvable.failure;
    // A lesson rests on earlier ones only, so this ends.
    while let Some((_, Exclusion { why: Why::Learned(number), .. })) = primary(failure)
        && let Some(lesson) = unsolvable.lessons.get(*number)
    {
        failure = &lesson.failure;
    }
    failure
}

/// The rejected candidate whose trouble is told: the preferred one of those that fit the atom.
fn primary(failure: &Failure) -> Option<&(Id, Exclusion)> {
    let fits = |(_, exclusion): &&(Id, Exclusion)| !matches!(exclusion.why, Why::Version);
    failure.rejected.iter().find(fits).or(failure.rejected.first())
}

/// `; 3 other versions of …`
fn others(pool: &Pool<'_>, last: &Failure) -> String {
    let Some((first, _)) = primary(last) else { return String::new() };
    let name = pool.get(*first).package.name.clone();
    let fitting = last.rejected.iter().filter(|(id, exclusion)| {
        !matches!(exclusion.why, Why::Version) && id != first && pool.get(*id).package.name == name
    });
    match fitting.count() {
        0 => String::new(),
        1 => format!("; 1 other version of `{name}` can't be installed either"),
        count => format!("; {count} other versions of `{name}` can't be installed either"),
    }
}

struct Sentence<'a> {
    pool: &'a Pool<'a>,
    request: &'a [Atom],
    failure: &'a Failure,
}

impl Sentence<'_> {
    fn text(&self) -> String {
        let atom = &self.failure.demand.atom;
        let chain = self.chain(&self.failure.path);
        let needs = match (chain.is_empty(), self.failure.triggered) {
            (true, _) => format!("`{atom}` was asked for"),
            (_, false) => format!("{chain} needs `{atom}`"),
            (_, true) => format!("{chain} brings `{atom}` along"),
        };
        let Some((id, exclusion)) = primary(self.failure) else {
            return if chain.is_empty() {
                format!("nothing provides `{atom}`, which was asked for")
            } else {
                format!("{needs}, which nothing provides")
            };
        };
        let label = self.pool.label(*id);
        let reason = match &exclusion.why {
            Why::Version => format!("but there is only {}", self.available()),
            Why::Unusable(reason) => format!("but `{label}` can't be installed: {reason}"),
            Why::Tag(tag) => format!("which only the repository `@{tag}` has"),
            Why::NotAutomatic => format!("which {} without a priority", self.provided_by()),
            Why::Demand(demand) => self.against_demand(&label, demand),
            Why::Demands(other, atom) if atom.conflict => {
                format!("but `{label}` can't stand {}", self.with_origin(*other))
            }
            Why::Demands(other, atom) => {
                format!("but `{label}` needs `{atom}` and not {}", self.with_origin(*other))
            }
            Why::Taken(other, name) => self.taken(*id, *other, name),
            Why::Learned(_) => format!("but `{label}` can't be installed"),
        };
        format!("{needs}, {reason}")
    }

    fn against_demand(&self, label: &str, demand: &Demand) -> String {
        match (demand.by, demand.atom.conflict) {
            (None, _) => format!("but `{}` was asked for too", demand.atom),
            (Some(by), true) => {
                format!("but {} can't stand `{label}`", self.with_origin(by))
            }
            (Some(by), false) => {
                format!("but {} needs `{}` and not `{label}`", self.with_origin(by), demand.atom)
            }
        }
    }

    fn taken(&self, id: Id, other: Id, name: &str) -> String {
        let label = self.pool.label(id);
        let other_text = self.with_origin(other);
        if self.pool.get(other).package.name == self.pool.get(id).package.name {
            format!("but `{label}` can't be installed beside {other_text}")
        } else {
            format!("but both `{label}` and {other_text} provide `{name}`")
        }
    }

    /// A package with what it is there for.
    fn with_origin(&self, id: Id) -> String {
        let label = self.pool.label(id);
        match self.failure.paths.get(&id).map(Vec::as_slice) {
            Some([.., needs, _]) => {
                format!("`{label}` (which `{}` needs)", self.pool.label(*needs))
            }
            _ if self.is_asked_for(id) => format!("`{label}` (which was asked for)"),
            _ => format!("`{label}`"),
        }
    }

    fn is_asked_for(&self, id: Id) -> bool {
        let member = self.pool.get(id);
        self.request.iter().any(|atom| member.names().any(|(name, _)| name == atom.name))
    }

    fn chain(&self, path: &[Id]) -> String {
        let labels: Vec<String> =
            path.iter().map(|id| format!("`{}`", self.pool.label(*id))).collect();
        match labels.as_slice() {
            [] => String::new(),
            [only] => only.clone(),
            [first, rest @ ..] => {
                format!("{first} needs {}, which", rest.join(", which needs "))
            }
        }
    }

    /// Versions that are there of what is asked for.
    fn available(&self) -> String {
        let labels: Vec<String> =
            self.failure.rejected.iter().map(|(id, _)| self.pool.label(*id)).collect();
        list(labels)
    }

    fn provided_by(&self) -> String {
        let names = providers_by_choice(self.pool, self.failure);
        let verb = if names.len() == 1 { "provides" } else { "provide" };
        format!("{} {verb}", list(names))
    }
}

fn providers_by_choice(pool: &Pool<'_>, failure: &Failure) -> Vec<String> {
    let names: BTreeSet<String> = failure
        .rejected
        .iter()
        .filter(|(_, exclusion)| matches!(exclusion.why, Why::NotAutomatic))
        .map(|(id, _)| pool.get(*id).package.name.clone())
        .collect();
    names.into_iter().collect()
}

fn list(items: Vec<String>) -> String {
    let count = items.len();
    let mut quoted: Vec<String> =
        items.into_iter().take(LISTED).map(|item| format!("`{item}`")).collect();
    if count > LISTED {
        quoted.push(format!("{} more", count - LISTED));
    }
    match quoted.as_slice() {
        [rest @ .., last] if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

fn hints(pool: &Pool<'_>, failure: &Failure) -> Vec<String> {
    let atom = &failure.demand.atom;
    match primary(failure).map(|(_, exclusion)| &exclusion.why) {
        None => similar(pool, &atom.name)
            .into_iter()
            .map(|name| format!("did you mean `{name}`?"))
            .collect(),
        Some(Why::Tag(tag)) => vec![format!("ask for `{}@{tag}`", atom.name)],
        Some(Why::NotAutomatic) => {
            let names = providers_by_choice(pool, failure);
            vec![format!("add {} to the packages that are asked for", either(&names))]
        }
        _ => Vec::new(),
    }
}

fn either(names: &[String]) -> String {
    match names {
        [only] => format!("`{only}`"),
        _ => {
            let quoted: Vec<String> =
                names.iter().take(LISTED).map(|name| format!("`{name}`")).collect();
            format!("one of {}", quoted.join(", "))
        }
    }
}

/// The most similar name, if there is one that a slip of the finger explains.
fn similar(pool: &Pool<'_>, wanted: &str) -> Option<String> {
    let limit = (wanted.chars().count() / 4).clamp(1, 3);
    let close = |name: &str| {
        if name.len().abs_diff(wanted.len()) > limit {
            return None;
        }
        let distance = strsim::osa_distance(name, wanted);
        (distance <= limit).then_some((distance, name.to_owned()))
    };
    let mut best: Option<(usize, String)> = None;
    for repository in pool.repositories() {
        repository.catalog.each_name(|name| {
            // Of equals, the first in the alphabet.
            best = best.take().into_iter().chain(close(name)).min();
        });
    }
    best.map(|(_, name)| name)
}

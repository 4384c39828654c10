//! The search: apko's order of decisions, and what is learned where that leads nowhere.
//!
//! An attempt decides greedily and never takes back. Where an atom can't be met, those chosen
//! packages that stand in the way are a *lesson*: they can't stand together. The next attempt
//! starts from nothing and does not choose the last of them. A lesson that names no package is the
//! proof that the request can't be met. Each lesson is new, so this ends; the limit is there for
//! indexes made to be hard.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use super::pool::{Id, Pool, Provider};
use super::preference::Preference;
use super::rules::{Demand, Exclusion, Installation, Why, accepts};
use crate::apk::dependency::Atom;

/// How many attempts are made before the search is given up.
const ATTEMPTS: usize = 2_000;

/// What becomes of a package whose `install_if` came true but which does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Triggered {
    /// It is wanted as much as what was asked for.
    Required,
    /// It is left out.
    Optional,
}

/// That an atom could not be met.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    /// What was demanded.
    pub(super) demand: Demand,
    /// From the request down to who demanded it: each needed the next.
    pub(super) path: Vec<Id>,
    /// The candidates and what was wrong with each, the preferred first.
    pub(super) rejected: Vec<(Id, Exclusion)>,
    /// The same for each package that is to blame.
    pub(super) paths: HashMap<Id, Vec<Id>>,
    /// Whether it was an `install_if` that asked for it.
    pub(super) triggered: bool,
}

/// Packages that can't stand together.
#[derive(Debug)]
pub(super) struct Lesson {
    together: BTreeSet<Id>,
    /// What went wrong when they did.
    pub(super) failure: Failure,
}

/// That a request can't be met.
#[derive(Debug)]
pub(super) struct Unsolvable {
    /// Where it ends.
    pub(super) failure: Failure,
    /// What was learned before.
    pub(super) lessons: Vec<Lesson>,
    /// Whether the search was given up rather than finished.
    pub(super) gave_up: bool,
}

impl Unsolvable {
    /// Whether packages with `install_if` were in the way.
    pub(super) fn has_triggered(&self) -> bool {
        self.failure.triggered || self.lessons.iter().any(|lesson| lesson.failure.triggered)
    }
}

/// Finds packages that meet the request, in the order in which they were chosen.
pub(super) fn search(
    pool: &Pool<'_>,
    request: &[Atom],
    triggered: Triggered,
) -> Result<Vec<Id>, Box<Unsolvable>> {
    let mut lessons = Vec::new();
    loop {
        let mut attempt = Attempt::new(pool, &lessons, triggered);
        let Err(lesson) = attempt.run(request) else { return Ok(attempt.order) };
        let proven = lesson.together.is_empty();
        if proven || lessons.len() >= ATTEMPTS {
            let failure = lesson.failure;
            return Err(Box::new(Unsolvable { failure, lessons, gave_up: !proven }));
        }
        lessons.push(*lesson);
    }
}

type Step<T> = Result<T, Box<Lesson>>;

/// A chosen package.
#[derive(Debug)]
struct Chosen {
    /// Who needed it.
    parent: Option<Id>,
    /// Tags that it and what it needs may be taken from.
    tags: Rc<BTreeSet<String>>,
    expanded: bool,
}

struct Attempt<'a> {
    pool: &'a Pool<'a>,
    lessons: &'a [Lesson],
    triggered: Triggered,
    installation: Installation,
    chosen: HashMap<Id, Chosen>,
    order: Vec<Id>,
    origins: HashMap<String, String>,
    /// Demands for virtuals that nothing may be chosen for: met by something else, or not.
    deferred: Vec<Demand>,
    /// Packages whose `install_if` names something that was chosen.
    waiting: BTreeSet<Id>,
}

impl<'a> Attempt<'a> {
    fn new(pool: &'a Pool<'a>, lessons: &'a [Lesson], triggered: Triggered) -> Self {
        Self {
            pool,
            lessons,
            triggered,
            installation: Installation::default(),
            chosen: HashMap::new(),
            order: Vec::new(),
            origins: HashMap::new(),
            deferred: Vec::new(),
            waiting: BTreeSet::new(),
        }
    }

    fn run(&mut self, request: &[Atom]) -> Step<()> {
        let demands: Vec<_> =
            request.iter().map(|atom| Demand { by: None, atom: Rc::new(atom.clone()) }).collect();
        for demand in &demands {
            self.installation.demand(demand.clone());
        }
        self.meet_request(&demands)?;
        for demand in &demands {
            if let Some(id) = self.installation.satisfier(&demand.atom) {
                self.expand(id)?;
            }
        }
        self.meet_deferred()?;
        while self.meet_triggered()? {
            self.meet_deferred()?;
        }
        Ok(())
    }

    /// Chooses for the atoms of the request, the one with the fewest candidates first.
    fn meet_request(&mut self, demands: &[Demand]) -> Step<()> {
        let mut open: Vec<_> =
            demands.iter().filter(|demand| !demand.atom.conflict).cloned().collect();
        while let Some((index, candidates)) = self.fewest(&mut open)? {
            let demand = open.remove(index);
            let tag = demand.atom.tag.as_deref();
            let preference = Preference { name: &demand.atom.name, tag, origins: &HashMap::new() };
            if let Some(best) = preference.best(self.pool, &candidates) {
                self.choose(best.id, &demand);
            }
        }
        Ok(())
    }

    /// Chooses for the dependencies of a package, and theirs.
    fn expand(&mut self, id: Id) -> Step<()> {
        let mut stack: Vec<Vec<Demand>> = Vec::new();
        stack.extend(self.open_demands(id));
        while let Some(open) = stack.last_mut() {
            let mut demands = std::mem::take(open);
            let Some((index, candidates)) = self.fewest(&mut demands)? else {
                stack.pop();
                continue;
            };
            let demand = demands.remove(index);
            if let Some(open) = stack.last_mut() {
                *open = demands;
            }
            let preference =
                Preference { name: &demand.atom.name, tag: None, origins: &self.origins };
            if let Some(best) = preference.best(self.pool, &candidates) {
                self.choose(best.id, &demand);
                stack.extend(self.open_demands(best.id));
            }
        }
        Ok(())
    }

    /// The dependencies of a package, the first time it is asked for them.
    fn open_demands(&mut self, id: Id) -> Option<Vec<Demand>> {
        let chosen = self.chosen.get_mut(&id)?;
        if std::mem::replace(&mut chosen.expanded, true) {
            return None;
        }
        let member = self.pool.get(id);
        let atoms = member.package.depends.iter().filter(|atom| !atom.conflict);
        let mut demands: Vec<_> =
            atoms.map(|atom| Demand { by: Some(id), atom: Rc::new(atom.clone()) }).collect();
        demands.sort_by_cached_key(|demand| demand.atom.to_string());
        Some(demands)
    }

    /// Of the demands that nothing meets yet, the one with the fewest candidates (the first of
    /// several), with them. Those that are met, and those that have to wait, leave the list.
    fn fewest(&mut self, open: &mut Vec<Demand>) -> Step<Option<(usize, Vec<Provider>)>> {
        let mut fewest: Option<(usize, Vec<Provider>)> = None;
        let mut kept = Vec::new();
        for demand in std::mem::take(open) {
            if self.installation.satisfier(&demand.atom).is_some() {
                continue;
            }
            let candidates = self.candidates(&demand)?;
            if candidates.is_empty() {
                self.deferred.push(demand);
                continue;
            }
            if fewest.as_ref().is_none_or(|(_, least)| candidates.len() < least.len()) {
                fewest = Some((kept.len(), candidates));
            }
            kept.push(demand);
        }
        *open = kept;
        Ok(fewest)
    }

    /// The packages that may be chosen for a demand; none if it is for a virtual that nothing may
    /// be chosen for; an error if it can't be met.
    fn candidates(&self, demand: &Demand) -> Step<Vec<Provider>> {
        let tags = self.tags_of(demand);
        let mut candidates = Vec::new();
        let mut rejected = Vec::new();
        for provider in self.pool.providers(&demand.atom.name).iter() {
            match self.rejection(demand, provider, &tags) {
                None => candidates.push(provider.clone()),
                Some(exclusion) => rejected.push((provider.clone(), exclusion)),
            }
        }
        let waits =
            rejected.iter().any(|(_, exclusion)| matches!(exclusion.why, Why::NotAutomatic));
        if candidates.is_empty() && !waits {
            return Err(self.lesson(demand, rejected, false));
        }
        Ok(candidates)
    }

    fn rejection(
        &self,
        demand: &Demand,
        provider: &Provider,
        tags: &BTreeSet<String>,
    ) -> Option<Exclusion> {
        let member = self.pool.get(provider.id);
        if !accepts(&demand.atom, provider) {
            return Some(Exclusion::for_ever(Why::Version));
        }
        if let Some(tag) = member.tag.as_ref().filter(|tag| !tags.contains(*tag)) {
            return Some(Exclusion::for_ever(Why::Tag(tag.clone())));
        }
        if let Some(exclusion) = self.exclusion(provider.id) {
            return Some(exclusion);
        }
        let automatic = provider.version.is_some()
            || member.package.priority != 0
            || self.installation.is_demanded(&member.package.name);
        (!automatic).then(|| Exclusion::for_ever(Why::NotAutomatic))
    }

    /// Why a package can't be chosen now: the rules, then the lessons.
    fn exclusion(&self, id: Id) -> Option<Exclusion> {
        if let Some(exclusion) = self.installation.exclusion(self.pool, id) {
            return Some(exclusion);
        }
        let forbids = |lesson: &Lesson| {
            lesson.together.contains(&id)
                && lesson.together.iter().all(|it| *it == id || self.chosen.contains_key(it))
        };
        let number = self.lessons.iter().position(forbids)?;
        let culprits =
            self.lessons[number].together.iter().copied().filter(|it| *it != id).collect();
        Some(Exclusion { culprits, why: Why::Learned(number) })
    }

    fn tags_of(&self, demand: &Demand) -> Rc<BTreeSet<String>> {
        match demand.by.and_then(|by| self.chosen.get(&by)) {
            Some(by) => Rc::clone(&by.tags),
            None => Rc::new(demand.atom.tag.iter().cloned().collect()),
        }
    }

    fn choose(&mut self, id: Id, demand: &Demand) {
        let tags = self.tags_of(demand);
        self.add(id, demand.by, tags);
    }

    fn add(&mut self, id: Id, parent: Option<Id>, tags: Rc<BTreeSet<String>>) {
        let member = self.pool.get(id);
        self.chosen.insert(id, Chosen { parent, tags, expanded: false });
        self.order.push(id);
        self.installation.add(id, &member);
        let package = &member.package;
        if !package.origin.is_empty() {
            self.origins.insert(package.origin.clone(), package.version.clone());
        }
        for (name, _) in member.names() {
            self.waiting.extend(self.pool.waiting_for(name));
        }
    }

    /// Demands for virtuals: by now something else has to meet them, or a provider has to be
    /// demanded by its own name.
    fn meet_deferred(&mut self) -> Step<()> {
        while let Some(demand) = self.deferred.pop() {
            if self.installation.satisfier(&demand.atom).is_some() {
                continue;
            }
            let candidates = self.candidates(&demand)?;
            let preference =
                Preference { name: &demand.atom.name, tag: None, origins: &self.origins };
            let Some(best) = preference.best(self.pool, &candidates) else {
                let tags = self.tags_of(&demand);
                let providers = self.pool.providers(&demand.atom.name);
                let rejected = providers.iter().filter_map(|provider| {
                    Some((provider.clone(), self.rejection(&demand, provider, &tags)?))
                });
                return Err(self.lesson(&demand, rejected.collect(), false));
            };
            self.choose(best.id, &demand);
            self.expand(best.id)?;
        }
        Ok(())
    }

    /// Adds one package whose `install_if` has come true; whether there was one.
    fn meet_triggered(&mut self) -> Step<bool> {
        for id in self.waiting.clone() {
            let member = self.pool.get(id);
            let conditions = &member.package.install_if;
            let Some(triggers) = self.triggers(conditions) else { continue };
            self.waiting.remove(&id);
            if self.chosen.contains_key(&id) {
                continue;
            }
            let mut tags = BTreeSet::new();
            for trigger in &triggers {
                tags.extend(self.chosen.get(trigger).iter().flat_map(|it| it.tags.iter().cloned()));
            }
            if member.tag.as_ref().is_some_and(|tag| !tags.contains(tag)) {
                continue;
            }
            let Some(exclusion) = self.exclusion(id) else {
                self.add(id, triggers.last().copied(), Rc::new(tags));
                self.expand(id)?;
                return Ok(true);
            };
            // What can never be installed, or only under another version, is no reason to choose
            // differently; nor is a second version of what is there.
            let hopeless = exclusion.culprits.is_empty()
                || matches!(&exclusion.why, Why::Taken(_, name) if *name == member.package.name);
            if !hopeless && self.triggered == Triggered::Required {
                let atom = Atom {
                    name: member.package.name.clone(),
                    constraint: None,
                    conflict: false,
                    tag: None,
                };
                let demand = Demand { by: triggers.last().copied(), atom: Rc::new(atom) };
                let provider = Provider { id, version: Some(member.package.version.clone()) };
                let mut lesson = self.lesson(&demand, vec![(provider, exclusion)], true);
                lesson.together.extend(triggers);
                return Err(lesson);
            }
        }
        Ok(false)
    }

    /// The packages that make all conditions true, if all are.
    fn triggers(&self, conditions: &[Atom]) -> Option<BTreeSet<Id>> {
        let mut triggers = BTreeSet::new();
        for atom in conditions {
            match (self.installation.satisfier(atom), atom.conflict) {
                (Some(id), false) => triggers.insert(id),
                (None, true) => false,
                _ => return None,
            };
        }
        Some(triggers)
    }

    fn lesson(
        &self,
        demand: &Demand,
        mut rejected: Vec<(Provider, Exclusion)>,
        triggered: bool,
    ) -> Box<Lesson> {
        let mut together: BTreeSet<Id> =
            rejected.iter().flat_map(|(_, exclusion)| exclusion.culprits.iter().copied()).collect();
        together.extend(demand.by);
        let path = self.path_to(demand.by);
        // Tags are passed down the path, so a tag in the way is also the path's doing.
        if rejected.iter().any(|(_, exclusion)| matches!(exclusion.why, Why::Tag(_))) {
            together.extend(path.iter().copied());
        }
        // The preferred first: that is whose troubles are told.
        let preference = Preference {
            name: &demand.atom.name,
            tag: demand.atom.tag.as_deref(),
            origins: &HashMap::new(),
        };
        let mut sorted = Vec::new();
        while !rejected.is_empty() {
            let all: Vec<Provider> = rejected.iter().map(|(it, _)| it.clone()).collect();
            let best = preference
                .best(self.pool, &all)
                .map_or(0, |best| all.iter().position(|it| it.id == best.id).unwrap_or_default());
            let (provider, exclusion) = rejected.remove(best);
            sorted.push((provider.id, exclusion));
        }
        let paths = together.iter().map(|id| (*id, self.path_to(Some(*id)))).collect();
        let failure = Failure { demand: demand.clone(), path, rejected: sorted, paths, triggered };
        Box::new(Lesson { together, failure })
    }

    /// From the request down to a package: each needed the next.
    fn path_to(&self, id: Option<Id>) -> Vec<Id> {
        let mut path: Vec<Id> = Vec::new();
        let mut next = id;
        while let Some(id) = next {
            path.push(id);
            next = self.chosen.get(&id).and_then(|chosen| chosen.parent);
        }
        path.reverse();
        path
    }
}

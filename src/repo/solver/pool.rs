//! The packages that a search has met, decoded once.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::{Package, Repository};
use crate::arch::Arch;

/// A package, by the order in which it was met: small numbers that can stand in sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Id(usize);

/// A package that was met.
#[derive(Debug)]
pub(super) struct Member {
    /// Which repository it is from.
    pub(super) repository: usize,
    /// The tag of that repository.
    pub(super) tag: Option<String>,
    /// What the index says of it.
    pub(super) package: Package,
    /// Why it can't be installed here, if so.
    pub(super) unusable: Option<String>,
}

/// A package under one of its names.
#[derive(Clone, Debug)]
pub(super) struct Provider {
    /// The package.
    pub(super) id: Id,
    /// The version it has under that name, if any.
    pub(super) version: Option<String>,
}

/// Everything that can be installed.
pub(super) struct Pool<'a> {
    repositories: &'a [Repository],
    arch: Arch,
    members: RefCell<Vec<Rc<Member>>>,
    ids: RefCell<HashMap<(usize, u32), Id>>,
    providers: RefCell<HashMap<String, Rc<[Provider]>>>,
}

impl<'a> Pool<'a> {
    pub(super) fn new(repositories: &'a [Repository], arch: Arch) -> Self {
        Self {
            repositories,
            arch,
            members: RefCell::default(),
            ids: RefCell::default(),
            providers: RefCell::default(),
        }
    }

    /// The repositories.
    pub(super) fn repositories(&self) -> &'a [Repository] {
        self.repositories
    }

    /// A package.
    pub(super) fn get(&self, id: Id) -> Rc<Member> {
        Rc::clone(&self.members.borrow()[id.0])
    }

    /// `name-version` of a package.
    pub(super) fn label(&self, id: Id) -> String {
        self.get(id).package.label()
    }

    /// All packages of a name, or that provide it, in the order of the repositories and in each
    /// of the index. One that provides it twice is there twice.
    pub(super) fn providers(&self, name: &str) -> Rc<[Provider]> {
        if let Some(known) = self.providers.borrow().get(name) {
            return Rc::clone(known);
        }
        let mut found = Vec::new();
        for (number, repository) in self.repositories.iter().enumerate() {
            for entry in repository.catalog.providers(name) {
                let id = self.meet(number, entry);
                let versions = self.get(id).versions_of(name);
                found.extend(versions.into_iter().map(|version| Provider { id, version }));
            }
        }
        let found: Rc<[Provider]> = found.into();
        self.providers.borrow_mut().insert(name.to_owned(), Rc::clone(&found));
        found
    }

    /// The packages whose `install_if` names `name`.
    pub(super) fn waiting_for(&self, name: &str) -> Vec<Id> {
        let mut found = Vec::new();
        for (number, repository) in self.repositories.iter().enumerate() {
            for entry in repository.catalog.waiting_for(name) {
                found.push(self.meet(number, entry));
            }
        }
        found
    }

    fn meet(&self, repository: usize, entry: u32) -> Id {
        if let Some(id) = self.ids.borrow().get(&(repository, entry)) {
            return *id;
        }
        let Repository { tag, catalog } = &self.repositories[repository];
        let package = catalog.package(entry);
        let fits =
            matches!(package.arch.as_str(), "" | "noarch") || package.arch == self.arch.apk();
        let unusable = match &package.broken {
            Some(reason) => Some(reason.clone()),
            None if !fits => Some(format!("it is built for `{}`", package.arch)),
            None => None,
        };
        let mut members = self.members.borrow_mut();
        let id = Id(members.len());
        members.push(Rc::new(Member { repository, tag: tag.clone(), package, unusable }));
        self.ids.borrow_mut().insert((repository, entry), id);
        id
    }
}

impl Member {
    /// All names: its own, and those it provides.
    pub(super) fn names(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let own = (self.package.name.as_str(), Some(self.package.version.as_str()));
        let provided = &self.package.provides;
        std::iter::once(own)
            .chain(provided.iter().map(|it| (it.name.as_str(), it.version.as_deref())))
    }

    fn versions_of(&self, name: &str) -> Vec<Option<String>> {
        let mut versions: Vec<_> = self
            .names()
            .filter(|(known, _)| *known == name)
            .map(|(_, version)| version.map(str::to_owned))
            .collect();
        versions.dedup();
        versions
    }
}

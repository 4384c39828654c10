//! What may stand together: apk-tools' rules.
//!
//! Holds the packages that a search has chosen so far, with the names they claim and what they
//! demand of others. Does not choose.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use super::pool::{Id, Member, Pool, Provider};
use crate::apk::dependency::{Atom, Op};

/// An atom that has to be met, and who says so (`None`: the request).
#[derive(Clone, Debug)]
pub(super) struct Demand {
    /// The package whose dependency it is.
    pub(super) by: Option<Id>,
    /// The atom.
    pub(super) atom: Rc<Atom>,
}

/// Why a package can't be chosen now.
#[derive(Clone, Debug)]
pub(super) enum Why {
    /// It can't be installed at all.
    Unusable(String),
    /// Its repository's tag was not asked for.
    Tag(String),
    /// It is the wrong version for what is asked here.
    Version,
    /// It is a virtual's provider without priority.
    NotAutomatic,
    /// Somebody demands another version of it, or that it be absent.
    Demand(Demand),
    /// A chosen package is not what it demands, or what it does not stand.
    Demands(Id, Rc<Atom>),
    /// A chosen package has the same name.
    Taken(Id, String),
    /// It was found out that it can't stand together with what is chosen: a number of a lesson.
    Learned(usize),
}

/// That a package can't be chosen now, and which chosen packages are to blame.
#[derive(Clone, Debug)]
pub(super) struct Exclusion {
    /// Without these it might be chosen; empty: never.
    pub(super) culprits: BTreeSet<Id>,
    /// Why.
    pub(super) why: Why,
}

impl Exclusion {
    pub(super) fn for_ever(why: Why) -> Self {
        Self { culprits: BTreeSet::new(), why }
    }

    fn because_of(culprit: Option<Id>, why: Why) -> Self {
        Self { culprits: culprit.into_iter().collect(), why }
    }
}

/// The packages chosen so far, by what they mean for others.
#[derive(Debug, Default)]
pub(super) struct Installation {
    claims: HashMap<String, Vec<Provider>>,
    demands: HashMap<String, Vec<Demand>>,
}

impl Installation {
    /// Notes a demand of the request.
    pub(super) fn demand(&mut self, demand: Demand) {
        self.demands.entry(demand.atom.name.clone()).or_default().push(demand);
    }

    /// Notes that a package is chosen.
    pub(super) fn add(&mut self, id: Id, member: &Member) {
        for (name, version) in member.names() {
            let claim = Provider { id, version: version.map(str::to_owned) };
            self.claims.entry(name.to_owned()).or_default().push(claim);
        }
        for atom in &member.package.depends {
            self.demand(Demand { by: Some(id), atom: Rc::new(atom.clone()) });
        }
    }

    /// The chosen package that meets an atom.
    pub(super) fn satisfier(&self, atom: &Atom) -> Option<Id> {
        let claim = self.claims_of(&atom.name).find(|claim| accepts(atom, claim))?;
        Some(claim.id)
    }

    /// Whether somebody demands a package of this name.
    pub(super) fn is_demanded(&self, name: &str) -> bool {
        self.demands_of(name).any(|demand| !demand.atom.conflict)
    }

    /// Whether a package may not be chosen beside those that are.
    pub(super) fn exclusion(&self, pool: &Pool<'_>, id: Id) -> Option<Exclusion> {
        let member = pool.get(id);
        if let Some(reason) = &member.unusable {
            return Some(Exclusion::for_ever(Why::Unusable(reason.clone())));
        }
        for (name, version) in member.names() {
            let claim = Provider { id, version: version.map(str::to_owned) };
            let refused = self.demands_of(name).find(|demand| {
                if demand.atom.conflict {
                    accepts(&demand.atom, &claim)
                } else {
                    // A versioned name has one provider, so it has to be the right one.
                    claim.version.is_some() && !accepts(&demand.atom, &claim)
                }
            });
            if let Some(demand) = refused {
                return Some(Exclusion::because_of(demand.by, Why::Demand(demand.clone())));
            }
            let taken = self.claims_of(name).find(|other| {
                other.id != id && (other.version.is_some() || claim.version.is_some())
            });
            if let Some(other) = taken {
                let why = Why::Taken(other.id, name.to_owned());
                return Some(Exclusion::because_of(Some(other.id), why));
            }
        }
        self.exclusion_by_own_demands(&member)
    }

    fn exclusion_by_own_demands(&self, member: &Member) -> Option<Exclusion> {
        for atom in &member.package.depends {
            let accepted = |claim: &&Provider| accepts(atom, claim);
            let culprit = if atom.conflict {
                self.claims_of(&atom.name).find(accepted)
            } else if self.claims_of(&atom.name).any(|claim| accepted(&claim)) {
                None
            } else {
                self.claims_of(&atom.name).find(|claim| claim.version.is_some())
            };
            if let Some(claim) = culprit {
                let why = Why::Demands(claim.id, Rc::new(atom.clone()));
                return Some(Exclusion::because_of(Some(claim.id), why));
            }
        }
        None
    }

    fn claims_of(&self, name: &str) -> impl Iterator<Item = &Provider> {
        self.claims.get(name).into_iter().flatten()
    }

    fn demands_of(&self, name: &str) -> impl Iterator<Item = &Demand> {
        self.demands.get(name).into_iter().flatten()
    }
}

/// Whether a provider of the atom's name meets the atom, `!` left out of account. A virtual has
/// no version that could be compared.
pub(super) fn accepts(atom: &Atom, provider: &Provider) -> bool {
    match (&atom.constraint, &provider.version) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some((op, wanted)), Some(version)) => {
            let wanted =
                if *op == Op::Equal { comparable(&atom.name, wanted) } else { wanted.into() };
            op.holds(&comparable(&atom.name, version), &wanted)
        }
    }
}

/// Orders versions that two packages have under a name.
pub(super) fn compare_versions(name: &str, a: &str, b: &str) -> Ordering {
    crate::apk::version::compare(&comparable(name, a), &comparable(name, b))
}

/// apko's rule for libraries: a version without `-rN` is the library's own (`so:libz.so.1=1`), one
/// with it the package's. Both occur for one library, and the package's counts as newer.
fn comparable<'v>(name: &str, version: &'v str) -> Cow<'v, str> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let has_revision = version.rsplit_once("-r").is_some_and(|(_, revision)| digits(revision));
    if name.starts_with("so:") && !has_revision {
        format!("0.{version}").into()
    } else {
        version.into()
    }
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    #[test]
    fn a_library_under_the_packages_version_is_newer() {
        assert!(compare_versions("so:libz.so.1", "1.2.3-r0", "5").is_gt());
        assert!(compare_versions("so:libz.so.1", "6", "5").is_gt());
        assert!(compare_versions("pc:zlib", "1.2.3-r0", "5").is_lt());
    }
}

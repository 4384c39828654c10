//! The order of installation.

use std::collections::{BTreeSet, HashSet};

use super::pool::{Id, Pool};
use super::rules::Installation;
use crate::apk::dependency::Atom;

/// Sorts the chosen packages: dependencies first, depth first from the atoms of the request, a
/// package with `install_if` as soon as the last of its conditions is there.
pub(super) fn order(pool: &Pool<'_>, request: &[Atom], chosen: &[Id]) -> Vec<Id> {
    let mut installation = Installation::default();
    for id in chosen {
        installation.add(*id, &pool.get(*id));
    }
    let roots: Vec<Id> = request
        .iter()
        .filter(|atom| !atom.conflict)
        .filter_map(|atom| installation.satisfier(atom))
        .collect();
    let triggered: BTreeSet<Id> =
        chosen.iter().copied().filter(|id| !pool.get(*id).package.install_if.is_empty()).collect();
    let mut walk =
        Walk { pool, installation: &installation, seen: HashSet::new(), done: Vec::new() };
    for root in roots {
        walk.visit(root);
        while let Some(id) = walk.next_triggered(&triggered) {
            walk.visit(id);
        }
    }
    // Nothing should be left; but nothing that was chosen may get lost.
    for id in chosen {
        walk.visit(*id);
    }
    walk.done
}

struct Walk<'a> {
    pool: &'a Pool<'a>,
    installation: &'a Installation,
    seen: HashSet<Id>,
    done: Vec<Id>,
}

impl Walk<'_> {
    /// Adds a package after all that it needs. The stack is explicit: chains can be long.
    fn visit(&mut self, root: Id) {
        if !self.seen.insert(root) {
            return;
        }
        let mut stack = vec![(root, self.needs(root))];
        while let Some((id, needs)) = stack.last_mut() {
            match needs.next() {
                Some(need) if self.seen.insert(need) => {
                    let next = self.needs(need);
                    stack.push((need, next));
                }
                Some(_) => {}
                None => {
                    self.done.push(*id);
                    stack.pop();
                }
            }
        }
    }

    fn needs(&self, id: Id) -> std::vec::IntoIter<Id> {
        let member = self.pool.get(id);
        let atoms = member.package.depends.iter().filter(|atom| !atom.conflict);
        let needs: Vec<Id> = atoms.filter_map(|atom| self.installation.satisfier(atom)).collect();
        needs.into_iter()
    }

    fn next_triggered(&self, triggered: &BTreeSet<Id>) -> Option<Id> {
        let there = |atom: &Atom| {
            atom.conflict
                || self.installation.satisfier(atom).is_some_and(|id| self.seen.contains(&id))
        };
        triggered.iter().copied().find(|id| {
            !self.seen.contains(id) && self.pool.get(*id).package.install_if.iter().all(there)
        })
    }
}

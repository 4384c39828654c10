//! Chooses the packages that meet a request.
//!
//! Beneath the stages; stands on `catalog` and on `apk`'s versions and dependencies.
//!
//! # Whose rules
//!
//! What may stand together is apk-tools' rule, because that is what makes an installation valid:
//! a versioned name has one provider (`rules.rs`); a *virtual* (a name provided without a version)
//! may have several, but none is chosen for it unless it has a `provider_priority` or was asked for
//! by its own name; `install_if` is honoured wherever its conditions come from; a package of a
//! tagged repository is taken only where the tag was asked for.
//!
//! Which of several valid candidates is taken, and in which order names are decided, is apko's
//! habit, because that is what melange's users get today: all names of the request first, the one
//! with the fewest candidates before the others; then depth first through the dependencies, again
//! the one with the fewest candidates first (`search.rs`); among candidates the order of
//! `preference.rs`. Where apko's first choice leads nowhere it gives up, or installs what does not
//! fit together; this solver learns which packages can't stand together and starts again, so that
//! it refuses only what has no solution (or what apk-tools refuses: a virtual without priority).
//!
//! # Installation order
//!
//! Dependencies before their dependents, depth first from the atoms of the request in the order
//! in which they were written (a cycle is cut where it closes); a package with `install_if` follows
//! the last of its conditions (`order.rs`).

mod explain;
mod order;
mod pool;
mod preference;
mod rules;
mod search;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::apk::dependency::Atom;
use crate::arch::Arch;

use super::Error;
use super::catalog::{Catalog, Package};

/// A repository as the solver sees it.
#[derive(Debug)]
pub(super) struct Repository {
    /// `@tag`, without the `@`.
    pub(super) tag: Option<String>,
    /// What it holds.
    pub(super) catalog: Arc<Catalog>,
}

/// A package that was chosen.
#[derive(Debug)]
pub(super) struct Solved {
    /// Which of the repositories it is from.
    pub(super) repository: usize,
    /// What the index says of it.
    pub(super) package: Package,
}

/// Chooses what to install so that all atoms are met, in installation order.
pub(super) fn solve(
    repositories: &[Repository],
    arch: Arch,
    request: &[Atom],
) -> Result<Vec<Solved>, Error> {
    let pool = pool::Pool::new(repositories, arch);
    let found = search::search(&pool, request, search::Triggered::Required).or_else(|failure| {
        // Packages that would be installed because of others must not make a request fail.
        if failure.has_triggered() {
            search::search(&pool, request, search::Triggered::Optional)
        } else {
            Err(failure)
        }
    });
    match found {
        Ok(chosen) => Ok(order::order(&pool, request, &chosen)
            .into_iter()
            .map(|id| {
                let member = pool.get(id);
                Solved { repository: member.repository, package: member.package.clone() }
            })
            .collect()),
        Err(failure) => Err(explain::explain(&pool, request, &failure)),
    }
}

//! Which packages become which layers, in which order.
//!
//! Beneath the stages. Two environments share unpacked layers only as far as their lists of layers
//! are equal from the bottom up, and a daemon stands about 127 of them in all. Hence:
//!
//! - Packages are sorted into tiers. A tier is what a few well-known packages ([`ROOTS`], from what
//!   recipes ask for, the most frequent first) pull in and no earlier tier has. The last tier is the
//!   rest: what this environment has and few others have.
//! - Each tier has its own share of the budget, so what a later tier holds never changes how an
//!   earlier one is cut. The rest has what is left over.
//! - A tier with more packages than layers gives its largest packages a layer each; the others
//!   share a quarter of its layers. Which one is decided by a package's name alone, so that one
//!   package more or less, or a new version, means one shared layer to rewrite and not all.
//! - In a tier large packages come first (by powers of two, so that a new version keeps its place,
//!   then by name), shared layers last.
//!
//! The order does not depend on the order of installation: which file stands where two packages
//! have one path was decided before, and layers that would spoil that are rewritten
//! ([`super::layers`]).

use std::collections::{BTreeSet, HashMap};

use crate::digest::Sha256;

/// Well-known packages, tier by tier. Counted in 3,401 recipes of Wolfi: git 3,219, busybox 2,937,
/// build-base 2,664, ca-certificates-bundle 2,269, binutils and scanelf 2,200, make 908,
/// autoconf 865, automake 801, libtool 575, cmake 325, perl 296.
const ROOTS: [&[&str]; 5] = [
    &["wolfi-baselayout", "alpine-baselayout", "busybox", "ca-certificates-bundle"],
    &["git"],
    &["build-base", "binutils", "scanelf", "pax-utils"],
    &["make", "autoconf", "automake", "libtool"],
    &["pkgconf", "cmake", "ninja", "meson", "perl"],
];

/// Each tier's share of the budget, in eighths; the rest tier has what is left.
const SHARES: [usize; ROOTS.len()] = [1, 1, 2, 1, 1];

/// What is to be known of a package.
#[derive(Clone, Debug)]
pub(super) struct Candidate<'a> {
    pub(super) name: &'a str,
    /// Dependency atoms.
    pub(super) depends: &'a [String],
    /// What it provides, with versions.
    pub(super) provides: &'a [String],
    /// Bytes of its layer; 0 if it has no files and gets none.
    pub(super) size: u64,
}

/// Cuts packages (by number) into at most `budget` layers, bottom first. Packages that are `joined`
/// share a layer. A layer's packages are in the order of their names.
pub(super) fn cut(
    candidates: &[Candidate<'_>],
    joined: &[(usize, usize)],
    budget: usize,
) -> Vec<Vec<usize>> {
    let mut tiers: Vec<Vec<Vec<usize>>> = vec![Vec::new(); ROOTS.len() + 1];
    let tier_of = tiers_of(candidates);
    for unit in units(candidates, joined) {
        let tier = unit.iter().map(|package| tier_of[*package]).min().unwrap_or(ROOTS.len());
        tiers[tier].push(unit);
    }
    let mut layers = Vec::new();
    for (tier, units) in tiers.into_iter().enumerate() {
        let left = budget.saturating_sub(layers.len()).max(1);
        let share = SHARES.get(tier).map_or(left, |eighths| (budget * eighths / 8).max(1));
        layers.extend(cut_tier(candidates, units, share));
    }
    // Only where the budget is smaller than the number of tiers.
    while layers.len() > budget.max(1) {
        let Some(last) = layers.pop() else { break };
        let Some(before) = layers.last_mut() else { break };
        before.extend(last);
        by_name(candidates, before);
    }
    layers
}

fn cut_tier(
    candidates: &[Candidate<'_>],
    mut units: Vec<Vec<usize>>,
    share: usize,
) -> Vec<Vec<usize>> {
    let size = |unit: &[usize]| unit.iter().map(|package| candidates[*package].size).sum::<u64>();
    let name = |unit: &[usize]| unit.first().map_or("", |package| candidates[*package].name);
    let mut shared = Vec::new();
    if units.len() > share {
        units.sort_by(|a, b| size(b).cmp(&size(a)).then_with(|| name(a).cmp(name(b))));
        shared = vec![Vec::new(); (share / 4).max(1)];
        for unit in units.split_off(share - shared.len()) {
            let number = usize::from(Sha256::of(name(&unit).as_bytes()).0[0]) % shared.len();
            shared[number].extend(unit);
        }
        shared.retain(|packages| !packages.is_empty());
        shared.iter_mut().for_each(|packages| by_name(candidates, packages));
    }
    units.sort_by(|a, b| {
        let magnitude = |unit: &[usize]| size(unit).checked_ilog2();
        magnitude(b).cmp(&magnitude(a)).then_with(|| name(a).cmp(name(b)))
    });
    units.extend(shared);
    units
}

fn by_name(candidates: &[Candidate<'_>], packages: &mut [usize]) {
    packages.sort_by_key(|package| candidates[*package].name);
}

/// Packages with files, those that must share a layer together.
fn units(candidates: &[Candidate<'_>], joined: &[(usize, usize)]) -> Vec<Vec<usize>> {
    let mut leader: Vec<usize> = (0..candidates.len()).collect();
    fn find(leader: &[usize], mut package: usize) -> usize {
        while leader[package] != package {
            package = leader[package];
        }
        package
    }
    for (one, other) in joined {
        let (one, other) = (find(&leader, *one), find(&leader, *other));
        leader[one.max(other)] = one.min(other);
    }
    let mut units: Vec<Vec<usize>> = vec![Vec::new(); candidates.len()];
    for (package, candidate) in candidates.iter().enumerate() {
        if candidate.size > 0 {
            units[find(&leader, package)].push(package);
        }
    }
    units.retain(|unit| !unit.is_empty());
    units.iter_mut().for_each(|unit| by_name(candidates, unit));
    units
}

/// The tier of each package.
fn tiers_of(candidates: &[Candidate<'_>]) -> Vec<usize> {
    let mut providers: HashMap<&str, BTreeSet<usize>> = HashMap::new();
    for (package, candidate) in candidates.iter().enumerate() {
        let provided = candidate.provides.iter().map(|atom| name_of(atom));
        for name in provided.chain([candidate.name]) {
            providers.entry(name).or_default().insert(package);
        }
    }
    let mut tier_of = vec![ROOTS.len(); candidates.len()];
    for (tier, roots) in ROOTS.iter().enumerate() {
        let mut todo: Vec<usize> =
            roots.iter().filter_map(|root| providers.get(root)).flatten().copied().collect();
        while let Some(package) = todo.pop() {
            // Anything below is in a tier already, or is met on the way.
            if tier_of[package] != ROOTS.len() {
                continue;
            }
            tier_of[package] = tier;
            let needed = candidates[package].depends.iter().map(|atom| name_of(atom));
            todo.extend(needed.filter_map(|name| providers.get(name)).flatten());
        }
    }
    tier_of
}

/// The name in an atom; that of a conflict is no package's.
fn name_of(atom: &str) -> &str {
    atom.split(['<', '>', '=', '~', '@']).next().unwrap_or(atom)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Package {
        name: String,
        depends: Vec<String>,
        provides: Vec<String>,
        size: u64,
    }

    fn package(name: &str, size: u64, depends: &[&str], provides: &[&str]) -> Package {
        let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        Package { name: name.into(), size, depends: owned(depends), provides: owned(provides) }
    }

    fn names(packages: &[Package], joined: &[(usize, usize)], budget: usize) -> Vec<String> {
        let candidates: Vec<_> = packages.iter().map(candidate).collect();
        let layers = cut(&candidates, joined, budget);
        let name = |package: &usize| candidates[*package].name;
        layers.iter().map(|layer| layer.iter().map(name).collect::<Vec<_>>().join("+")).collect()
    }

    fn candidate(package: &Package) -> Candidate<'_> {
        let Package { name, depends, provides, size } = package;
        Candidate { name, depends, provides, size: *size }
    }

    fn common() -> Vec<Package> {
        vec![
            package("glibc", 5000, &["base"], &["so:libc.so.6=6"]),
            package("busybox", 900, &["so:libc.so.6"], &["cmd:sh=1"]),
            package("base", 100, &[], &[]),
            package("git", 8000, &["so:libc.so.6", "so:libz.so.1"], &[]),
            package("zlib", 60, &["so:libc.so.6"], &["so:libz.so.1=1"]),
            package("build-base", 0, &["gcc", "make"], &[]),
            package("gcc", 90_000, &["so:libz.so.1"], &[]),
            package("make", 300, &[], &[]),
        ]
    }

    #[test]
    fn common_packages_come_first_and_large_ones_before_small_ones() {
        assert_eq!(
            names(&common(), &[], 40),
            ["glibc", "busybox", "base", "git", "zlib", "gcc", "make"]
        );
    }

    #[test]
    fn what_is_added_changes_nothing_below() {
        let before = names(&common(), &[], 16);
        assert_eq!(before, ["glibc", "base+busybox", "git", "zlib", "gcc", "make"]);
        let mut more = common();
        more.insert(0, package("aardvark", 1_000_000, &["so:libc.so.6"], &[]));
        more.push(package("zebra", 1, &[], &[]));
        let after = names(&more, &[], 16);
        assert_eq!(after[..before.len()], before);
        assert_eq!(after[before.len()..], ["aardvark", "zebra"]);
    }

    #[test]
    fn one_small_package_more_changes_one_shared_layer() {
        let small = |count: usize| -> Vec<Package> {
            (0..count).map(|number| package(&format!("small{number:02}"), 9, &[], &[])).collect()
        };
        let before = names(&small(60), &[], 32);
        let after = names(&small(61), &[], 32);
        assert!(before.len() <= 32 && before.iter().any(|layer| layer.contains('+')));
        let changed = after.iter().filter(|layer| !before.contains(layer)).count();
        assert_eq!(changed, 1, "{before:?} {after:?}");
    }

    #[test]
    fn joined_packages_share_a_layer() {
        let layers = names(&common(), &[(1, 6)], 40);
        assert_eq!(layers[0], "busybox+gcc");
    }

    proptest! {
        #[test]
        fn every_package_is_in_one_layer_and_the_budget_is_kept(
            sizes in proptest::collection::vec(0u64..5000, 0..80),
            budget in 1usize..60,
            joined in proptest::collection::vec((0usize..80, 0usize..80), 0..4),
        ) {
            let roots: Vec<&str> = ROOTS.concat();
            let packages: Vec<_> = sizes
                .iter()
                .enumerate()
                .map(|(number, size)| {
                    let name = format!("p{number}");
                    package(roots.get(number).unwrap_or(&name.as_str()), *size, &[], &[])
                })
                .collect();
            let candidates: Vec<_> = packages.iter().map(candidate).collect();
            let within = |pair: &&(usize, usize)| pair.0.max(pair.1) < sizes.len();
            let joined: Vec<_> = joined.iter().filter(within).copied().collect();
            let layers = cut(&candidates, &joined, budget);
            prop_assert!(layers.len() <= budget);
            let mut seen = layers.concat();
            seen.sort_unstable();
            let expected: Vec<_> = (0..sizes.len()).filter(|number| sizes[*number] > 0).collect();
            prop_assert_eq!(seen, expected);
        }
    }
}

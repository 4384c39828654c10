//! On small indexes, where every set of packages can be looked at: an answer fits together, and a
//! refusal means that no set does.

use proptest::prelude::*;

use super::super::solve;
use super::repository;
use crate::apk::dependency::Atom;
use crate::arch::Arch;

/// A package as it stands in an index, in few words.
#[derive(Clone, Debug)]
struct Small {
    name: &'static str,
    version: u8,
    depends: Vec<String>,
    /// Name and version.
    provides: Vec<(&'static str, u8)>,
}

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];
const PROVIDED: [&str; 3] = ["x", "y", "d"];

fn atom() -> impl Strategy<Value = String> {
    let names = prop::sample::select([NAMES.as_slice(), &PROVIDED[..2]].concat());
    let forms = prop::sample::select(vec!["", "", "", "=1", "=2", "<2", ">1", ">=1"]);
    (prop::bool::weighted(0.2), names, forms)
        .prop_map(|(not, name, form)| format!("{}{name}{form}", if not { "!" } else { "" }))
}

fn package() -> impl Strategy<Value = Small> {
    let provides = (prop::sample::select(PROVIDED.to_vec()), 1..3_u8);
    (
        prop::sample::select(NAMES.to_vec()),
        1..3_u8,
        prop::collection::vec(atom(), 0..3),
        prop::collection::vec(provides, 0..2),
    )
        .prop_map(|(name, version, depends, mut provides)| {
            provides.retain(|(provided, _)| *provided != name);
            Small { name, version, depends, provides }
        })
}

fn packages() -> impl Strategy<Value = Vec<Small>> {
    prop::collection::vec(package(), 1..9).prop_map(|mut packages| {
        packages.sort_by_key(|package| (package.name, package.version));
        packages.dedup_by_key(|package| (package.name, package.version));
        packages
    })
}

fn lines(packages: &[Small]) -> String {
    let line = |package: &Small| {
        let provides: Vec<_> =
            package.provides.iter().map(|(name, version)| format!("{name}={version}")).collect();
        let (depends, provides) = (package.depends.join(","), provides.join(","));
        format!("{} {} D:{depends} p:{provides}\n", package.name, package.version)
    };
    packages.iter().map(line).collect()
}

/// Whether the set meets the request and apk's rules, told by other means than the solver's.
fn fits(set: &[&Small], request: &[String]) -> bool {
    let claims: Vec<(&str, u8, usize)> = set
        .iter()
        .enumerate()
        .flat_map(|(owner, package)| {
            let own = (package.name, package.version, owner);
            let provided = package.provides.iter().map(move |(name, it)| (*name, *it, owner));
            std::iter::once(own).chain(provided)
        })
        .collect();
    let twice = claims
        .iter()
        .any(|(name, _, owner)| claims.iter().any(|(other, _, by)| name == other && owner != by));
    let met = |text: &str, by: Option<usize>| {
        let atom: Atom = text.parse().unwrap();
        let meets = |(name, version, owner): &(&str, u8, usize)| {
            *name == atom.name
                && atom.accepts(&version.to_string())
                && !(atom.conflict && Some(*owner) == by)
        };
        claims.iter().any(meets) != atom.conflict
    };
    !twice
        && request.iter().all(|atom| met(atom, None))
        && set
            .iter()
            .enumerate()
            .all(|(number, package)| package.depends.iter().all(|atom| met(atom, Some(number))))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn answers_fit_and_refusals_are_right(
        packages in packages(),
        request in prop::collection::vec(atom(), 1..4),
    ) {
        let index = repository(None, &lines(&packages));
        let atoms: Vec<Atom> = request.iter().map(|atom| atom.parse().unwrap()).collect();
        match solve(&[index], Arch::X86_64, &atoms) {
            Ok(solved) => {
                let chosen: Vec<&Small> = packages
                    .iter()
                    .filter(|package| {
                        let label = format!("{}-{}", package.name, package.version);
                        solved.iter().any(|solved| solved.package.label() == label)
                    })
                    .collect();
                prop_assert_eq!(chosen.len(), solved.len());
                prop_assert!(fits(&chosen, &request), "{:?}", chosen);
            }
            Err(error) => {
                for bits in 0..1_u32 << packages.len() {
                    let set: Vec<&Small> = packages
                        .iter()
                        .enumerate()
                        .filter(|(number, _)| bits >> number & 1 == 1)
                        .map(|(_, package)| package)
                        .collect();
                    prop_assert!(!fits(&set, &request), "{error}, but there is {set:?}");
                }
            }
        }
    }
}

//! From Debian's packages to the apks that are made of them: which, and with which relations.
//!
//! Decides names, versions, dependencies and provided names. Does not look into packages: what
//! they provide as files (`so:`, `cmd:`, `pc:`) is added later.

use std::collections::{BTreeMap, BTreeSet};

use crate::content::Content;
use crate::control::{self, Relation, Stanza};
use crate::version;

/// An apk to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Its name.
    pub name: String,
    /// Its version, with `-rN`.
    pub version: String,
    /// The Debian packages whose files it takes: one, several for a bundle, none for a generated one.
    pub members: Vec<String>,
    /// Debian's source package: packages of one origin may overwrite each other's files.
    pub origin: String,
    /// One line.
    pub description: String,
    /// The project's page.
    pub url: String,
    /// Dependency atoms, sorted.
    pub depends: BTreeSet<String>,
    /// Provided names, sorted.
    pub provides: BTreeSet<String>,
}

/// The Debian packages that are wanted, by name.
struct Universe<'a> {
    content: &'a Content,
    stanzas: BTreeMap<&'a str, &'a Stanza>,
    /// Provided names and who provides them.
    virtuals: BTreeMap<String, Vec<&'a str>>,
}

/// Plans an apk for each Debian package that the list's roots reach.
pub fn plan(content: &Content, stanzas: &[Stanza]) -> Vec<Plan> {
    let universe = Universe::new(content, stanzas);
    let mut plans: BTreeMap<String, Plan> = BTreeMap::new();
    for name in universe.reachable() {
        let Some(stanza) = universe.stanzas.get(name) else { continue };
        let apk = content.apk_name(name);
        let plan = plans.entry(apk.to_owned()).or_default();
        universe.add(plan, apk, name, stanza);
    }
    for (name, depends) in &content.metas {
        let plan = Plan {
            name: name.clone(),
            version: "1.0-r0".to_owned(),
            origin: name.clone(),
            description: "Packages that are installed together".to_owned(),
            depends: depends.iter().map(|name| content.apk_name(name).to_owned()).collect(),
            ..Plan::default()
        };
        plans.insert(name.clone(), plan);
    }
    one_provider_each(&mut plans);
    plans.into_values().collect()
}

impl<'a> Universe<'a> {
    fn new(content: &'a Content, stanzas: &'a [Stanza]) -> Self {
        let kept = || stanzas.iter().filter(|stanza| !content.drops(stanza.get("Package")));
        let mut virtuals: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for stanza in kept() {
            for relation in control::relations(stanza.get("Provides")).into_iter().flatten() {
                virtuals.entry(relation.name).or_default().push(stanza.get("Package"));
            }
        }
        let stanzas = kept().map(|stanza| (stanza.get("Package"), stanza)).collect();
        Self { content, stanzas, virtuals }
    }

    /// The packages that the roots depend on, with those that the list leaves out left out.
    fn reachable(&self) -> BTreeSet<&'a str> {
        let mut queue: Vec<&str> = self.content.roots.iter().map(String::as_str).collect();
        let mut reached = BTreeSet::new();
        while let Some(name) = queue.pop() {
            let Some((name, stanza)) = self.stanzas.get_key_value(name) else { continue };
            if reached.insert(*name) {
                queue.extend(self.depends(stanza));
            }
        }
        reached
    }

    /// The real packages that a package's dependencies come down to.
    fn depends(&self, stanza: &Stanza) -> BTreeSet<&'a str> {
        ["Pre-Depends", "Depends"]
            .into_iter()
            .flat_map(|field| control::relations(stanza.get(field)))
            .filter_map(|group| group.iter().find_map(|relation| self.provider(relation)))
            .collect()
    }

    /// Who satisfies a relation: the package of that name, else the first that provides it.
    fn provider(&self, relation: &Relation) -> Option<&'a str> {
        let real = self.stanzas.get_key_value(relation.name.as_str()).map(|(name, _)| *name);
        real.or_else(|| self.virtuals.get(&relation.name)?.first().copied())
    }

    /// Adds a Debian package to its apk.
    fn add(&self, plan: &mut Plan, apk: &str, name: &str, stanza: &Stanza) {
        let version = version::from_debian(stanza.get("Version"));
        let bundle = self.content.is_bundle(apk);
        plan.name = apk.to_owned();
        plan.members.push(name.to_owned());
        if bundle {
            plan.version = "1.0-r0".to_owned();
            plan.origin = apk.to_owned();
            plan.description = "Debian packages that belong together".to_owned();
        } else {
            plan.version = version.clone();
            plan.origin = source_of(stanza).to_owned();
            plan.description =
                stanza.get("Description").lines().next().unwrap_or_default().to_owned();
            plan.url = stanza.get("Homepage").to_owned();
        }
        for dependency in self.depends(stanza) {
            let dependency = self.content.apk_name(dependency);
            if dependency != apk {
                plan.depends.insert(dependency.to_owned());
            }
        }
        plan.depends
            .extend(self.content.needs(apk).iter().map(|name| self.content.apk_name(name).into()));
        if name != apk {
            plan.provides.insert(format!("{name}={version}"));
        }
        for alias in self.content.aliases(name) {
            plan.provides.insert(format!("{alias}={version}"));
        }
        for relation in control::relations(stanza.get("Provides")).into_iter().flatten() {
            if let Some((_, version)) = &relation.version {
                let version = version::from_debian(version);
                plan.provides.insert(format!("{}={version}", relation.name));
            }
        }
    }
}

/// Two packages that provide one name with a version exclude each other in apk, and Debian's do
/// not. So the package of that name has it, or else the first that provides it.
pub fn one_provider_each(plans: &mut BTreeMap<String, Plan>) {
    let mut taken: BTreeSet<String> = plans.keys().cloned().collect();
    for plan in plans.values_mut() {
        plan.provides.retain(|provided| {
            let name = provided.split('=').next().unwrap_or_default();
            taken.insert(name.to_owned())
        });
    }
}

/// The source package's name: `Source: NAME (VERSION)`, the package's own where absent.
fn source_of(stanza: &Stanza) -> &str {
    let source = stanza.get("Source").split(' ').next().unwrap_or_default();
    if source.is_empty() { stanza.get("Package") } else { source }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEBIAN: &str = "\
Package: tool
Version: 1:1.0-1
Source: tools (1.0)
Depends: missing | virtual, base (>= 1), dropped
Description: a tool
 long

Package: provider
Version: 2.0-1+b1
Provides: virtual, versioned (= 3), base (= 1)

Package: base
Version: 5

Package: dropped
Version: 6

Package: node-a
Version: 7
Depends: node-b, base

Package: node-b
Version: 8

Package: unreachable
Version: 9
";

    fn plans() -> Vec<Plan> {
        let list = "package tool as t\npackage node-a\nwithout dropped\n\
            bundle nodes node-*\nneeds tool extra\nmeta all tool base";
        plan(&Content::parse(list).unwrap(), &control::parse(DEBIAN))
    }

    #[test]
    fn reachable_packages_are_planned() {
        let names: Vec<_> = plans().into_iter().map(|plan| plan.name).collect();
        assert_eq!(names, ["all", "base", "nodes", "provider", "tool"]);
    }

    #[test]
    fn relations_are_resolved() {
        let plans = plans();
        let get = |name: &str| plans.iter().find(|plan| plan.name == name).unwrap();
        let atoms = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join(" ");
        assert_eq!(atoms(&get("tool").depends), "base extra provider");
        assert_eq!(atoms(&get("tool").provides), "t=1.0-r10000");
        assert_eq!(get("tool").origin, "tools");
        assert_eq!(get("tool").description, "a tool");
        // `base` is another package's name already.
        assert_eq!(atoms(&get("provider").provides), "versioned=3-r0");
        assert_eq!(atoms(&get("nodes").depends), "base");
        assert_eq!(get("nodes").members, ["node-a", "node-b"]);
        assert_eq!(atoms(&get("all").depends), "base tool");
    }
}

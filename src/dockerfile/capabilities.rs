//! Linux capabilities beyond those that a sandboxed step has.
//!
//! Part of stage 3. BuildKit knows no list: a step has the default set, or (`--security=insecure`)
//! all of them, ambient ones for every user included. So steps of a recipe that asks for more run
//! insecure, under `setpriv`, which drops what was not asked for before the script starts.

use crate::plan::Plan;
use crate::plan::capabilities::{DEFAULT, normalised};

use super::Error;
use super::user::Owner;

/// How the steps of a recipe that is particular about capabilities run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Privileges {
    /// Whether the step needs `--security=insecure`.
    pub(super) insecure: bool,
    /// `SHELL`: the interpreter behind `setpriv`.
    pub(super) shell: Vec<String>,
    /// Capabilities that were asked for, as in `net_admin`.
    pub(super) asked: Vec<String>,
}

fn normalise(names: &[String]) -> Result<Vec<String>, Error> {
    let normal =
        |name: &String| normalised(name).ok_or_else(|| Error::UnknownCapability(name.clone()));
    let mut normal = names.iter().map(normal).collect::<Result<Vec<String>, Error>>()?;
    normal.sort();
    normal.dedup();
    Ok(normal)
}

/// What the steps need, or `None` if the sandbox's own set will do.
///
/// A user other than root has no effective capability in the sandbox, so nothing is to be dropped
/// there.
pub(super) fn privileges(plan: &Plan, owner: Owner) -> Result<Option<Privileges>, Error> {
    let drop = normalise(&plan.capabilities.drop)?;
    let mut asked = normalise(&plan.capabilities.add)?;
    asked.retain(|name| !drop.contains(name));
    let insecure = asked.iter().any(|name| !DEFAULT.contains(&name.as_str()));
    if !insecure && (drop.is_empty() || owner.uid != 0) {
        return Ok(None);
    }
    let kept = DEFAULT.into_iter().filter(|name| !drop.iter().any(|dropped| dropped == name));
    let mut bounding: Vec<&str> = kept.chain(asked.iter().map(String::as_str)).collect();
    bounding.sort_unstable();
    bounding.dedup();
    let list = |names: &[&str]| {
        names.iter().fold("-all".to_owned(), |text, name| format!("{text},+{name}"))
    };
    // Only what was asked for is ambient: the rest of the default set stays, as in the sandbox,
    // with root and with programs that have file capabilities.
    let ambient = if insecure {
        list(&asked.iter().map(String::as_str).collect::<Vec<_>>())
    } else {
        "-all".to_owned()
    };
    let shell = [
        "setpriv".to_owned(),
        format!("--bounding-set={}", list(&bounding)),
        format!("--inh-caps={ambient}"),
        format!("--ambient-caps={ambient}"),
        "/bin/sh".to_owned(),
        "-c".to_owned(),
    ];
    Ok(Some(Privileges { insecure, shell: shell.to_vec(), asked }))
}

/// Packages that the spec of a plan needs in the environment, beyond those that the plan names:
/// `cmd:setpriv` (from util-linux; busybox' can't bound the set) where capabilities are dropped.
pub fn required_packages(plan: &Plan) -> Vec<String> {
    let beyond =
        |name: &String| normalised(name).is_none_or(|name| !DEFAULT.contains(&name.as_str()));
    if plan.capabilities.add.iter().any(beyond) || !plan.capabilities.drop.is_empty() {
        vec!["cmd:setpriv".to_owned()]
    } else {
        Vec::new()
    }
}

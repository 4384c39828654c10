//! Which cache mounts a step gets, and what comes with them.
//!
//! Part of stage 3. The mounts themselves are configuration (`cache.rs`).

use std::fmt;

use indexmap::IndexMap;

use crate::cache::{CacheMount, Group};
use crate::plan::Step;

use super::around_mounts::below_workspace;
use super::workspace_data::{self, Script};
use super::{CacheChoice, Environment, Options};

/// What the rule says about one step.
#[derive(Clone, Debug)]
pub(super) struct Decision<'a> {
    /// The mounts, in the order in which they are configured.
    pub(super) mounts: Vec<&'a CacheMount>,
    /// For the built-in ones.
    reason: Reason,
    /// Groups that the script does without, because of a command.
    kept: Vec<(Group, String)>,
}

#[derive(Clone, Debug)]
enum Reason {
    Off,
    All,
    NothingConfigured,
    Moves(String),
    Root(String),
    Blank,
    Programs(Vec<(Group, String)>),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Off => write!(f, "none (turned off)"),
            Reason::All => write!(f, "all that are configured"),
            Reason::NothingConfigured => write!(f, "none (none is configured)"),
            Reason::Moves(uses) => write!(f, "none (`{uses}` only brings or moves files)"),
            Reason::Root(command) => {
                write!(f, "none (`{command}` takes the workspace, or a cache in it, as data)")
            }
            Reason::Blank => write!(f, "none (nothing runs)"),
            Reason::Programs(programs) if programs.is_empty() => {
                write!(f, "none (no program in the environment that uses one)")
            }
            Reason::Programs(programs) => {
                let texts = programs.iter().map(|(group, program)| format!("{group} ({program})"));
                f.write_str(&texts.collect::<Vec<_>>().join(", "))
            }
        }
    }
}

impl fmt::Display for Decision<'_> {
    /// A line for the spec's comments.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Reason::Programs(programs) if programs.is_empty() && !self.kept.is_empty() => {
                write!(f, "none")?;
            }
            reason => write!(f, "{reason}")?,
        }
        for (group, command) in &self.kept {
            write!(f, "; without {group} (to `{command}` its directories would matter)")?;
        }
        let custom = self.mounts.iter().filter(|mount| mount.group == Group::Custom);
        let ids: Vec<&str> = custom.map(|mount| mount.id.as_str()).collect();
        if !ids.is_empty() && !matches!(self.reason, Reason::All) {
            write!(f, "; of the command line: {}", ids.join(", "))?;
        }
        Ok(())
    }
}

/// The rule `auto`, whole. A step gets the mounts of a group if all of these hold:
///
/// 1. the environment has the group's program ([`program`]): `go`, `pip` (`pip3`, `pip3.12` …),
///    `cargo`, `npm`, `ccache`, `apk`;
/// 2. the step runs something, and is not one that only fetches, checks out, patches, strips or
///    splits (`fetch`, `git-checkout`, `git-am`, `patch`, `strip`, `split/*`);
/// 3. its script does not take the workspace's root, or a cache in it, as data (`git clean`,
///    `cp -r .`, `tar .`, `find .`, `rm -rf .cache`: `workspace_data.rs`), because mounts lie inside
///    the workspace;
/// 4. for apk, whose cache serves nobody else: the script calls `apk`;
/// 5. for go, whose directory has a name that a Python package could have: the script builds no
///    Python project.
///
/// 6. it matters to no command of the script whether a target of the group, or a directory around
///    it, is there (`mkdir .cargo`, `git clone URL go`, `ln -s x go`, `[ -d .cache ]`:
///    `workspace_data.rs`); to `mkdir -p .cargo` it does not.
///
/// Mounts of the command line go to every step; those inside the workspace as far as 3 and 6 allow.
/// `all` asks nothing of this, and `none` leaves those of the command line.
pub(super) fn decide<'a>(
    step: &Step,
    environment: &Environment,
    own: &IndexMap<String, String>,
    options: &'a Options,
) -> Decision<'a> {
    let (configured, choice) = (&options.cache_mounts, options.cache_choice);
    if choice == CacheChoice::All {
        let mounts = one_per_target(configured.iter());
        return Decision { mounts, reason: Reason::All, kept: Vec::new() };
    }
    let targets: Vec<&str> = configured.iter().map(|mount| mount.target.as_str()).collect();
    let script = script(step, own);
    let data = script.takes_workspace(&targets);
    let met = |mount: &CacheMount| script.meets_mounts(&[mount.target.as_str()]);
    let custom = |mount: &CacheMount| {
        mount.group == Group::Custom
            && (below_workspace(&mount.target).is_none() || data.is_none() && met(mount).is_none())
    };
    let exception = match choice {
        CacheChoice::None => Some(Reason::Off),
        _ => exception(step, configured, data.as_deref()),
    };
    let mut programs: IndexMap<Group, String> = IndexMap::new();
    let mut kept: IndexMap<Group, String> = IndexMap::new();
    if exception.is_none() {
        for mount in configured {
            let group = mount.group;
            if let Some(program) = installed(group, environment)
                && suits(group, &step.script)
            {
                programs.insert(group, program);
                kept.extend(met(mount).map(|command| (group, command)));
            }
        }
        programs.retain(|group, _| !kept.contains_key(group));
    }
    let given = |mount: &&CacheMount| custom(mount) || programs.contains_key(&mount.group);
    let mounts = one_per_target(configured.iter().filter(given));
    let reason = exception.unwrap_or_else(|| Reason::Programs(programs.into_iter().collect()));
    Decision { mounts, reason, kept: kept.into_iter().collect() }
}

/// What a step runs, with the variables that it has.
fn script<'a>(step: &'a Step, own: &'a IndexMap<String, String>) -> Script<'a> {
    let variables = own.iter().chain(&step.variables);
    Script {
        text: &step.script,
        working_directory: &step.working_directory,
        variables: variables.map(|(name, value)| (name.as_str(), value.as_str())).collect(),
    }
}

/// 4 and 5 of the rule.
fn suits(group: Group, script: &str) -> bool {
    match group {
        Group::Apk => calls_apk(script),
        Group::Go => !workspace_data::builds_python(script),
        _ => true,
    }
}

/// A mount of the command line takes the place of a built-in one at the same target.
fn one_per_target<'a>(mounts: impl Iterator<Item = &'a CacheMount>) -> Vec<&'a CacheMount> {
    let targets: IndexMap<&str, &CacheMount> =
        mounts.map(|mount| (mount.target.trim_end_matches('/'), mount)).collect();
    targets.into_values().collect()
}

/// Why a step gets no built-in mount whatever the environment has.
fn exception(step: &Step, configured: &[CacheMount], data: Option<&str>) -> Option<Reason> {
    if configured.iter().all(|mount| mount.group == Group::Custom) {
        return Some(Reason::NothingConfigured);
    }
    if step.script.trim().is_empty() {
        return Some(Reason::Blank);
    }
    if let Some(uses) = step.uses.as_deref().filter(|uses| only_moves_files(uses)) {
        return Some(Reason::Moves(uses.to_owned()));
    }
    data.map(|command| Reason::Root(command.to_owned()))
}

fn only_moves_files(uses: &str) -> bool {
    matches!(uses, "fetch" | "git-checkout" | "git-am" | "patch" | "strip")
        || uses.starts_with("split/")
}

/// The program of a group: in the environment, it turns the group's mounts on.
fn program(group: Group) -> Option<&'static str> {
    match group {
        Group::Go => Some("go"),
        Group::Python => Some("pip"),
        Group::Rust => Some("cargo"),
        Group::Node => Some("npm"),
        Group::Ccache => Some("ccache"),
        Group::Apk => Some("apk"),
        Group::Custom => None,
    }
}

/// The group's program as the environment has it: `pip3` and `pip3.12` are `pip` too.
fn installed(group: Group, environment: &Environment) -> Option<String> {
    let program = program(group)?;
    let unversioned = |name: &str| match group {
        Group::Python => name.trim_end_matches(|c: char| c == '.' || c.is_ascii_digit()) == program,
        _ => name == program,
    };
    let names = environment.programs.iter().filter_map(|path| path.rsplit('/').next());
    names.filter(|name| unversioned(name)).min().map(str::to_owned)
}

fn calls_apk(script: &str) -> bool {
    script
        .split(|c: char| c.is_whitespace() || ";|&()`\"'".contains(c))
        .any(|word| word == "apk" || word.ends_with("/apk"))
}

/// What a mount's tool must be told, and what melange sets by default instead: variable, value,
/// default. A value that is neither missing nor the default is the recipe's own, and stays. Tools
/// that have no mount (uv, composer) keep melange's defaults, below `/var/cache/melange`.
type Variable = (&'static str, &'static str, Option<&'static str>);

/// Variables of a whole build: directories that hold more than a cache, so that steps with and
/// without a mount must agree about them.
const OF_BUILD: [(Group, Variable); 2] = [
    (Group::Go, ("GOPATH", "/home/build/go", Some("/home/build/.cache/go"))),
    (Group::Rust, ("CARGO_HOME", "/home/build/.cargo", None)),
];

/// Variables of the steps that have a mount at the place that they name: elsewhere they would make
/// a tool fill a directory inside the workspace.
const OF_STEP: [Variable; 6] = [
    ("GOMODCACHE", "/home/build/go/pkg/mod", Some("/var/cache/melange/gomodcache")),
    ("GOCACHE", "/home/build/.cache/go-build", None),
    ("PIP_CACHE_DIR", "/home/build/.cache/pip", Some("/var/cache/melange/pip")),
    ("NPM_CONFIG_CACHE", "/home/build/.npm", None),
    // npm reads either spelling, and melange's default has this one.
    ("npm_config_cache", "/home/build/.npm", Some("/var/cache/melange/npm")),
    ("CCACHE_DIR", "/home/build/.ccache", None),
];

fn set_unless_own(
    (name, value, default): Variable,
    own: &IndexMap<String, String>,
) -> Option<(String, String)> {
    let set = own.get(name).map(String::as_str);
    (set.is_none() || set == default).then(|| (name.to_owned(), value.to_owned()))
}

/// The variables that all steps of a build have because of its mounts.
pub(super) fn build_variables(
    environment: &Environment,
    options: &Options,
    own: &IndexMap<String, String>,
) -> Vec<(String, String)> {
    let used = |group: Group| {
        options.cache_mounts.iter().any(|mount| mount.group == group)
            && match options.cache_choice {
                CacheChoice::None => false,
                CacheChoice::All => true,
                CacheChoice::Auto => installed(group, environment).is_some(),
            }
    };
    OF_BUILD
        .into_iter()
        .filter(|(group, _)| used(*group))
        .filter_map(|(_, variable)| set_unless_own(variable, own))
        .collect()
}

/// The variables that a step has because of its mounts.
pub(super) fn step_variables(
    mounts: &[&CacheMount],
    own: &IndexMap<String, String>,
) -> Vec<(String, String)> {
    // Either spelling of npm's is the recipe's own word.
    let npm = |name: &str| name.eq_ignore_ascii_case("npm_config_cache");
    let own_npm = OF_STEP.into_iter().any(|variable| {
        npm(variable.0) && own.contains_key(variable.0) && set_unless_own(variable, own).is_none()
    });
    OF_STEP
        .into_iter()
        .filter(|(_, target, _)| mounts.iter().any(|mount| mount.target == *target))
        .filter(|(name, ..)| !(own_npm && npm(name)))
        .filter_map(|variable| set_unless_own(variable, own))
        .collect()
}

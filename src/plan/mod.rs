//! Stage 2: a recipe with everything decided — substituted, pipelines inlined, conditions evaluated.
//!
//! A [`Plan`] holds no `${{…}}` any more. Does not know Dockerfiles, BuildKit or apk archives.

mod audit;
pub(crate) mod capabilities;
mod check;
mod check_environment;
mod compile;
mod compiled;
mod condition;
mod early;
mod environment;
mod go_regex;
mod inputs;
mod library;
mod package;
mod reference;
mod resolve;
mod settle;
mod steps;
mod transform;
mod variables;
mod word;

use std::path::PathBuf;
use std::time::Duration;

use indexmap::IndexMap;

use crate::arch::Arch;
use crate::config::GoDuration;
use crate::diagnostic::{Diagnostics, Span, Spanned};

pub use audit::{Audit, AuditStep, audit};
pub use library::{Pipeline, builtin_pipelines, pipeline, pipelines};
pub use reference::references;
pub use resolve::{parsed, resolve};
pub(crate) use word::parameter;

/// Everything that is to be done for one recipe on one architecture.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The architecture.
    pub arch: Arch,
    /// The recipe's file.
    pub recipe: PathBuf,
    /// The build environment.
    pub environment: Environment,
    /// Linux capabilities beyond the default set that steps ask for (`CAP_NET_ADMIN`).
    pub capabilities: Capabilities,
    /// The steps that run, in order: the main package's, then each subpackage's.
    pub steps: Vec<Step>,
    /// What is emitted: the main package first.
    pub packages: Vec<Package>,
    /// How long the build may take.
    pub timeout: Option<Duration>,
    /// `.melange.yaml`: the compiled recipe without locked versions.
    pub compiled: Compiled,
    /// What deserves a look although the recipe can be built.
    pub warnings: Diagnostics,
}

/// The compiled recipe in upstream's shape, written as `.melange.yaml` and by `compile`.
#[derive(Clone, Debug)]
pub struct Compiled(pub serde_json::Value);

/// Whether the condition (`if:`) of a compiled step holds. References stand in it no more; a
/// condition that can't be evaluated holds, as everywhere.
pub fn condition_holds(condition: &str) -> bool {
    condition.is_empty() || condition::evaluate(condition).unwrap_or(true)
}

/// What the steps run in.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// Atoms to install: declared ones, then the needs of every step that runs, then appended ones.
    pub packages: Vec<Wanted>,
    /// Repositories named by the recipe.
    pub repositories: Vec<String>,
    /// Keys named by the recipe.
    pub keyring: Vec<String>,
    /// Variables of every step, the recipe's own and melange's defaults (`HOME`, `GOPATH` …).
    pub variables: IndexMap<String, String>,
    /// Users to make.
    pub users: Vec<crate::image::User>,
    /// Groups to make.
    pub groups: Vec<crate::image::Group>,
    /// `accounts.run-as`, as written (a name or a number); `None` means the build user.
    pub run_as: Option<String>,
    /// apko's `paths`.
    pub paths: Vec<crate::image::PathChange>,
}

/// A package that the environment must have, and who asks for it.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// The package, with its version if one is asked for.
    pub atom: String,
    /// Where it is asked for; nowhere (`Span::default`) if by the command line.
    pub place: Span,
    /// The `uses:` that led to the pipeline whose `needs` ask for it, innermost first.
    pub chain: Vec<Spanned<String>>,
}

/// Linux capabilities.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// To add.
    pub add: Vec<String>,
    /// To drop.
    pub drop: Vec<String>,
}

/// One script that runs.
#[derive(Clone, Debug)]
pub struct Step {
    /// What the user knows it by: its `name`, else `uses`, else the first line of its script.
    pub label: String,
    /// The pipeline it comes from (`autoconf/make`), if any.
    pub uses: Option<String>,
    /// Index into [`Plan::packages`] of the package it works for.
    pub package: usize,
    /// The shell text, byte for byte as it shall reach `/bin/sh`.
    pub script: String,
    /// Absolute directory it runs in, made if missing.
    pub working_directory: String,
    /// Variables of this step (inherited from its parents, then its own).
    pub variables: IndexMap<String, String>,
    /// Where it stands: the place in the recipe first, then the chain of `uses:` into pipeline files.
    pub places: Vec<Span>,
}

/// A package to emit.
#[derive(Clone, Debug, Default)]
pub struct Package {
    /// Name.
    pub name: String,
    /// Version without epoch.
    pub version: String,
    /// Epoch.
    pub epoch: u64,
    /// Description.
    pub description: String,
    /// Home page.
    pub url: String,
    /// Commit of the recipe.
    pub commit: String,
    /// One `license =` line each.
    pub licenses: Vec<String>,
    /// Copyright attestations, for the SBOM.
    pub attestations: Vec<String>,
    /// `depend =`, declared.
    pub runtime: Vec<String>,
    /// `provides =`, declared.
    pub provides: Vec<String>,
    /// `replaces =`
    pub replaces: Vec<String>,
    /// `provider_priority =`
    pub provider_priority: Option<i64>,
    /// `replaces_priority =`
    pub replaces_priority: Option<i64>,
    /// Which dependencies are generated.
    pub options: PackageOptions,
    /// Files of the control segment: `.post-install` and its text.
    pub scriptlets: Vec<(String, String)>,
    /// `triggers =`
    pub triggers: Vec<String>,
    /// File capabilities to set.
    pub setcap: Vec<SetCap>,
    /// CPE 2.3 name, if the recipe gives vendor and product.
    pub cpe: Option<String>,
    /// Linters to turn off or down.
    pub disabled_checks: Vec<String>,
}

impl Package {
    /// `version-rEPOCH`.
    pub fn full_version(&self) -> String {
        format!("{}-r{}", self.version, self.epoch)
    }
}

/// `options:` of a package.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PackageOptions {
    /// Drop generated provides.
    pub no_provides: bool,
    /// Drop generated dependencies.
    pub no_depends: bool,
    /// Drop generated `cmd:` provides.
    pub no_commands: bool,
    /// No versioned library dependencies.
    pub no_versioned_shlib_deps: bool,
}

/// A file capability to set on a file of the package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetCap {
    /// The file.
    pub path: String,
    /// Capability names (comma-separated) to flags (`+eip`).
    pub add: IndexMap<String, String>,
}

/// What the command line adds to a recipe.
#[derive(Clone, Debug)]
pub struct Context {
    /// The architecture.
    pub arch: Arch,
    /// The C library of `host.triplet.*`.
    pub libc: crate::arch::Libc,
    /// `--pipeline-dir`, then `--pipeline-dirs`, then an auto-found `./pipelines`.
    pub pipeline_dirs: Vec<PathBuf>,
    /// `--vars-file`, merged over the recipe's `vars`.
    pub vars: IndexMap<String, String>,
    /// `--env-file`, merged under the recipe's environment.
    pub env: IndexMap<String, String>,
    /// `--build-option`
    pub build_options: Vec<String>,
    /// `--package-append`
    pub package_append: Vec<String>,
    /// `--git-commit`: the default of `package.commit`.
    pub commit: String,
    /// `--cpu` and its like.
    pub resources: Resources,
    /// `--timeout`, instead of the package's own.
    pub timeout: Option<GoDuration>,
}

/// What replaces parts of `package.resources`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// `--cpu`
    pub cpu: Option<String>,
    /// `--cpumodel`
    pub cpumodel: Option<String>,
    /// `--memory`
    pub memory: Option<String>,
    /// `--disk`
    pub disk: Option<String>,
}

impl Context {
    /// An architecture, and nothing that a command line adds.
    pub fn new(arch: Arch) -> Self {
        Self {
            arch,
            libc: crate::arch::Libc::Gnu,
            pipeline_dirs: Vec::new(),
            vars: IndexMap::new(),
            env: IndexMap::new(),
            build_options: Vec::new(),
            package_append: Vec::new(),
            commit: String::new(),
            resources: Resources::default(),
            timeout: None,
        }
    }
}

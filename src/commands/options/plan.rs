//! What a recipe means: flags that decide its plan, shared by all commands that make one. Names are
//! melange's where melange has them.

use std::path::{Path, PathBuf};

use indexmap::IndexMap;

use crate::arch::{Arch, Libc};
use crate::build_config::BuildConfig;
use crate::config::GoDuration;
use crate::error::{Error, Result};
use crate::plan::Resources;
use crate::ui::Ui;

/// Names that are looked for when no recipe is given, melange's.
const DEFAULT_RECIPES: [&str; 4] = [".melange.yaml", ".melange.yml", "melange.yaml", "melange.yml"];
/// The recipe, and what decides its plan.
#[derive(Clone, Debug, clap::Args)]
pub struct PlanArgs {
    /// The recipe [default: .melange.yaml, .melange.yml, melange.yaml or melange.yml].
    #[arg(value_name = "RECIPE")]
    recipe: Option<PathBuf>,
    /// Architecture to build for, such as `x86_64`, `arm64` or `host`; commands that do not print one
    /// result take several, or `all`.
    #[arg(long, value_name = "ARCH", value_delimiter = ',', default_value = "host")]
    arch: Vec<String>,
    /// Directory with pipelines of your own, searched before the built-in ones.
    #[arg(long, value_name = "DIR")]
    pipeline_dir: Option<PathBuf>,
    /// More such directories, searched after `--pipeline-dir`.
    #[arg(long, value_name = "DIR", value_delimiter = ',')]
    pipeline_dirs: Vec<PathBuf>,
    /// Package to add to the build environment.
    #[arg(long, value_name = "PACKAGE", value_delimiter = ',')]
    package_append: Vec<String>,
    /// YAML file of `name: value` pairs that override the recipe's `vars`.
    #[arg(long, value_name = "FILE")]
    vars_file: Option<PathBuf>,
    /// File of `NAME=value` lines: environment of the steps, overridden by the recipe's own.
    #[arg(long, value_name = "FILE", value_delimiter = ',')]
    env_file: Vec<PathBuf>,
    /// Enable an entry of the recipe's `options`.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    build_option: Vec<String>,
    /// C library in `${{host.triplet.*}}`: `gnu` or `musl`.
    #[arg(
        long = "override-host-triplet-libc-substitution-flavor",
        value_name = "FLAVOR",
        default_value = "gnu",
        value_parser = parse_libc
    )]
    libc: Libc,
    /// CPUs that the build should have, instead of the recipe's `resources`: recorded, not enforced.
    #[arg(long, value_name = "N")]
    cpu: Option<String>,
    /// The same for the CPU's model.
    #[arg(long, value_name = "MODEL")]
    cpumodel: Option<String>,
    /// The same for memory.
    #[arg(long, value_name = "SIZE")]
    memory: Option<String>,
    /// The same for disk.
    #[arg(long, value_name = "SIZE")]
    disk: Option<String>,
    /// How long the build may take, such as `1h30m`, instead of the recipe's `timeout`.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    timeout: Option<GoDuration>,
    /// Commit of the recipe [default: HEAD where the recipe lies].
    #[arg(long, value_name = "COMMIT")]
    git_commit: Option<String>,
}

impl PlanArgs {
    /// A configuration with the recipe and what decides its plan; warns through `ui`.
    pub fn resolve(&self, ui: &Ui) -> Result<BuildConfig> {
        let mut config = BuildConfig::new(self.recipe()?);
        self.check_directories()?;
        config.archs = parse_archs(&self.arch)?;
        config.package_append.clone_from(&self.package_append);
        config.pipeline_dirs =
            self.pipeline_dir.iter().chain(&self.pipeline_dirs).cloned().collect();
        config.vars = self.vars_file.as_deref().map(vars_file).transpose()?.unwrap_or_default();
        config.env = env_files(&self.env_file, ui)?;
        config.build_options.clone_from(&self.build_option);
        config.resources = Resources {
            cpu: self.cpu.clone(),
            cpumodel: self.cpumodel.clone(),
            memory: self.memory.clone(),
            disk: self.disk.clone(),
        };
        config.timeout.clone_from(&self.timeout);
        config.libc = self.libc;
        config.commit.clone_from(&self.git_commit);
        Ok(config)
    }

    /// Directories that are named must be there: what is missing would be missed much later.
    fn check_directories(&self) -> Result<()> {
        for path in self.pipeline_dir.iter().chain(&self.pipeline_dirs) {
            if !path.is_dir() {
                return Err(Error::config(format!(
                    "`--pipeline-dir {}`: there is no such directory",
                    path.display()
                )));
            }
        }
        Ok(())
    }

    fn recipe(&self) -> Result<PathBuf> {
        let given = self.recipe.clone();
        given
            .or_else(|| DEFAULT_RECIPES.map(PathBuf::from).into_iter().find(|path| path.is_file()))
            .ok_or_else(|| {
                Error::config(format!(
                    "no recipe is named, and none of {} is here",
                    DEFAULT_RECIPES.map(|name| format!("`{name}`")).join(", ")
                ))
                .hint("name the recipe after the command")
            })
    }
}

fn parse_libc(text: &str) -> Result<Libc, String> {
    match text {
        "gnu" => Ok(Libc::Gnu),
        "musl" => Ok(Libc::Musl),
        _ => Err("expected `gnu` or `musl`".to_owned()),
    }
}

fn parse_duration(text: &str) -> Result<GoDuration, String> {
    GoDuration::parse(text).ok_or_else(|| "expected units, such as `30m` or `1h30m`".to_owned())
}

/// `host` and `all` stand alone or among others; the result is sorted and holds each once.
pub(crate) fn parse_archs(names: &[String]) -> Result<Vec<Arch>> {
    let mut archs = Vec::new();
    for name in names {
        match name.as_str() {
            "all" => archs.extend(Arch::ALL),
            "host" => archs.push(Arch::host()),
            _ => archs.push(
                name.parse()
                    .map_err(|error: crate::arch::UnknownArch| Error::config(error.to_string()))?,
            ),
        }
    }
    archs.sort_unstable();
    archs.dedup();
    Ok(archs)
}

fn vars_file(path: &Path) -> Result<IndexMap<String, String>> {
    crate::config::load_vars(path).map_err(|problems| match problems.items.as_slice() {
        [only] if only.labels.is_empty() => Error::from(problems),
        _ => Error::config(format!("`--vars-file {}` can't be used", path.display()))
            .with_diagnostics(problems),
    })
}

/// All files as one environment; of one name the earlier file wins, as in melange.
fn env_files(paths: &[PathBuf], ui: &Ui) -> Result<IndexMap<String, String>> {
    let mut env = IndexMap::new();
    for path in paths {
        for (name, value) in super::dotenv::load(path)? {
            if super::dotenv::looks_secret(&name) {
                ui.warning(&format!(
                    "`{name}` in `{}` becomes ordinary environment, visible in the spec and part of \
                     every step's key; give a secret with `--secret id={name},env={name}`",
                    path.display()
                ));
            }
            env.entry(name).or_insert(value);
        }
    }
    Ok(env)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    #[test]
    fn architectures_are_sorted_and_unique() {
        let archs = parse_archs(&strings(&["arm64", "x86_64", "amd64"])).unwrap();
        assert_eq!(archs, [Arch::X86_64, Arch::Aarch64]);
        assert_eq!(parse_archs(&strings(&["all"])).unwrap().len(), 9);
        assert!(parse_archs(&strings(&["sparc"])).is_err());
    }
}

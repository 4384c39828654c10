//! `melange2 compile`: prints what a recipe means for one architecture, as JSON.
//!
//! The keys and the form are melange's, so that one program can read both. Nothing is fetched and no
//! daemon is asked: packages are those that the recipe and its pipelines name.

use clap::ArgAction;

use super::options::PlanArgs;
use crate::error::{Error, Result};
use crate::ui::Ui;
use crate::{config, plan};

/// Print a recipe with everything decided, as JSON.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    plan: PlanArgs,
    /// melange's flags that change nothing in what is printed; accepted so that its command lines
    /// work.
    #[command(flatten)]
    _unused: UnusedArgs,
}

/// Flags of `melange compile` that change nothing in what it prints.
#[derive(Clone, Copy, Debug)]
struct UnusedArgs;

/// Those that may stand alone or have a value, `--rm=false`.
const SWITCHES: [&str; 11] = [
    "cleanup",
    "create-build-log",
    "debug",
    "debug-runner",
    "empty-workspace",
    "fail-on-lint-warning",
    "generate-index",
    "generate-provenance",
    "interactive",
    "rm",
    "strip-origin-name",
];

/// Those with a value.
const VALUES: [&str; 16] = [
    "apk-cache-dir",
    "build-date",
    "cache-dir",
    "cache-source",
    "dependency-log",
    "git-repo-url",
    "keyring-append",
    "license",
    "log-policy",
    "namespace",
    "out-dir",
    "repository-append",
    "runner",
    "signing-key",
    "source-dir",
    "workspace-dir",
];

impl clap::Args for UnusedArgs {
    fn augment_args(command: clap::Command) -> clap::Command {
        let hidden = |name: &'static str| {
            let flag = clap::Arg::new(name).long(name).hide(true).action(ArgAction::Append);
            match name {
                "interactive" | "keyring-append" | "repository-append" => {
                    flag.short(name.chars().next())
                }
                _ => flag,
            }
        };
        let switches = SWITCHES.map(|name| hidden(name).num_args(0..=1).require_equals(true));
        command.args(switches).args(VALUES.map(hidden))
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for UnusedArgs {
    fn from_arg_matches(_: &clap::ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self)
    }

    fn update_from_arg_matches(&mut self, _: &clap::ArgMatches) -> Result<(), clap::Error> {
        Ok(())
    }
}

/// Runs the command.
pub fn run(args: &Args, ui: &Ui) -> Result<()> {
    let config = args.plan.resolve(ui)?;
    let &[arch] = config.archs.as_slice() else {
        return Err(Error::config("a recipe is compiled for one architecture")
            .hint("name it with `--arch`, and run once for each"));
    };
    let recipe = config::load(&config.recipe)?;
    match plan::resolve(&recipe, &config.context(arch))? {
        Some(plan) => {
            for warning in &plan.warnings.items {
                let place = warning.labels.first().map(|(span, _)| format!("{span}: "));
                ui.warning(&format!("{}{}", place.unwrap_or_default(), warning.message));
            }
            Ok(ui.data(&plan.compiled.to_json())?)
        }
        None => {
            ui.warning(&format!(
                "`{}` is not for {arch} (`target-architecture`): nothing to compile",
                config.recipe.display()
            ));
            Ok(())
        }
    }
}

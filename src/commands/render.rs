//! `melange2 render`: shows the Dockerfile that a recipe becomes.
//!
//! With `-o` it writes a directory that builds without this program: the Dockerfile, its contexts,
//! and `build.sh` with the `buildctl` line.

use std::path::{Path, PathBuf};

use super::options::RecipeArgs;
use crate::buildkit::script;
use crate::error::{Error, Result};
use crate::ui::Ui;
use crate::{config, dockerfile, environment, plan};

/// Show the Dockerfile that a recipe becomes, or write it with all that belongs to it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Write Dockerfile, contexts and `build.sh` into this directory, which must be empty or not
    /// exist yet.
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    #[command(flatten)]
    recipe: RecipeArgs,
}

/// Runs the command.
pub fn run(args: &Args, ui: &Ui) -> Result<()> {
    let config = args.recipe.resolve(ui)?;
    let &[arch] = config.archs.as_slice() else {
        return Err(Error::config("a spec is for one architecture: name it with `--arch`"));
    };
    let recipe = config::load(&config.recipe)?;
    let Some(plan) = plan::resolve(&recipe, &config.context(arch))? else {
        return Err(Error::config(format!("the recipe is not for {arch} (`target-architecture`)")));
    };
    ui.diagnostics(&plan.warnings);
    let environment = environment::prepare(&plan, &config, ui.reporter().as_mut())?;
    let spec = dockerfile::render(&plan, &environment.image, &config.spec_options(&plan))?;
    for note in &spec.notes {
        ui.warning(note);
    }
    match &args.output {
        None => Ok(ui.data(&spec.text)?),
        Some(directory) => {
            let caches = config.remote_caches(&plan)?;
            script::write(&spec, caches.registry.as_ref(), directory)?;
            ui.status(&format!("wrote {}", relative_script(directory).display()));
            Ok(())
        }
    }
}

fn relative_script(directory: &Path) -> PathBuf {
    directory.join("build.sh")
}

//! Where pipelines are found: flags of commands that look at many recipes, or at none in particular.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Where pipelines are found.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct LibraryArgs {
    /// Directory with pipelines of your own, searched before the built-in ones.
    #[arg(long, value_name = "DIR")]
    pipeline_dir: Option<PathBuf>,
    /// More such directories, searched after `--pipeline-dir`.
    #[arg(long, value_name = "DIR", value_delimiter = ',')]
    pipeline_dirs: Vec<PathBuf>,
}

impl LibraryArgs {
    /// The directories that are named, which must be there.
    pub fn directories(&self) -> Result<Vec<PathBuf>> {
        let named = self.pipeline_dir.iter().chain(&self.pipeline_dirs);
        named.map(|path| existing(path)).collect()
    }

    /// `./pipelines` beside a recipe, which is searched last.
    pub fn beside(&self, recipe: &Path) -> Option<PathBuf> {
        let beside = recipe.parent()?.join("pipelines");
        beside.is_dir().then_some(beside)
    }
}

fn existing(path: &Path) -> Result<PathBuf> {
    if path.is_dir() {
        return Ok(path.to_owned());
    }
    let text = format!("`--pipeline-dir {}`: there is no such directory", path.display());
    Err(Error::config(text))
}

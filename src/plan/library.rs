//! Where `uses:` finds pipelines: the given directories, then those in the binary.
//!
//! Stage 2. A file is read and parsed once.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use include_dir::{Dir, include_dir};

use crate::config::{self, Step, Text};
use crate::diagnostic::{Diagnostic, Diagnostics, Source, Span, nearest};

static EMBEDDED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/templates/pipelines");

/// A parsed pipeline file, or what is wrong with it.
type Parsed = Result<Arc<Step>, Diagnostics>;

/// Those in the binary, parsed once per process, by name.
static BUILTIN: LazyLock<HashMap<String, Parsed>> = LazyLock::new(|| {
    let files = files(&EMBEDDED);
    let parse = |(name, text): (String, &str)| {
        let path = PathBuf::from(format!("<built-in>/{name}.yaml"));
        let source = Arc::new(Source { path, text: text.to_owned() });
        (name, config::parse_pipeline(&source).map(Arc::new))
    };
    files.into_iter().map(parse).collect()
});

fn files<'d>(directory: &'d Dir<'_>) -> Vec<(String, &'d str)> {
    let own = directory.files().filter_map(|file| {
        let name = file.path().to_str()?.strip_suffix(".yaml")?;
        Some((name.to_owned(), file.contents_utf8()?))
    });
    own.chain(directory.dirs().flat_map(files)).collect()
}

/// The names of the pipelines in the binary, sorted, and their text.
pub fn builtin_pipelines() -> Vec<(String, &'static str)> {
    let mut files = files(&EMBEDDED);
    files.sort_unstable();
    files
}

/// A pipeline that recipes can use.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// What `uses:` calls it.
    pub name: String,
    /// Its file; none if it is in the binary.
    pub path: Option<PathBuf>,
    /// What it says of itself.
    pub about: String,
    /// What it is.
    pub step: Arc<Step>,
}

/// The pipelines of these directories, of which an earlier one comes before a later one, and those in
/// the binary, sorted by name.
pub fn pipelines(directories: &[PathBuf]) -> Result<Vec<Pipeline>, Diagnostics> {
    let mut names: Vec<String> = BUILTIN.keys().cloned().collect();
    for directory in directories {
        names.extend(names_below(directory));
    }
    names.sort_unstable();
    names.dedup();
    let (mut found, mut problems) = (Vec::new(), Diagnostics::default());
    for name in names {
        match pipeline(&name, directories) {
            Ok(pipeline) => found.push(pipeline),
            Err(more) => problems.extend(more),
        }
    }
    if problems.has_errors() { Err(problems) } else { Ok(found) }
}

/// The pipeline of this name.
pub fn pipeline(name: &str, directories: &[PathBuf]) -> Result<Pipeline, Diagnostics> {
    let library = Library::new(directories);
    let uses = Text::new(name.to_owned(), Span::default());
    let step = library.load(&uses).map_err(|mut problems| {
        // Nobody wrote the name into a file.
        problems
            .items
            .iter_mut()
            .for_each(|item| item.labels.retain(|(span, _)| !span.is_nowhere()));
        problems
    })?;
    let source = &step.span.source;
    let path = (!source.path.starts_with("<built-in>")).then(|| source.path.clone());
    Ok(Pipeline { name: name.to_owned(), path, about: config::about(source), step })
}

/// Finds pipelines for one recipe.
pub(super) struct Library<'a> {
    directories: &'a [PathBuf],
    read: RefCell<HashMap<String, Option<Parsed>>>,
}

impl<'a> Library<'a> {
    /// A library of these directories, searched in order, and of the binary.
    pub(super) fn new(directories: &'a [PathBuf]) -> Self {
        Self { directories, read: RefCell::default() }
    }

    /// The pipeline that a step uses.
    pub(super) fn load(&self, uses: &Text) -> Parsed {
        let name = uses.as_str();
        if Path::new(name).is_absolute() || name.contains("..") || name.contains('\0') {
            let message = format!("`{name}` is not the name of a pipeline");
            let diagnostic = Diagnostic::error("pipeline-name", message, uses.span.clone(), "")
                .help("a name is a path below a pipeline directory, without `..` and `.yaml`");
            return Err(diagnostic.into());
        }
        let known = self.read.borrow().get(name).cloned();
        let found = known.unwrap_or_else(|| {
            let found = self.find(name);
            self.read.borrow_mut().insert(name.to_owned(), found.clone());
            found
        });
        found.unwrap_or_else(|| Err(self.unknown(uses).into()))
    }

    fn find(&self, name: &str) -> Option<Parsed> {
        for directory in self.directories {
            let path = directory.join(format!("{name}.yaml"));
            if path.is_file() {
                let source = match config::read_source(&path) {
                    Ok(source) => source,
                    Err(problems) => return Some(Err(problems)),
                };
                return Some(config::parse_pipeline(&source).map(Arc::new));
            }
        }
        BUILTIN.get(name).cloned()
    }

    fn unknown(&self, uses: &Text) -> Diagnostic {
        let mut names: Vec<String> = BUILTIN.keys().cloned().collect();
        for directory in self.directories {
            names.extend(names_below(directory));
        }
        names.sort_unstable();
        let name = uses.as_str();
        let help = if name.contains("${{") {
            "variables are not replaced in `uses`: write the pipeline's name, and steps with `if:` \
             where it depends on something"
                .to_owned()
        } else if let Some(near) = nearest(name, names.iter().map(String::as_str)) {
            format!("did you mean `{near}`?")
        } else if self.directories.is_empty() {
            "if it is a pipeline of your own, name its directory with `--pipeline-dir`".to_owned()
        } else {
            let directories = self.directories.iter().map(|path| format!("`{}`", path.display()));
            let list = directories.collect::<Vec<_>>().join(", ");
            format!("it is neither in {list} nor built in")
        };
        let message = format!("there is no pipeline `{name}`");
        Diagnostic::error("unknown-pipeline", message, uses.span.clone(), "not found").help(help)
    }
}

/// Names of the pipelines below a directory, for suggestions.
fn names_below(directory: &Path) -> Vec<String> {
    let files = walkdir::WalkDir::new(directory).max_depth(6).into_iter().flatten().take(5000);
    let names = files.filter_map(|file| {
        let name = file.path().strip_prefix(directory).ok()?.to_str()?.strip_suffix(".yaml")?;
        Some(name.to_owned())
    });
    names.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_builtin_pipeline_is_valid() {
        for (name, _) in builtin_pipelines() {
            assert!(BUILTIN[&name].is_ok(), "{name}: {}", BUILTIN[&name].as_ref().unwrap_err());
        }
    }

    #[test]
    fn a_directory_comes_before_the_binary() {
        let directory = tempfile::tempdir().unwrap();
        fs_err::write(directory.path().join("strip.yaml"), "runs: mine\n").unwrap();
        let directories = [directory.path().to_owned()];
        let library = Library::new(&directories);
        let text = |name: &str| Text::new(name.to_owned(), Default::default());
        assert_eq!(library.load(&text("strip")).unwrap().runs.as_str(), "mine");
        assert!(library.load(&text("../strip")).is_err());
        let problem = library.load(&text("strp")).unwrap_err();
        assert_eq!(problem.items[0].help.as_deref(), Some("did you mean `strip`?"));
    }
}

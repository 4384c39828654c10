//! A recipe for a new version: version, epoch, checksums and commits changed, every other byte kept.
//!
//! Around the stages: `config` tells where values stand, `plan::audit` what the sources of the old
//! and of the new version are, `remote` what is there. What has to change is a list of `edit`s of
//! the text; the result is read again before anybody gets to see it.
//!
//! A checksum or a commit is computed anew where, and only where, its source is another one for the
//! new version: of a file that stays where it is, a new checksum would hide that the file changed.
//! (melange's `bump` fetches every `fetch` of the main pipeline, looks up no commit by itself, and
//! writes the whole file anew, which loses flow mappings, indentation and empty lines.)

mod edit;
mod error;
mod remote;
mod sources;
mod target;

use std::path::Path;
use std::sync::Arc;

use fs_err as fs;

use crate::apk::version;
use crate::arch::Arch;
use crate::config::{self, Config};
use crate::diagnostic::{Diagnostic, Diagnostics, Source, Spanned};
use crate::plan::{Context, audit};

use target::Target;

pub use edit::Change;
pub use error::Error;
pub use remote::{Checksums, Network, Remote};

/// How a recipe is bumped.
#[derive(Clone, Debug)]
pub struct Options {
    /// What the recipe is planned with. Of steps that run on one architecture only, that one's
    /// sources count; of the others, those of this context's.
    pub context: Context,
    /// The commit of the new version, where the caller knows it.
    pub expected_commit: Option<String>,
}

/// A recipe for a new version, not yet written.
#[derive(Debug)]
pub struct Bumped {
    /// The text before.
    pub before: String,
    /// The text after.
    pub after: String,
    /// What was changed, in the order of the file.
    pub changes: Vec<Change>,
    /// What a person should look at.
    pub notes: Diagnostics,
}

/// Makes a recipe's text for a version; a version that it has already gets the next epoch.
///
/// # Errors
/// `Version` for a version that apk can't order, `Recipe` for a recipe that can't be changed,
/// `Source` for a file or a commit that can't be had. Nothing is written in any case.
pub fn bump(
    path: &Path,
    version: &str,
    options: &Options,
    remote: &dyn Remote,
) -> Result<Bumped, Error> {
    if !version::is_valid(version) || version.contains("-r") {
        return Err(Error::Version(version.to_owned()));
    }
    let old = config::load(path)?;
    if old.package.version.is_empty() {
        // Its other mistakes are told with that.
        audit(&old, &options.context)?;
    }
    let source = &old.span.source;
    let same = old.package.version.as_str() == version;
    let mut edits = edit::Edits::new(source);
    let target = target::find(&old.package.version, &old, None)?;
    let epoch = if same { old.package.epoch.value.saturating_add(1) } else { 0 };
    let new = changed(&old, &target, version, epoch);
    edits.replace(&target, version, "version")?;
    edits.epoch(&old.package, epoch)?;
    let mut notes = Diagnostics::default();
    sources::update(&old, &new, options, remote, &mut edits, &mut notes)?;
    let (after, changes) = edits.finish();
    verify(path, &after, &target, &new)?;
    Ok(Bumped { before: source.text.clone(), after, changes, notes })
}

/// The recipe as it will be, but for what its sources say.
fn changed(old: &Config, target: &Target, version: &str, epoch: u64) -> Config {
    let mut new = old.clone();
    new.package.epoch = Spanned::new(epoch, old.package.epoch.span.clone());
    match &target.variable {
        Some(name) => {
            if let Some(entry) = new.vars.0.get_mut(name) {
                version.clone_into(&mut entry.value.value);
            }
        }
        None => version.clone_into(&mut new.package.version.value),
    }
    new
}

/// Reads the new text: it must say what it is meant to say.
fn verify(path: &Path, after: &str, target: &Target, new: &Config) -> Result<(), Error> {
    let source = Arc::new(Source { path: path.to_owned(), text: after.to_owned() });
    let read = config::parse_recipe(&source)?;
    let same = |name: &String| read.vars.get(name) == new.vars.get(name);
    if read.package.version.as_str() == new.package.version.as_str()
        && read.package.epoch.value == new.package.epoch.value
        && target.variable.iter().all(same)
    {
        return Ok(());
    }
    let message = "the changed recipe does not say what it should";
    let problem = Diagnostic::error("not-changeable", message, read.package.version.span, "")
        .help("write version and epoch in the usual way, a line each");
    Err(Error::Recipe(problem.into()))
}

/// Writes a bumped recipe over the old one: all of it or nothing, with its mode, through a link if
/// it is one.
///
/// # Errors
/// Also where somebody else has changed the recipe since it was read.
pub fn write(path: &Path, bumped: &Bumped) -> Result<(), Error> {
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;
    const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
    let target = fs::canonicalize(path)?;
    let bytes = fs::read(&target)?;
    let text = bytes.strip_prefix(BYTE_ORDER_MARK);
    let (mark, text) = text.map_or((&[][..], &bytes[..]), |text| (BYTE_ORDER_MARK, text));
    if text != bumped.before.as_bytes() {
        return Err(Error::Raced(path.to_owned()));
    }
    let mode = fs::metadata(&target)?.permissions().mode() & 0o7777;
    let mut file = crate::fsutil::AtomicFile::create_with_mode(&target, mode)?;
    file.write_all(mark)?;
    file.write_all(bumped.after.as_bytes())?;
    Ok(file.commit()?)
}

/// The architectures to look at: the given one, then the others.
fn archs(first: Arch) -> impl Iterator<Item = Arch> {
    std::iter::once(first).chain(Arch::ALL.into_iter().filter(move |arch| *arch != first))
}

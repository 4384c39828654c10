//! Where `buildctl`, `buildkitd` and `rootlesskit` are.
//!
//! Part of stage 4. Looked at, in this order: the folder that `MELANGE2_TOOLS` names; `.tools/bin`
//! beside the program or in a folder above it (where `scripts/setup` puts what the machine lacks,
//! or has too old), if it belongs to the program's owner; `PATH`.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use fs_err as fs;

use super::error::Error;

/// How far above the program the tools folder is looked for: `target/debug/deps/program`.
const LEVELS: usize = 5;

/// The program's path, or an error that says where it was looked for.
pub(super) fn find(name: &str) -> Result<PathBuf, Error> {
    let mut tried = Vec::new();
    for folder in folders() {
        let program = folder.join(name);
        if program.is_file() {
            return Ok(program);
        }
        tried.push(format!("`{}`", program.display()));
    }
    which::which(name).map_err(|_| {
        tried.push("`PATH`".to_owned());
        Error::Unreachable {
            message: format!("`{name}` was not found: run `scripts/setup`, or install BuildKit"),
            tried,
            log: Vec::new(),
        }
    })
}

fn folders() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> =
        std::env::var_os("MELANGE2_TOOLS").map(PathBuf::from).into_iter().collect();
    if let Ok(program) = std::env::current_exe() {
        folders.extend(beside(&program));
    }
    folders
}

/// A `.tools/bin` of somebody else (in a shared `/tmp`, say) is not trusted.
fn beside(program: &Path) -> Option<PathBuf> {
    let owner = fs::metadata(program).ok()?.uid();
    program.ancestors().skip(1).take(LEVELS).map(|folder| folder.join(".tools/bin")).find(
        |folder| {
            fs::metadata(folder).is_ok_and(|metadata| metadata.is_dir() && metadata.uid() == owner)
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tools_folder_is_found_upwards() {
        let root = tempfile::tempdir().unwrap();
        let program = root.path().join("target/debug/melange2");
        fs::create_dir_all(program.parent().unwrap()).unwrap();
        fs::write(&program, "").unwrap();
        assert_eq!(beside(&program), None);
        let tools = root.path().join(".tools/bin");
        fs::create_dir_all(&tools).unwrap();
        assert_eq!(beside(&program), Some(tools));
    }

    #[test]
    fn a_missing_program_names_the_places() {
        let error = find("no-such-program-of-ours").unwrap_err();
        assert!(error.to_string().contains("`no-such-program-of-ours` was not found"));
        assert!(error.hints().iter().any(|hint| hint.contains("PATH")));
    }
}

//! apk-tools' own cases: the same packages in the same versions, the same refusals.
//!
//! The data are not part of this project: `crate::required` says what is done without them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use fs_err as fs;

use super::super::{Repository, solve};
use crate::apk::dependency::Atom;
use crate::arch::Arch;
use crate::repo::catalog;

/// How many cases there are.
const CASES: usize = 30;

/// A case: request, repositories, and the packages that are expected (`None`: a refusal).
struct Case {
    request: Vec<String>,
    repositories: Vec<(Option<String>, PathBuf)>,
    expected: Option<BTreeSet<String>>,
}

fn read(path: &Path) -> Case {
    let text = fs::read_to_string(path).unwrap();
    let (head, expected) = text.split_once("@EXPECT\n").unwrap();
    let mut request = Vec::new();
    let mut repositories = Vec::new();
    for line in head.lines() {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("@ARGS") => {
                request =
                    words.skip_while(|word| *word != "add").skip(1).map(str::to_owned).collect();
            }
            Some("@REPO") => {
                let words: Vec<_> = words.collect();
                let (tag, file) = match words.as_slice() {
                    [tag, file] => (Some(tag.trim_start_matches('@').to_owned()), *file),
                    _ => (None, words[0]),
                };
                repositories.push((tag, path.with_file_name(file)));
            }
            other => panic!("{other:?} in {}", path.display()),
        }
    }
    let refused = expected.lines().any(|line| line.starts_with("ERROR:"));
    let packages = expected.lines().filter_map(|line| {
        let (name, version) = line.split_once(" Installing ")?.1.split_once(" (")?;
        let name = name.split('@').next()?;
        Some(format!("{name}-{}", version.trim_end_matches(')')))
    });
    Case { request, repositories, expected: (!refused).then(|| packages.collect()) }
}

/// What this project's solver says: `None` for a refusal.
fn answer(case: &Case) -> Option<BTreeSet<String>> {
    let mut repositories: Vec<_> = case
        .repositories
        .iter()
        .map(|(tag, path)| Repository {
            tag: tag.clone(),
            catalog: catalog::build(&fs::read(path).unwrap()).unwrap().into(),
        })
        .collect();
    let mut request = case.request.clone();
    if request.first().is_some_and(|word| word == "-t") {
        // `add -t .name=version` makes an empty package on the spot and asks for it.
        request.remove(0);
        let (name, version) = request[0].split_once('=').unwrap();
        repositories.push(super::repository(None, &format!("{name} {version}")));
    }
    let atoms: Vec<Atom> =
        request.iter().map(|atom| atom.parse()).collect::<Result<_, _>>().ok()?;
    let solved = solve(&repositories, Arch::X86_64, &atoms).ok()?;
    Some(solved.iter().map(|it| it.package.label()).collect())
}

#[test]
fn apk_tools_cases_have_apk_tools_answers() {
    let Some(directory) = crate::required::shared("apk/solver") else { return };
    let mut files: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "test"))
        .collect();
    files.sort();
    assert_eq!(files.len(), CASES);
    let wrong: Vec<String> = files
        .iter()
        .map(|path| (path, read(path)))
        .filter(|(_, case)| answer(case) != case.expected)
        .map(|(path, case)| {
            format!("{}: {:?} instead of {:?}", path.display(), answer(&case), case.expected)
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

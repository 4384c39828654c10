//! Filling a directory beforehand: what `fetch` steps name is downloaded and stored under the names
//! that `fetch` looks for.
//!
//! Beside the host cache proper; `update-cache`. Downloads that broke off are continued.

use std::fmt;
use std::io;
use std::path::Path;

use fs_err as fs;
use serde_json::Value;
use sha2::Digest as _;

use super::listing::CONTROL;
use crate::digest::hex;
use crate::plan::{Plan, condition_holds};
use crate::repo;

/// What a `fetch` step names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Artifact {
    /// Where it is.
    pub uri: String,
    /// `sha256:HEX` and `sha512:HEX`, as far as the recipe has them: its names in the directory.
    pub names: Vec<String>,
}

/// What became of an artifact.
#[derive(Debug)]
pub enum Outcome {
    /// It was there.
    Present,
    /// It was downloaded, so many bytes.
    Stored(u64),
    /// It has no checksum: there is no name for it, and `fetch` would not look for it.
    Nameless,
    /// It could not be had.
    Failed(repo::Error),
}

impl fmt::Display for Artifact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.names.first() {
            Some(name) => f.write_str(name),
            None => f.write_str(&self.uri),
        }
    }
}

/// What the `fetch` steps of a plan name, at any depth, where their conditions hold. Sorted.
pub fn artifacts(plan: &Plan) -> Vec<Artifact> {
    let mut found = Vec::new();
    let recipe = &plan.compiled.0;
    walk(&recipe["pipeline"], &mut found);
    for subpackage in list(&recipe["subpackages"]) {
        if condition_holds(text(subpackage, "if")) {
            walk(&subpackage["pipeline"], &mut found);
        }
    }
    found.sort();
    found.dedup();
    found
}

fn walk(steps: &Value, found: &mut Vec<Artifact>) {
    for step in list(steps) {
        if !condition_holds(text(step, "if")) {
            continue;
        }
        let with = &step["with"];
        if text(step, "uses") == "fetch" && !text(with, "uri").is_empty() {
            let names = ["sha256", "sha512"].into_iter().filter_map(|algorithm| {
                let sum = text(with, &format!("expected-{algorithm}")).to_ascii_lowercase();
                (!sum.is_empty()).then(|| format!("{algorithm}:{sum}"))
            });
            found.push(Artifact { uri: text(with, "uri").to_owned(), names: names.collect() });
        }
        walk(&step["pipeline"], found);
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// Downloads what the directory lacks, several at once, and verifies everything. One outcome for
/// each artifact.
pub fn fill(
    directory: &Path,
    artifacts: &[Artifact],
    ca_file: Option<&Path>,
) -> Result<Vec<Outcome>, repo::Error> {
    let named = || artifacts.iter().filter(|artifact| !artifact.names.is_empty());
    let files: Vec<repo::File> = named()
        .filter_map(|artifact| {
            let name = artifact.names.first()?;
            Some(repo::File {
                url: artifact.uri.clone(),
                path: directory.join(name),
                part: directory.join(CONTROL).join("downloads").join(name),
            })
        })
        .collect();
    let before: Vec<bool> = named().map(|artifact| is_complete(directory, artifact)).collect();
    let fetched = repo::Files::new(ca_file)?.store(&files, |file, path| {
        let artifact = named().find(|artifact| artifact.uri == file.url && is_of(artifact, file));
        artifact.map_or(Ok(()), |artifact| check(path, &artifact.names))
    })?;
    let mut results = before.into_iter().zip(fetched);
    artifacts
        .iter()
        .map(|artifact| {
            if artifact.names.is_empty() {
                return Ok(Outcome::Nameless);
            }
            match results.next() {
                Some((true, Ok(()))) => Ok(Outcome::Present),
                Some((false, Ok(()))) => Ok(Outcome::Stored(name_all(directory, artifact)?)),
                Some((_, Err(error))) => Ok(Outcome::Failed(error)),
                None => Err(io::Error::other("a file has no result").into()),
            }
        })
        .collect()
}

fn is_of(artifact: &Artifact, file: &repo::File) -> bool {
    let name = file.path.file_name().and_then(|name| name.to_str());
    name == artifact.names.first().map(String::as_str)
}

/// Whether it is there whole under all its names.
fn is_complete(directory: &Path, artifact: &Artifact) -> bool {
    artifact.names.iter().all(|name| check(&directory.join(name), &artifact.names).is_ok())
}

/// Whether a file has the checksums.
fn check(path: &Path, names: &[String]) -> Result<(), String> {
    let (mut sha256, mut sha512) = (Hasher(sha2::Sha256::new()), Hasher(sha2::Sha512::new()));
    let wants = |algorithm: &str| names.iter().any(|name| name.starts_with(algorithm));
    let mut read = || -> io::Result<()> {
        let mut file = fs::File::open(path)?;
        match (wants("sha256:"), wants("sha512:")) {
            (true, false) => io::copy(&mut file, &mut sha256)?,
            (false, true) => io::copy(&mut file, &mut sha512)?,
            _ => io::copy(&mut file, &mut Both(&mut sha256, &mut sha512))?,
        };
        Ok(())
    };
    read().map_err(|error| error.to_string())?;
    let [of_256, of_512] = [hex(&sha256.0.finalize()), hex(&sha512.0.finalize())];
    for name in names {
        let Some((algorithm, expected)) = name.split_once(':') else { continue };
        let actual = if algorithm == "sha256" { &of_256 } else { &of_512 };
        if actual != expected {
            return Err(format!("its {algorithm} checksum is {actual}, not {expected}"));
        }
    }
    Ok(())
}

/// Gives the file its other name, and returns its size. Others may do the same at the same time.
fn name_all(directory: &Path, artifact: &Artifact) -> Result<u64, repo::Error> {
    let Some((first, others)) = artifact.names.split_first() else { return Ok(0) };
    let first = directory.join(first);
    for name in others {
        let downloads = directory.join(CONTROL).join("downloads");
        fs::create_dir_all(&downloads)?;
        let mut copy = tempfile::Builder::new().prefix("name-").tempfile_in(&downloads)?;
        let mut file = fs::File::open(&first)?;
        io::copy(&mut file, &mut copy)?;
        copy.as_file().set_permissions(file.metadata()?.permissions())?;
        copy.persist(directory.join(name)).map_err(|failed| failed.error)?;
    }
    Ok(fs::metadata(&first)?.len())
}

struct Hasher<H>(H);

impl<H: sha2::Digest> io::Write for Hasher<H> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Both<'a>(&'a mut Hasher<sha2::Sha256>, &'a mut Hasher<sha2::Sha512>);

impl io::Write for Both<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.0.update(bytes);
        self.1.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_name_is_given_without_what_others_are_writing() {
        let root = tempfile::tempdir().unwrap();
        let names = ["sha256:a", "sha512:b"].map(str::to_owned);
        let artifact = Artifact { uri: String::new(), names: names.to_vec() };
        fs::write(root.path().join(&names[0]), "whole").unwrap();
        // Of another process, under way.
        let part = root.path().join(CONTROL).join("downloads").join(&names[1]);
        fs::create_dir_all(part.parent().unwrap()).unwrap();
        fs::write(&part, "ha").unwrap();
        assert_eq!(name_all(root.path(), &artifact).unwrap(), 5);
        assert_eq!(fs::read_to_string(root.path().join(&names[1])).unwrap(), "whole");
        assert_eq!(fs::read_to_string(&part).unwrap(), "ha");
        assert_eq!(fs::read_dir(part.parent().unwrap()).unwrap().count(), 1);
    }
}

//! Whole packages: streams made here, assembled, read back.

mod concurrent;
mod contents;
mod damaged;
mod dependencies;
mod peers;
mod properties;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use super::testing::{options, plan};
use super::tree::compare_paths;
use super::*;
use crate::apk::reader::Apk;
use crate::apk::tar::{Header, Kind, Writer};
use crate::plan::Plan;

/// A stream under construction: entries may come in any order.
#[derive(Clone, Default)]
struct Stream {
    entries: Vec<(Header, Vec<u8>)>,
}

impl Stream {
    /// Directories for packages.
    fn of(packages: &[&str]) -> Self {
        packages.iter().fold(Self::default(), |stream, package| stream.directory(package))
    }

    fn entry(mut self, header: Header, content: &[u8]) -> Self {
        self.entries.push((Header { size: content.len() as u64, ..header }, content.to_vec()));
        self
    }

    fn owned(path: impl Into<Vec<u8>>, kind: Kind) -> Header {
        Header { uid: 1000, gid: 1000, mtime: 1_234_567, ..Header::new(path, kind) }
    }

    fn directory(self, path: &str) -> Self {
        self.entry(Self::owned(path, Kind::Directory), b"")
    }

    fn file(self, path: &str, mode: u32, content: &[u8]) -> Self {
        self.entry(Header { mode, ..Self::owned(path, Kind::File) }, content)
    }

    fn symlink(self, path: &str, target: &str) -> Self {
        self.entry(Header { link: target.into(), ..Self::owned(path, Kind::Symlink) }, b"")
    }

    fn hard_link(self, path: &str, target: &str) -> Self {
        self.entry(Header { link: target.into(), ..Self::owned(path, Kind::HardLink) }, b"")
    }

    /// The archive, its entries in order.
    fn archive(mut self) -> Vec<u8> {
        self.entries.sort_by(|a, b| compare_paths(&a.0.path, &b.0.path));
        self.archive_as_it_stands()
    }

    fn archive_as_it_stands(self) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new());
        for (header, content) in self.entries {
            writer.append(&header, &mut content.as_slice()).unwrap();
        }
        writer.finish().unwrap()
    }
}

/// A directory to build into.
struct Out {
    directory: tempfile::TempDir,
}

impl Out {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn options(&self) -> Options<'static> {
        options(self.directory.path())
    }

    fn build(&self, plan: &Plan, archive: &[u8]) -> Result<Vec<Built>, Error> {
        let mut stream = archive;
        assemble_with_recipe(plan, &mut stream, &self.options(), "package: {}\n")
    }

    /// Builds a package `foo` alone.
    fn build_one(&self, stream: Stream) -> Result<Apk, Error> {
        let built = self.build(&plan(&["foo"]), &stream.archive())?;
        Ok(Apk::open(&built[0].path)?)
    }

    /// Names of all files below, hidden ones too.
    fn files(&self) -> Vec<String> {
        let mut files: Vec<String> = walkdir::WalkDir::new(self.directory.path())
            .into_iter()
            .map(Result::unwrap)
            .filter(|entry| !entry.file_type().is_dir() || is_hidden(entry.path()))
            .map(|entry| {
                let path = entry.path().strip_prefix(self.directory.path()).unwrap();
                path.display().to_string()
            })
            .filter(|path| !path.is_empty())
            .collect();
        files.sort();
        files
    }
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".tmp-"))
        && path.parent().is_some_and(|parent| parent.ends_with("x86_64"))
}

/// The entries of a package's data segment with their content.
fn entries(apk: &Apk) -> Vec<(Header, Vec<u8>)> {
    apk.verify_data().unwrap();
    let mut reader = apk.entries().unwrap();
    let mut entries = Vec::new();
    while let Some(header) = reader.next_entry().unwrap() {
        let mut content = Vec::new();
        reader.content().read_to_end(&mut content).unwrap();
        entries.push((header, content));
    }
    entries
}

/// Entries by path, without those of the SBOM.
fn own_entries(apk: &Apk) -> BTreeMap<Vec<u8>, (Header, Vec<u8>)> {
    entries(apk)
        .into_iter()
        .filter(|(header, _)| !header.path.starts_with(b"var/lib/db/sbom"))
        .map(|(header, content)| (header.path.clone(), (header, content)))
        .collect()
}

/// A line per entry: kind, mode, owner, path, target or size, records.
fn listing(apk: &Apk) -> String {
    let line = |(header, content): &(Header, Vec<u8>)| {
        let kind = match header.kind {
            Kind::File => "file".to_owned(),
            Kind::HardLink => "hard".to_owned(),
            Kind::Symlink => "link".to_owned(),
            Kind::Directory => "dir".to_owned(),
            other => format!("{other:?}"),
        };
        let names = [&header.uname, &header.gname].map(|name| name.escape_ascii().to_string());
        let what = match header.kind {
            Kind::HardLink | Kind::Symlink => format!(" -> {}", header.link.escape_ascii()),
            Kind::File => format!(" {} bytes", content.len()),
            _ => String::new(),
        };
        let records: String = header
            .pax
            .iter()
            .map(|(key, value)| match key.strip_prefix("APK-TOOLS.checksum.") {
                Some(algorithm) => format!(" {algorithm}:{}", value[..6].escape_ascii()),
                None => format!(" {key}={}", value.escape_ascii()),
            })
            .collect();
        format!(
            "{kind:4} {:04o} {}:{}({}:{}) @{} {}{what}{records}\n",
            header.mode,
            header.uid,
            header.gid,
            names[0],
            names[1],
            header.mtime,
            header.path.escape_ascii(),
        )
    };
    entries(apk).iter().map(line).collect()
}

fn pkginfo(apk: &Apk) -> String {
    // What depends on the compressor is checked elsewhere.
    let text = apk.info.to_text().unwrap();
    let lines = text.lines().filter(|line| !line.starts_with("datahash"));
    lines.map(|line| format!("{line}\n")).collect()
}

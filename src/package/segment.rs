//! The data segment of one package: the rules by which entries of the stream become its own.
//!
//! Part of stage 5. Owners are settled before (see `owners`). The package's SBOM is put where it
//! belongs among the entries.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use super::content::Spool;
use super::sca::{self, Passing};
use super::tree::{File, Node, Tree, compare_paths, parent, shown};
use super::{Error, Options, capabilities, sbom};
use crate::apk::tar::{Header, Kind};
use crate::apk::writer::{Data, DataWriter};
use crate::digest::Sha1;
use crate::plan::{Package, Plan};

/// Where PAX records of extended attributes begin.
const XATTR: &str = "SCHILY.xattr.";

/// Attributes that belong to the machine, not to the file; so does everything in `trusted.`.
const IGNORED_XATTRS: &[&str] =
    &["com.apple.provenance", "security.csm", "security.selinux", "com.docker.grpcfuse.ownership"];

/// The data segment of a package that is complete.
pub struct Segment {
    /// The compressed segment, in a temporary file.
    pub data: Data,
    /// What is in it.
    pub tree: Tree,
}

/// Writes a data segment.
pub struct SegmentWriter {
    package: String,
    writer: DataWriter,
    tree: Tree,
    mtime: i64,
    /// The SBOM and the directories above it that have not been written yet, in archive order.
    waiting: VecDeque<Header>,
    sbom: Vec<u8>,
    /// Capabilities that have not met their file yet, by path.
    capabilities: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl SegmentWriter {
    /// Starts the segment of the package at `index` of the plan.
    pub fn create(
        plan: &Plan,
        index: usize,
        options: &Options<'_>,
        staging: &Path,
    ) -> Result<Self, Error> {
        let Some(package) = plan.packages.get(index) else {
            return Err(io::Error::other("the plan has no such package").into());
        };
        let sbom = sbom::document(plan, index, options)?;
        Ok(Self {
            package: package.name.clone(),
            writer: DataWriter::create(staging, 0)?,
            tree: Tree::default(),
            mtime: options.source_date_epoch,
            waiting: sbom_headers(package, sbom.len() as u64),
            sbom,
            capabilities: capabilities_of(package)?,
        })
    }

    /// Takes in an entry whose path is relative to the package.
    pub fn entry(
        &mut self,
        header: Header,
        content: &mut dyn Read,
        spool: &mut Spool,
    ) -> Result<(), Error> {
        self.check_path(&header.path)?;
        while self
            .waiting
            .front()
            .is_some_and(|next| compare_paths(&next.path, &header.path) == std::cmp::Ordering::Less)
        {
            self.write_waiting()?;
        }
        if self.waiting.front().is_some_and(|next| next.path == header.path) {
            return self.meet_waiting(header);
        }
        self.write(header, content, spool)
    }

    /// Ends the segment.
    pub fn finish(mut self) -> Result<Segment, Error> {
        while !self.waiting.is_empty() {
            self.write_waiting()?;
        }
        if let Some(path) = self.capabilities.keys().next() {
            let problem = format!("`setcap` names `{}`, which is no file of it", shown(path));
            return Err(self.problem(problem));
        }
        Ok(Segment { data: self.writer.finish()?, tree: self.tree })
    }

    fn problem(&self, problem: String) -> Error {
        Error::Content { package: self.package.clone(), problem }
    }

    fn check_path(&self, path: &[u8]) -> Result<(), Error> {
        let is_odd = |part: &[u8]| matches!(part, b"" | b"." | b"..");
        if path.split(|byte| *byte == b'/').any(is_odd) || path.contains(&0) {
            return Err(Error::Stream(format!("holds the path `{}`", shown(path))));
        }
        match self.tree.get(parent(path)) {
            None | Some(Node::Directory) => Ok(()),
            Some(_) => {
                let text = format!("has `{}` below something that is no directory", shown(path));
                Err(Error::Stream(text))
            }
        }
    }

    /// The package has something where the SBOM or a directory above it goes.
    fn meet_waiting(&mut self, mut header: Header) -> Result<(), Error> {
        let Some(ours) = self.waiting.front() else { return Ok(()) };
        match (ours.kind, header.kind) {
            (Kind::Directory, Kind::Directory) => {
                self.waiting.pop_front();
                self.prepare(&mut header);
                self.add(header, None, Node::Directory, &mut io::empty())
            }
            // The SBOM of an earlier build.
            (Kind::File, Kind::File | Kind::HardLink | Kind::Symlink) => self.write_waiting(),
            (wanted, _) => {
                let path = shown(&header.path);
                let what = if wanted == Kind::Directory { "is no directory" } else { "is one" };
                Err(self.problem(format!("the SBOM has no place: `{path}` {what}")))
            }
        }
    }

    /// Writes the first of what waits.
    fn write_waiting(&mut self) -> Result<(), Error> {
        let Some(mut header) = self.waiting.pop_front() else { return Ok(()) };
        header.mtime = self.mtime;
        if header.kind == Kind::Directory {
            return self.add(header, None, Node::Directory, &mut io::empty());
        }
        let sbom = std::mem::take(&mut self.sbom);
        let file = File { mode: header.mode, sha1: Sha1::of(&sbom), facts: Arc::from([]) };
        self.add(header, Some(file.sha1), Node::File(file), &mut sbom.as_slice())
    }

    fn write(
        &mut self,
        mut header: Header,
        content: &mut dyn Read,
        spool: &mut Spool,
    ) -> Result<(), Error> {
        self.prepare(&mut header);
        match header.kind {
            Kind::File => {
                let sha1 = spool.fill(content, header.size)?;
                let content = spool.content();
                let facts = sca::look(&Passing { path: &header.path, content })?.into();
                if let Some(attribute) = self.capabilities.remove(&header.path) {
                    header.pax.insert(capabilities::RECORD.to_owned(), attribute);
                }
                let node = Node::File(File { mode: header.mode, sha1, facts });
                self.add(header, Some(sha1), node, &mut content.reader_of_all())
            }
            Kind::HardLink => {
                let node = self.link_target(&mut header)?;
                let sha1 = match &node {
                    Node::File(file) => Some(file.sha1),
                    _ => None,
                };
                self.add(header, sha1, node, &mut io::empty())
            }
            Kind::Symlink => {
                let node = Node::Symlink(header.link.as_slice().into());
                self.add(header, None, node, &mut io::empty())
            }
            Kind::Directory => self.add(header, None, Node::Directory, &mut io::empty()),
            Kind::CharDevice(..) | Kind::BlockDevice(..) | Kind::Fifo => {
                self.add(header, None, Node::Special, &mut io::empty())
            }
        }
    }

    /// Makes a header the package's own: its time, no size where there is no content, no records
    /// but the attributes that count.
    fn prepare(&self, header: &mut Header) {
        header.mtime = self.mtime;
        if header.kind != Kind::File {
            header.size = 0;
        }
        let holds_attributes = matches!(header.kind, Kind::File | Kind::Directory);
        header.pax.retain(|key, _| {
            holds_attributes
                && key.strip_prefix(XATTR).is_some_and(|name| {
                    !name.starts_with("trusted.") && !IGNORED_XATTRS.contains(&name)
                })
        });
    }

    /// What a hard link is another name of. Its target stands in the stream with the package's
    /// directory, and in the package without. A symbolic link that has two names becomes two.
    fn link_target(&self, header: &mut Header) -> Result<Node, Error> {
        let target = header
            .link
            .strip_prefix(self.package.as_bytes())
            .and_then(|rest| rest.strip_prefix(b"/"))
            .map(<[u8]>::to_vec)
            .unwrap_or_default();
        let node = match self.tree.get(&target) {
            Some(Node::File(file)) => Node::File(File { mode: header.mode, ..file.clone() }),
            Some(Node::Symlink(to)) => {
                header.kind = Kind::Symlink;
                header.link = to.to_vec();
                return Ok(Node::Symlink(to.clone()));
            }
            _ => {
                return Err(self.problem(format!(
                    "`{}` is a hard link to `{}`, which is no earlier file of the package",
                    shown(&header.path),
                    shown(&header.link)
                )));
            }
        };
        if self.capabilities.contains_key(&header.path) {
            return Err(self.problem(format!(
                "`setcap` names `{}`, a hard link to `{}`: name that one",
                shown(&header.path),
                shown(&target)
            )));
        }
        header.link = target;
        Ok(node)
    }

    fn add(
        &mut self,
        header: Header,
        sha1: Option<Sha1>,
        node: Node,
        content: &mut dyn Read,
    ) -> Result<(), Error> {
        if let Err(last) = self.tree.push(&header.path, node) {
            let text = format!(
                "of package `{}` is not in order: `{}` comes after `{}`",
                self.package,
                shown(&header.path),
                shown(last)
            );
            return Err(Error::Stream(text));
        }
        Ok(self.writer.append(header, sha1, content)?)
    }
}

/// The capabilities that a package's recipe sets, by path.
fn capabilities_of(package: &Package) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, Error> {
    let attribute = |setcap: &crate::plan::SetCap| {
        let path = setcap.path.trim_start_matches('/').as_bytes().to_vec();
        let attribute = capabilities::attribute(setcap).map_err(|name| Error::Content {
            package: package.name.clone(),
            problem: format!("`setcap` gives `{}` the unknown capability `{name}`", setcap.path),
        })?;
        Ok((path, attribute))
    };
    package.setcap.iter().map(attribute).collect()
}

/// The SBOM's entry and those of the directories above it.
fn sbom_headers(package: &Package, size: u64) -> VecDeque<Header> {
    let path = sbom::path(package);
    let directories = path.match_indices('/').map(|(at, _)| &path[..at]);
    let mut headers: VecDeque<Header> =
        directories.map(|directory| root_owned(directory, Kind::Directory, 0o755, 0)).collect();
    headers.push_back(root_owned(&path, Kind::File, 0o644, size));
    headers
}

fn root_owned(path: &str, kind: Kind, mode: u32, size: u64) -> Header {
    Header {
        path: path.as_bytes().to_vec(),
        kind,
        mode,
        uid: 0,
        gid: 0,
        uname: b"root".to_vec(),
        gname: b"root".to_vec(),
        size,
        mtime: 0,
        link: Vec::new(),
        pax: BTreeMap::new(),
    }
}

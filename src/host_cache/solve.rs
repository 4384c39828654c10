//! The small solves beside a build: list, unpack, put in place, pack, remember.
//!
//! Part of the host cache. Each runs one script in an image of busybox alone, with the mount and
//! the list. A result that BuildKit remembered would be of another time, so each has a build
//! argument that no other has; `--no-cache` would empty the mounts of everybody. The list is in a
//! mount of its own, which steps never see and which is locked, so that scripts come one after
//! another on a daemon.

use std::io::Read;
use std::path::Path;

use super::Error;
use super::entry::{Agreed, MountEntry, Tree, decode};
use super::{listing, script};
use crate::apk::tar;
use crate::buildkit::{self, Connection, RunOptions};
use crate::dockerfile::{self, Context, Environment, HostCacheMount, Spec};
use crate::plan::Plan;
use crate::ui::Silent;

/// What the solves need.
#[derive(Clone, Debug)]
pub struct Access<'a> {
    connection: &'a Connection,
    tools: &'a Environment,
    platform: String,
    /// The mount that the steps see.
    pub(super) mount: HostCacheMount,
}

/// What a mount holds.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) tree: Tree<MountEntry>,
    pub(super) agreed: Tree<Agreed>,
}

/// A script, in the Dockerfile or as a file.
enum Script {
    Inline(String),
    File(Vec<u8>),
}

impl<'a> Access<'a> {
    /// For the steps of a plan. `tools` is an image with busybox.
    pub fn new(
        plan: &Plan,
        options: &dockerfile::Options,
        tools: &'a Environment,
        connection: &'a Connection,
    ) -> Result<Self, dockerfile::Error> {
        let mount = dockerfile::host_cache_mount(plan, options)?;
        Ok(Self { connection, tools, platform: plan.arch.platform(), mount })
    }

    /// Lists the mount.
    pub(super) fn list(&self) -> Result<Content, Error> {
        content(&self.solve(Script::Inline(script::list()), None, read_listing)?)
    }

    /// Runs a script that ends with a listing.
    pub(super) fn apply(
        &self,
        script: Vec<u8>,
        directory: Option<&Path>,
    ) -> Result<Content, Error> {
        content(&self.solve(Script::File(script), directory, read_listing)?)
    }

    /// Unpacks a file of `directory`.
    pub(super) fn unpack(&self, directory: &Path, file: &str, staging: &str) -> Result<(), Error> {
        let script = script::unpack(staging, file);
        self.solve(Script::Inline(script), Some(directory), |_| Ok(()))
    }

    /// Runs a script that packs; its archives go to `sink`.
    pub(super) fn pack<T: Send>(
        &self,
        script: Vec<u8>,
        sink: impl FnOnce(&mut dyn Read) -> Result<T, crate::error::Error> + Send,
    ) -> Result<T, Error> {
        self.solve(Script::File(script), None, sink)
    }

    /// Stores the list, the file `agreed` of `directory`.
    pub(super) fn remember(&self, directory: &Path) -> Result<(), Error> {
        self.solve(Script::Inline(script::remember()), Some(directory), |_| Ok(()))
    }

    /// Deletes the mount and its list.
    pub(super) fn forget(&self) -> Result<(), Error> {
        let pattern = format!("{}(.agreed)?", self.mount.id);
        Ok(self.connection.forget_cache_mounts(&pattern)?)
    }

    fn solve<T: Send>(
        &self,
        script: Script,
        input: Option<&Path>,
        sink: impl FnOnce(&mut dyn Read) -> Result<T, crate::error::Error> + Send,
    ) -> Result<T, Error> {
        let spec = self.spec(script, input);
        let nonce = super::identity::random()?;
        let options = RunOptions {
            build_args: vec![("MELANGE2_NONCE".to_owned(), nonce)],
            ..RunOptions::default()
        };
        Ok(buildkit::run_with(self.connection, &spec, &options, &[], &mut Silent, sink)?)
    }

    fn spec(&self, script: Script, input: Option<&Path>) -> Spec {
        let HostCacheMount { id, uid, gid } = &self.mount;
        let (list, content, sent) = (script::LIST, script::MOUNT, script::INPUT);
        // The owner is part of a mount's identity: it must be that of the steps' mount.
        let mut mounts = vec![
            format!(
                "type=cache,id={id},target={content},sharing=shared,mode=0755,uid={uid},gid={gid}"
            ),
            format!("type=cache,id={id}.agreed,target={list},sharing=locked"),
        ];
        let mut contexts = vec![Context::OciLayout {
            name: "tools".to_owned(),
            dir: self.tools.dir.clone(),
            digest: self.tools.digest,
        }];
        if let Some(directory) = input {
            mounts.push(format!("type=bind,from=input,target={sent}"));
            contexts.push(Context::Local { name: "input".to_owned(), dir: directory.to_owned() });
        }
        let mut files = Vec::new();
        let text = match script {
            Script::Inline(text) => text,
            Script::File(bytes) => {
                mounts.push("type=bind,from=scripts,target=/scripts".to_owned());
                files.push(("merge.sh".to_owned(), bytes));
                "sh /scripts/merge.sh\n".to_owned()
            }
        };
        let mounts: String =
            mounts.iter().map(|mount| format!("--mount={mount} \\\n    ")).collect();
        let text = format!(
            "FROM tools AS merge\nUSER 0:0\nARG MELANGE2_NONCE\nRUN {mounts}<<'MELANGE2_END'\n\
             mkdir -p /out || exit 1\n{text}MELANGE2_END\n\nFROM scratch AS out\nCOPY --from=merge /out/ /\n"
        );
        Spec {
            text,
            contexts,
            target: "out".to_owned(),
            platform: self.platform.clone(),
            files,
            ..Spec::default()
        }
    }
}

/// What `script::list` leaves: the listing, and the list.
fn read_listing(stream: &mut dyn Read) -> Result<(Vec<u8>, Vec<u8>), crate::error::Error> {
    let mut files = (Vec::new(), Vec::new());
    let mut reader = tar::Reader::new(stream);
    while let Some(header) = reader.next_entry()? {
        match header.path.as_slice() {
            b"listing" => reader.content().read_to_end(&mut files.0)?,
            b"agreed" => reader.content().read_to_end(&mut files.1)?,
            _ => 0,
        };
    }
    Ok(files)
}

fn content((listing, agreed): &(Vec<u8>, Vec<u8>)) -> Result<Content, Error> {
    // The root is always there. An empty mount and a program that failed are not the same.
    if !listing.windows(5).any(|window| window == b"|.//\n") {
        return Err(Error::Broken("the mount could not be listed".to_owned()));
    }
    Ok(Content { tree: listing::mount(listing), agreed: decode(agreed) })
}

//! What the template is given. Every value is put into the text by a filter of `quote.rs`.
//!
//! Part of stage 3.

use super::quote::{Mount, filters};

/// The whole Dockerfile.
#[derive(Debug, askama::Template)]
#[template(path = "build.Dockerfile", escape = "none")]
pub(super) struct Build {
    /// What is built.
    pub(super) title: String,
    /// How to build by hand: the arguments of buildctl, a line each.
    pub(super) arguments: Vec<String>,
    /// `ENV` of all steps.
    pub(super) variables: Vec<(String, String)>,
    /// The script that makes the workspace.
    pub(super) setup: String,
    /// Whether the recipe has files of its own.
    pub(super) source: bool,
    /// Who the steps run as, `UID:GID`.
    pub(super) owner: String,
    /// `SHELL`, where it is not `/bin/sh -c`.
    pub(super) shell: Option<Vec<String>>,
    /// The steps.
    pub(super) steps: Vec<Step>,
    /// The last step's stage.
    pub(super) last: String,
    /// Source and destination of what is exported.
    pub(super) outputs: Vec<(String, String)>,
}

/// A step's stage.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) stage: String,
    pub(super) base: String,
    pub(super) place: String,
    pub(super) label: String,
    pub(super) package: String,
    pub(super) caches: String,
    /// The script that makes directories beforehand.
    pub(super) parents: Option<String>,
    pub(super) insecure: bool,
    pub(super) mounts: Vec<Mount>,
    pub(super) script: String,
}

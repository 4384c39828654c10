//! What stage 3 takes and gives, beside the plan.

use std::path::PathBuf;

use crate::cache::CacheMount;
use crate::digest::Sha256;

/// The Dockerfile and what belongs to it.
#[derive(Clone, Debug, Default)]
pub struct Spec {
    /// The text of the Dockerfile.
    pub text: String,
    /// Named build contexts.
    pub contexts: Vec<Context>,
    /// Stages that run a step, in order: stage name and index into `Plan::steps`.
    pub stages: Vec<(String, usize)>,
    /// The stage whose content is exported.
    pub target: String,
    /// `--ssh` arguments, as buildctl takes them: agents and sockets that steps reach.
    pub ssh: Vec<String>,
    /// Secrets, by id (`--secret id=…`): those that the spec names and the command line gives.
    pub secrets: Vec<Secret>,
    /// Entitlements that the daemon must grant (`security.insecure`).
    pub entitlements: Vec<String>,
    /// The platform, as `linux/amd64`.
    pub platform: String,
    /// Files too large for the Dockerfile: name below the `scripts` context, and content.
    pub files: Vec<(String, Vec<u8>)>,
    /// Remarks for the user ("step 3 runs with all capabilities dropped but …").
    pub notes: Vec<String>,
}

/// A named build context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Context {
    /// `--oci-layout NAME=DIR --opt context:NAME=oci-layout://NAME@sha256:…`
    OciLayout {
        /// The name.
        name: String,
        /// The layout's directory.
        dir: PathBuf,
        /// The manifest's digest.
        digest: Sha256,
    },
    /// `--local NAME=DIR --opt context:NAME=local:NAME`
    Local {
        /// The name.
        name: String,
        /// The directory.
        dir: PathBuf,
    },
}

/// A secret that is given to the build. Its value is nowhere in a spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    /// Its id.
    pub id: String,
    /// The rest of buildctl's `--secret` value: `src=FILE` or `env=NAME`.
    pub source: String,
}

/// What the command line says about the spec.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Cache mounts, `None` per step by the rule in `cache_mounts.rs`.
    pub cache_mounts: Vec<CacheMount>,
    /// Which of them a step gets.
    pub cache_choice: CacheChoice,
    /// Which host cache the steps see: the identity of its directory, empty for the one that is
    /// nobody's.
    pub host_cache: String,
    /// `--run-as`: overrides the recipe's.
    pub run_as: Option<String>,
    /// The recipe's own files, copied to `/home/build` first.
    pub source_dir: Option<PathBuf>,
    /// A bundle of certificates that steps shall trust (secret `ca`).
    pub ca_file: Option<PathBuf>,
    /// `--secret`
    pub secrets: Vec<Secret>,
    /// `--ssh`, as buildctl takes it.
    pub ssh: Vec<String>,
    /// `SOURCE_DATE_EPOCH`
    pub source_date_epoch: i64,
    /// The namespace that goes into the ELF package metadata (`os`).
    pub namespace: String,
    /// `set -x` in every step.
    pub debug: bool,
}

/// Which cache mounts a step gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CacheChoice {
    /// By the rule in `cache_mounts.rs`.
    #[default]
    Auto,
    /// All that are configured.
    All,
    /// None.
    None,
}

/// The programs that the environment has (absolute paths), and where it is.
#[derive(Clone, Debug)]
pub struct Environment {
    /// The OCI layout.
    pub dir: PathBuf,
    /// Its manifest's digest.
    pub digest: Sha256,
    /// As in `image::Layout::programs`.
    pub programs: Vec<String>,
}

//! [`BuildConfig`]: what is to be built, and how.
//!
//! Around the stages: the commands fill it from flags, a program that uses the library by its
//! `with_…` methods. Every default stands here.

use std::path::{Path, PathBuf};

use indexmap::IndexMap;

use crate::apk::key::Signer;
use crate::arch::{Arch, Libc};
use crate::buildkit::{DaemonOptions, RunOptions};
use crate::cache::{CacheConfig, CacheMount, RegistryCache, RemoteCache, RemoteCaches};
use crate::config::GoDuration;
use crate::dockerfile::{self, CacheChoice, Secret};
use crate::error::{Error, Result};
use crate::{cache, host_cache, package, plan, repo};

/// What is to be built, and how: a recipe, repositories, keys, caches, a daemon.
///
/// ```no_run
/// use melange2::BuildConfig;
///
/// let config = BuildConfig::new("hello.yaml")
///     .with_repository("https://packages.wolfi.dev/os")
///     .with_key("https://packages.wolfi.dev/os/wolfi-signing.rsa.pub")
///     .with_out_dir("packages");
/// let built = melange2::build(&config, &mut melange2::ui::Silent)?;
/// for package in built {
///     println!("{}", package.path.display());
/// }
/// # Ok::<(), melange2::error::Error>(())
/// ```
#[derive(Debug)]
pub struct BuildConfig {
    pub(crate) recipe: PathBuf,
    pub(crate) archs: Vec<Arch>,
    pub(crate) repositories: Vec<String>,
    pub(crate) repo: repo::Options,
    pub(crate) package_append: Vec<String>,
    pub(crate) pipeline_dirs: Vec<PathBuf>,
    pub(crate) source_dir: Option<PathBuf>,
    pub(crate) empty_workspace: bool,
    pub(crate) vars: IndexMap<String, String>,
    pub(crate) env: IndexMap<String, String>,
    pub(crate) build_options: Vec<String>,
    pub(crate) resources: plan::Resources,
    pub(crate) timeout: Option<GoDuration>,
    pub(crate) libc: Libc,
    pub(crate) out_dir: PathBuf,
    pub(crate) signer: Option<Signer>,
    pub(crate) generate_index: bool,
    pub(crate) namespace: String,
    pub(crate) recipe_license: String,
    pub(crate) commit: Option<String>,
    pub(crate) repo_url: String,
    pub(crate) strip_origin_name: bool,
    pub(crate) source_date_epoch: i64,
    pub(crate) max_layers: usize,
    pub(crate) cache_mounts: Vec<CacheMount>,
    pub(crate) cache_choice: CacheChoice,
    pub(crate) cache: Option<CacheConfig>,
    pub(crate) cache_insecure: bool,
    pub(crate) cache_from: Vec<RemoteCache>,
    pub(crate) cache_to: Vec<RemoteCache>,
    pub(crate) cache_dir: Option<PathBuf>,
    pub(crate) run_as: Option<String>,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) secrets: Vec<Secret>,
    pub(crate) ssh: Vec<String>,
    pub(crate) debug: bool,
    pub(crate) daemon: DaemonOptions,
}

impl BuildConfig {
    /// How many layers an environment may have: BuildKit's overlay mounts fail beyond 500, images
    /// beyond 127 can't be exported, and every step adds one.
    pub const MAX_LAYERS: usize = 50;

    /// The host cache directory.
    pub const CACHE_DIR: &str = "./melange-cache/";

    /// Builds `recipe` for the host's architecture into `./packages`, with all cache mounts.
    pub fn new(recipe: impl Into<PathBuf>) -> Self {
        Self {
            recipe: recipe.into(),
            archs: vec![Arch::host()],
            repositories: Vec::new(),
            repo: repo::Options::default(),
            package_append: Vec::new(),
            pipeline_dirs: Vec::new(),
            source_dir: None,
            empty_workspace: false,
            vars: IndexMap::new(),
            env: IndexMap::new(),
            build_options: Vec::new(),
            resources: plan::Resources::default(),
            timeout: None,
            libc: Libc::Gnu,
            out_dir: PathBuf::from("packages"),
            signer: None,
            generate_index: true,
            namespace: "unknown".to_owned(),
            recipe_license: "NOASSERTION".to_owned(),
            commit: None,
            repo_url: String::new(),
            strip_origin_name: false,
            source_date_epoch: 0,
            max_layers: Self::MAX_LAYERS,
            cache_mounts: cache::default_cache_mounts(),
            cache_choice: CacheChoice::Auto,
            cache: None,
            cache_insecure: false,
            cache_from: Vec::new(),
            cache_to: Vec::new(),
            cache_dir: Some(PathBuf::from(Self::CACHE_DIR)),
            run_as: None,
            ca_file: None,
            secrets: Vec::new(),
            ssh: Vec::new(),
            debug: false,
            daemon: DaemonOptions::default(),
        }
    }

    /// Takes packages from this repository too: URL, directory, or `@tag URL`.
    #[must_use]
    pub fn with_repository(mut self, repository: impl Into<String>) -> Self {
        self.repositories.push(repository.into());
        self
    }

    /// Trusts this key too: file or URL.
    #[must_use]
    pub fn with_key(mut self, key: impl Into<String>) -> Self {
        self.repo.keys.push(key.into());
        self
    }

    /// Builds for these architectures.
    #[must_use]
    pub fn with_archs(mut self, archs: impl IntoIterator<Item = Arch>) -> Self {
        self.archs = archs.into_iter().collect();
        self
    }

    /// Writes packages below this directory, in one subdirectory per architecture.
    #[must_use]
    pub fn with_out_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.out_dir = directory.into();
        self
    }

    /// Signs packages and index.
    #[must_use]
    pub fn with_signer(mut self, signer: Signer) -> Self {
        self.signer = Some(signer);
        self
    }

    /// Gives steps all eight cache mounts (the default).
    ///
    /// ```
    /// # use melange2::BuildConfig;
    /// let config = BuildConfig::new("tool.yaml").with_cache_mounts([]).with_default_cache_mounts();
    /// assert_eq!(config.cache_mounts().len(), 8);
    /// assert_eq!(config.cache_mounts(), BuildConfig::new("tool.yaml").cache_mounts());
    /// ```
    #[must_use]
    pub fn with_default_cache_mounts(self) -> Self {
        self.with_cache_mounts(cache::default_cache_mounts())
    }

    /// Gives steps these cache mounts and no others.
    ///
    /// ```
    /// use melange2::{BuildConfig, go_cache_mounts, rust_cache_mounts};
    ///
    /// let config = BuildConfig::new("tool.yaml")
    ///     .with_cache_mounts(go_cache_mounts().into_iter().chain(rust_cache_mounts()));
    /// let targets: Vec<_> = config.cache_mounts().iter().map(|mount| &mount.target).collect();
    /// assert_eq!(
    ///     targets,
    ///     [
    ///         "/home/build/go/pkg/mod",
    ///         "/home/build/.cache/go-build",
    ///         "/home/build/.cargo/registry",
    ///         "/home/build/.cargo/git",
    ///     ]
    /// );
    /// ```
    #[must_use]
    pub fn with_cache_mounts(mut self, mounts: impl IntoIterator<Item = CacheMount>) -> Self {
        self.cache_mounts = mounts.into_iter().collect();
        self
    }

    /// The cache mounts that steps may get.
    pub fn cache_mounts(&self) -> &[CacheMount] {
        &self.cache_mounts
    }

    /// Keeps the builds' cache in a registry: imported at the start, exported once the packages are
    /// written. Trouble with it is a warning, never an error.
    ///
    /// ```
    /// use melange2::{BuildConfig, CacheConfig, CacheMode};
    ///
    /// BuildConfig::new("hello.yaml").with_cache(CacheConfig {
    ///     registry: "registry:5000/melange-cache".into(),
    ///     mode: CacheMode::Max,
    /// });
    /// ```
    #[must_use]
    pub fn with_cache(mut self, cache: CacheConfig) -> Self {
        self.cache = Some(cache);
        self
    }

    /// Speaks plain HTTP with the cache's registry, or accepts any certificate. A registry on
    /// loopback needs no such permission.
    #[must_use]
    pub fn with_insecure_cache_registry(mut self) -> Self {
        self.cache_insecure = true;
        self
    }

    /// Imports this cache too.
    #[must_use]
    pub fn with_cache_from(mut self, cache: RemoteCache) -> Self {
        self.cache_from.push(cache);
        self
    }

    /// Exports to this cache too.
    #[must_use]
    pub fn with_cache_to(mut self, cache: RemoteCache) -> Self {
        self.cache_to.push(cache);
        self
    }

    /// Lets steps see this directory at `/var/cache/melange`, and brings home what they store there.
    /// It is made when there is something to bring.
    #[must_use]
    pub fn with_cache_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.cache_dir = Some(directory.into());
        self
    }

    /// Says how the BuildKit daemon is found.
    #[must_use]
    pub fn with_daemon(mut self, daemon: DaemonOptions) -> Self {
        self.daemon = daemon;
        self
    }

    /// Where blobs of environments are kept between builds.
    pub(crate) fn image_store(&self) -> PathBuf {
        self.repo.cache_dir.join("images")
    }

    /// Where is remembered what was exported to registries.
    pub(crate) fn export_memory(&self) -> PathBuf {
        self.repo.cache_dir.join("exported")
    }

    /// As stage 2 takes it.
    pub(crate) fn context(&self, arch: Arch) -> plan::Context {
        plan::Context {
            arch,
            libc: self.libc,
            pipeline_dirs: self.pipeline_dirs(),
            vars: self.vars.clone(),
            env: self.env.clone(),
            build_options: self.build_options.clone(),
            package_append: self.package_append.clone(),
            commit: self.commit.clone().unwrap_or_else(|| head_commit(self.recipe_dir())),
            resources: self.resources.clone(),
            timeout: self.timeout.clone(),
        }
    }

    /// As stage 3 takes it.
    pub(crate) fn spec_options(&self, plan: &plan::Plan) -> dockerfile::Options {
        dockerfile::Options {
            cache_mounts: self.cache_mounts.clone(),
            cache_choice: self.cache_choice,
            host_cache: host_cache::identity(self.cache_dir.as_deref()),
            run_as: self.run_as.clone(),
            source_dir: self.source_dir(plan),
            ca_file: self.ca_file.clone(),
            secrets: self.secrets.clone(),
            ssh: self.ssh.clone(),
            source_date_epoch: self.source_date_epoch,
            namespace: self.namespace.clone(),
            debug: self.debug,
        }
    }

    /// As stage 4 takes it.
    pub(crate) fn run_options(&self) -> RunOptions {
        let spool = Some(self.out_dir.clone());
        RunOptions { spool, ..RunOptions::default() }.with_host_proxies()
    }

    /// The caches of one plan's build that outlive the daemon.
    pub(crate) fn remote_caches(&self, plan: &plan::Plan) -> Result<RemoteCaches> {
        if let Some(cache) = &self.cache {
            cache.check().map_err(|problem| {
                let hint = problem.hint().to_owned();
                Error::config(format!("the cache's registry: {problem}")).hint(hint)
            })?;
        }
        let registry = self.cache.as_ref().zip(plan.packages.first()).map(|(cache, package)| {
            RegistryCache::new(cache, self.cache_insecure, plan.arch, &package.name)
        });
        Ok(RemoteCaches { registry, from: self.cache_from.clone(), to: self.cache_to.clone() })
    }

    /// As stage 5 takes it.
    pub(crate) fn package_options<'a>(&'a self, locked: &'a [String]) -> package::Options<'a> {
        package::Options {
            out_dir: self.out_dir.clone(),
            signer: self.signer.as_ref(),
            generate_index: self.generate_index,
            namespace: self.namespace.clone(),
            source_date_epoch: self.source_date_epoch,
            strip_origin_name: self.strip_origin_name,
            locked,
            recipe_license: self.recipe_license.clone(),
            repo_url: self.repo_url.clone(),
            cancelled: crate::buildkit::cancelled,
        }
    }

    fn recipe_dir(&self) -> &Path {
        match self.recipe.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        }
    }

    /// The named directories, then `./pipelines` beside the recipe if there is one.
    fn pipeline_dirs(&self) -> Vec<PathBuf> {
        let beside = self.recipe_dir().join("pipelines");
        let found = beside.is_dir().then_some(beside);
        self.pipeline_dirs.iter().cloned().chain(found).collect()
    }

    /// `--source-dir`, or the directory beside the recipe that has the package's name. Not the
    /// recipe's own directory, as melange has it: where recipes lie together, a change in one would
    /// run the steps of all again.
    fn source_dir(&self, plan: &plan::Plan) -> Option<PathBuf> {
        if self.empty_workspace {
            return None;
        }
        self.source_dir.clone().or_else(|| {
            let beside = self.recipe_dir().join(&plan.packages.first()?.name);
            beside.is_dir().then_some(beside)
        })
    }
}

/// The commit that is checked out where the recipe lies, or `unknown`.
fn head_commit(directory: &Path) -> String {
    duct::cmd!("git", "rev-parse", "HEAD")
        .dir(directory)
        .stderr_null()
        .stdin_null()
        .read()
        .map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Sha256;

    /// The ids of the mounts that the spec of a step has.
    fn mounts(change: impl Fn(BuildConfig) -> BuildConfig) -> Vec<String> {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("tool.yaml");
        let text =
            "package:\n  name: tool\n  version: 1.0.0\n  epoch: 0\npipeline:\n- runs: make\n";
        fs_err::write(&file, text).unwrap();
        let config = change(BuildConfig::new(&file));
        let recipe = crate::config::load(&file).unwrap();
        let plan = plan::resolve(&recipe, &config.context(Arch::X86_64)).unwrap().unwrap();
        let programs = ["go", "cargo"].map(|name| format!("/usr/bin/{name}"));
        let environment = dockerfile::Environment {
            dir: PathBuf::new(),
            digest: Sha256([0; 32]),
            programs: programs.to_vec(),
        };
        let spec = dockerfile::render(&plan, &environment, &config.spec_options(&plan)).unwrap();
        let ids = spec.text.split("id=melange-").skip(1).filter_map(|rest| rest.split(',').next());
        ids.filter(|id| !id.starts_with("host")).map(str::to_owned).collect()
    }

    #[test]
    fn a_spec_has_the_cache_mounts_that_were_chosen() {
        let go = ["go-mod-cache", "go-build-cache"];
        let all = [&go[..], &["cargo-registry-cache", "cargo-build-cache"]].concat();
        assert_eq!(mounts(|config| config), all);
        assert_eq!(mounts(|config| config.with_cache_mounts(cache::go_cache_mounts())), go);
        let nothing = |config: BuildConfig| config.with_cache_mounts([]);
        assert!(mounts(nothing).is_empty());
        assert_eq!(mounts(|config| nothing(config).with_default_cache_mounts()), all);
    }
}

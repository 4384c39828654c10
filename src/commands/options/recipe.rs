//! What is built and how: flags of `build` and `render`. Names are melange's where melange has them.

use std::path::{Path, PathBuf};

use indexmap::IndexMap;

use super::{DaemonArgs, RepositoryArgs};
use crate::apk::key::Signer;
use crate::arch::{Arch, Libc};
use crate::build_config::BuildConfig;
use crate::cache::{self, CacheMount};
use crate::dockerfile::{CacheChoice, Secret};
use crate::error::{Error, Result};
use crate::ui::Ui;

/// Names that are looked for when no recipe is given, melange's.
const DEFAULT_RECIPES: [&str; 4] = [".melange.yaml", ".melange.yml", "melange.yaml", "melange.yml"];
/// Keys that are used when they lie in the current directory and `--signing-key` is not given.
const DEFAULT_KEYS: [&str; 2] = ["melange.rsa", "local-signing.rsa"];

/// What is built and how.
#[derive(Clone, Debug, clap::Args)]
pub struct RecipeArgs {
    /// The recipe [default: .melange.yaml, .melange.yml, melange.yaml or melange.yml].
    #[arg(value_name = "RECIPE")]
    recipe: Option<PathBuf>,
    /// Architecture to build for, such as `x86_64` or `arm64`; several, `host`, or `all`.
    #[arg(long, value_name = "ARCH", value_delimiter = ',', default_value = "host")]
    arch: Vec<String>,
    /// Directory with pipelines of your own, searched before the built-in ones.
    #[arg(long, value_name = "DIR")]
    pipeline_dir: Option<PathBuf>,
    /// More such directories, searched after `--pipeline-dir`.
    #[arg(long, value_name = "DIR", value_delimiter = ',')]
    pipeline_dirs: Vec<PathBuf>,
    /// Files that steps find in their workspace [default: the directory beside the recipe that has
    /// the package's name].
    #[arg(long, value_name = "DIR")]
    source_dir: Option<PathBuf>,
    /// Start with an empty workspace even where a source directory is found.
    #[arg(long)]
    empty_workspace: bool,
    /// Package to add to the build environment.
    #[arg(long, value_name = "PACKAGE", value_delimiter = ',')]
    package_append: Vec<String>,
    /// YAML file of `name: value` pairs that override the recipe's `vars`.
    #[arg(long, value_name = "FILE")]
    vars_file: Option<PathBuf>,
    /// File of `NAME=value` lines: environment of the steps, overridden by the recipe's own.
    #[arg(long, value_name = "FILE", value_delimiter = ',')]
    env_file: Vec<PathBuf>,
    /// Enable an entry of the recipe's `options`.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    build_option: Vec<String>,
    /// C library in `${{host.triplet.*}}`: `gnu` or `musl`.
    #[arg(
        long = "override-host-triplet-libc-substitution-flavor",
        value_name = "FLAVOR",
        default_value = "gnu",
        value_parser = parse_libc
    )]
    libc: Libc,
    /// Time stamp of everything that is packaged, RFC 3339 [default: `SOURCE_DATE_EPOCH`, else 1970].
    #[arg(long, value_name = "DATE")]
    build_date: Option<String>,
    /// Namespace of package URLs, and maintainer.
    #[arg(long, value_name = "NAME", default_value = "unknown")]
    namespace: String,
    /// Licence of the recipe itself, for the SBOM.
    #[arg(long, value_name = "SPDX", default_value = "NOASSERTION")]
    license: String,
    /// Commit of the recipe [default: HEAD where the recipe lies].
    #[arg(long, value_name = "COMMIT")]
    git_commit: Option<String>,
    /// Repository of the recipe, for the SBOM.
    #[arg(long, value_name = "URL", default_value = "https://unknown/unknown/unknown")]
    git_repo_url: String,
    /// How many layers the environment's image may have.
    #[arg(long, value_name = "N", default_value_t = BuildConfig::MAX_LAYERS)]
    max_layers: usize,
    /// Which cache mounts steps get: `auto` (by what they run), `all`, `none`, or groups out of
    /// go,python,rust,node,ccache,apk.
    #[arg(long, value_name = "WHICH", value_delimiter = ',', default_value = "auto")]
    cache_mounts: Vec<String>,
    /// One more cache mount: `id=…,target=…[,sharing=locked]`.
    #[arg(long, value_name = "MOUNT")]
    cache_mount: Vec<String>,
    /// Run the steps as this user (name or number) instead of the recipe's, or the build user.
    #[arg(long, value_name = "USER")]
    run_as: Option<String>,
    /// Secret for the steps, at `/run/secrets/ID`: `id=ID,src=FILE` or `id=ID,env=NAME`.
    #[arg(long, value_name = "SECRET")]
    secret: Vec<String>,
    /// SSH agent or keys for the steps, as buildctl takes them: `default` or `ID=SOCKET|KEY`.
    #[arg(long, value_name = "SSH")]
    ssh: Vec<String>,
    /// Print the commands of the steps (`set -x`).
    #[arg(long)]
    debug: bool,
    #[command(flatten)]
    repositories: RepositoryArgs,
}

/// Where packages go: flags of `build` alone.
#[derive(Clone, Debug, clap::Args)]
pub struct OutputArgs {
    /// Directory for packages; they go to its subdirectory named after the architecture.
    #[arg(long, value_name = "DIR", default_value = "./packages/")]
    out_dir: PathBuf,
    /// Private key to sign packages and index with [default: ./melange.rsa or
    /// ./local-signing.rsa if there is one].
    #[arg(long, value_name = "FILE")]
    signing_key: Option<PathBuf>,
    /// Write, or extend, the index of the packages' directory.
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set,
          num_args = 0..=1, default_missing_value = "true")]
    generate_index: bool,
    /// Packages name themselves as their origin instead of the recipe's main package.
    #[arg(long)]
    strip_origin_name: bool,
    /// melange's flags that have no meaning here; accepted so that its command lines work.
    #[command(flatten)]
    _unused: UnusedArgs,
}

/// Flags of melange that change nothing here.
#[derive(Clone, Debug, clap::Args)]
struct UnusedArgs {
    #[arg(long, hide = true)]
    runner: Option<String>,
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "true")]
    cleanup: Option<String>,
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "true")]
    rm: Option<String>,
    #[arg(long, hide = true)]
    fail_on_lint_warning: bool,
    #[arg(long, hide = true)]
    cache_source: Option<String>,
    #[arg(long, hide = true)]
    workspace_dir: Option<PathBuf>,
}

impl RecipeArgs {
    /// Everything but output and daemon; warns through `ui`.
    pub fn resolve(&self, ui: &Ui) -> Result<BuildConfig> {
        let mut config = BuildConfig::new(self.recipe()?);
        self.check_directories()?;
        config.archs = parse_archs(&self.arch)?;
        config.repositories.clone_from(&self.repositories.repository_append);
        config.repo = self.repositories.options();
        config.ca_file = match self.repositories.ca_file.clone().or_else(system_bundle) {
            Some(path) => Some(std::path::absolute(path)?),
            None => None,
        };
        config.package_append.clone_from(&self.package_append);
        config.pipeline_dirs =
            self.pipeline_dir.iter().chain(&self.pipeline_dirs).cloned().collect();
        config.source_dir.clone_from(&self.source_dir);
        config.empty_workspace = self.empty_workspace;
        config.vars = self.vars_file.as_deref().map(vars_file).transpose()?.unwrap_or_default();
        config.env = env_files(&self.env_file, ui)?;
        config.build_options.clone_from(&self.build_option);
        config.libc = self.libc;
        config.source_date_epoch = source_date_epoch(self.build_date.as_deref())?;
        config.namespace.clone_from(&self.namespace);
        config.recipe_license.clone_from(&self.license);
        config.commit.clone_from(&self.git_commit);
        config.repo_url.clone_from(&self.git_repo_url);
        config.max_layers = self.max_layers;
        (config.cache_choice, config.cache_mounts) = parse_cache_mounts(&self.cache_mounts)?;
        for text in &self.cache_mount {
            let mount = text
                .parse::<CacheMount>()
                .map_err(|problem| Error::config(format!("`--cache-mount {text}`: {problem}")))?;
            config.cache_mounts.push(mount);
        }
        config.run_as.clone_from(&self.run_as);
        config.secrets =
            self.secret.iter().map(|text| parse_secret(text)).collect::<Result<_>>()?;
        config.ssh.clone_from(&self.ssh);
        config.debug = self.debug;
        Ok(config)
    }

    /// Directories that are named must be there: what is missing would be missed much later.
    fn check_directories(&self) -> Result<()> {
        let pipelines = self.pipeline_dir.iter().chain(&self.pipeline_dirs);
        let named = pipelines.map(|path| ("--pipeline-dir", path));
        for (flag, path) in named.chain(self.source_dir.iter().map(|path| ("--source-dir", path))) {
            if !path.is_dir() {
                let path = path.display();
                return Err(Error::config(format!("`{flag} {path}`: there is no such directory")));
            }
        }
        Ok(())
    }

    fn recipe(&self) -> Result<PathBuf> {
        let given = self.recipe.clone();
        given
            .or_else(|| DEFAULT_RECIPES.map(PathBuf::from).into_iter().find(|path| path.is_file()))
            .ok_or_else(|| {
                Error::config(format!(
                    "no recipe is named, and none of {} is here",
                    DEFAULT_RECIPES.map(|name| format!("`{name}`")).join(", ")
                ))
                .hint("name the recipe after the command")
            })
    }
}

impl OutputArgs {
    /// Adds output and daemon.
    pub fn resolve(&self, config: &mut BuildConfig, daemon: &DaemonArgs, ui: &Ui) -> Result<()> {
        config.out_dir.clone_from(&self.out_dir);
        config.generate_index = self.generate_index;
        config.strip_origin_name = self.strip_origin_name;
        config.signer = self.signer(ui)?;
        config.daemon = daemon.resolve()?;
        Ok(())
    }

    fn signer(&self, ui: &Ui) -> Result<Option<Signer>> {
        if let Some(path) = &self.signing_key {
            return Ok(Some(Signer::from_file(path)?));
        }
        let found = DEFAULT_KEYS.map(Path::new).into_iter().find(|path| path.is_file());
        match found {
            Some(path) => {
                ui.status(&format!("signing with ./{}", path.display()));
                Ok(Some(Signer::from_file(path)?))
            }
            None => {
                ui.warning(
                    "packages are not signed: no `--signing-key` (`melange2 keygen` makes one)",
                );
                Ok(None)
            }
        }
    }
}

fn parse_libc(text: &str) -> Result<Libc, String> {
    match text {
        "gnu" => Ok(Libc::Gnu),
        "musl" => Ok(Libc::Musl),
        _ => Err("expected `gnu` or `musl`".to_owned()),
    }
}

/// `host` and `all` stand alone or among others; the result is sorted and holds each once.
fn parse_archs(names: &[String]) -> Result<Vec<Arch>> {
    let mut archs = Vec::new();
    for name in names {
        match name.as_str() {
            "all" => archs.extend(Arch::ALL),
            "host" => archs.push(Arch::host()),
            _ => archs.push(
                name.parse()
                    .map_err(|error: crate::arch::UnknownArch| Error::config(error.to_string()))?,
            ),
        }
    }
    archs.sort_unstable();
    archs.dedup();
    Ok(archs)
}

/// The bundle that this machine's own programs are pointed to, such as a company's.
fn system_bundle() -> Option<PathBuf> {
    std::env::var_os("SSL_CERT_FILE").map(PathBuf::from).filter(|path| path.is_file())
}

/// Seconds since 1970: `SOURCE_DATE_EPOCH` before `--build-date`, as melange has it.
fn source_date_epoch(build_date: Option<&str>) -> Result<i64> {
    if let Some(text) = std::env::var_os("SOURCE_DATE_EPOCH").filter(|text| !text.is_empty()) {
        let text = text.to_string_lossy();
        return text.trim().parse().map_err(|_| {
            Error::config(format!("`SOURCE_DATE_EPOCH={text}` is not a number of seconds"))
        });
    }
    let Some(text) = build_date.filter(|text| !text.is_empty()) else { return Ok(0) };
    let date: jiff::Timestamp = text.parse().map_err(|_| {
        Error::config(format!("`--build-date {text}` is not a date"))
            .hint("write it like 2026-01-31T12:00:00Z")
    })?;
    Ok(date.as_second())
}

fn vars_file(path: &Path) -> Result<IndexMap<String, String>> {
    crate::config::load_vars(path).map_err(Error::from)
}

/// All files as one environment; of one name the earlier file wins, as in melange.
fn env_files(paths: &[PathBuf], ui: &Ui) -> Result<IndexMap<String, String>> {
    let mut env = IndexMap::new();
    for path in paths {
        for (name, value) in super::dotenv::load(path)? {
            if super::dotenv::looks_secret(&name) {
                ui.warning(&format!(
                    "`{name}` in `{}` becomes ordinary environment, visible in the spec and part of \
                     every step's key; give a secret with `--secret id={name},env={name}`",
                    path.display()
                ));
            }
            env.entry(name).or_insert(value);
        }
    }
    Ok(env)
}

fn parse_cache_mounts(words: &[String]) -> Result<(CacheChoice, Vec<CacheMount>)> {
    let mut mounts = Vec::new();
    for word in words {
        match word.as_str() {
            "auto" | "all" | "none" if words.len() > 1 => {
                return Err(Error::config(format!(
                    "`--cache-mounts {}`: `{word}` stands alone",
                    words.join(",")
                )));
            }
            "auto" => return Ok((CacheChoice::Auto, cache::default_cache_mounts())),
            "all" => return Ok((CacheChoice::All, cache::default_cache_mounts())),
            "none" => return Ok((CacheChoice::None, Vec::new())),
            "go" => mounts.extend(cache::go_cache_mounts()),
            "python" => mounts.extend(cache::python_cache_mounts()),
            "rust" => mounts.extend(cache::rust_cache_mounts()),
            "node" => mounts.extend(cache::node_cache_mounts()),
            "ccache" => mounts.extend(cache::ccache_cache_mounts()),
            "apk" => mounts.extend(cache::apk_cache_mounts()),
            _ => {
                return Err(Error::config(format!("`--cache-mounts {word}` is not known")).hint(
                    "write `auto`, `all`, `none`, or groups out of go,python,rust,node,ccache,apk",
                ));
            }
        }
    }
    Ok((CacheChoice::Auto, mounts))
}

/// `id=ID,src=FILE` or `id=ID,env=NAME`; a value itself is never accepted.
fn parse_secret(text: &str) -> Result<Secret> {
    let wrong = || {
        Error::config(format!("`--secret {text}` is not understood"))
            .hint("write `id=ID,src=FILE` or `id=ID,env=NAME`")
    };
    let (mut id, mut source) = (None, None);
    for part in text.split(',') {
        match part.split_once('=').ok_or_else(wrong)? {
            ("id", value) if !value.is_empty() => id = Some(value.to_owned()),
            // `render -o` writes it into a script that runs elsewhere.
            ("src" | "source", value) if !value.is_empty() => {
                source = Some(format!("src={}", std::path::absolute(value)?.display()));
            }
            ("env", value) if !value.is_empty() => source = Some(format!("env={value}")),
            ("type", "file" | "env") => {}
            _ => return Err(wrong()),
        }
    }
    if let Some(path) = source.as_deref().and_then(|source: &str| source.strip_prefix("src="))
        && !Path::new(path).is_file()
    {
        return Err(Error::config(format!("`--secret {text}`: there is no file `{path}`")));
    }
    let id = id.ok_or_else(wrong)?;
    let source = source.unwrap_or_else(|| format!("env={id}"));
    if id == "ca" {
        return Err(Error::config("the secret id `ca` is taken by `--ca-file`"));
    }
    Ok(Secret { id, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    #[test]
    fn architectures_are_sorted_and_unique() {
        let archs = parse_archs(&strings(&["arm64", "x86_64", "amd64"])).unwrap();
        assert_eq!(archs, [Arch::X86_64, Arch::Aarch64]);
        assert_eq!(parse_archs(&strings(&["all"])).unwrap().len(), 9);
        assert!(parse_archs(&strings(&["sparc"])).is_err());
    }

    #[test]
    fn cache_groups_are_words() {
        let (choice, mounts) = parse_cache_mounts(&strings(&["go", "rust"])).unwrap();
        assert_eq!((choice, mounts.len()), (CacheChoice::Auto, 4));
        assert!(parse_cache_mounts(&strings(&["go", "none"])).is_err());
        assert!(parse_cache_mounts(&strings(&["gow"])).is_err());
    }

    #[test]
    fn secrets_are_files_or_variables_never_values() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().display();
        let secret = parse_secret(&format!("id=token,src={path}")).unwrap();
        assert_eq!((secret.id, secret.source), ("token".to_owned(), format!("src={path}")));
        let missing = parse_secret("id=token,src=/no/such/file").unwrap_err().to_string();
        assert!(missing.ends_with("there is no file `/no/such/file`"), "{missing}");
        assert_eq!(parse_secret("id=TOKEN").unwrap().source, "env=TOKEN");
        assert!(parse_secret("token=abc").is_err());
        assert!(parse_secret("id=ca,src=x").is_err());
    }
}

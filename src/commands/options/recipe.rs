//! What is built and how: flags of `build` and `render` beyond what the recipe means (`plan.rs`).
//! Names are melange's where melange has them.

use std::path::{Path, PathBuf};

use super::{CacheArgs, DaemonArgs, PlanArgs, RepositoryArgs};
use crate::apk::key::Signer;
use crate::build_config::BuildConfig;
use crate::dockerfile::Secret;
use crate::error::{Error, Result};
use crate::ui::Ui;

/// Keys that are used when they lie in the current directory and `--signing-key` is not given.
const DEFAULT_KEYS: [&str; 2] = ["melange.rsa", "local-signing.rsa"];

/// What is built and how.
#[derive(Clone, Debug, clap::Args)]
pub struct RecipeArgs {
    #[command(flatten)]
    plan: PlanArgs,
    /// Files that steps find in their workspace [default: the directory beside the recipe that has
    /// the package's name].
    #[arg(long, value_name = "DIR")]
    source_dir: Option<PathBuf>,
    /// Start with an empty workspace even where a source directory is found.
    #[arg(long)]
    empty_workspace: bool,
    /// Time stamp of everything that is packaged, RFC 3339 [default: `SOURCE_DATE_EPOCH`, else 1970].
    #[arg(long, value_name = "DATE")]
    build_date: Option<String>,
    /// Namespace of package URLs, and maintainer.
    #[arg(long, value_name = "NAME", default_value = "unknown")]
    namespace: String,
    /// Licence of the recipe itself, for the SBOM.
    #[arg(long, value_name = "SPDX", default_value = "NOASSERTION")]
    license: String,
    /// Repository of the recipe, for the SBOM.
    #[arg(long, value_name = "URL", default_value = "https://unknown/unknown/unknown")]
    git_repo_url: String,
    /// How many layers the environment's image may have.
    #[arg(long, value_name = "N", default_value_t = BuildConfig::MAX_LAYERS)]
    max_layers: usize,
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
    cache: CacheArgs,
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
        let mut config = self.plan.resolve(ui)?;
        self.check_directories()?;
        self.cache.resolve(&mut config)?;
        config.repositories.clone_from(&self.repositories.repository_append);
        config.repo = self.repositories.options()?;
        config.ca_file = match self.repositories.ca_file.clone().or_else(system_bundle) {
            Some(path) => Some(std::path::absolute(path)?),
            None => None,
        };
        config.source_dir.clone_from(&self.source_dir);
        config.empty_workspace = self.empty_workspace;
        config.source_date_epoch = source_date_epoch(self.build_date.as_deref())?;
        config.namespace.clone_from(&self.namespace);
        config.recipe_license.clone_from(&self.license);
        config.repo_url.clone_from(&self.git_repo_url);
        config.max_layers = self.max_layers;
        config.run_as.clone_from(&self.run_as);
        config.secrets =
            self.secret.iter().map(|text| parse_secret(text)).collect::<Result<_>>()?;
        config.ssh = self.ssh.iter().map(|text| parse_ssh(text)).collect::<Result<_>>()?;
        config.debug = self.debug;
        Ok(config)
    }

    /// A directory that is named must be there: it would be missed much later.
    fn check_directories(&self) -> Result<()> {
        if let Some(path) = self.source_dir.as_ref().filter(|path| !path.is_dir()) {
            let path = path.display();
            return Err(Error::config(format!(
                "`--source-dir {path}`: there is no such directory"
            )));
        }
        Ok(())
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

/// `id=ID,src=FILE` or `id=ID,env=NAME`; a value itself is never accepted, and what is not
/// understood is not repeated: it may be one.
fn parse_secret(text: &str) -> Result<Secret> {
    let refused = |problem: &str| {
        Error::config(format!("a `--secret` is not understood: {problem}"))
            .hint("write `id=ID,src=FILE` or `id=ID,env=NAME`; the value itself can't be given")
    };
    let (mut id, mut source) = (None, None);
    for (number, part) in text.split(',').enumerate() {
        let wrong = || {
            let number = number + 1;
            refused(&format!("its part {number} is neither `id=ID`, `src=FILE` nor `env=NAME`"))
        };
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
        return Err(Error::config(format!("`--secret`: there is no file `{path}`")));
    }
    let id = id.ok_or_else(|| refused("it has no `id=ID`"))?;
    let source = source.unwrap_or_else(|| format!("env={id}"));
    if id == "ca" {
        return Err(Error::config("the secret id `ca` is taken by `--ca-file`"));
    }
    Ok(Secret { id, source })
}

/// `ID` or `ID=SOCKET|KEY[,KEY…]`, with absolute paths: `render -o` writes them into a script that runs
/// elsewhere.
fn parse_ssh(text: &str) -> Result<String> {
    let Some((id, places)) = text.split_once('=') else { return Ok(text.to_owned()) };
    let places = places.split(',').map(|place| {
        // An agent's variable may be empty; `raw=true` is an option of buildctl.
        if place.is_empty() || place.starts_with("raw=") {
            return Ok(place.to_owned());
        }
        let path = std::path::absolute(place)?;
        if !path.exists() {
            let path = path.display();
            return Err(Error::config(format!("`--ssh`: there is no key or socket `{path}`"))
                .hint(
                    "write `default` for the agent of SSH_AUTH_SOCK, or `ID=SOCKET` or `ID=KEY`",
                ));
        }
        Ok(path.display().to_string())
    });
    Ok(format!("{id}={}", places.collect::<Result<Vec<_>>>()?.join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_sockets_of_ssh_have_absolute_paths() {
        for text in ["default", "default=", "other", "default=/dev/null,raw=true"] {
            assert_eq!(parse_ssh(text).unwrap(), text);
        }
        // Tests run where Cargo.toml is.
        let here = std::env::current_dir().unwrap().display().to_string();
        let expected = format!("deploy={here}/Cargo.toml,{here}/src/lib.rs");
        assert_eq!(parse_ssh("deploy=./Cargo.toml,src/lib.rs").unwrap(), expected);
        let missing = parse_ssh("default=no/such/key").unwrap_err().to_string();
        assert_eq!(missing, format!("`--ssh`: there is no key or socket `{here}/no/such/key`"));
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
        assert!(parse_secret("id=ca,src=x").is_err());
    }

    #[test]
    fn what_may_be_a_secrets_value_is_not_repeated() {
        for (text, problem) in [
            ("token=n0tF0rLogs", "its part 1 is neither `id=ID`, `src=FILE` nor `env=NAME`"),
            ("n0tF0rLogs", "its part 1 is neither `id=ID`, `src=FILE` nor `env=NAME`"),
            ("n0tF0rLogs==", "its part 1 is neither `id=ID`, `src=FILE` nor `env=NAME`"),
            ("id=a,n0tF0rLogs", "its part 2 is neither `id=ID`, `src=FILE` nor `env=NAME`"),
            ("id=a,value=n0tF0rLogs", "its part 2 is neither `id=ID`, `src=FILE` nor `env=NAME`"),
            ("env=n0tF0rLogs", "it has no `id=ID`"),
        ] {
            let error = parse_secret(text).unwrap_err();
            assert_eq!(error.to_string(), format!("a `--secret` is not understood: {problem}"));
            assert!(!format!("{error:?}").contains("n0tF0rLogs"), "{error:?}");
        }
    }
}

//! Which caches a build uses: flags of `build` and `render`.

use std::ffi::OsString;

use crate::build_config::BuildConfig;
use crate::cache::{self, CacheConfig, CacheMode, CacheMount, RemoteCache};
use crate::dockerfile::CacheChoice;
use crate::error::{Error, Result};

/// Which caches a build uses.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Caches")]
pub struct CacheArgs {
    /// Which built-in cache mounts steps get: `auto` (by what they run), `all`, `none`, or groups
    /// out of go,python,rust,node,ccache,apk.
    #[arg(long, value_name = "WHICH", value_delimiter = ',', default_value = "auto")]
    cache_mounts: Vec<String>,
    /// One more cache mount: `id=…,target=…[,sharing=locked]`.
    #[arg(long, value_name = "MOUNT")]
    cache_mount: Vec<String>,
    /// Keep the builds' cache in this repository of a registry too, such as
    /// `registry:5000/melange-cache`: imported at the start, exported once the packages are written.
    #[arg(long, value_name = "REPO", env = "CACHE_REGISTRY", hide_env_values = true)]
    cache_registry: Option<String>,
    /// What is kept there: `max`, the results of all steps, or `min`, the end result.
    #[arg(long, value_name = "MODE", env = "CACHE_MODE", default_value = "max")]
    cache_mode: String,
    /// Speak plain HTTP with that registry, or accept any certificate. Not needed on loopback.
    #[arg(long)]
    cache_registry_insecure: bool,
    /// One more cache to import: `type=local,src=DIR`, or registry, s3, gha, azblob as docker
    /// buildx writes them.
    #[arg(long, value_name = "CACHE")]
    cache_from: Vec<String>,
    /// One more cache to export to: `type=local,dest=DIR,mode=max`, or as with `--cache-from`.
    #[arg(long, value_name = "CACHE")]
    cache_to: Vec<String>,
    /// Directory that steps see at `/var/cache/melange`; what they store there comes back. It is
    /// made when there is something to bring. `''` for none.
    #[arg(long, value_name = "DIR", default_value = BuildConfig::CACHE_DIR)]
    cache_dir: OsString,
}

impl CacheArgs {
    /// Adds the caches.
    pub fn resolve(&self, config: &mut BuildConfig) -> Result<()> {
        (config.cache_choice, config.cache_mounts) = parse_cache_mounts(&self.cache_mounts)?;
        for text in &self.cache_mount {
            let mount = text
                .parse::<CacheMount>()
                .map_err(|problem| Error::config(format!("`--cache-mount {text}`: {problem}")))?;
            config.cache_mounts.push(mount);
        }
        config.cache = self.registry()?;
        config.cache_insecure = self.cache_registry_insecure;
        config.cache_from = remote("--cache-from", &self.cache_from)?;
        config.cache_to = remote("--cache-to", &self.cache_to)?;
        let named = Some(&self.cache_dir).filter(|directory| !directory.is_empty());
        config.cache_dir = named.map(std::path::absolute).transpose()?;
        Ok(())
    }

    /// The registry cache; an empty name, as an unset variable of a deployment gives it, is none.
    fn registry(&self) -> Result<Option<CacheConfig>> {
        let mode = self.cache_mode.parse::<CacheMode>().map_err(|problem| {
            Error::config(format!("`--cache-mode {}`: {problem}", self.cache_mode))
        })?;
        let Some(registry) = self.cache_registry.clone().filter(|name| !name.is_empty()) else {
            return Ok(None);
        };
        let cache = CacheConfig { registry, mode };
        cache.check().map_err(|problem| {
            let hint = problem.hint().to_owned();
            Error::config(format!("`--cache-registry`: {problem}")).hint(hint)
        })?;
        Ok(Some(cache))
    }
}

/// Caches of other kinds. Their text may hold credentials: an error does not repeat it.
fn remote(flag: &str, texts: &[String]) -> Result<Vec<RemoteCache>> {
    let parse = |text: &String| {
        text.parse().map_err(|problem| Error::config(format!("`{flag}`: {problem}")))
    };
    texts.iter().map(parse).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    #[test]
    fn cache_groups_are_words() {
        let (choice, mounts) = parse_cache_mounts(&strings(&["go", "rust"])).unwrap();
        assert_eq!((choice, mounts.len()), (CacheChoice::Auto, 4));
        assert!(parse_cache_mounts(&strings(&["go", "none"])).is_err());
        assert!(parse_cache_mounts(&strings(&["gow"])).is_err());
    }
}

//! Which caches a build uses: flags of `build` and `render`.

use crate::build_config::BuildConfig;
use crate::cache::{self, CacheMount};
use crate::dockerfile::CacheChoice;
use crate::error::{Error, Result};

/// Which caches a build uses.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Caches")]
pub struct CacheArgs {
    /// Which cache mounts steps get: `auto` (by what they run), `all`, `none`, or groups out of
    /// go,python,rust,node,ccache,apk.
    #[arg(long, value_name = "WHICH", value_delimiter = ',', default_value = "auto")]
    cache_mounts: Vec<String>,
    /// One more cache mount: `id=…,target=…[,sharing=locked]`.
    #[arg(long, value_name = "MOUNT")]
    cache_mount: Vec<String>,
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
        Ok(())
    }
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

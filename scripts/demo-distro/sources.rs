//! `demo-distro sources`: upstream's release tarballs, as Debian keeps them (`orig`).

use std::path::Path;

use color_eyre::eyre::{ContextCompat as _, Result};
use fs_err as fs;
use melange2::digest::Sha256;
use melange2::fsutil::FileLock;

use crate::apt::Apt;
use crate::note;

/// Fetches the `orig` tarball of each package and puts it into `DIR/sources` under upstream's name
/// (`hello_2.10.orig.tar.gz` as `hello-2.10.tar.gz`). Says each one's SHA-256.
pub fn run(directory: &Path, names: &[String]) -> Result<()> {
    let _lock = FileLock::exclusive(&directory.join("lock"))?;
    let target = directory.join("sources");
    fs::create_dir_all(&target)?;
    let missing: Vec<&String> =
        names.iter().filter(|name| !target.join(format!("{name}.fetched")).exists()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let apt = Apt::open(&directory.join("apt"))?;
    apt.update()?;
    for name in missing {
        let downloads = directory.join("debian-sources").join(name);
        apt.download_source(name, &downloads)?;
        let (file, upstream) = orig(&downloads, name)?
            .with_context(|| format!("the source of `{name}` has no `orig` tarball"))?;
        fs::copy(downloads.join(file), target.join(&upstream))?;
        let digest = Sha256::of(&fs::read(target.join(&upstream))?);
        fs::write(target.join(format!("{name}.fetched")), format!("{digest}  {upstream}\n"))?;
        note(&format!("source: {upstream} sha256 {digest}"));
    }
    Ok(())
}

/// The `orig` tarball in a directory and upstream's name for it.
fn orig(directory: &Path, name: &str) -> Result<Option<(String, String)>> {
    for entry in fs::read_dir(directory)? {
        let file = entry?.file_name().to_string_lossy().into_owned();
        if let Some(upstream) = upstream_name(&file, name) {
            return Ok(Some((file, upstream)));
        }
    }
    Ok(None)
}

/// `hello_2.10.orig.tar.gz` as `hello-2.10.tar.gz`.
fn upstream_name(file: &str, name: &str) -> Option<String> {
    let rest = file.strip_prefix(name)?.strip_prefix('_')?;
    let (version, extension) = rest.split_once(".orig.tar.")?;
    (!extension.contains('.')).then(|| format!("{name}-{version}.tar.{extension}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orig_tarballs_get_upstreams_names() {
        let upstream = |file| upstream_name(file, "hello");
        assert_eq!(upstream("hello_2.10.orig.tar.gz").as_deref(), Some("hello-2.10.tar.gz"));
        assert_eq!(upstream("hello_2.10.orig.tar.gz.asc"), None);
        assert_eq!(upstream("hello_2.10-3.debian.tar.xz"), None);
        assert_eq!(upstream("hello-other_1.orig.tar.gz"), None);
    }
}

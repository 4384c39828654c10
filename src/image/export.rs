//! One image of a store as an OCI layout of its own, to be kept or carried elsewhere.
//!
//! Beneath the stages.

use std::path::Path;

use fs_err as fs;

use super::Error;
use crate::digest::Sha256;
use crate::fsutil::{AtomicFile, write_atomic};

/// Copies the image with this manifest, and nothing else of the store at `from`, to `to`.
///
/// Blobs are hard links where both lie on one file system: a store never changes a blob.
pub fn copy(from: &Path, manifest: Sha256, to: &Path) -> Result<(), Error> {
    let text = fs::read(blob(from, &manifest))?;
    let parsed: serde_json::Value = serde_json::from_slice(&text).map_err(|error| {
        Error::Invalid(format!("`{}`: malformed manifest: {error}", from.display()))
    })?;
    let layers = parsed["layers"].as_array().map(Vec::as_slice).unwrap_or_default();
    let digests = layers.iter().chain([&parsed["config"]]).filter_map(|part| {
        let digest = part["digest"].as_str()?.strip_prefix("sha256:")?;
        digest.parse::<Sha256>().ok()
    });
    for digest in digests.chain([manifest]) {
        link(&blob(from, &digest), &blob(to, &digest))?;
    }
    let index = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": manifest.oci(),
            "size": text.len(),
        }],
    });
    write_atomic(&to.join("index.json"), format!("{index}\n").as_bytes())?;
    write_atomic(&to.join("oci-layout"), b"{\"imageLayoutVersion\":\"1.0.0\"}\n")?;
    Ok(())
}

fn blob(layout: &Path, digest: &Sha256) -> std::path::PathBuf {
    layout.join("blobs/sha256").join(digest.to_string())
}

fn link(from: &Path, to: &Path) -> Result<(), Error> {
    if to.exists() {
        return Ok(());
    }
    if let Some(directory) = to.parent() {
        fs::create_dir_all(directory)?;
    }
    if fs::hard_link(from, to).is_err() {
        let mut target = AtomicFile::create(to)?;
        std::io::copy(&mut fs::File::open(from)?, target.file())?;
        target.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_image_is_made_of_is_copied() {
        let directory = tempfile::tempdir().unwrap();
        let (from, to) = (directory.path().join("store"), directory.path().join("image"));
        let put = |bytes: &[u8]| {
            let digest = Sha256::of(bytes);
            write_atomic(&blob(&from, &digest), bytes).unwrap();
            digest
        };
        let (layer, config, stranger) = (put(b"layer"), put(b"{}"), put(b"another image's"));
        let manifest = put(serde_json::json!({
            "config": { "digest": config.oci() },
            "layers": [{ "digest": layer.oci() }],
        })
        .to_string()
        .as_bytes());
        copy(&from, manifest, &to).unwrap();
        for digest in [layer, config, manifest] {
            assert!(blob(&to, &digest).is_file());
        }
        assert!(!blob(&to, &stranger).exists());
        assert!(fs::read_to_string(to.join("index.json")).unwrap().contains(&manifest.oci()));
        assert!(copy(&from, Sha256::of(b"nothing"), &to).is_err());
    }
}

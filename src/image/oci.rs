//! The documents of an OCI image: descriptor, manifest, configuration, index.
//!
//! Beneath the stages. Field names, media types and order are the OCI image specification's; the
//! bytes are compact JSON with the fields in the order of the structs, so they are the same
//! everywhere. Writes nothing to disk.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::arch::Arch;
use crate::digest::Sha256;

/// A layer: a tar, compressed.
pub(super) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// The content of the file `oci-layout`.
pub(super) const LAYOUT_FILE: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;

/// What a shell finds when the environment says nothing else; apko's default as well.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A blob that another document points to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    pub(super) media_type: String,
    /// `sha256:…`
    pub(super) digest: String,
    /// Bytes.
    pub(super) size: u64,
}

/// A layer's blob and the digest of what it unpacks to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layer {
    pub(super) digest: Sha256,
    /// Bytes, compressed.
    pub(super) size: u64,
    /// SHA-256 of the tar.
    pub(super) diff_id: Sha256,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest {
    schema_version: u32,
    media_type: String,
    pub(super) config: Descriptor,
    pub(super) layers: Vec<Descriptor>,
}

#[derive(Debug, Serialize)]
struct Config {
    architecture: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<&'static str>,
    os: &'static str,
    config: RunConfig,
    rootfs: RootFs,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct RunConfig {
    env: [&'static str; 1],
}

#[derive(Debug, Serialize)]
struct RootFs {
    r#type: &'static str,
    diff_ids: Vec<String>,
}

/// `index.json`: the manifests of a layout.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Index {
    schema_version: u32,
    media_type: String,
    pub(super) manifests: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

impl Default for Index {
    fn default() -> Self {
        Self {
            schema_version: 2,
            media_type: INDEX.to_owned(),
            manifests: Vec::new(),
            annotations: BTreeMap::new(),
        }
    }
}

/// The bytes of an image's configuration and of its manifest.
pub(super) struct Documents {
    pub(super) config: Vec<u8>,
    pub(super) manifest: Vec<u8>,
}

/// Describes an image. No date, no history: nothing that differs between machines.
pub(super) fn documents(arch: Arch, layers: &[Layer]) -> serde_json::Result<Documents> {
    let (architecture, variant) = arch.oci();
    let diff_ids = layers.iter().map(|layer| layer.diff_id.oci()).collect();
    let config = serde_json::to_vec(&Config {
        architecture,
        variant,
        os: "linux",
        config: RunConfig { env: [PATH] },
        rootfs: RootFs { r#type: "layers", diff_ids },
    })?;
    let descriptor = |layer: &Layer| Descriptor {
        media_type: LAYER.to_owned(),
        digest: layer.digest.oci(),
        size: layer.size,
    };
    let manifest = serde_json::to_vec(&Manifest {
        schema_version: 2,
        media_type: MANIFEST.to_owned(),
        config: blob(CONFIG, &config),
        layers: layers.iter().map(descriptor).collect(),
    })?;
    Ok(Documents { config, manifest })
}

/// A manifest as `index.json` names it.
pub(super) fn manifest_descriptor(manifest: &[u8]) -> Descriptor {
    blob(MANIFEST, manifest)
}

fn blob(media_type: &str, bytes: &[u8]) -> Descriptor {
    Descriptor {
        media_type: media_type.to_owned(),
        digest: Sha256::of(bytes).oci(),
        size: bytes.len() as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_the_specifications() {
        let layer = Layer { digest: Sha256([1; 32]), size: 7, diff_id: Sha256([2; 32]) };
        let documents = documents(Arch::Armv7, &[layer]).unwrap();
        insta::assert_snapshot!(String::from_utf8(documents.config).unwrap(), @r#"{"architecture":"arm","variant":"v7","os":"linux","config":{"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]},"rootfs":{"type":"layers","diff_ids":["sha256:0202020202020202020202020202020202020202020202020202020202020202"]}}"#);
        insta::assert_snapshot!(String::from_utf8(documents.manifest).unwrap(), @r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:4214a958a401054a628effd4fa91ccca68388fa10db52fc57e33a4303f829ec6","size":251},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"sha256:0101010101010101010101010101010101010101010101010101010101010101","size":7}]}"#);
    }
}

//! The shape of an SPDX 2.3 document, as far as melange uses it.
//!
//! Part of stage 5. Fields are in the order in which they are written.

use serde::Serialize;

/// "We say nothing about this."
pub const NOASSERTION: &str = "NOASSERTION";

/// A document.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    /// Always `SPDXRef-DOCUMENT`.
    #[serde(rename = "SPDXID")]
    pub id: &'static str,
    /// Name.
    pub name: String,
    /// `SPDX-2.3`
    pub spdx_version: &'static str,
    /// When and by what it was made.
    pub creation_info: CreationInfo,
    /// `CC0-1.0`
    pub data_license: &'static str,
    /// A URI that no other document has.
    pub document_namespace: String,
    /// Identifiers of the packages that it is about.
    pub document_describes: Vec<String>,
    /// Packages.
    pub packages: Vec<SpdxPackage>,
    /// How they belong together.
    pub relationships: Vec<Relationship>,
    /// Licences that SPDX does not know.
    #[serde(rename = "hasExtractedLicensingInfos", skip_serializing_if = "Vec::is_empty")]
    pub extracted_licenses: Vec<ExtractedLicense>,
}

/// When and by what a document was made.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CreationInfo {
    /// RFC 3339, UTC.
    pub created: String,
    /// `Tool: …`
    pub creators: Vec<String>,
    /// The version of SPDX's list of licences.
    pub license_list_version: &'static str,
}

/// A package: the apk, its recipe, a source, the operating system.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SpdxPackage {
    /// Identifier in the document.
    #[serde(rename = "SPDXID")]
    pub id: String,
    /// Name.
    pub name: String,
    /// Version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version_info: String,
    /// Always false: files are not listed.
    pub files_analyzed: bool,
    /// Licence found by analysis.
    pub license_concluded: &'static str,
    /// Licence that the package declares.
    pub license_declared: String,
    /// Description.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Where it comes from.
    pub download_location: String,
    /// Who made it.
    pub originator: String,
    /// Who gives it out.
    pub supplier: String,
    /// Copyright.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub copyright_text: String,
    /// `APPLICATION`, `SOURCE`, `INSTALL`, `OPERATING-SYSTEM`.
    pub primary_package_purpose: &'static str,
    /// Digests of its archive.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checksums: Vec<Checksum>,
    /// Names of it elsewhere.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub external_refs: Vec<ExternalRef>,
}

/// A digest.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Checksum {
    /// `SHA256`, `SHA512`.
    pub algorithm: &'static str,
    /// Hex.
    pub checksum_value: String,
}

/// A name of a package in another system.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExternalRef {
    /// `PACKAGE-MANAGER`, `SECURITY`.
    pub reference_category: &'static str,
    /// The name.
    pub reference_locator: String,
    /// `purl`, `cpe23Type`.
    pub reference_type: &'static str,
}

impl ExternalRef {
    /// A package URL.
    pub fn purl(locator: String) -> Self {
        Self {
            reference_category: "PACKAGE-MANAGER",
            reference_locator: locator,
            reference_type: "purl",
        }
    }

    /// A CPE 2.3 name.
    pub fn cpe(locator: String) -> Self {
        Self {
            reference_category: "SECURITY",
            reference_locator: locator,
            reference_type: "cpe23Type",
        }
    }
}

/// How two packages belong together.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Relationship {
    /// The one.
    pub spdx_element_id: String,
    /// `DESCRIBED_BY`, `GENERATED_FROM`.
    pub relationship_type: &'static str,
    /// The other.
    pub related_spdx_element: String,
}

/// The text of a licence that SPDX does not know.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExtractedLicense {
    /// `LicenseRef-…`
    pub license_id: String,
    /// The text.
    pub extracted_text: String,
}

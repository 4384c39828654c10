//! What a package is made of, as an SPDX 2.3 document inside the package.
//!
//! Part of stage 5. Shape, identifiers and package URLs are melange's, because apko merges these
//! documents into those of images. Knows the plan; reads no files.

mod document;
mod licenses;
mod purl;
mod sources;

use std::io;

use self::document::{CreationInfo, Document, ExternalRef, NOASSERTION, Relationship, SpdxPackage};
pub(crate) use self::licenses::ungrouped as license_expression;
use self::purl::{PackageUrl, identifier};
use self::sources::or_noassertion;
use super::Options;
use crate::digest::Sha256;
use crate::plan::{Package, Plan};

/// The directory of these documents in a package.
pub const DIRECTORY: &str = "var/lib/db/sbom";

/// The version of SPDX's list of licences that melange names.
const LICENSE_LIST_VERSION: &str = "3.22";

/// Where a package's document lies in it.
pub fn path(package: &Package) -> String {
    format!("{DIRECTORY}/{}-{}.spdx.json", package.name, package.full_version())
}

/// The document of the package at `index` of the plan, as JSON text.
pub fn document(plan: &Plan, index: usize, options: &Options<'_>) -> io::Result<Vec<u8>> {
    let Some(package) = plan.packages.get(index) else {
        return Err(io::Error::other("the plan has no such package"));
    };
    let namespace = options.namespace.as_str();
    let license = licenses::expression(&package.licenses);
    let apk = apk(plan, package, namespace, &license);
    let recipe = recipe(plan, options);
    let sources = sources::of_package(plan, index, namespace, &license);
    let mut relationships = vec![relationship(&apk, "DESCRIBED_BY", &recipe)];
    relationships.extend(sources.iter().map(|source| relationship(&apk, "GENERATED_FROM", source)));
    let mut document = Document {
        id: "SPDXRef-DOCUMENT",
        name: format!("apk-{}-{}", package.name, package.full_version()),
        spdx_version: "SPDX-2.3",
        creation_info: CreationInfo {
            created: rfc3339(options.source_date_epoch),
            creators: vec![format!("Tool: melange2-{}", env!("CARGO_PKG_VERSION"))],
            license_list_version: LICENSE_LIST_VERSION,
        },
        data_license: "CC0-1.0",
        document_namespace: String::new(),
        document_describes: vec![apk.id.clone()],
        packages: [vec![operating_system(namespace), apk, recipe], sources].concat(),
        relationships,
        extracted_licenses: licenses::extracted(&package.licenses),
    };
    // The same document has the same name wherever it is made, and no other has it.
    let digest = Sha256::of(&to_json(&document)?).to_string();
    document.document_namespace = format!(
        "https://spdx.org/spdxdocs/melange2/{}-{}",
        identifier(&document.name),
        &digest[..32]
    );
    to_json(&document)
}

fn operating_system(namespace: &str) -> SpdxPackage {
    SpdxPackage {
        id: "SPDXRef-OperatingSystem".to_owned(),
        name: namespace.to_owned(),
        description: "Operating System".to_owned(),
        license_declared: NOASSERTION.to_owned(),
        download_location: NOASSERTION.to_owned(),
        primary_package_purpose: "OPERATING-SYSTEM",
        ..by(namespace)
    }
}

fn apk(plan: &Plan, package: &Package, namespace: &str, license: &str) -> SpdxPackage {
    let version = package.full_version();
    let mut qualifiers = vec![("arch", plan.arch.apk().to_owned())];
    if namespace != "unknown" {
        qualifiers.push(("distro", namespace.to_owned()));
    }
    let purl = PackageUrl {
        kind: "apk",
        namespace,
        name: &package.name,
        version: &version,
        qualifiers,
        ..PackageUrl::default()
    };
    let copyright: String =
        package.attestations.iter().map(|attestation| format!("{attestation}\n")).collect();
    let mut external_refs = vec![ExternalRef::purl(purl.to_string())];
    external_refs.extend(package.cpe.clone().map(ExternalRef::cpe));
    SpdxPackage {
        id: identifier(&format!("SPDXRef-Package-apk-{}-{version}", package.name)),
        name: package.name.clone(),
        license_declared: or_noassertion(license),
        download_location: NOASSERTION.to_owned(),
        copyright_text: or_noassertion(&copyright),
        primary_package_purpose: "APPLICATION",
        external_refs,
        version_info: version,
        ..by(namespace)
    }
}

/// The recipe's own file.
fn recipe(plan: &Plan, options: &Options<'_>) -> SpdxPackage {
    // Where the user keeps the recipe is not the reader's business, and differs between machines.
    let is_local = plan
        .recipe
        .components()
        .all(|part| matches!(part, std::path::Component::Normal(_) | std::path::Component::CurDir));
    let path = match (is_local, plan.recipe.file_name()) {
        (false, Some(name)) => name.to_string_lossy().into_owned(),
        _ => plan.recipe.to_string_lossy().trim_start_matches("./").to_owned(),
    };
    let commit = plan.packages.first().map_or("", |package| &package.commit);
    SpdxPackage {
        id: identifier(&format!("SPDXRef-Package-Melange-{path}-{commit}")),
        version_info: commit.to_owned(),
        license_declared: or_noassertion(&options.recipe_license),
        download_location: NOASSERTION.to_owned(),
        primary_package_purpose: "INSTALL",
        external_refs: recipe_purl(&options.repo_url, commit, &path).into_iter().collect(),
        name: path,
        ..by(&options.namespace)
    }
}

fn recipe_purl(repository: &str, commit: &str, path: &str) -> Option<ExternalRef> {
    if repository.is_empty() || commit.is_empty() {
        return None;
    }
    let repository = repository.strip_suffix(".git").unwrap_or(repository);
    let on_github = repository
        .strip_prefix("https://github.com/")
        .and_then(|rest| rest.trim_end_matches('/').split_once('/'));
    let purl = match on_github {
        Some((organization, name)) => PackageUrl {
            kind: "github",
            namespace: organization,
            name,
            version: commit,
            subpath: path,
            ..PackageUrl::default()
        },
        None => PackageUrl {
            kind: "generic",
            name: repository.trim_end_matches('/').rsplit('/').next()?,
            version: commit,
            qualifiers: vec![("vcs_url", format!("git+{repository}@{commit}"))],
            subpath: path,
            ..PackageUrl::default()
        },
    };
    Some(ExternalRef::purl(purl.to_string()))
}

/// A package of which only the maker is known.
fn by(namespace: &str) -> SpdxPackage {
    SpdxPackage {
        license_concluded: NOASSERTION,
        originator: organization(namespace),
        supplier: organization(namespace),
        ..SpdxPackage::default()
    }
}

/// An organization as SPDX names one, its words with capitals.
fn organization(name: &str) -> String {
    let mut starts_word = true;
    name.chars().fold("Organization: ".to_owned(), |mut text, c| {
        if std::mem::replace(&mut starts_word, !c.is_alphanumeric()) {
            text.extend(c.to_uppercase());
        } else {
            text.extend(c.to_lowercase());
        }
        text
    })
}

fn relationship(a: &SpdxPackage, kind: &'static str, b: &SpdxPackage) -> Relationship {
    Relationship {
        spdx_element_id: a.id.clone(),
        relationship_type: kind,
        related_spdx_element: b.id.clone(),
    }
}

fn rfc3339(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds)
        .map_or_else(|_| "1970-01-01T00:00:00Z".to_owned(), |time| time.to_string())
}

fn to_json(document: &Document) -> io::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(document)?;
    bytes.push(b'\n');
    Ok(bytes)
}

#[cfg(test)]
mod tests;

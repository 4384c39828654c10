//! The upstream sources of a package: what its `fetch` and `git-checkout` steps bring in.
//!
//! Part of stage 5. Reads the top-level steps of the compiled recipe. A step whose condition did
//! not hold has brought nothing in and is left out (melange lists it).

use serde_json::Value;

use super::document::{Checksum, ExternalRef, NOASSERTION, SpdxPackage};
use super::organization;
use super::purl::{PackageUrl, identifier};
use crate::plan::{Plan, condition_holds};

/// The sources of a package: its own steps' first, then, for a subpackage, the main package's.
pub fn of_package(plan: &Plan, index: usize, namespace: &str, license: &str) -> Vec<SpdxPackage> {
    let recipe = &plan.compiled.0;
    let sources = |steps: &Value| -> Vec<SpdxPackage> {
        let steps = steps.as_array().map(Vec::as_slice).unwrap_or_default();
        let listed =
            steps.iter().enumerate().filter(|(_, step)| condition_holds(&text(step, "if")));
        listed.filter_map(|(n, step)| of_step(step, n, namespace, license)).collect()
    };
    let main = sources(&recipe["pipeline"]);
    if index == 0 {
        return main;
    }
    let name = plan.packages.get(index).map_or("", |package| &package.name);
    let subpackage = recipe["subpackages"]
        .as_array()
        .and_then(|all| all.iter().find(|subpackage| text(subpackage, "name") == name));
    let own = subpackage.map(|subpackage| sources(&subpackage["pipeline"]));
    let mut all = own.unwrap_or_default();
    for package in main {
        if !all.iter().any(|known| known.id == package.id) {
            all.push(package);
        }
    }
    all
}

fn of_step(step: &Value, n: usize, namespace: &str, license: &str) -> Option<SpdxPackage> {
    match step["uses"].as_str()? {
        "fetch" => of_fetch(&step["with"], n, namespace),
        "git-checkout" => of_git_checkout(&step["with"], n, namespace, license),
        _ => None,
    }
}

fn of_fetch(with: &Value, n: usize, namespace: &str) -> Option<SpdxPackage> {
    let (name, version) = (text(with, "purl-name"), text(with, "purl-version"));
    let uri = text(with, "uri");
    if uri.is_empty() {
        return None;
    }
    let digests = [("SHA256", "expected-sha256"), ("SHA512", "expected-sha512")]
        .map(|(algorithm, key)| (algorithm, text(with, key)));
    let given = digests.iter().filter(|(_, value)| !value.is_empty());
    let mut qualifiers = vec![("download_url", uri.clone())];
    // A package URL has room for one: the stronger.
    if let Some((algorithm, value)) = given.clone().next_back() {
        qualifiers.insert(0, ("checksum", format!("{}:{value}", algorithm.to_lowercase())));
    }
    let purl = PackageUrl {
        kind: "generic",
        name: &name,
        version: &version,
        qualifiers,
        ..PackageUrl::default()
    };
    Some(SpdxPackage {
        id: identifier(&format!("SPDXRef-Package-Source-{name}-{version}-{n}")),
        external_refs: vec![ExternalRef::purl(purl.to_string())],
        checksums: given
            .map(|(algorithm, value)| Checksum { algorithm, checksum_value: value.clone() })
            .collect(),
        license_declared: NOASSERTION.to_owned(),
        download_location: uri,
        originator: organization(namespace),
        supplier: organization(namespace),
        name,
        version_info: version,
        ..source()
    })
}

fn of_git_checkout(with: &Value, n: usize, namespace: &str, license: &str) -> Option<SpdxPackage> {
    let repository = text(with, "repository");
    let [branch, tag, commit] = ["branch", "tag", "expected-commit"].map(|key| text(with, key));
    // Without either there is no version to name.
    let version = [&tag, &commit].into_iter().find(|text| !text.is_empty())?.clone();
    let reference = if commit.is_empty() { &tag } else { &commit };
    let location = url::Url::parse(&repository).ok()?;
    let path = location.path().trim_start_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    let prefix = if repository.starts_with("git") { "" } else { "git+" };
    let mut vcs_url = format!("{prefix}{repository}");
    if !commit.is_empty() {
        vcs_url = format!("{vcs_url}@{commit}");
    }
    let (name, supplier, purl, download_location);
    match (location.host_str(), path.split_once('/')) {
        (Some("github.com"), Some((organization, repository))) => {
            (name, supplier) = (repository, organization);
            purl = PackageUrl {
                kind: "github",
                namespace: organization,
                name,
                version: &version,
                ..PackageUrl::default()
            };
            let scheme = location.scheme();
            download_location =
                format!("{scheme}://github.com/{organization}/{name}/archive/{reference}.tar.gz");
        }
        _ => {
            (name, supplier) = (path, namespace);
            purl = PackageUrl {
                kind: "generic",
                name,
                version: &version,
                qualifiers: vec![("vcs_url", vcs_url.clone())],
                ..PackageUrl::default()
            };
            // SPDX's own form for a place in a version-control system.
            download_location = vcs_url;
        }
    }
    let cleaned = repository.trim_start_matches("https://").trim_start_matches("http://");
    let parts = [cleaned, &branch, &tag, &commit].map(|part| match part {
        "" => String::new(),
        part => format!("-{part}"),
    });
    Some(SpdxPackage {
        id: identifier(&format!("SPDXRef-Package-Source{}-{n}", parts.concat())),
        name: name.to_owned(),
        version_info: version.clone(),
        license_declared: or_noassertion(license),
        originator: organization(supplier),
        supplier: organization(supplier),
        external_refs: vec![ExternalRef::purl(purl.to_string())],
        download_location,
        ..source()
    })
}

fn source() -> SpdxPackage {
    SpdxPackage {
        license_concluded: NOASSERTION,
        primary_package_purpose: "SOURCE",
        ..SpdxPackage::default()
    }
}

/// A text, or that nothing is said.
pub fn or_noassertion(text: &str) -> String {
    if text.is_empty() { NOASSERTION.to_owned() } else { text.to_owned() }
}

/// A value of a mapping as text, scalars as they are written; empty if there is none.
fn text(mapping: &Value, key: &str) -> String {
    match &mapping[key] {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(value) => value.to_string(),
        _ => String::new(),
    }
}

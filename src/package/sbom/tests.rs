//! Whole documents.

use insta::assert_snapshot;
use serde_json::json;

use super::*;
use crate::package::testing;

fn options() -> Options<'static> {
    Options {
        namespace: "wolfi os".to_owned(),
        recipe_license: "Apache-2.0".to_owned(),
        repo_url: "https://github.com/wolfi-dev/os".to_owned(),
        cancelled: || false,
        source_date_epoch: 1_700_000_000,
        ..testing::options(std::path::Path::new("out"))
    }
}

fn plan() -> Plan {
    let mut plan = testing::plan(&["hello", "hello-doc"]);
    plan.recipe = "./recipes/hello.yaml".into();
    plan.packages[0].commit = "c0ffee".to_owned();
    plan.packages[0].licenses = vec!["GPL-3.0-or-later".to_owned(), "Own thing".to_owned()];
    plan.packages[0].attestations = vec!["Copyright Me".to_owned()];
    plan.packages[0].cpe = Some("cpe:2.3:a:gnu:hello:1.2:*:*:*:*:*:*:*".to_owned());
    plan.compiled.0 = json!({
        "pipeline": [
            {"uses": "fetch", "if": "'x' == 'x'", "with": {
                "uri": "https://ftp.gnu.org/hello-1.2.tar.gz",
                "expected-sha256": "00aa", "purl-name": "hello", "purl-version": "1.2",
            }},
            {"uses": "autoconf/make"},
            {"uses": "fetch", "if": "'a' == 'b'", "with": {
                "uri": "https://example.org/never", "purl-name": "never", "purl-version": "1",
            }},
            {"pipeline": [{"uses": "fetch", "with": {"uri": "https://example.org/nested"}}]},
        ],
        "subpackages": [
            {"name": "hello-doc", "pipeline": [
                {"uses": "git-checkout", "with": {
                    "repository": "https://github.com/gnu/hello-doc.git",
                    "tag": "v1.2", "expected-commit": "beef",
                }},
                {"uses": "git-checkout", "with": {
                    "repository": "https://git.example.org/x/y.git", "expected-commit": "f00d",
                }},
                {"uses": "git-checkout", "with": {"repository": "https://example.org/z"}},
            ]},
        ],
    });
    plan
}

fn text(plan: &Plan, index: usize) -> String {
    String::from_utf8(document(plan, index, &options()).unwrap()).unwrap()
}

/// The text without what changes with this program's version.
fn stable(text: &str) -> String {
    let namespace = regex::Regex::new("-[0-9a-f]{32}\"").unwrap();
    let text = text.replace(env!("CARGO_PKG_VERSION"), "VERSION");
    namespace.replace(&text, "-DIGEST\"").into_owned()
}

#[test]
fn the_main_package_is_described() {
    assert_snapshot!(stable(&text(&plan(), 0)), @r#"
    {
      "SPDXID": "SPDXRef-DOCUMENT",
      "name": "apk-hello-1.2-r3",
      "spdxVersion": "SPDX-2.3",
      "creationInfo": {
        "created": "2023-11-14T22:13:20Z",
        "creators": [
          "Tool: melange2-VERSION"
        ],
        "licenseListVersion": "3.22"
      },
      "dataLicense": "CC0-1.0",
      "documentNamespace": "https://spdx.org/spdxdocs/melange2/apk-hello-1.2-r3-DIGEST",
      "documentDescribes": [
        "SPDXRef-Package-apk-hello-1.2-r3"
      ],
      "packages": [
        {
          "SPDXID": "SPDXRef-OperatingSystem",
          "name": "wolfi os",
          "filesAnalyzed": false,
          "licenseConcluded": "NOASSERTION",
          "licenseDeclared": "NOASSERTION",
          "description": "Operating System",
          "downloadLocation": "NOASSERTION",
          "originator": "Organization: Wolfi Os",
          "supplier": "Organization: Wolfi Os",
          "primaryPackagePurpose": "OPERATING-SYSTEM"
        },
        {
          "SPDXID": "SPDXRef-Package-apk-hello-1.2-r3",
          "name": "hello",
          "versionInfo": "1.2-r3",
          "filesAnalyzed": false,
          "licenseConcluded": "NOASSERTION",
          "licenseDeclared": "GPL-3.0-or-later AND LicenseRef-Own-thing",
          "downloadLocation": "NOASSERTION",
          "originator": "Organization: Wolfi Os",
          "supplier": "Organization: Wolfi Os",
          "copyrightText": "Copyright Me\n",
          "primaryPackagePurpose": "APPLICATION",
          "externalRefs": [
            {
              "referenceCategory": "PACKAGE-MANAGER",
              "referenceLocator": "pkg:apk/wolfi%20os/hello@1.2-r3?arch=x86_64&distro=wolfi%20os",
              "referenceType": "purl"
            },
            {
              "referenceCategory": "SECURITY",
              "referenceLocator": "cpe:2.3:a:gnu:hello:1.2:*:*:*:*:*:*:*",
              "referenceType": "cpe23Type"
            }
          ]
        },
        {
          "SPDXID": "SPDXRef-Package-Melange-recipes-hello.yaml-c0ffee",
          "name": "recipes/hello.yaml",
          "versionInfo": "c0ffee",
          "filesAnalyzed": false,
          "licenseConcluded": "NOASSERTION",
          "licenseDeclared": "Apache-2.0",
          "downloadLocation": "NOASSERTION",
          "originator": "Organization: Wolfi Os",
          "supplier": "Organization: Wolfi Os",
          "primaryPackagePurpose": "INSTALL",
          "externalRefs": [
            {
              "referenceCategory": "PACKAGE-MANAGER",
              "referenceLocator": "pkg:github/wolfi-dev/os@c0ffee#recipes/hello.yaml",
              "referenceType": "purl"
            }
          ]
        },
        {
          "SPDXID": "SPDXRef-Package-Source-hello-1.2-0",
          "name": "hello",
          "versionInfo": "1.2",
          "filesAnalyzed": false,
          "licenseConcluded": "NOASSERTION",
          "licenseDeclared": "NOASSERTION",
          "downloadLocation": "https://ftp.gnu.org/hello-1.2.tar.gz",
          "originator": "Organization: Wolfi Os",
          "supplier": "Organization: Wolfi Os",
          "primaryPackagePurpose": "SOURCE",
          "checksums": [
            {
              "algorithm": "SHA256",
              "checksumValue": "00aa"
            }
          ],
          "externalRefs": [
            {
              "referenceCategory": "PACKAGE-MANAGER",
              "referenceLocator": "pkg:generic/hello@1.2?checksum=sha256:00aa&download_url=https:%2F%2Fftp.gnu.org%2Fhello-1.2.tar.gz",
              "referenceType": "purl"
            }
          ]
        }
      ],
      "relationships": [
        {
          "spdxElementId": "SPDXRef-Package-apk-hello-1.2-r3",
          "relationshipType": "DESCRIBED_BY",
          "relatedSpdxElement": "SPDXRef-Package-Melange-recipes-hello.yaml-c0ffee"
        },
        {
          "spdxElementId": "SPDXRef-Package-apk-hello-1.2-r3",
          "relationshipType": "GENERATED_FROM",
          "relatedSpdxElement": "SPDXRef-Package-Source-hello-1.2-0"
        }
      ],
      "hasExtractedLicensingInfos": [
        {
          "licenseId": "LicenseRef-Own-thing",
          "extractedText": "Non-SPDX License: Own thing"
        }
      ]
    }
    "#);
}

#[test]
fn a_subpackage_names_its_own_sources_and_the_main_ones() {
    let document: serde_json::Value = serde_json::from_str(&text(&plan(), 1)).unwrap();
    let lines: Vec<String> = document["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| {
            format!(
                "{}\n  {}\n  {}\n",
                package["SPDXID"].as_str().unwrap(),
                package["externalRefs"][0]["referenceLocator"].as_str().unwrap_or("-"),
                package["downloadLocation"].as_str().unwrap(),
            )
        })
        .collect();
    assert_snapshot!(lines.concat(), @r"
    SPDXRef-OperatingSystem
      -
      NOASSERTION
    SPDXRef-Package-apk-hello-doc-1.2-r3
      pkg:apk/wolfi%20os/hello-doc@1.2-r3?arch=x86_64&distro=wolfi%20os
      NOASSERTION
    SPDXRef-Package-Melange-recipes-hello.yaml-c0ffee
      pkg:github/wolfi-dev/os@c0ffee#recipes/hello.yaml
      NOASSERTION
    SPDXRef-Package-Source-github.com-gnu-hello-doc.git-v1.2-beef-0
      pkg:github/gnu/hello-doc@v1.2
      https://github.com/gnu/hello-doc/archive/beef.tar.gz
    SPDXRef-Package-Source-git.example.org-x-y.git-f00d-1
      pkg:generic/x%2Fy@f00d?vcs_url=git%2Bhttps:%2F%2Fgit.example.org%2Fx%2Fy.git%40f00d
      git+https://git.example.org/x/y.git@f00d
    SPDXRef-Package-Source-hello-1.2-0
      pkg:generic/hello@1.2?checksum=sha256:00aa&download_url=https:%2F%2Fftp.gnu.org%2Fhello-1.2.tar.gz
      https://ftp.gnu.org/hello-1.2.tar.gz
    ");
}

#[test]
fn every_document_has_its_own_namespace() {
    let namespace = |plan: &Plan, index| {
        let document: serde_json::Value = serde_json::from_str(&text(plan, index)).unwrap();
        document["documentNamespace"].as_str().unwrap().to_owned()
    };
    let plan = plan();
    let mut other = plan.clone();
    other.arch = crate::arch::Arch::Aarch64;
    assert_eq!(namespace(&plan, 0), namespace(&plan, 0));
    assert_ne!(namespace(&plan, 0), namespace(&plan, 1));
    assert_ne!(namespace(&plan, 0), namespace(&other, 0));
}

#[test]
fn an_absolute_path_of_the_recipe_is_not_told() {
    let mut plan = plan();
    plan.recipe = "/home/me/secret/hello.yaml".into();
    let text = text(&plan, 0);
    assert!(text.contains("hello.yaml") && !text.contains("secret"), "{text}");
}

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
            {"uses": "fetch", "with": {
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

#[test]
fn the_main_package_is_described() {
    assert_snapshot!(text(&plan(), 0), @"");
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
    assert_snapshot!(lines.concat(), @"");
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

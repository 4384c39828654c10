//! A package of the recipe as the packages that come out. Stage 2.

use super::{Package, PackageOptions, SetCap};
use crate::config::{self, Capability, Config, Cpe, Dependencies, Scriptlets, Subpackage, Text};

/// The main package.
pub(super) fn main(config: &Config) -> Package {
    let package = &config.package;
    Package {
        name: package.name.value.clone(),
        description: package.description.value.clone(),
        url: package.url.value.clone(),
        commit: package.commit.value.clone(),
        options: options(package.options.as_ref()),
        setcap: package.setcap.iter().map(set_cap).collect(),
        disabled_checks: strings(&package.checks.disabled),
        ..common(config, &package.dependencies, package.scriptlets.as_ref())
    }
}

/// A subpackage: version, licences and CPE are the main package's, nothing else is.
pub(super) fn subpackage(config: &Config, subpackage: &Subpackage) -> Package {
    Package {
        name: subpackage.name.value.clone(),
        description: subpackage.description.value.clone(),
        url: subpackage.url.value.clone(),
        commit: subpackage.commit.value.clone(),
        options: options(subpackage.options.as_ref()),
        setcap: subpackage.setcap.iter().map(set_cap).collect(),
        disabled_checks: strings(&subpackage.checks.disabled),
        ..common(config, &subpackage.dependencies, subpackage.scriptlets.as_ref())
    }
}

fn common(config: &Config, depends: &Dependencies, scripts: Option<&Scriptlets>) -> Package {
    let package = &config.package;
    let copyright = package.copyright.iter();
    let attestations = copyright.clone().map(|entry| entry.attestation.value.clone());
    Package {
        version: package.version.value.clone(),
        epoch: package.epoch.value,
        licenses: copyright.map(|entry| entry.license.value.clone()).collect(),
        attestations: attestations.filter(|text| !text.is_empty()).collect(),
        runtime: strings(&depends.runtime),
        provides: strings(&depends.provides),
        replaces: strings(&depends.replaces),
        provider_priority: depends.provider_priority.as_str().parse().ok(),
        replaces_priority: depends.replaces_priority.as_str().parse().ok(),
        scriptlets: scripts.map(scriptlets).unwrap_or_default(),
        triggers: scripts.map(|scripts| strings(&scripts.trigger.paths)).unwrap_or_default(),
        cpe: cpe(&package.cpe, package.version.as_str()),
        ..Package::default()
    }
}

fn strings(texts: &[Text]) -> Vec<String> {
    texts.iter().map(|text| text.value.clone()).collect()
}

fn options(options: Option<&config::PackageOptions>) -> PackageOptions {
    let Some(options) = options else { return PackageOptions::default() };
    PackageOptions {
        no_provides: options.no_provides,
        no_depends: options.no_depends,
        no_commands: options.no_commands,
        no_versioned_shlib_deps: options.no_versioned_shlib_deps,
    }
}

/// Names are those of apk's control segment.
fn scriptlets(scripts: &Scriptlets) -> Vec<(String, String)> {
    let all = [
        (".trigger", &scripts.trigger.script),
        (".pre-install", &scripts.pre_install),
        (".post-install", &scripts.post_install),
        (".pre-deinstall", &scripts.pre_deinstall),
        (".post-deinstall", &scripts.post_deinstall),
        (".pre-upgrade", &scripts.pre_upgrade),
        (".post-upgrade", &scripts.post_upgrade),
    ];
    let given = all.into_iter().filter(|(_, text)| !text.is_empty());
    given.map(|(name, text)| (name.to_owned(), text.value.clone())).collect()
}

fn set_cap(capability: &Capability) -> SetCap {
    let add = capability.add.iter().map(|(name, flags)| (name.to_owned(), flags.to_owned()));
    SetCap { path: capability.path.value.clone(), add: add.collect() }
}

/// The CPE 2.3 name, in which nothing is escaped, as upstream writes it.
fn cpe(cpe: &Cpe, version: &str) -> Option<String> {
    if cpe.vendor.is_empty() || cpe.product.is_empty() {
        return None;
    }
    let part = if cpe.part.is_empty() { "a" } else { cpe.part.as_str() };
    let any = |text: &Text| if text.is_empty() { "*".to_owned() } else { text.value.clone() };
    let rest =
        [&cpe.edition, &cpe.language, &cpe.sw_edition, &cpe.target_sw, &cpe.target_hw, &cpe.other];
    let rest = rest.map(any).join(":");
    let (vendor, product) = (cpe.vendor.as_str(), cpe.product.as_str());
    Some(format!("cpe:2.3:{part}:{vendor}:{product}:{version}:*:{rest}"))
}

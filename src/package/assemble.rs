//! From the stream to packages and index, step by step.
//!
//! Part of stage 5: the order in which its other files do their work.

use std::io::Read;

use super::dependencies;
use super::publish::Staging;
use super::receive::receive;
use super::sca::{self, Generated, Subject};
use super::segment::Segment;
use super::{Built, Error, Options};
use crate::apk::index::{self, Entry};
use crate::apk::pkginfo::PkgInfo;
use crate::apk::reader::Apk;
use crate::apk::writer::write_apk;
use crate::plan::{Package, Plan};

/// The name of the index in a directory of packages.
const INDEX: &str = "APKINDEX.tar.gz";

/// Asks for `so-ver:` dependencies on libraries of the same build; melange's name.
const VERSIONED_LIBRARIES: &str = "MELANGE_VERSIONED_SHLIB_DEPENDS";

/// Reads the tar stream (one top-level directory per package, named after it) and writes all
/// packages, then the index. Packages take their names only when all of them are complete; a
/// failure leaves everything as it was.
pub fn assemble(
    plan: &Plan,
    stream: &mut dyn Read,
    options: &Options<'_>,
) -> Result<Vec<Built>, Error> {
    assemble_with_recipe(plan, stream, options, &plan.compiled.to_yaml(options.locked))
}

/// Like [`assemble`], with the text that `.melange.yaml` gets.
pub fn assemble_with_recipe(
    plan: &Plan,
    stream: &mut dyn Read,
    options: &Options<'_>,
    recipe: &str,
) -> Result<Vec<Built>, Error> {
    let directory = options.out_dir.join(plan.arch.apk());
    let staging = Staging::create(&directory)?;
    let segments = receive(plan, stream, options, staging.path())?;
    let generated = generate(plan, &segments);

    let mut built = Vec::new();
    let mut entries = Vec::new();
    for ((package, segment), generated) in plan.packages.iter().zip(segments).zip(generated) {
        let info = info(plan, package, generated, options);
        let name = format!("{}-{}.apk", package.name, package.full_version());
        let written = write_apk(
            &staging.path().join(&name),
            segment.data,
            &info,
            &control_files(package, recipe),
            options.source_date_epoch,
            options.signer,
        )?;
        if options.generate_index {
            entries.push(Entry::of_apk(&Apk::open(&written.path)?));
        }
        built.push(Built {
            path: directory.join(&name),
            name: package.name.clone(),
            version: package.full_version(),
            size: written.size,
        });
    }
    let names: Vec<String> = built
        .iter()
        .filter_map(|built| Some(built.path.file_name()?.to_str()?.to_owned()))
        .collect();
    staging.publish(&names, options.cancelled, || {
        if options.generate_index {
            index::update(&directory.join(INDEX), entries, options.signer)?;
        }
        Ok(())
    })?;
    Ok(built)
}

/// What the scanners make of each package, all of them having passed.
fn generate(plan: &Plan, segments: &[Segment]) -> Vec<Generated> {
    let family: Vec<_> = segments.iter().map(|segment| &segment.tree).collect();
    let versioned = std::env::var_os(VERSIONED_LIBRARIES).is_some_and(|value| !value.is_empty());
    let scan = |(package, segment): (&Package, &Segment)| {
        sca::generate(&Subject {
            name: &package.name,
            version: &package.full_version(),
            tree: &segment.tree,
            family: &family,
            declared: &package.runtime,
            versioned_libraries: versioned && !package.options.no_versioned_shlib_deps,
        })
    };
    plan.packages.iter().zip(segments).map(scan).collect()
}

/// `.PKGINFO`, but for what follows from the data segment.
fn info(plan: &Plan, package: &Package, generated: Generated, options: &Options<'_>) -> PkgInfo {
    let dependencies = dependencies::resolve(package, generated);
    let origin = match plan.packages.first() {
        Some(main) if !options.strip_origin_name => &main.name,
        _ => &package.name,
    };
    PkgInfo {
        name: package.name.clone(),
        version: package.full_version(),
        arch: plan.arch.apk().to_owned(),
        size: 0,
        origin: origin.clone(),
        description: package.description.clone(),
        url: package.url.clone(),
        commit: package.commit.clone(),
        maintainer: options.namespace.clone(),
        build_date: options.source_date_epoch,
        licenses: package.licenses.clone(),
        depends: dependencies.runtime,
        provides: dependencies.provides,
        replaces: package.replaces.clone(),
        install_if: Vec::new(),
        vendored: dependencies.vendored,
        provider_priority: package.provider_priority,
        replaces_priority: package.replaces_priority,
        triggers: package.triggers.clone(),
        datahash: None,
    }
}

/// The files of the control segment besides `.PKGINFO`.
fn control_files(package: &Package, recipe: &str) -> Vec<(String, u32, Vec<u8>)> {
    let recipe = (".melange.yaml".to_owned(), 0o644, recipe.as_bytes().to_vec());
    let scripts = package
        .scriptlets
        .iter()
        .map(|(name, text)| (name.clone(), 0o755, text.clone().into_bytes()));
    std::iter::once(recipe).chain(scripts).collect()
}

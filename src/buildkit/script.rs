//! A spec as a directory that builds without this program: what `render -o` writes.
//!
//! Part of stage 4: the same argv as `run`, with places relative to the directory. It holds
//! `Dockerfile`, `contexts/`, and `build.sh`, which writes `out.tar`.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use fs_err as fs;

use super::argv::{self, Output, Places, RunOptions};
use super::copied;
use super::run::lay_out;
use crate::cache::RegistryCache;
use crate::dockerfile::{Context, Spec};
use crate::error::{Error, Result};
use crate::fsutil::AtomicFile;
use crate::image;

/// Writes the directory, which must be empty or not exist yet.
///
/// Secrets are named by their places, never written. Of caches only the registry's is told, as a
/// comment: others may have credentials in their text.
pub fn write(spec: &Spec, cache: Option<&RegistryCache>, directory: &Path) -> Result<()> {
    if directory.exists() && fs::read_dir(directory)?.next().is_some() {
        return Err(Error::config(format!("`{}` is not empty", directory.display()))
            .hint("name a directory that does not exist yet"));
    }
    let contexts = directory.join("contexts");
    for context in &spec.contexts {
        let target = contexts.join(context.name());
        match context {
            Context::OciLayout { dir, digest, .. } => image::copy(dir, *digest, &target)?,
            Context::Local { dir, .. } => copied::copy(dir, &target)?,
        }
    }
    lay_out(spec, &Places::rendered(spec).below(directory))?;
    let mut script = AtomicFile::create_with_mode(&directory.join("build.sh"), 0o755)?;
    io::Write::write_all(&mut script, build_sh(spec, cache).as_bytes())?;
    Ok(script.commit()?)
}

/// The text of `build.sh`.
fn build_sh(spec: &Spec, cache: Option<&RegistryCache>) -> String {
    let cache = cache.map_or(String::new(), |cache| {
        format!(
            "# With the cache in the registry, these arguments:\n#   --import-cache {}\n\
             #   --export-cache {}\n",
            cache.import(),
            cache.export()
        )
    });
    let output = Output::TarFile("out.tar".into());
    let argv = argv::build(spec, &Places::rendered(spec), &output, &RunOptions::default());
    format!(
        "#!/bin/sh\n\
         # Builds the Dockerfile beside this file and writes what its last stage holds to out.tar,\n\
         # one directory per package. buildctl finds the daemon by BUILDKIT_HOST; arguments are\n\
         # passed on to it.\n\
         {cache}\
         set -eu\n\
         cd \"$(dirname \"$0\")\"\n\
         exec {} \"$@\"\n",
        argv::shell_line(&for_people(argv))
    )
}

/// Without the flag that makes progress readable to programs.
fn for_people(argv: Vec<OsString>) -> Vec<OsString> {
    let mut kept = Vec::with_capacity(argv.len());
    let mut words = argv.into_iter();
    while let Some(word) = words.next() {
        if word == "--progress" {
            words.next();
        } else {
            kept.push(word);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::digest::Sha256;

    fn spec(source: &Path) -> Spec {
        Spec {
            text: "FROM scratch\n".into(),
            contexts: vec![Context::Local { name: "source".into(), dir: source.into() }],
            stages: Vec::new(),
            target: "out".into(),
            secrets: Vec::new(),
            entitlements: Vec::new(),
            platform: "linux/amd64".into(),
            files: vec![("step-01.sh".into(), b"true\n".to_vec())],
            notes: Vec::new(),
            ssh: vec!["default".into()],
        }
    }

    #[test]
    fn the_script_is_the_exact_line() {
        let mut spec = spec(Path::new("/elsewhere"));
        let env = Context::OciLayout {
            name: "env".into(),
            dir: "/cache".into(),
            digest: Sha256::of(b""),
        };
        spec.contexts.insert(0, env);
        assert_snapshot!(build_sh(&spec, None), @r#"
        #!/bin/sh
        # Builds the Dockerfile beside this file and writes what its last stage holds to out.tar,
        # one directory per package. buildctl finds the daemon by BUILDKIT_HOST; arguments are
        # passed on to it.
        set -eu
        cd "$(dirname "$0")"
        exec buildctl build \
          --frontend dockerfile.v0 \
          --local dockerfile=. \
          --local context=. \
          --opt filename=Dockerfile \
          --opt target=out \
          --opt platform=linux/amd64 \
          --oci-layout env=contexts/env \
          --opt context:env=oci-layout://env@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 \
          --local source=contexts/source \
          --opt context:source=local:source \
          --local scripts=contexts/scripts \
          --opt context:scripts=local:scripts \
          --ssh default \
          --output type=tar,dest=out.tar "$@"
        "#);
    }

    #[test]
    fn the_registry_cache_is_told() {
        let cache = RegistryCache {
            reference: "r:5000/c:default-x86_64-hello".into(),
            mode: crate::cache::CacheMode::Max,
            insecure: false,
        };
        let script = build_sh(&spec(Path::new("/elsewhere")), Some(&cache));
        assert!(script.contains(
            "# With the cache in the registry, these arguments:\n\
             #   --import-cache type=registry,ref=r:5000/c:default-x86_64-hello\n\
             #   --export-cache type=registry,ref=r:5000/c:default-x86_64-hello,mode=max,"
        ));
    }

    #[test]
    fn the_directory_is_whole_and_never_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let source = directory.path().join("source");
        fs::create_dir_all(source.join("empty")).unwrap();
        fs::write(source.join("file"), "x").unwrap();
        fs_err::os::unix::fs::symlink("file", source.join("link")).unwrap();
        let target = directory.path().join("spec");
        write(&spec(&source), None, &target).unwrap();
        for path in
            ["Dockerfile", "build.sh", "contexts/scripts/step-01.sh", "contexts/source/file"]
        {
            assert!(target.join(path).is_file(), "{path}");
        }
        assert!(target.join("contexts/source/empty").is_dir());
        let link = fs::read_link(target.join("contexts/source/link")).unwrap();
        assert_eq!(link, Path::new("file"));
        let error = write(&spec(&source), None, &target).unwrap_err();
        assert!(error.to_string().ends_with("is not empty"), "{error}");
    }
}

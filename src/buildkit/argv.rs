//! The arguments of `buildctl build`: pure, so that they can be read, snapshotted and printed.
//!
//! Part of stage 4. `run` uses them with real places; `render -o` writes the same line with places
//! relative to the rendered directory. `--no-cache` is never among them: it would empty the cache
//! mounts of every other build. To force a step, change a build argument that it uses.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::dockerfile::{Context, Spec};

/// The name of the context that holds [`Spec::files`].
pub const SCRIPTS: &str = "scripts";

/// The variables that carry a host's proxies. BuildKit gives them to the steps and keeps them out
/// of the steps' cache keys.
pub const PROXY_VARIABLES: [&str; 10] = [
    "ALL_PROXY",
    "FTP_PROXY",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "all_proxy",
    "ftp_proxy",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

/// What a run adds to the spec.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunOptions {
    /// Build arguments, name and value: proxies, nonces. May hold credentials: never printed.
    pub build_args: Vec<(String, String)>,
    /// `--import-cache`, as buildctl takes it.
    pub import_cache: Vec<String>,
    /// `--export-cache`, as buildctl takes it.
    pub export_cache: Vec<String>,
    /// Where output that comes faster than it is taken waits, when it is much; `None` is where
    /// temporary files are.
    pub spool: Option<PathBuf>,
    /// How long the solve may take.
    pub timeout: Option<Duration>,
}

impl RunOptions {
    /// The proxies of this process's environment as build arguments.
    #[must_use]
    pub fn with_host_proxies(mut self) -> Self {
        for name in PROXY_VARIABLES {
            if let Ok(value) = std::env::var(name)
                && !value.is_empty()
            {
                self.build_args.push((name.to_owned(), value));
            }
        }
        self
    }
}

/// Where the files lie that the spec needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// The directory of the file called `Dockerfile`.
    pub dockerfile: PathBuf,
    /// The directory of [`Spec::files`].
    pub scripts: PathBuf,
    /// The directories of [`Spec::contexts`], in their order.
    pub contexts: Vec<PathBuf>,
}

impl Places {
    /// The contexts where they are, the Dockerfile and the scripts below `directory`.
    pub fn real(spec: &Spec, directory: &Path) -> Self {
        let contexts = spec.contexts.iter().map(|context| context.dir().to_owned()).collect();
        Self {
            dockerfile: directory.join("dockerfile"),
            scripts: directory.join(SCRIPTS),
            contexts,
        }
    }

    /// Everything relative to a rendered directory: `./Dockerfile`, `contexts/NAME`.
    pub fn rendered(spec: &Spec) -> Self {
        let below = |name: &str| Path::new("contexts").join(name);
        Self {
            dockerfile: PathBuf::from("."),
            scripts: below(SCRIPTS),
            contexts: spec.contexts.iter().map(|context| below(context.name())).collect(),
        }
    }
}

impl Places {
    /// The same places, where relative ones begin at `directory`.
    pub fn below(self, directory: &Path) -> Self {
        Self {
            dockerfile: directory.join(self.dockerfile),
            scripts: directory.join(self.scripts),
            contexts: self.contexts.into_iter().map(|path| directory.join(path)).collect(),
        }
    }
}

impl Context {
    /// The name it has in the Dockerfile.
    pub fn name(&self) -> &str {
        match self {
            Context::OciLayout { name, .. } | Context::Local { name, .. } => name,
        }
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        match self {
            Context::OciLayout { dir, .. } | Context::Local { dir, .. } => dir,
        }
    }
}

/// What becomes of the target stage's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// A tar stream on stdout.
    TarStream,
    /// A tar file.
    TarFile(PathBuf),
    /// Nothing: the steps run for their own sake.
    Discard,
}

/// The arguments of buildctl for a spec, from `build` on; those for the connection go before them.
pub fn build(spec: &Spec, places: &Places, output: &Output, options: &RunOptions) -> Vec<OsString> {
    let mut argv = Argv::default();
    argv.word("build");
    argv.pair("--frontend", "dockerfile.v0");
    argv.pair("--local", assign("dockerfile", &places.dockerfile));
    // The frontend looks for a `.dockerignore` in the unnamed context, and reports its absence.
    argv.pair("--local", assign("context", &places.dockerfile));
    argv.pair("--opt", "filename=Dockerfile");
    argv.pair("--opt", format!("target={}", spec.target));
    argv.pair("--opt", format!("platform={}", spec.platform));
    for (context, dir) in spec.contexts.iter().zip(&places.contexts) {
        argv.context(context, dir);
    }
    if !spec.files.is_empty() {
        let scripts = Context::Local { name: SCRIPTS.to_owned(), dir: places.scripts.clone() };
        argv.context(&scripts, &places.scripts);
    }
    for (name, value) in &options.build_args {
        argv.pair("--opt", format!("build-arg:{name}={value}"));
    }
    for secret in &spec.secrets {
        argv.pair("--secret", format!("id={},{}", secret.id, csv_field(&secret.source)));
    }
    for ssh in &spec.ssh {
        argv.pair("--ssh", ssh);
    }
    for entitlement in &spec.entitlements {
        argv.pair("--allow", entitlement);
    }
    for cache in &options.import_cache {
        argv.pair("--import-cache", cache);
    }
    for cache in &options.export_cache {
        argv.pair("--export-cache", cache);
    }
    match output {
        Output::TarStream => {
            argv.pair("--progress", "rawjson");
            argv.pair("--output", "type=tar,dest=-");
        }
        // For a person to run: buildctl's own progress.
        Output::TarFile(file) => {
            let dest = csv_field(&format!("dest={}", file.display()));
            argv.pair("--output", format!("type=tar,{dest}"));
        }
        Output::Discard => argv.pair("--progress", "rawjson"),
    }
    argv.0
}

/// The line that a shell runs: `buildctl` and its arguments, one flag a line.
pub fn shell_line(argv: &[OsString]) -> String {
    let mut line = "buildctl".to_owned();
    for word in argv {
        let word = word.to_string_lossy();
        let separator = if word.starts_with("--") { " \\\n  " } else { " " };
        line.push_str(separator);
        line.push_str(&shell_word(&word));
    }
    line
}

fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./,:@+%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// A field of the comma-separated values that buildctl reads, quoted when it must be.
fn csv_field(text: &str) -> String {
    if text.contains([',', '"', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

fn assign(name: &str, path: &Path) -> OsString {
    let mut text = OsString::from(name);
    text.push("=");
    text.push(path);
    text
}

#[derive(Default)]
struct Argv(Vec<OsString>);

impl Argv {
    fn word(&mut self, word: impl AsRef<OsStr>) {
        self.0.push(word.as_ref().to_owned());
    }

    fn pair(&mut self, flag: &str, value: impl AsRef<OsStr>) {
        self.word(flag);
        self.word(value);
    }

    fn context(&mut self, context: &Context, dir: &Path) {
        match context {
            Context::OciLayout { name, digest, .. } => {
                self.pair("--oci-layout", assign(name, dir));
                let reference = digest.oci();
                self.pair("--opt", format!("context:{name}=oci-layout://{name}@{reference}"));
            }
            Context::Local { name, .. } => {
                self.pair("--local", assign(name, dir));
                self.pair("--opt", format!("context:{name}=local:{name}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::digest::Sha256;
    use crate::dockerfile::Secret;

    fn spec() -> Spec {
        Spec {
            text: String::new(),
            contexts: vec![
                Context::OciLayout {
                    name: "env".into(),
                    dir: "/cache/env".into(),
                    digest: Sha256::of(b""),
                },
                Context::Local { name: "source".into(), dir: "/home/me/it's".into() },
            ],
            stages: vec![("step-01".into(), 0)],
            target: "out".into(),
            secrets: vec![Secret { id: "ca".into(), source: "src=/etc/a,b.pem".into() }],
            entitlements: vec!["security.insecure".into()],
            platform: "linux/amd64".into(),
            files: vec![("step-01.sh".into(), Vec::new())],
            notes: Vec::new(),
            ssh: vec!["default".into()],
        }
    }

    #[test]
    fn a_run_names_the_real_places() {
        let spec = spec();
        let options = RunOptions {
            build_args: vec![("http_proxy".into(), "http://proxy:3128".into())],
            import_cache: vec!["type=registry,ref=r/c".into()],
            export_cache: vec!["type=registry,ref=r/c,mode=max".into()],
            spool: None,
            timeout: None,
        };
        let places = Places::real(&spec, Path::new("/tmp/run"));
        let line = shell_line(&build(&spec, &places, &Output::TarStream, &options));
        assert_snapshot!(line, @r#"
        buildctl build \
          --frontend dockerfile.v0 \
          --local dockerfile=/tmp/run/dockerfile \
          --local context=/tmp/run/dockerfile \
          --opt filename=Dockerfile \
          --opt target=out \
          --opt platform=linux/amd64 \
          --oci-layout env=/cache/env \
          --opt context:env=oci-layout://env@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 \
          --local 'source=/home/me/it'\''s' \
          --opt context:source=local:source \
          --local scripts=/tmp/run/scripts \
          --opt context:scripts=local:scripts \
          --opt build-arg:http_proxy=http://proxy:3128 \
          --secret 'id=ca,"src=/etc/a,b.pem"' \
          --ssh default \
          --allow security.insecure \
          --import-cache type=registry,ref=r/c \
          --export-cache type=registry,ref=r/c,mode=max \
          --progress rawjson \
          --output type=tar,dest=-
        "#);
    }

    #[test]
    fn a_rendered_line_is_relative() {
        let spec = spec();
        let output = Output::TarFile("output.tar".into());
        let line =
            shell_line(&build(&spec, &Places::rendered(&spec), &output, &RunOptions::default()));
        assert_snapshot!(line, @r#"
        buildctl build \
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
          --secret 'id=ca,"src=/etc/a,b.pem"' \
          --ssh default \
          --allow security.insecure \
          --output type=tar,dest=output.tar
        "#);
    }

    #[test]
    fn the_cache_is_never_bypassed() {
        let spec = spec();
        for output in [Output::TarStream, Output::Discard] {
            let argv = build(&spec, &Places::rendered(&spec), &output, &RunOptions::default());
            assert!(!argv.iter().any(|word| word.to_string_lossy().contains("no-cache")));
        }
    }
}

//! The registry cache as configuration: which repository, which mode, and the name of one build's
//! cache in it.
//!
//! Around the stages; `buildkit` does the importing and exporting. One build's cache is one tag of
//! the repository, so that blobs are shared between builds, and versions of a package follow each
//! other on one tag.

use std::fmt;
use std::str::FromStr;

use crate::arch::Arch;
use crate::digest::Sha256;

/// The longest tag that registries take.
const LONGEST_TAG: usize = 128;
/// Begins the digest of a tag that was cut. No escape begins like this.
const CUT: &str = "_.";

/// A cache that is kept in a container registry and shared by all who build against it.
///
/// ```
/// use melange2::{BuildConfig, CacheConfig, CacheMode};
///
/// let cache = CacheConfig { registry: "registry:5000/melange-cache".into(), mode: CacheMode::Max };
/// assert_eq!(cache.check(), Ok(()));
/// BuildConfig::new("hello.yaml").with_cache(cache);
///
/// let tagged = CacheConfig::new("registry:5000/melange-cache:latest");
/// assert!(tagged.check().unwrap_err().to_string().contains("has a tag"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheConfig {
    /// The repository, `HOST[:PORT]/PATH`, without a tag.
    pub registry: String,
    /// How much is kept.
    pub mode: CacheMode,
}

/// How much of a build a registry cache keeps.
///
/// ```
/// use melange2::CacheMode;
///
/// assert_eq!(CacheMode::default(), CacheMode::Max);
/// assert_eq!("min".parse(), Ok(CacheMode::Min));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CacheMode {
    /// The results of all steps: whatever changes, a build on another machine begins there.
    #[default]
    Max,
    /// The end result alone: smaller and faster to export; a change runs every step again.
    Min,
}

impl CacheMode {
    /// BuildKit's word.
    pub fn name(self) -> &'static str {
        match self {
            CacheMode::Max => "max",
            CacheMode::Min => "min",
        }
    }
}

impl FromStr for CacheMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "max" => Ok(CacheMode::Max),
            "min" => Ok(CacheMode::Min),
            _ => Err("expected `max` or `min`".to_owned()),
        }
    }
}

/// Why a text is not the name of a repository. Never repeats credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotARepository {
    problem: String,
    hint: String,
}

impl NotARepository {
    fn new(problem: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { problem: problem.into(), hint: hint.into() }
    }

    /// What to write instead.
    pub fn hint(&self) -> &str {
        &self.hint
    }
}

impl fmt::Display for NotARepository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

impl std::error::Error for NotARepository {}

impl CacheConfig {
    /// A cache of all steps in this repository.
    pub fn new(registry: impl Into<String>) -> Self {
        Self { registry: registry.into(), mode: CacheMode::default() }
    }

    /// Whether the repository is named as it must be.
    pub fn check(&self) -> Result<(), NotARepository> {
        check(&self.registry)
    }

    /// The reference of one build's cache.
    ///
    /// ```
    /// use melange2::{CacheConfig, arch::Arch};
    ///
    /// let cache = CacheConfig::new("registry:5000/melange-cache");
    /// assert_eq!(
    ///     cache.reference("default", Arch::X86_64, "libstdc++"),
    ///     "registry:5000/melange-cache:default-x86_64-libstdc_2B_2B",
    /// );
    /// ```
    pub fn reference(&self, namespace: &str, arch: Arch, package: &str) -> String {
        format!("{}:{}", self.registry, tag(namespace, arch, package))
    }
}

fn check(repository: &str) -> Result<(), NotARepository> {
    const FORM: &str = "write `HOST[:PORT]/PATH`, such as `registry:5000/melange-cache`";
    if let Some((_, rest)) = repository.split_once("://") {
        let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
        return Err(NotARepository::new(
            "a repository is named without `http://` or `https://`",
            format!("write `{rest}`; plain HTTP is asked for by `--cache-registry-insecure`"),
        ));
    }
    if let Some((name, digest)) = repository.split_once('@') {
        if digest.starts_with("sha256:") || digest.starts_with("sha512:") {
            return Err(NotARepository::new(
                format!("the repository `{name}` has a digest"),
                "leave it out: each build's cache is a tag of its own in the repository",
            ));
        }
        return Err(NotARepository::new(
            "a repository is named without credentials",
            "leave out what is before `@`, and log in with `docker login`: buildctl reads \
             ~/.docker/config.json",
        ));
    }
    let (host, path) = repository.split_once('/').unwrap_or(("", repository));
    if let Some((name, tag)) = path.rsplit_once(':') {
        return Err(if host.is_empty() && tag.bytes().all(|byte| byte.is_ascii_digit()) {
            NotARepository::new(format!("`{repository}` names a registry, no repository"), FORM)
        } else {
            let name = if host.is_empty() { name.to_owned() } else { format!("{host}/{name}") };
            NotARepository::new(
                format!("the repository `{name}` has a tag, `{tag}`"),
                "leave it out: each build's cache is a tag of its own in the repository",
            )
        });
    }
    let is_component = |text: &str| {
        let edges = text.as_bytes().first().into_iter().chain(text.as_bytes().last());
        !text.is_empty()
            && edges.into_iter().all(u8::is_ascii_alphanumeric)
            && text.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '.' | '_' | '-'))
    };
    let is_host = host.chars().all(|c| c.is_ascii_alphanumeric() || ".-:[]".contains(c));
    if !is_host || !path.split('/').all(is_component) {
        return Err(NotARepository::new(format!("`{repository}` is not a repository"), FORM));
    }
    Ok(())
}

/// The tag of one build's cache: `NAMESPACE-ARCH-PACKAGE`, escaped so that no two builds share one.
///
/// Letters, digits, `.` and `-` stand for themselves; every other byte, `_` included, is `_` and two
/// hexadecimal digits. The namespace has its `-` escaped too, and no architecture has one, so the
/// parts can be told apart. Beyond 128 characters a digest of the whole takes the rest.
fn tag(namespace: &str, arch: Arch, package: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.';
    // No tag begins with a dot; an empty namespace can't be taken for another one.
    let mut tag = match namespace.bytes().next() {
        None => "_".to_owned(),
        Some(b'.') => "_2E".to_owned() + &escape(&namespace[1..], is_plain),
        Some(_) => escape(namespace, is_plain),
    };
    tag.push_str(&format!("-{}-", arch.apk()));
    tag.push_str(&escape(package, |byte| is_plain(byte) || byte == b'-'));
    if tag.len() > LONGEST_TAG {
        let digest = Sha256::of(tag.as_bytes()).to_string();
        tag.truncate(LONGEST_TAG - CUT.len() - digest.len());
        tag.push_str(CUT);
        tag.push_str(&digest);
    }
    tag
}

fn escape(text: &str, is_plain: impl Fn(u8) -> bool) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut escaped, byte| {
        if is_plain(byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("_{byte:02X}"));
        }
        escaped
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_build_is_one_tag() {
        let tag = |package| tag("default", Arch::X86_64, package);
        assert_eq!(tag("hello"), "default-x86_64-hello");
        assert_eq!(tag("libstdc++"), "default-x86_64-libstdc_2B_2B");
        // The escape character itself is escaped: no name looks like an escaped one.
        assert_eq!(tag("libstdc_2B_2B"), "default-x86_64-libstdc_5F2B_5F2B");
        assert_eq!(tag("py3.13-a_b"), "default-x86_64-py3.13-a_5Fb");
    }

    #[test]
    fn long_names_end_with_a_digest() {
        let of = |package: &str| tag("default", Arch::Aarch64, package);
        let longest = of(&"a".repeat(112));
        assert_eq!((longest.len(), longest.contains(CUT)), (128, false));
        let (one, other) = (of(&"a".repeat(113)), of(&"a".repeat(114)));
        assert_eq!((one.len(), other.len()), (128, 128));
        assert_ne!(one, other);
        assert!(one.starts_with("default-aarch64-aaaa") && one.contains(CUT), "{one}");
    }

    #[test]
    fn a_repository_has_no_tag_digest_or_credentials() {
        let problem = |text: &str| {
            let error = CacheConfig::new(text).check().unwrap_err();
            format!("{error} ({})", error.hint())
        };
        for fine in [
            "registry:5000/melange-cache",
            "localhost:5000/a/b",
            "[::1]:5000/c",
            "ghcr.io/Org/x".to_lowercase().as_str(),
            "melange-cache",
            "me/cache",
        ] {
            assert_eq!(CacheConfig::new(fine).check(), Ok(()), "{fine}");
        }
        for (text, expected) in [
            ("registry:5000/cache:latest", "the repository `registry:5000/cache` has a tag"),
            ("cache:latest", "the repository `cache` has a tag"),
            ("localhost:5000", "names a registry, no repository"),
            ("registry/cache@sha256:abcd", "has a digest"),
            ("registry/Cache", "is not a repository"),
            ("registry/", "is not a repository"),
            ("", "is not a repository"),
            ("https://registry/cache", "write `registry/cache`"),
        ] {
            assert!(problem(text).contains(expected), "{text}: {}", problem(text));
        }
        for secret in ["me:hush@registry/cache", "https://me:hush@registry/cache"] {
            assert!(!problem(secret).contains("hush"), "{}", problem(secret));
        }
    }

    fn name() -> impl Strategy<Value = String> {
        // Mostly what makes names collide.
        prop_oneof!["[a-c_+.-]{0,6}", "[_2B5F+-]{0,8}", any::<String>(), "[a-b]{100,130}"]
    }

    proptest! {
        #[test]
        fn tags_are_valid_and_no_two_builds_share_one(
            one in (name(), name()), other in (name(), name()),
        ) {
            let of = |(namespace, package): &(String, String)| tag(namespace, Arch::X86_64, package);
            let (first, second) = (of(&one), of(&other));
            prop_assert_eq!(first == second, one == other);
            prop_assert!(first.len() <= LONGEST_TAG);
            let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            prop_assert!(is_word(first.as_bytes()[0]));
            prop_assert!(first.bytes().all(|byte| is_word(byte) || b".-".contains(&byte)));
        }

        #[test]
        fn any_text_is_a_repository_or_not(text in any::<String>()) {
            let _ = CacheConfig::new(text).check();
        }
    }
}

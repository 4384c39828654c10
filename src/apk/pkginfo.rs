//! `.PKGINFO`: what a package says of itself.
//!
//! Beneath the stages. Written as melange writes it, byte for byte; read from melange's and from
//! abuild's packages. Does not check names or versions.

use super::Error;
use crate::digest::Sha256;

/// The fields of `.PKGINFO`, in the order in which melange writes them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PkgInfo {
    /// `pkgname`
    pub name: String,
    /// `pkgver`, with `-rN`.
    pub version: String,
    /// `arch`
    pub arch: String,
    /// `size`: bytes when installed.
    pub size: u64,
    /// `origin`
    pub origin: String,
    /// `pkgdesc`
    pub description: String,
    /// `url`
    pub url: String,
    /// `commit`
    pub commit: String,
    /// `maintainer` (melange: the namespace).
    pub maintainer: String,
    /// `builddate`, seconds since 1970; left out when 0.
    pub build_date: i64,
    /// `license`, a line each.
    pub licenses: Vec<String>,
    /// `depend`
    pub depends: Vec<String>,
    /// `provides`
    pub provides: Vec<String>,
    /// `replaces`
    pub replaces: Vec<String>,
    /// `install_if`, one line in the text.
    pub install_if: Vec<String>,
    /// `# vendored =`, a comment that scanners read.
    pub vendored: Vec<String>,
    /// `provider_priority`
    pub provider_priority: Option<i64>,
    /// `replaces_priority`
    pub replaces_priority: Option<i64>,
    /// `triggers`
    pub triggers: Vec<String>,
    /// `datahash`: SHA-256 of the compressed data segment.
    pub datahash: Option<Sha256>,
}

impl PkgInfo {
    /// Reads the text; unknown keys are passed over.
    ///
    /// # Errors
    /// `Malformed` with the line's number if a number or `datahash` is none, or if `pkgname` or
    /// `pkgver` is missing.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut info = Self::default();
        for (index, line) in text.lines().enumerate() {
            let (line, is_vendored) = match line.strip_prefix("# vendored") {
                Some(rest) => (rest, true),
                None => (line, false),
            };
            let Some((key, value)) = line.split_once('=') else { continue };
            let (key, value) = (key.trim(), value.trim());
            if is_vendored {
                info.vendored.extend(words(value));
            } else if !key.starts_with('#') {
                info.set(key, value).map_err(|problem| {
                    malformed(format!("line {}: `{key}` {problem}", index + 1))
                })?;
            }
        }
        for (value, key) in [(&info.name, "pkgname"), (&info.version, "pkgver")] {
            if value.is_empty() {
                return Err(malformed(format!("there is no `{key}`")));
            }
        }
        Ok(info)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), &'static str> {
        const NUMBER: &str = "is not a number";
        match key {
            "pkgname" => self.name = value.to_owned(),
            "pkgver" => self.version = value.to_owned(),
            "arch" => self.arch = value.to_owned(),
            "size" => self.size = value.parse().map_err(|_| NUMBER)?,
            "origin" => self.origin = value.to_owned(),
            "pkgdesc" => self.description = value.to_owned(),
            "url" => self.url = value.to_owned(),
            "commit" => self.commit = value.to_owned(),
            "maintainer" => self.maintainer = value.to_owned(),
            "builddate" => self.build_date = value.parse().map_err(|_| NUMBER)?,
            "license" => self.licenses.push(value.to_owned()),
            "depend" => self.depends.extend(words(value)),
            "provides" => self.provides.extend(words(value)),
            "replaces" => self.replaces.extend(words(value)),
            "install_if" => self.install_if.extend(words(value)),
            "provider_priority" => {
                self.provider_priority = Some(value.parse().map_err(|_| NUMBER)?);
            }
            "replaces_priority" => {
                self.replaces_priority = Some(value.parse().map_err(|_| NUMBER)?);
            }
            "triggers" => self.triggers.extend(words(value)),
            "datahash" => {
                self.datahash = Some(value.parse().map_err(|_| "is not a SHA-256 digest")?);
            }
            _ => {}
        }
        Ok(())
    }

    /// The text as melange writes it.
    ///
    /// # Errors
    /// `Invalid` if a value has a line break, which would forge lines, or if one of a list has a
    /// blank or is empty.
    pub fn to_text(&self) -> Result<String, Error> {
        let mut text = Lines::new();
        text.put("pkgname", &self.name)?;
        text.put("pkgver", &self.version)?;
        text.put("arch", &self.arch)?;
        text.put("size", &self.size.to_string())?;
        text.put("origin", &self.origin)?;
        text.put("pkgdesc", &self.description)?;
        text.put("url", &self.url)?;
        text.put("commit", &self.commit)?;
        if !self.maintainer.is_empty() {
            text.put("maintainer", &self.maintainer)?;
        }
        if self.build_date != 0 {
            text.put("builddate", &self.build_date.to_string())?;
        }
        for license in &self.licenses {
            text.put("license", license)?;
        }
        text.put_words("depend", &self.depends)?;
        text.put_words("provides", &self.provides)?;
        text.put_words("replaces", &self.replaces)?;
        if !self.install_if.is_empty() {
            check_words("install_if", &self.install_if)?;
            text.put("install_if", &self.install_if.join(" "))?;
        }
        text.put_words("# vendored", &self.vendored)?;
        for (key, priority) in [
            ("provider_priority", self.provider_priority),
            ("replaces_priority", self.replaces_priority),
        ] {
            if let Some(priority) = priority {
                text.put(key, &priority.to_string())?;
            }
        }
        if !self.triggers.is_empty() {
            check_words("triggers", &self.triggers)?;
            // melange leaves a blank behind each.
            text.put("triggers", &(self.triggers.join(" ") + " "))?;
        }
        if let Some(datahash) = &self.datahash {
            text.put("datahash", &datahash.to_string())?;
        }
        Ok(text.0)
    }
}

fn words(value: &str) -> impl Iterator<Item = String> {
    value.split_whitespace().map(str::to_owned)
}

fn malformed(problem: String) -> Error {
    Error::Malformed { what: ".PKGINFO", problem }
}

fn check_words(key: &str, words: &[String]) -> Result<(), Error> {
    match words.iter().find(|word| word.is_empty() || word.contains(char::is_whitespace)) {
        Some(word) => Err(Error::Invalid(format!(
            "`{}` can't stand in `{}` of .PKGINFO: it is empty or holds a blank",
            word.escape_debug(),
            key.trim_start_matches("# ")
        ))),
        None => Ok(()),
    }
}

struct Lines(String);

impl Lines {
    fn new() -> Self {
        Self("# Generated by melange\n".to_owned())
    }

    fn put(&mut self, key: &str, value: &str) -> Result<(), Error> {
        if value.contains(char::is_control) {
            return Err(Error::Invalid(format!(
                "`{key}` of .PKGINFO holds a line break or control character: `{}`",
                value.escape_debug()
            )));
        }
        for part in [key, " = ", value, "\n"] {
            self.0.push_str(part);
        }
        Ok(())
    }

    fn put_words(&mut self, key: &str, words: &[String]) -> Result<(), Error> {
        check_words(key, words)?;
        words.iter().try_for_each(|word| self.put(key, word))
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use proptest::prelude::*;

    use super::*;

    fn strings(list: &[&str]) -> Vec<String> {
        list.iter().copied().map(str::to_owned).collect()
    }

    fn full() -> PkgInfo {
        PkgInfo {
            name: "hello".to_owned(),
            version: "2.12-r1".to_owned(),
            arch: "x86_64".to_owned(),
            size: 4711,
            origin: "hello-src".to_owned(),
            description: "greets = politely".to_owned(),
            url: "https://example.com/?a=b".to_owned(),
            commit: "0123abcd".to_owned(),
            maintainer: "unknown".to_owned(),
            build_date: 1_700_000_000,
            licenses: strings(&["MIT", "GPL-2.0-only WITH Classpath-exception-2.0"]),
            depends: strings(&["so:libc.so.6", "!goodbye"]),
            provides: strings(&["cmd:hello=2.12-r1"]),
            replaces: strings(&["old-hello"]),
            install_if: strings(&["docs", "hello=2.12-r1"]),
            vendored: strings(&["so:libx.so.1=1"]),
            provider_priority: Some(10),
            replaces_priority: Some(0),
            triggers: strings(&["/usr/lib", "/usr/share/*"]),
            datahash: Some(Sha256::of(b"")),
        }
    }

    #[test]
    fn every_field_is_written_as_melange_does_and_read() {
        let text = full().to_text().unwrap();
        assert_eq!(PkgInfo::parse(&text).unwrap(), full());
        assert_snapshot!(text.replace(" \n", "<blank>\n"), @r"
        # Generated by melange
        pkgname = hello
        pkgver = 2.12-r1
        arch = x86_64
        size = 4711
        origin = hello-src
        pkgdesc = greets = politely
        url = https://example.com/?a=b
        commit = 0123abcd
        maintainer = unknown
        builddate = 1700000000
        license = MIT
        license = GPL-2.0-only WITH Classpath-exception-2.0
        depend = so:libc.so.6
        depend = !goodbye
        provides = cmd:hello=2.12-r1
        replaces = old-hello
        install_if = docs hello=2.12-r1
        # vendored = so:libx.so.1=1
        provider_priority = 10
        replaces_priority = 0
        triggers = /usr/lib /usr/share/*<blank>
        datahash = e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
        ");
    }

    #[test]
    fn empty_texts_are_written_and_absent_fields_are_not() {
        let info = PkgInfo { name: "a".into(), version: "1-r0".into(), ..PkgInfo::default() };
        let text = info.to_text().unwrap();
        assert!(text.ends_with("size = 0\norigin = \npkgdesc = \nurl = \ncommit = \n"), "{text}");
        assert_eq!(PkgInfo::parse(&text).unwrap(), info);
    }

    #[test]
    fn abuilds_text_is_read() {
        let info = PkgInfo::parse(
            "# using fakeroot version 1.25\n\npkgname = busybox\npkgver=1.35.0-r18\n\
             packager = Builder <b@example.com>\nprovides = /bin/sh cmd:sh=1\nnot a field\n",
        )
        .unwrap();
        assert_eq!((info.name.as_str(), info.version.as_str()), ("busybox", "1.35.0-r18"));
        assert_eq!(info.provides, ["/bin/sh", "cmd:sh=1"]);
    }

    #[test]
    fn line_breaks_do_not_forge_lines() {
        let mut info = full();
        info.description = "a\ndepend = evil".to_owned();
        assert_eq!(
            info.to_text().unwrap_err().to_string(),
            "`pkgdesc` of .PKGINFO holds a line break or control character: `a\\ndepend = evil`"
        );
        let mut info = full();
        info.vendored = strings(&["a b"]);
        assert_eq!(
            info.to_text().unwrap_err().to_string(),
            "`a b` can't stand in `vendored` of .PKGINFO: it is empty or holds a blank"
        );
    }

    #[test]
    fn malformed_values_name_their_line() {
        for (text, problem) in [
            ("pkgname = a\nsize = big", "line 2: `size` is not a number"),
            ("datahash = 12", "line 1: `datahash` is not a SHA-256 digest"),
            ("pkgver = 1", "there is no `pkgname`"),
        ] {
            let error = PkgInfo::parse(text).unwrap_err().to_string();
            assert_eq!(error, format!("malformed .PKGINFO: {problem}"));
        }
    }

    proptest! {
        #[test]
        fn rubbish_never_panics(text in "(pkgname|size|# vendored|=|\\PC|\n){0,20}") {
            let _ = PkgInfo::parse(&text);
        }
    }
}

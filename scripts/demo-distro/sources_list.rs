//! The machine's own package sources, reduced to those of its Debian release.
//!
//! No host name is written down anywhere: whichever mirror the machine uses is used. Sources of
//! other vendors are left out, because what they hold differs from machine to machine.

use std::fmt::Write as _;
use std::path::Path;

use color_eyre::eyre::{Context as _, ContextCompat as _, Result, bail};
use fs_err as fs;

use crate::control::{self, Stanza};

/// One source: where, which suites, which components, and the key that signs it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Source {
    uris: String,
    suites: Vec<String>,
    components: String,
    signed_by: String,
}

/// The machine's sources as one deb822 file for packages and sources of packages.
pub fn of_machine() -> Result<String> {
    let release = fs::read_to_string("/etc/os-release")?;
    let codename = os_release(&release, "VERSION_CODENAME")
        .filter(|_| os_release(&release, "ID").as_deref() == Some("debian"))
        .context("this machine is not a Debian release: `/etc/os-release` says so")?;
    let mut files = vec![Path::new("/etc/apt/sources.list").to_owned()];
    if let Ok(entries) = fs::read_dir("/etc/apt/sources.list.d") {
        let mut more: Vec<_> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
        more.sort();
        files.extend(more);
    }
    let mut sources = Vec::new();
    for file in files.iter().filter(|file| file.is_file()) {
        let text = fs::read_to_string(file)?;
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("sources") => sources.extend(deb822(&text)),
            Some("list") => sources.extend(text.lines().filter_map(one_line)),
            _ => {}
        }
    }
    render(&sources, &codename)
        .with_context(|| format!("no source of Debian {codename} is configured below `/etc/apt`"))
}

/// A value of os-release, quotes removed.
fn os_release(text: &str, name: &str) -> Option<String> {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
    Some(value.trim_matches('"').to_owned())
}

/// Writes the sources of one release as deb822; an error if none is left.
fn render(sources: &[Source], codename: &str) -> Result<String> {
    let mut text = String::new();
    for source in sources {
        let suites: Vec<&str> = source
            .suites
            .iter()
            .map(String::as_str)
            .filter(|suite| is_of_release(suite, codename))
            .collect();
        if suites.is_empty() {
            continue;
        }
        writeln!(text, "Types: deb deb-src\nURIs: {}", source.uris)?;
        writeln!(text, "Suites: {}\nComponents: main", suites.join(" "))?;
        if !source.signed_by.is_empty() {
            writeln!(text, "Signed-By: {}", source.signed_by)?;
        }
        text.push('\n');
    }
    if text.is_empty() {
        bail!("nothing left of {} sources", sources.len());
    }
    Ok(text)
}

/// The release itself, its updates and its security updates; no backports.
fn is_of_release(suite: &str, codename: &str) -> bool {
    let suite = suite.trim_end_matches('/');
    suite.strip_prefix(codename).is_some_and(|rest| {
        matches!(rest, "" | "-updates" | "-security" | "/updates" | "-security/updates")
    })
}

fn deb822(text: &str) -> Vec<Source> {
    let enabled = |stanza: &Stanza| {
        !matches!(stanza.get("Enabled").to_lowercase().as_str(), "no" | "false" | "0")
            && stanza.get("Types").split_whitespace().any(|word| word == "deb")
            && has_main(stanza.get("Components"))
    };
    let source = |stanza: &Stanza| Source {
        uris: stanza.get("URIs").to_owned(),
        suites: stanza.get("Suites").split_whitespace().map(str::to_owned).collect(),
        components: stanza.get("Components").to_owned(),
        // A key may stand in the file itself, its blank lines as dots.
        signed_by: stanza.get("Signed-By").replace('\n', "\n "),
    };
    control::parse(text).iter().filter(|stanza| enabled(stanza)).map(source).collect()
}

/// `deb [signed-by=/key.gpg] uri suite component…`
fn one_line(line: &str) -> Option<Source> {
    let rest = line.split('#').next()?.trim().strip_prefix("deb")?;
    let rest = rest.strip_prefix([' ', '\t'])?.trim_start();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => ("", rest),
    };
    let mut words = rest.split_whitespace();
    let (uris, suite) = (words.next()?.to_owned(), words.next()?.to_owned());
    let components = words.collect::<Vec<_>>().join(" ");
    let signed_by = options
        .split_whitespace()
        .find_map(|option| option.strip_prefix("signed-by="))
        .unwrap_or_default()
        .to_owned();
    has_main(&components).then(|| Source { uris, suites: vec![suite], components, signed_by })
}

fn has_main(components: &str) -> bool {
    components.split_whitespace().any(|component| component == "main")
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    #[test]
    fn only_the_release_itself_is_taken() {
        let text = "Types: deb\nURIs: http://mirror.invalid/debian\n\
            Suites: bookworm bookworm-updates bookworm-backports\nComponents: main contrib\n\
            Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n\
            Types: deb\nURIs: http://vendor.invalid\nSuites: nodistro\nComponents: main\n\n\
            Enabled: no\nTypes: deb\nURIs: http://off.invalid\nSuites: bookworm\nComponents: main";
        assert_snapshot!(render(&deb822(text), "bookworm").unwrap(), @r"
        Types: deb deb-src
        URIs: http://mirror.invalid/debian
        Suites: bookworm bookworm-updates
        Components: main
        Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
        ");
        assert!(render(&deb822(text), "trixie").is_err());
    }

    #[test]
    fn the_old_form_is_read() {
        let lines = "# deb http://off.invalid bookworm main\n\
            deb [arch=amd64 signed-by=/k.gpg] http://a.invalid bookworm-security main # note\n\
            deb-src http://a.invalid bookworm main\n\
            deb http://vendor.invalid/apt cloud-bookworm main";
        let sources: Vec<_> = lines.lines().filter_map(one_line).collect();
        assert_snapshot!(render(&sources, "bookworm").unwrap(), @r"
        Types: deb deb-src
        URIs: http://a.invalid
        Suites: bookworm-security
        Components: main
        Signed-By: /k.gpg
        ");
    }

    #[test]
    fn os_release_is_read() {
        let text = "ID=debian\nVERSION_CODENAME=\"bookworm\"\nVERSION_ID=12";
        assert_eq!(os_release(text, "VERSION_CODENAME").as_deref(), Some("bookworm"));
        assert_eq!(os_release(text, "VERSION"), None);
    }
}

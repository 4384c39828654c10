//! Package URLs and SPDX identifiers: how names are written in them.
//!
//! Part of stage 5, beneath the document.

/// A package URL (`pkg:TYPE/NAMESPACE/NAME@VERSION?QUALIFIERS#SUBPATH`). Empty parts are left out.
#[derive(Clone, Debug, Default)]
pub struct PackageUrl<'a> {
    /// Type: `apk`, `generic`, `github`.
    pub kind: &'a str,
    /// Namespace, in which `/` separates.
    pub namespace: &'a str,
    /// Name.
    pub name: &'a str,
    /// Version.
    pub version: &'a str,
    /// Qualifiers, sorted by key.
    pub qualifiers: Vec<(&'a str, String)>,
    /// Path inside the package.
    pub subpath: &'a str,
}

impl std::fmt::Display for PackageUrl<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "pkg:{}", self.kind)?;
        for part in self.namespace.split('/').filter(|part| !part.is_empty()) {
            write!(f, "/{}", escape(part, SEGMENT))?;
        }
        write!(f, "/{}", escape(self.name, SEGMENT))?;
        if !self.version.is_empty() {
            write!(f, "@{}", escape(self.version, SEGMENT))?;
        }
        for (n, (key, value)) in self.qualifiers.iter().enumerate() {
            write!(f, "{}{key}={}", if n == 0 { '?' } else { '&' }, escape(value, QUALIFIER))?;
        }
        let subpath = self.subpath.split('/').filter(|part| !["", ".", ".."].contains(part));
        for (n, part) in subpath.enumerate() {
            write!(f, "{}{}", if n == 0 { '#' } else { '/' }, escape(part, SEGMENT))?;
        }
        Ok(())
    }
}

/// What stands for itself in a segment, besides letters, digits and `-._~`.
const SEGMENT: &str = "!$&'()*,;=:";
/// The same for the value of a qualifier.
const QUALIFIER: &str = ":";

fn escape(text: &str, safe: &str) -> String {
    text.bytes().fold(String::new(), |mut escaped, byte| {
        let c = char::from(byte);
        if c.is_ascii_alphanumeric() || "-._~".contains(c) || safe.contains(c) {
            escaped.push(c);
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
        escaped
    })
}

/// An SPDX identifier: `:` and `/` become `-`, whatever else is not allowed `C` and its code point.
pub fn identifier(text: &str) -> String {
    text.chars().fold(String::new(), |mut id, c| {
        match c {
            ':' | '/' => id.push('-'),
            '-' | '.' => id.push(c),
            _ if c.is_ascii_alphanumeric() => id.push(c),
            _ => id.push_str(&format!("C{}", u32::from(c))),
        }
        id
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_escaped_each_by_its_rule() {
        let url = PackageUrl {
            kind: "generic",
            namespace: "a b/c",
            name: "gtk+/x",
            version: "1:2+3",
            qualifiers: vec![("checksum", "sha256:00".into()), ("url", "https://a/b?c&d".into())],
            subpath: "/dir/../my file",
        };
        assert_eq!(
            url.to_string(),
            "pkg:generic/a%20b/c/gtk%2B%2Fx@1:2%2B3?checksum=sha256:00&url=https:%2F%2Fa%2Fb%3Fc%26d#dir/my%20file"
        );
        let bare = PackageUrl { kind: "apk", name: "x", ..PackageUrl::default() };
        assert_eq!(bare.to_string(), "pkg:apk/x");
    }

    #[test]
    fn identifiers_keep_only_what_spdx_allows() {
        assert_eq!(identifier("SPDXRef-a/b:c_d.1é"), "SPDXRef-a-b-cC95d.1C233");
    }
}

//! apk-tools' version order.
//!
//! Beneath the stages. A version is digits (`1`), further digits (`.2`), at most one letter (`b`),
//! suffixes with numbers (`_rc1`, `_p2`), a commit hash (`~1f2e`) and a revision (`-r3`), in that
//! order. Versions are compared part by part, which this file does without allocating: it is the
//! innermost loop of the solver. It does not parse constraints; `dependency.rs` does.

use std::cmp::Ordering;

/// What a part of a version is. The order is apk-tools': of two versions that agree up to here,
/// the one whose next part stands **earlier** in this list is the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    FirstNumber,
    Number,
    Letter,
    Suffix,
    SuffixNumber,
    CommitHash,
    Revision,
    End,
    Invalid,
}

/// The suffixes that apk-tools knows, in ascending order; those before `FIRST_POST_RELEASE` mark
/// pre-releases.
const SUFFIXES: [&[u8]; 9] =
    [b"alpha", b"beta", b"pre", b"rc", b"cvs", b"svn", b"git", b"hg", b"p"];
const FIRST_POST_RELEASE: usize = 4;

/// A part of a version.
#[derive(Clone, Copy, Debug)]
struct Part<'a> {
    kind: Kind,
    /// Digits, letter, hash; of an invalid part the rest of the text.
    text: &'a [u8],
    /// Index in `SUFFIXES`.
    suffix: usize,
}

impl Part<'_> {
    fn is_pre_release(&self) -> bool {
        self.kind == Kind::Suffix && self.suffix < FIRST_POST_RELEASE
    }
}

/// Cuts a version into its parts; after the last one it yields `End` (or `Invalid`) for ever.
struct Parts<'a> {
    rest: &'a [u8],
    last: Option<Kind>,
}

impl<'a> Parts<'a> {
    fn new(version: &'a str) -> Self {
        Self { rest: version.as_bytes(), last: None }
    }

    fn next(&mut self) -> Part<'a> {
        let (kind, text, suffix) = self.take().unwrap_or((Kind::Invalid, self.rest, 0));
        self.last = Some(kind);
        Part { kind, text, suffix }
    }

    fn take(&mut self) -> Option<(Kind, &'a [u8], usize)> {
        let Some(last) = self.last else {
            return Some((Kind::FirstNumber, self.digits()?, 0));
        };
        let Some(&first) = self.rest.first() else {
            return (last != Kind::Invalid).then_some((Kind::End, b"".as_slice(), 0));
        };
        match first {
            b'a'..=b'z' if last <= Kind::Number => Some((Kind::Letter, self.bytes(1), 0)),
            b'.' if last <= Kind::Number => {
                let dotted = self.rest;
                self.bytes(1);
                let digits = self.digits();
                if digits.is_none() {
                    self.rest = dotted;
                }
                Some((Kind::Number, digits?, 0))
            }
            b'0'..=b'9' if last == Kind::Suffix => Some((Kind::SuffixNumber, self.digits()?, 0)),
            b'_' if last <= Kind::SuffixNumber => {
                let word = &self.rest[1..];
                let word = &word[..span(word, |byte| byte.is_ascii_lowercase())];
                let suffix = SUFFIXES.iter().position(|known| *known == word)?;
                self.bytes(1 + word.len());
                Some((Kind::Suffix, word, suffix))
            }
            b'~' if last < Kind::CommitHash => {
                let hash = span(&self.rest[1..], |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
                (hash > 0).then(|| (Kind::CommitHash, &self.bytes(1 + hash)[1..], 0))
            }
            b'-' if last < Kind::Revision => {
                let digits = span(self.rest.strip_prefix(b"-r")?, |byte| byte.is_ascii_digit());
                (digits > 0).then(|| (Kind::Revision, &self.bytes(2 + digits)[2..], 0))
            }
            _ => None,
        }
    }

    fn digits(&mut self) -> Option<&'a [u8]> {
        let count = span(self.rest, |byte| byte.is_ascii_digit());
        (count > 0).then(|| self.bytes(count))
    }

    fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (bytes, rest) = self.rest.split_at(count);
        self.rest = rest;
        bytes
    }
}

fn span(bytes: &[u8], accept: impl Fn(u8) -> bool) -> usize {
    bytes.iter().take_while(|byte| accept(**byte)).count()
}

/// Whether apk-tools accepts the text as a version.
pub fn is_valid(version: &str) -> bool {
    let mut parts = Parts::new(version);
    loop {
        match parts.next().kind {
            Kind::End => return true,
            Kind::Invalid => return false,
            _ => {}
        }
    }
}

/// Compares two versions in apk-tools' order.
///
/// Versions that apk-tools calls invalid are ordered too: by their valid parts, then below a
/// version that ends there, among each other bytewise. Two different texts may be equal (`01` and
/// `1`).
pub fn compare(a: &str, b: &str) -> Ordering {
    ordering(a, b, Precision::Exact)
}

/// Whether `version` matches `~prefix`: `1.2.3-r0` and `1.2_rc1` match `1.2`, `1.20` does not.
pub fn fuzzy_matches(version: &str, prefix: &str) -> bool {
    fuzzy_compare(version, prefix).is_eq()
}

/// Compares like [`compare`], but a version that goes on where `prefix` ends is equal to it.
pub(super) fn fuzzy_compare(version: &str, prefix: &str) -> Ordering {
    ordering(version, prefix, Precision::Prefix)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Precision {
    Exact,
    Prefix,
}

fn ordering(a: &str, b: &str, precision: Precision) -> Ordering {
    if a == b {
        return Ordering::Equal;
    }
    let (mut a, mut b) = (Parts::new(a), Parts::new(b));
    loop {
        let (left, right) = (a.next(), b.next());
        if precision == Precision::Prefix && right.kind == Kind::End {
            return Ordering::Equal;
        }
        if left.kind != right.kind {
            // A version that goes on is the greater one, unless it goes on to a pre-release.
            return match (left.is_pre_release(), right.is_pre_release()) {
                (true, _) => Ordering::Less,
                (_, true) => Ordering::Greater,
                _ => right.kind.cmp(&left.kind),
            };
        }
        let order = same_kind(left, right);
        if order.is_ne() || matches!(left.kind, Kind::End | Kind::Invalid) {
            return order;
        }
    }
}

fn same_kind(left: Part<'_>, right: Part<'_>) -> Ordering {
    match left.kind {
        // `1.01` comes before `1.1`: with a leading zero, digits are read as a decimal fraction.
        Kind::Number if left.text.starts_with(b"0") || right.text.starts_with(b"0") => {
            left.text.cmp(right.text)
        }
        Kind::FirstNumber | Kind::Number | Kind::SuffixNumber | Kind::Revision => {
            let (left, right) = (without_zeros(left.text), without_zeros(right.text));
            left.len().cmp(&right.len()).then_with(|| left.cmp(right))
        }
        Kind::Suffix => left.suffix.cmp(&right.suffix),
        Kind::Letter | Kind::CommitHash | Kind::End | Kind::Invalid => left.text.cmp(right.text),
    }
}

fn without_zeros(digits: &[u8]) -> &[u8] {
    &digits[span(digits, |digit| digit == b'0')..]
}

#[cfg(test)]
mod tests;

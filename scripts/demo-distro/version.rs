//! Debian's versions as apk's.
//!
//! apk allows `1.2.3`, one letter, suffixes such as `_rc1` and a revision `-r4`. Debian has epochs,
//! `~` (before), `+` (after), revisions with dots and words. Order is kept where it can be:
//!
//! | Debian | apk | why |
//! |---|---|---|
//! | `1:2.39.5` | `2.39.5` | recipes ask for upstream's version, so the epoch goes |
//! | `1.6+dfsg1`, `9.2.0~ds1` | `1.6`, `9.2.0` | marks of a repacked tarball |
//! | `2.0~rc2`, `1.0~beta` | `2.0_rc2`, `1.0_beta` | the same order |
//! | `1.0+git20220101` | `1.0_git20220101` | the same order |
//! | `-2.1+deb12u3+b1` | `-r21031` | revision, maintainer's upload, stable update, rebuild as digits |

/// The apk version, always one that apk accepts.
pub fn from_debian(debian: &str) -> String {
    let without_epoch = match debian.split_once(':') {
        Some((epoch, rest)) if epoch.bytes().all(|byte| byte.is_ascii_digit()) => rest,
        _ => debian,
    };
    let (upstream, revision) = match without_epoch.rsplit_once('-') {
        Some((upstream, revision)) => (upstream, revision),
        None => native(without_epoch),
    };
    format!("{}-r{}", upstream_version(upstream), revision_number(revision))
}

/// A version without a revision (a package that is Debian's own) may carry a stable update.
fn native(version: &str) -> (&str, &str) {
    match version.find("+deb").or_else(|| version.find("~deb")).or_else(|| version.find("+b")) {
        Some(at) => version.split_at(at),
        None => (version, ""),
    }
}

/// Digits and dots, at most one letter after the last number, then suffixes.
fn upstream_version(text: &str) -> String {
    let mut version = numbers(text);
    let mut rest = &text[version.len()..];
    if version.is_empty() {
        version.push('0');
    } else if version.ends_with('.') {
        version.pop();
        rest = "";
    }
    let mut letters = rest.chars();
    if let Some(letter) = letters.next().filter(char::is_ascii_lowercase)
        && !letters.as_str().starts_with(|c: char| c.is_ascii_alphanumeric())
    {
        version.push(letter);
        rest = letters.as_str();
    }
    for part in rest.split(['~', '+', '-', '.']).filter(|part| !part.is_empty()) {
        version.push_str(&suffix(part));
    }
    version
}

/// The longest beginning that is numbers with single dots between.
fn numbers(text: &str) -> String {
    let mut taken = String::new();
    for c in text.chars() {
        match c {
            '0'..='9' => taken.push(c),
            '.' if taken.ends_with(|last: char| last.is_ascii_digit()) => taken.push(c),
            _ => break,
        }
    }
    taken
}

/// `rc2` as `_rc2`; what has no counterpart is left out.
fn suffix(part: &str) -> String {
    const KNOWN: [&str; 8] = ["alpha", "beta", "pre", "rc", "cvs", "svn", "git", "hg"];
    for word in KNOWN {
        if let Some(rest) = part.strip_prefix(word) {
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            return format!("_{word}{digits}");
        }
    }
    String::new()
}

/// `A[.B][+debXuU][+bC]` as the number `ABUUC`; `~debXuU` sorts before the plain revision.
fn revision_number(text: &str) -> u64 {
    let number = |text: &str| -> u64 {
        let digits: String = text.chars().take_while(char::is_ascii_digit).take(9).collect();
        digits.parse().unwrap_or(0)
    };
    let major = number(text);
    let upload = text
        .split(['+', '~'])
        .next()
        .and_then(|plain| plain.split_once('.'))
        .map_or(0, |(_, after)| number(after).min(9));
    let mut value = major * 10_000 + upload * 1_000;
    for (at, mark) in text.match_indices(['+', '~']) {
        let part = &text[at + 1..];
        if let Some((_, update)) = part.strip_prefix("deb").and_then(|deb| deb.split_once('u')) {
            if mark == "~" {
                value = value.saturating_sub(1_000);
            }
            value += number(update).min(99) * 10;
        } else if let Some(rebuild) = part.strip_prefix('b') {
            value += number(rebuild).min(9);
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use melange2::apk::version::{compare, is_valid};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn versions_of_real_packages() {
        for (debian, apk) in [
            ("2.10-3", "2.10-r30000"),
            ("1:2.39.5-0+deb12u3", "2.39.5-r30"),
            ("1.6-2.1+deb12u3", "1.6-r21030"),
            ("1:1.35.0-4+deb12u1+b1", "1.35.0-r40011"),
            ("18.20.4+dfsg-1~deb12u3", "18.20.4-r9030"),
            ("9.2.0~ds1-1", "9.2.0-r10000"),
            ("20230311+deb12u1", "20230311-r10"),
            ("2:1.19~1", "1.19-r0"),
            ("2.0~rc2-1", "2.0_rc2-r10000"),
            ("1.0+git20220101.abc-1", "1.0_git20220101-r10000"),
            ("1.1.1w-0", "1.1.1w-r0"),
            ("1:14.0-55.7~deb12u1", "14.0-r556010"),
            ("4.8.12-3.1", "4.8.12-r31000"),
            ("5.3.28+dfsg2-1", "5.3.28-r10000"),
            ("0.0.20-r1234", "0.0.20-r0"),
            ("r12-1", "0-r10000"),
        ] {
            assert_eq!(from_debian(debian), apk, "{debian}");
        }
    }

    #[test]
    fn order_is_kept_where_it_matters() {
        for (less, greater) in [
            ("1.0-1~deb12u1", "1.0-1"),
            ("1.0-1", "1.0-1+deb12u1"),
            ("1.0-1+deb12u1", "1.0-1+deb12u2"),
            ("1.0-1+deb12u9", "1.0-1.1"),
            ("1.0-1.1", "1.0-2"),
            ("1.0~rc1-1", "1.0-1"),
            ("1.0-9", "1.0-10"),
            ("1.0-9", "1.0.1-1"),
        ] {
            let order = compare(&from_debian(less), &from_debian(greater));
            assert_eq!(order, Ordering::Less, "{less} {greater}");
        }
    }

    proptest! {
        #[test]
        fn every_text_becomes_a_version(debian in "[0-9a-z:.+~-]{0,20}") {
            let apk = from_debian(&debian);
            prop_assert!(is_valid(&apk), "{debian} {apk}");
        }
    }
}

//! The order against apk-tools' own table, where it is at hand, and against laws.

use std::cmp::Ordering;

use proptest::prelude::*;

use super::*;

#[test]
fn the_order_is_apk_tools() {
    let Some(table) = crate::required::shared("apk/version.data") else { return };
    let table = fs_err::read_to_string(table).unwrap();
    let mut checked = 0;
    for (number, line) in table.lines().enumerate() {
        let line = line.split('#').next().unwrap().trim();
        let words: Vec<_> = line.split_whitespace().collect();
        let holds = match words[..] {
            [a, op, b] => {
                let atom = |op: &str| format!("x{op}{b}").parse::<crate::apk::dependency::Atom>();
                match op.strip_prefix('!') {
                    Some(op) => !atom(op).unwrap().accepts(a),
                    None => atom(op).unwrap().accepts(a),
                }
            }
            [version] => match version.strip_prefix('!') {
                Some(invalid) => !is_valid(invalid),
                None => is_valid(version),
            },
            [] => continue,
            _ => panic!("line {}: `{line}`", number + 1),
        };
        assert!(holds, "line {}: `{line}`", number + 1);
        checked += 1;
    }
    assert!(checked > 700, "only {checked} lines");
}

#[test]
fn every_part_counts() {
    let ascending = [
        "0.9",
        "1_alpha",
        "1_alpha1",
        "1_beta",
        "1_pre",
        "1_rc",
        "1_rc-r1",
        "1_rc2",
        "1",
        "1-r0",
        "1-r9",
        "1-r10",
        "1~12ab",
        "1~12ac",
        "1_cvs",
        "1_svn",
        "1_git",
        "1_git20240101",
        "1_hg",
        "1_p",
        "1_p1",
        "1a",
        "1b",
        "1.0",
        "1.01",
        "1.02",
        "1.1",
        "1.10",
        "2",
        "18446744073709551616",
    ];
    for (index, a) in ascending.iter().enumerate() {
        assert!(is_valid(a), "{a}");
        for (other, b) in ascending.iter().enumerate() {
            assert_eq!(compare(a, b), index.cmp(&other), "{a} {b}");
        }
    }
}

#[test]
fn leading_zeros_do_not_count_in_the_first_number() {
    assert_eq!(compare("01", "1"), Ordering::Equal);
    assert_eq!(compare("1-r01", "1-r1"), Ordering::Equal);
}

#[test]
fn what_is_no_version_is_refused() {
    for text in ["", "a", ".1", "1.", "1.a", "1bc", "1a1", "1_", "1_foo", "1-r", "1-r1_p1", "1 2"] {
        assert!(!is_valid(text), "{text}");
    }
    for text in ["1~", "1~x", "1-r1~ab", "1-1", "1é", "1\n"] {
        assert!(!is_valid(text), "{text}");
    }
}

#[test]
fn fuzzy_is_a_prefix_of_parts() {
    for version in ["1.2", "1.2.3-r0", "1.2_rc1", "1.2a", "1.2-r4"] {
        assert!(fuzzy_matches(version, "1.2"), "{version}");
    }
    for version in ["1", "1.20", "1.1.2", "1.02", "2.1.2"] {
        assert!(!fuzzy_matches(version, "1.2"), "{version}");
    }
}

/// Texts in which valid versions, nearly valid ones and rubbish all come up often.
fn version() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[0-9]{1,2}(\\.[0-9]{1,2}){0,2}[a-b]?(_(alpha|rc|git|p)[0-9]{0,2}){0,2}(~[0-9a]{1,2})?(-r[0-9]{1,2})?",
        1 => "[0-2._a-b~r-]{0,6}",
        1 => "\\PC{0,4}",
    ]
}

proptest! {
    #[test]
    fn the_order_is_total(a in version(), b in version(), c in version()) {
        prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
        prop_assert_eq!(compare(&a, &a), Ordering::Equal);
        if compare(&a, &b).is_le() && compare(&b, &c).is_le() {
            prop_assert!(compare(&a, &c).is_le());
        }
    }

    #[test]
    fn a_version_matches_itself_fuzzily(a in version()) {
        prop_assert!(fuzzy_matches(&a, &a));
    }
}

//! Tests of the translation: what Go takes means the same, what Go refuses is refused at its place.

use super::{Invalid, translate};

fn rust(pattern: &str) -> regex::Regex {
    let translated = translate(pattern).unwrap_or_else(|invalid| panic!("{pattern}: {invalid:?}"));
    regex::Regex::new(&translated.pattern).unwrap()
}

#[test]
fn what_go_and_rust_write_alike_stays() {
    for pattern in [
        r"^(\.)x{2,3}(a|b)*?$",
        r"(?i)\p{Greek}\Aa\z(?s-m:.)",
        "[a-z0-9_.]+",
        "[^[:alpha:][:^digit:]]",
    ] {
        assert_eq!(translate(pattern).unwrap().pattern, pattern);
    }
}

#[test]
fn details_are_gos() {
    for (pattern, text, found) in [
        (r"\w+", "é_a1", "_a1"),
        (r"\d+", "٣3", "3"),
        (r"\S+", "a\u{a0}b c", "a\u{a0}b"),
        (r"\bx\b", "éxé", "x"),
        (r"\Qa.b[\E+", "axb[ a.b[[", "a.b[["),
        (r"\Q(", "x(", "("),
        ("a{", "aa{", "a{"),
        ("a{,2}", "a{,2}", "a{,2}"),
        ("a{01}", "a a{01}", "a{01}"),
        ("a{1,2}", "aaa", "aa"),
        ("[[]+", "a[[", "[["),
        ("[]a]+", "b]a", "]a"),
        ("[^]a]+", "]ab", "b"),
        ("[a&&b]+", "x&&b", "&&b"),
        (r"[^\W_]+", "_é9", "9"),
        (r"[\w.-]+", "é a-1.b", "a-1.b"),
        (r"\<a\>", "a <a>", "<a>"),
        (r"[\d\]]+", "a1]", "1]"),
        (r"\12", "a\n", "\n"),
        (r"\07", "0\u{7}", "\u{7}"),
        (r"[\101]", "1A", "A"),
        (r"\0a", "\0a", "\0a"),
        (r"\777", "ǿ", "ǿ"),
        (r"[\x41-\x{43}]+", "xABCD", "ABC"),
        ("[+--]+", "a,-", ",-"),
        ("[--a]+", "x.9a", ".9a"),
        ("[[:alpha]+", "ah:[", "ah:["),
        (r"\p{^Greek}", "αa", "a"),
        (r"\pN", "a1", "1"),
        (r"\p{Letter}", "1a", "a"),
        ("(?)a", "a", "a"),
        ("(?ii)A", "a", "a"),
        ("(?i-i)A", "aA", "A"),
        ("a(?i)*b", "aaB", "aaB"),
        ("a*(?i)*b", "AaB", "aB"),
        ("(a(?i){2})b", "AAaab", "aab"),
        ("(?i)(?-i){", "{", "{"),
    ] {
        let found_here = rust(pattern).find(text).map(|found| found.as_str());
        assert_eq!(found_here, Some(found), "{pattern}");
    }
}

#[test]
fn groups_have_names_of_their_own() {
    let names = translate("(a)(?P<1a>b)(?:c)(?<n>d(?P<n>e))").unwrap().names;
    let expected = [("1a", 2), ("n", 3), ("n", 4)];
    assert_eq!(names, expected.map(|(name, number)| (name.to_owned(), number)));
}

#[test]
fn what_go_refuses_is_refused_at_its_place() {
    for (pattern, at) in [
        ("x(", "("),
        ("[", "["),
        ("[a", "["),
        ("[a-", "["),
        ("a)", ")"),
        (r"\", r"\"),
        ("*", "*"),
        ("(?i)*", "*"),
        ("a|+", "+"),
        (r"[\", r"\"),
        ("x[z-a]", "z-a"),
        (r"\y", r"\y"),
        (r"a\8", r"\8"),
        (r"\1a", r"\1"),
        (r"\u0041", r"\u"),
        (r"\é", r"\é"),
        ("(?P<n", "(?P<n"),
        ("(?P<a.b>a)", "(?P<a.b"),
        ("(?P<>a)", "(?P<"),
        ("a**", "*"),
        ("a+?*", "*"),
        ("x{2}{3}", "{3}"),
        ("a{1001}", "{1001}"),
        ("a{3,2}", "{3,2}"),
        ("(a{500}b){3}", "{3}"),
        ("((a{100}){10}){2}", "{2}"),
        ("(?x)a", "(?x"),
        ("(?u)a", "(?u"),
        ("(?R)a", "(?R"),
        ("(?i-)a", "(?i-)"),
        ("(?=a)", "(?="),
        ("(?<=a)", "(?<"),
        ("[[:foo:]]", "[:foo:]"),
        ("x[a--b]", "a--"),
        (r"[.-\w]", r"\w"),
        (r"\p{Lowercase}", r"\p{Lowercase}"),
        (r"\p{gc=L}", r"\p{gc=L}"),
        (r"\b{1001}", "{1001}"),
    ] {
        let Invalid { at: place, message } = translate(pattern).unwrap_err();
        assert_eq!(&pattern[place], at, "{pattern}: {message}");
    }
    assert!(translate(&"(".repeat(100_000)).is_err());
}

proptest::proptest! {
    #[test]
    fn no_pattern_makes_it_panic(pattern in r".{0,20}") {
        let _ = translate(&pattern);
    }

    #[test]
    fn what_is_translated_compiles(pattern in r"[ab\\.*+?|()\[\]{}^$0-9,iPpx<>:&~-]{0,12}") {
        if let Ok(translated) = translate(&pattern) {
            let compiled = regex::Regex::new(&translated.pattern);
            proptest::prop_assert!(compiled.is_ok(), "{}: {:?}", pattern, compiled);
        }
    }
}

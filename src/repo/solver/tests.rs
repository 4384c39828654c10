//! The solver against small indexes of our own, and against apk-tools' cases where they are at hand.

mod apk_tools;
mod laws;

use insta::assert_snapshot;

use super::{Repository, solve};
use crate::apk::dependency::Atom;
use crate::arch::Arch;
use crate::repo::catalog;

/// A repository from lines `name version field:value …`, with `,` for the blanks in a value.
pub(super) fn repository(tag: Option<&str>, lines: &str) -> Repository {
    let mut text = String::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let mut words = line.split_whitespace();
        let (name, version) = (words.next().unwrap(), words.next().unwrap());
        text.push_str(&format!("C:Q1{name}\nP:{name}\nV:{version}\n"));
        for word in words {
            text.push_str(&word.replace(',', " "));
            text.push('\n');
        }
        text.push('\n');
    }
    let catalog = catalog::build(text.as_bytes()).unwrap().into();
    Repository { tag: tag.map(str::to_owned), catalog }
}

/// The packages as a line, or the error with its hints.
pub(super) fn answer(repositories: &[Repository], request: &str) -> String {
    let atoms: Vec<Atom> = request.split(' ').map(|atom| atom.parse().unwrap()).collect();
    match solve(repositories, Arch::X86_64, &atoms) {
        Ok(solved) => {
            let labels: Vec<_> = solved.iter().map(|it| it.package.label()).collect();
            labels.join(" ")
        }
        Err(error) => {
            let hints = error.hints().into_iter().map(|hint| format!("\nhelp: {hint}"));
            format!("error: {error}{}", hints.collect::<String>())
        }
    }
}

fn answer_one(lines: &str, request: &str) -> String {
    answer(&[repository(None, lines)], request)
}

#[test]
fn dependencies_come_first_and_cycles_are_cut() {
    let lines = "
        app 1 D:lib,tool
        lib 2 D:base
        tool 1 D:app,base
        base 1
    ";
    assert_snapshot!(answer_one(lines, "app"), @"base-1 lib-2 tool-1 app-1");
    assert_snapshot!(answer_one(lines, "tool lib"), @"base-1 lib-2 app-1 tool-1");
}

#[test]
fn a_choice_that_leads_nowhere_is_taken_back() {
    let lines = "
        app 1 D:new,old
        new 1 D:lib
        old 1 D:other<2
        lib 2 D:other>=2
        lib 1 D:other
        other 1
        other 2
    ";
    assert_snapshot!(answer_one(lines, "app"), @"other-1 lib-1 new-1 old-1 app-1");
}

#[test]
fn the_preferred_provider_is_taken() {
    let lines = "
        a 1 p:so:x.so.1=1
        b 1 p:so:x.so.1=2
        c 3 p:cmd:x=1
        d 4 p:cmd:x=1
        e 1 p:virtual k:5
        f 1 p:virtual k:9
        g 1 p:real=1
        real 2
        user 1 o:kit
        h 1 o:kit p:tool=1
        i 9 p:tool=1
        usertool 1 D:user,tool
    ";
    assert_snapshot!(answer_one(lines, "so:x.so.1"), @"b-1");
    assert_snapshot!(answer_one(lines, "cmd:x"), @"d-4");
    assert_snapshot!(answer_one(lines, "virtual"), @"f-1");
    assert_snapshot!(answer_one(lines, "virtual e"), @"e-1");
    assert_snapshot!(answer_one(lines, "real"), @"real-2");
    assert_snapshot!(answer_one(lines, "real=1"), @"g-1");
    assert_snapshot!(answer_one(lines, "user tool"), @"user-1 i-9");
    assert_snapshot!(answer_one(lines, "usertool"), @"user-1 h-1 usertool-1");
}

#[test]
fn a_tagged_repository_is_used_only_where_the_tag_is_asked_for() {
    let repositories =
        [repository(None, "a 1 D:b\nb 1"), repository(Some("edge"), "a 2 D:b\nb 2\nc 2 D:d\nd 2")];
    assert_snapshot!(answer(&repositories, "a"), @"b-1 a-1");
    assert_snapshot!(answer(&repositories, "a@edge"), @"b-1 a-2");
    assert_snapshot!(answer(&repositories, "c@edge"), @"d-2 c-2");
    assert_snapshot!(answer(&repositories, "a d"), @r"
    error: `d` was asked for, which only the repository `@edge` has
    help: ask for `d@edge`
    ");
}

#[test]
fn what_is_there_brings_other_packages_along() {
    let lines = "
        app 1 D:lib
        lib 1
        docs 1
        app-docs 1 i:app,docs D:viewer
        viewer 1
        lib-docs 1 i:lib=2,docs
        never 1 i:app D:missing
        not 1 i:app,!docs
    ";
    assert_snapshot!(answer_one(lines, "app docs"), @"lib-1 app-1 docs-1 viewer-1 app-docs-1");
    assert_snapshot!(answer_one(lines, "app"), @"lib-1 app-1 not-1");
}

#[test]
fn unknown_names_are_explained() {
    let lines = "
        curl 1 D:libcurl
        libcurl 4 D:so:ssl.so.3
        libcurl 3 D:so:ssl.so.3
        libcurl 2 D:so:ssl.so.3,x
        libcurl 1 D:so:ssl.so.3
        openssl 3 p:so:ssl.so.4=4
    ";
    assert_snapshot!(answer_one(lines, "crul"), @r"
    error: nothing provides `crul`, which was asked for
    help: did you mean `curl`?
    ");
    assert_snapshot!(answer_one(lines, "curl"), @r"
    error: `curl-1` needs `libcurl-4`, which needs `so:ssl.so.3`, which nothing provides
    help: did you mean `so:ssl.so.4`?
    ");
    assert_snapshot!(answer_one(lines, "libcurl"), @r"
    error: `libcurl-4` needs `so:ssl.so.3`, which nothing provides; 3 other versions of `libcurl` can't be installed either
    help: did you mean `so:ssl.so.4`?
    ");
}

#[test]
fn versions_and_conflicts_are_explained() {
    let lines = "
        a 1 D:c<2
        b 1 D:c>=2
        c 1
        c 2
        d 1 D:!c
        e 1 p:cmd:x=1
        f 1 p:cmd:x=1
        g 1 A:armv7
        h 1 D:b@edge
        i 1 D:v
        j 1 p:v
        k 1 p:v
    ";
    assert_snapshot!(answer_one(lines, "c>3"), @"error: `c>3` was asked for, but there is only `c-2` and `c-1`");
    assert_snapshot!(answer_one(lines, "a b"), @"error: `a-1` needs `c<2`, but `b-1` (which was asked for) needs `c>=2` and not `c-1`");
    assert_snapshot!(answer_one(lines, "d c"), @"error: `c` was asked for, but `d-1` (which was asked for) can't stand `c-2`");
    assert_snapshot!(answer_one(lines, "e f"), @"error: `f` was asked for, but both `f-1` and `e-1` (which was asked for) provide `cmd:x`");
    assert_snapshot!(answer_one(lines, "g"), @"error: `g` was asked for, but `g-1` can't be installed: it is built for `armv7`");
    assert_snapshot!(answer_one(lines, "h"), @"error: `h` was asked for, but `h-1` can't be installed: `b@edge` is not a valid dependency");
    assert_snapshot!(answer_one(lines, "i"), @r"
    error: `i-1` needs `v`, which `j` and `k` provide without a priority
    help: add one of `j`, `k` to the packages that are asked for
    ");
    assert_snapshot!(answer_one(lines, "i k"), @"k-1 i-1");
    assert_snapshot!(answer_one(lines, "a !c"), @"error: `a-1` needs `c<2`, but `!c` was asked for too");
}

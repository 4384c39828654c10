//! Every byte that `bump` does not change stays: in recipes of any form, and in all of Wolfi's.

use melange2::bump::bump;

use super::{Everything, bumped, differences, digest, options};
use crate::corpus::wolfi;

/// A recipe written in one of many ways, which the values have no part in.
fn written(form: &[String; 7], version: &str, epoch: &str, sha256: &str) -> String {
    let [comment, quote, blank, end, indent, anchor, flow] = form;
    let text = format!(
        "{comment}package:\n{indent}epoch: {epoch}{blank} # {version} {epoch}\n{indent}name: \
         d{version}x\n{indent}version: {anchor}{quote}{version}{quote}{blank}\n{comment}pipeline:\n  \
         - uses: fetch\n    with: {flow}expected-sha256: {quote}{sha256}{quote}{}uri: \
         \"https://example.com/${{{{package.version}}}}\"{}\n  - runs: |\n      # {version} {sha256}\n\
         \x20     echo 'a'\n",
        if flow.is_empty() { "\n      " } else { ", " },
        if flow.is_empty() { "" } else { "}" },
    );
    let text = if flow.is_empty() {
        text.replace("with: expected", "with:\n      expected")
    } else {
        text
    };
    text.replace('\n', end)
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
    #[test]
    fn every_other_byte_stays(
        comment in "(# [ -~é]{0,20}\n){0,2}",
        quote in "['\"]?",
        blank in "[ ]{0,3}",
        end in "\r?\n",
        indent in "[ ]{1,6}",
        anchor in "(&v )?",
        flow in "[{]?",
        old in "[0-9]{1,2}(\\.[0-9]{1,3}){1,2}",
        new in "[0-9]{1,3}(\\.[0-9]{1,2}){0,3}(_rc[0-9])?",
        epoch in 0_u64..300,
    ) {
        let form = [comment, quote, blank, end, indent, anchor, flow];
        let sha256 = digest("old", 64);
        let before = written(&form, &old, &epoch.to_string(), &sha256);
        let after = bumped(&before, &new).after;
        let same = old == new;
        let sha256 =
            if same { sha256 } else { digest(&format!("https://example.com/{new}"), 64) };
        let expected_epoch = if same { epoch + 1 } else { 0 };
        // Comments, names and scripts hold the old values, wherever they stand.
        let marked = |version: &str, epoch: &str, sha256: &str| written(&form, version, epoch, sha256);
        let expected = marked("\u{1}", "\u{2}", "\u{3}");
        let expected = restore(&expected, [&old, &epoch.to_string(), &digest("old", 64)],
            [&new, &expected_epoch.to_string(), &sha256]);
        proptest::prop_assert_eq!(after, expected);
    }
}

/// Puts the old values where they only stand by chance, and the new ones where they are values.
fn restore(text: &str, old: [&str; 3], new: [&str; 3]) -> String {
    let mut result = String::new();
    for line in text.split_inclusive('\n') {
        let (value, rest) = match line.find(" # ") {
            Some(at) => line.split_at(at),
            None => (line, ""),
        };
        let trimmed = value.trim_start();
        let is_value = trimmed.starts_with("version:")
            || trimmed.starts_with("epoch:")
            || trimmed.contains("expected-sha256:");
        let put = |text: &str, [version, epoch, sha256]: [&str; 3]| {
            text.replace('\u{1}', version).replace('\u{2}', epoch).replace('\u{3}', sha256)
        };
        result.push_str(&put(value, if is_value { new } else { old }));
        result.push_str(&put(rest, old));
    }
    result
}

/// Every recipe of Wolfi takes a new version: exactly the lines with values change, and of these
/// nothing but the values.
#[test]
fn wolfis_recipes_take_a_new_version_and_keep_the_rest() {
    let Some(corpus) = wolfi() else { return };
    let mut options = options();
    options.context.pipeline_dirs = vec![corpus.join("pipelines")];
    let mut recipes: Vec<_> = fs_err::read_dir(corpus.join("recipes"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    recipes.sort();
    let (mut sources, mut failed) = (0, Vec::new());
    for recipe in &recipes {
        let bumped = match bump(recipe, "9999.8.7", &options, &Everything) {
            Ok(bumped) => bumped,
            Err(error) => {
                failed.push(format!("{}: {error}", recipe.display()));
                continue;
            }
        };
        let mut seen = (false, 0);
        for (before, after) in differences(&bumped) {
            let key = before.trim_start().split(':').next().unwrap();
            match key {
                "version" => {
                    let old = before
                        .split(['"', '\'', ' '])
                        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
                    assert_eq!(before.replace(old.unwrap(), "9999.8.7"), after);
                    seen.0 = true;
                }
                "epoch" => assert!(after.starts_with("  epoch: 0"), "{after}"),
                _ => {
                    let change = bumped
                        .changes
                        .iter()
                        .find(|change| before.contains(&change.from) && change.from.len() >= 40);
                    let change = change.unwrap_or_else(|| panic!("{before}"));
                    assert_eq!(before.replace(&change.from, &change.to), after);
                    seen.1 += 1;
                }
            }
        }
        assert!(seen.0, "{}", recipe.display());
        sources += usize::from(seen.1 > 0);
    }
    println!("{} recipes, {sources} with other sources", recipes.len());
    assert!(failed.is_empty(), "{} failed:\n{}", failed.len(), failed.join("\n"));
    // 94.7 % of Wolfi check out, 5 % fetch; a few of these name no version.
    assert!(sources * 10 > recipes.len() * 9, "{sources}");
}

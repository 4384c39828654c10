//! "Did you mean": the known name that is nearest to an unknown one. A leaf.

/// The candidate most like `name`, if one is like it at all.
pub(crate) fn nearest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    // Below this, what is offered is noise rather than a slip of the keyboard.
    const LIKE: f64 = 0.8;
    let mut best: Option<(f64, &str)> = None;
    for candidate in candidates {
        let likeness = likeness(name, candidate);
        if likeness >= LIKE && best.is_none_or(|(least, _)| likeness > least) {
            best = Some((likeness, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// 0 to 1. Case and `_` for `-` count as nearly the same, and so does a name without its directory.
fn likeness(name: &str, candidate: &str) -> f64 {
    let fold = |text: &str| text.to_lowercase().replace('_', "-");
    let (name, candidate) = (fold(name), fold(candidate));
    if candidate.rsplit('/').next() == Some(name.as_str()) {
        return 0.99;
    }
    strsim::jaro_winkler(&name, &candidate)
        .min(0.75 + strsim::normalized_damerau_levenshtein(&name, &candidate) / 4.0)
}

/// `` `a`, `b`, `c` ``, with at most twelve names.
pub(crate) fn quoted_list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    if names.len() > 12 {
        let more = names.len() - 11;
        names.truncate(11);
        names.push(format!("{more} more"));
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_understood_and_other_words_are_not() {
        let keys = ["package", "pipeline", "subpackages", "working-directory", "autoconf/make"];
        assert_eq!(nearest("pipelin", keys), Some("pipeline"));
        assert_eq!(nearest("working_directory", keys), Some("working-directory"));
        assert_eq!(nearest("make", keys), Some("autoconf/make"));
        assert_eq!(nearest("colour", keys), None);
    }

    #[test]
    fn long_lists_are_cut() {
        let many: Vec<String> = (0..20).map(|number| number.to_string()).collect();
        let text = quoted_list(many.iter().map(String::as_str));
        assert!(text.ends_with("`10`, 9 more"), "{text}");
    }
}

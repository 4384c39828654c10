//! Comments in a recipe that switch rules off: `# nolint:RULE[,RULE…]`.
//!
//! The spelling is that of Wolfi's tools, whose names of rules stand beside ours and mean nothing
//! here. At the end of a line, or on a line of its own before it, a comment speaks of that line;
//! before the first key it speaks of the whole file.

use crate::diagnostic::Diagnostic;

const MARK: &str = "nolint:";

/// A comment that switches rules off.
#[derive(Debug)]
pub(super) struct Comment {
    rules: Vec<String>,
    /// The line that it speaks of, from 1; none for the whole file.
    line: Option<usize>,
}

impl Comment {
    /// Whether it switches a finding off.
    pub(super) fn covers(&self, item: &Diagnostic) -> bool {
        if !self.rules.iter().any(|rule| rule == item.code) {
            return false;
        }
        let Some((span, _)) = item.labels.first() else { return self.line.is_none() };
        self.line.is_none_or(|line| line == span.line())
    }
}

/// All such comments of a recipe.
pub(super) fn comments(text: &str) -> Vec<Comment> {
    let mut comments = Vec::new();
    // Comments on lines of their own wait for the line that they speak of.
    let mut waiting: Vec<Vec<String>> = Vec::new();
    let mut in_head = true;
    for (number, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        if let Some(comment) = trimmed.strip_prefix('#') {
            match rules(comment) {
                Some(rules) if in_head => comments.push(Comment { rules, line: None }),
                Some(rules) => waiting.push(rules),
                None => {}
            }
            continue;
        }
        if trimmed.is_empty() {
            continue;
        }
        in_head = false;
        let at_end = line.rsplit_once(" #").and_then(|(_, comment)| rules(comment));
        for rules in waiting.drain(..).chain(at_end) {
            comments.push(Comment { rules, line: Some(number + 1) });
        }
    }
    comments
}

fn rules(comment: &str) -> Option<Vec<String>> {
    let list = comment.trim().strip_prefix(MARK)?;
    // A remark may follow.
    let list = list.trim_start().split([' ', '\t', '#']).next().unwrap_or_default();
    Some(list.split(',').map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_speak_of_a_line_or_of_the_file() {
        let text = "#nolint:a,valid-tag\n# x\npackage:\n  # nolint: b because\n  # more\n\n  name: x\n  \
                    version: 1 # nolint:c\n";
        let found: Vec<_> = comments(text)
            .into_iter()
            .map(|comment| (comment.rules.join("+"), comment.line))
            .collect();
        assert_eq!(
            found,
            [
                ("a+valid-tag".to_owned(), None),
                ("b".to_owned(), Some(7)),
                ("c".to_owned(), Some(8)),
            ]
        );
    }
}

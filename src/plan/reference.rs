//! `${{name}}`: finding references in a text and putting values in their place.
//!
//! Stage 2. Two ways, as upstream has them: early substitution knows only the exact spelling and
//! leaves everything else; late substitution allows spaces and refuses what it does not know.

use std::borrow::Cow;

/// The longest text that substitution may make: variables that double each other grow without
/// bound.
pub(super) const MAX_TEXT: usize = 8 << 20;

/// How many problems of one text are told: a variable that is missed once may be named often.
pub(super) const MAX_PROBLEMS: usize = 100;

const OPEN: &str = "${{";
const CLOSE: &str = "}}";

/// What is wrong with a reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// A stable name of this kind of problem.
    pub(super) code: &'static str,
    /// What is wrong.
    pub(super) message: String,
    /// What to do.
    pub(super) help: Option<String>,
    /// The reference as it is spelled, to be found again in the file.
    pub(super) raw: String,
}

impl Problem {
    /// A reference to something that is not there.
    pub(super) fn unknown(name: &str, help: Option<String>) -> Self {
        Self {
            code: "unknown-variable",
            message: format!("variable `{name}` is not defined"),
            help,
            raw: String::new(),
        }
    }
}

/// A part of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Text that stands for itself.
    Text(&'a str),
    /// `${{ name }}`
    Reference {
        /// The name.
        name: &'a str,
        /// All of it.
        raw: &'a str,
    },
    /// `${{` that no reference follows.
    Malformed {
        /// What is wrong.
        why: &'static str,
        /// As much as was understood.
        raw: &'a str,
    },
}

/// Cuts a text at its references.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(OPEN) {
        if at > 0 {
            pieces.push(Piece::Text(&rest[..at]));
        }
        let reference = reference(&rest[at..]);
        let length = match &reference {
            Piece::Reference { raw, .. } | Piece::Malformed { raw, .. } => raw.len(),
            Piece::Text(text) => text.len(),
        };
        pieces.push(reference);
        rest = &rest[at + length..];
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    pieces
}

/// The well-formed references of a text: at which byte each begins, and its name.
pub fn references(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut at = 0;
    for piece in pieces(text) {
        at += match piece {
            Piece::Text(text) => text.len(),
            Piece::Malformed { raw, .. } => raw.len(),
            Piece::Reference { name, raw } => {
                found.push((at, name));
                raw.len()
            }
        };
    }
    found
}

/// Reads the reference that a text starts with.
fn reference(text: &str) -> Piece<'_> {
    let inner = text[OPEN.len()..].trim_start_matches([' ', '\t', '\n', '\r']);
    let letters = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let length = inner.find(|c| !letters(c)).unwrap_or(inner.len());
    let (name, after) = inner.split_at(length);
    if name.is_empty() {
        let raw = &text[..text.len() - inner.len()];
        return Piece::Malformed { why: "no variable name after `${{`", raw };
    }
    let after = after.trim_start_matches([' ', '\t', '\n', '\r']);
    match after.strip_prefix(CLOSE) {
        Some(rest) => Piece::Reference { name, raw: &text[..text.len() - rest.len()] },
        None => {
            let raw = &text[..text.len() - after.len()];
            Piece::Malformed { why: "no `}}` after the variable's name", raw }
        }
    }
}

/// Late substitution: every reference must be known.
pub(super) fn substitute<'v>(
    text: &str,
    lookup: &dyn Fn(&str) -> Result<Cow<'v, str>, Problem>,
) -> Result<String, Vec<Problem>> {
    let mut result = String::with_capacity(text.len());
    let mut problems = Vec::new();
    for piece in pieces(text) {
        match piece {
            Piece::Text(text) => result.push_str(text),
            Piece::Reference { name, raw } => match lookup(name) {
                Ok(value) => result.push_str(&value),
                Err(problem) => problems.push(Problem { raw: raw.to_owned(), ..problem }),
            },
            Piece::Malformed { why, raw } => problems.push(malformed(why, raw)),
        }
        if result.len() > MAX_TEXT {
            problems.push(too_long(""));
            break;
        }
        if problems.len() >= MAX_PROBLEMS {
            break;
        }
    }
    if problems.is_empty() { Ok(result) } else { Err(problems) }
}

/// A `${{` that no reference follows.
pub(super) fn malformed(why: &str, raw: &str) -> Problem {
    Problem {
        code: "malformed-reference",
        message: why.to_owned(),
        help: Some("a variable is written as `${{name}}`; there is no escape for `${{`".to_owned()),
        raw: raw.to_owned(),
    }
}

/// A text that grew too long.
pub(super) fn too_long(raw: &str) -> Problem {
    Problem {
        code: "too-long",
        message: "substituted text is longer than 8 MiB".to_owned(),
        help: Some("look for variables that contain each other several times".to_owned()),
        raw: raw.to_owned(),
    }
}

/// Early substitution: known references in their exact spelling, without looking at values again.
/// None if the result is too long.
pub(super) fn replace_exact<'v>(
    text: &str,
    lookup: &dyn Fn(&str) -> Option<&'v str>,
) -> Option<String> {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(OPEN) {
        result.push_str(&rest[..at]);
        rest = &rest[at..];
        let known = rest.find(CLOSE).and_then(|close| {
            lookup(&rest[OPEN.len()..close]).map(|value| (value, close + CLOSE.len()))
        });
        let (piece, length) = known.unwrap_or((OPEN, OPEN.len()));
        result.push_str(piece);
        rest = &rest[length..];
        if result.len() > MAX_TEXT {
            return None;
        }
    }
    result.push_str(rest);
    Some(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn late(text: &str) -> Result<String, Vec<Problem>> {
        substitute(text, &|name| match name {
            "a" => Ok("1".into()),
            "b.c-d_e" => Ok("${{a}}".into()),
            _ => Err(Problem::unknown(name, None)),
        })
    }

    #[test]
    fn late_substitution_is_tolerant_of_spaces_only() {
        assert_eq!(late("x${{a}}y${{ b.c-d_e\t}}").unwrap(), "x1y${{a}}");
        assert_eq!(late("$${{a}} ${a} {{a}} ${{a}}}").unwrap(), "$1 ${a} {{a}} 1}");
        let problems = late("${{}} ${{a} ${{zzz}}").unwrap_err();
        let codes: Vec<_> = problems.iter().map(|problem| problem.code).collect();
        assert_eq!(codes, ["malformed-reference", "malformed-reference", "unknown-variable"]);
        assert_eq!(problems[2].raw, "${{zzz}}");
    }

    #[test]
    fn early_substitution_leaves_what_it_does_not_know() {
        let lookup = |name: &str| (name == "a").then_some("${{a}}");
        assert_eq!(
            replace_exact("${{a}} ${{ a }} ${{b}} ${{a} x", &lookup).unwrap(),
            "${{a}} ${{ a }} ${{b}} ${{a} x"
        );
    }

    proptest::proptest! {
        #[test]
        fn pieces_are_the_text(text in "[${}a. -]{0,40}") {
            let joined: String = pieces(&text).iter().map(|piece| match piece {
                Piece::Text(text) => *text,
                Piece::Reference { raw, .. } | Piece::Malformed { raw, .. } => *raw,
            }).collect();
            proptest::prop_assert_eq!(joined, text);
        }
    }
}

//! `if:` — comparisons of texts, joined by `&&` and `||`.
//!
//! Stage 2. Upstream's grammar: both joins bind alike and from the left; there is no `!`. Ours
//! takes variables inside and outside of quotes at either time of substitution, and a value can't
//! end the quotes that it stands in.

use super::reference::{MAX_PROBLEMS, Piece, Problem, malformed, pieces};

/// What a lookup says: a value, or that the reference stays, or what is wrong.
pub(super) type Lookup<'a> = dyn Fn(&str) -> Result<Option<String>, Problem> + 'a;

/// How deep parentheses may nest.
const MAX_DEPTH: usize = 50;

/// What is wrong with a condition, and at which byte of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Invalid {
    pub(super) at: usize,
    pub(super) message: String,
}

/// Puts values in the place of variables: within quotes as text, elsewhere as a quoted text.
pub(super) fn substitute(text: &str, lookup: &Lookup<'_>) -> Result<String, Vec<Problem>> {
    let mut result = String::new();
    let mut problems = Vec::new();
    let mut quote = None;
    for piece in pieces(text) {
        match piece {
            Piece::Text(text) => {
                quote = quote_after(text, quote);
                result.push_str(text);
            }
            Piece::Reference { name, raw } => match lookup(name) {
                Ok(Some(value)) => push_value(&mut result, &value, quote),
                Ok(None) => result.push_str(raw),
                Err(problem) => problems.push(Problem { raw: raw.to_owned(), ..problem }),
            },
            Piece::Malformed { why, raw } => problems.push(malformed(why, raw)),
        }
        if problems.len() >= MAX_PROBLEMS {
            break;
        }
    }
    if problems.is_empty() { Ok(result) } else { Err(problems) }
}

fn push_value(result: &mut String, value: &str, quote: Option<char>) {
    let inside = quote.unwrap_or('"');
    if quote.is_none() {
        result.push('"');
    }
    for character in value.chars() {
        match character {
            '\n' => result.push_str("\\n"),
            '\t' => result.push_str("\\t"),
            _ => {
                if character == '\\' || character == inside {
                    result.push('\\');
                }
                result.push(character);
            }
        }
    }
    if quote.is_none() {
        result.push('"');
    }
}

/// The quote that is open after a text, if `quote` was open before it.
fn quote_after(text: &str, mut quote: Option<char>) -> Option<char> {
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match quote {
            Some(_) if character == '\\' => {
                characters.next();
            }
            Some(open) if character == open => quote = None,
            None if matches!(character, '\'' | '"') => quote = Some(character),
            _ => {}
        }
    }
    quote
}

/// Whether a condition holds. References that are left stand for nothing.
pub(super) fn evaluate(text: &str) -> Result<bool, Invalid> {
    let mut parser = Parser { text, at: 0 };
    let result = parser.expression(0)?;
    parser.space();
    match parser.rest() {
        "" => Ok(result),
        _ => Err(parser.invalid("expected `&&`, `||` or the end")),
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start_matches([' ', '\t', '\n', '\r']).len();
    }

    fn take(&mut self, token: &str) -> bool {
        self.space();
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn invalid(&self, message: impl Into<String>) -> Invalid {
        Invalid { at: self.at, message: message.into() }
    }

    fn expression(&mut self, depth: usize) -> Result<bool, Invalid> {
        let mut result = self.atom(depth)?;
        loop {
            if self.take("&&") {
                result &= self.atom(depth)?;
            } else if self.take("||") {
                result |= self.atom(depth)?;
            } else {
                return Ok(result);
            }
        }
    }

    fn atom(&mut self, depth: usize) -> Result<bool, Invalid> {
        if !self.take("(") {
            return self.comparison();
        }
        if depth >= MAX_DEPTH {
            return Err(self.invalid("more than 50 parentheses deep"));
        }
        let result = self.expression(depth + 1)?;
        if self.take(")") { Ok(result) } else { Err(self.invalid("expected `)`")) }
    }

    fn comparison(&mut self) -> Result<bool, Invalid> {
        let left = self.value()?;
        let equal = if self.take("==") {
            true
        } else if self.take("!=") {
            false
        } else {
            return Err(self.invalid("expected `==` or `!=`"));
        };
        let right = self.value()?;
        Ok((left == right) == equal)
    }

    fn value(&mut self) -> Result<String, Invalid> {
        self.space();
        if self.rest().starts_with("${{") {
            return match pieces(self.rest()).first() {
                Some(Piece::Reference { raw, .. }) => {
                    self.at += raw.len();
                    Ok(String::new())
                }
                _ => Err(self.invalid("expected a variable")),
            };
        }
        let mut characters = self.rest().char_indices();
        let Some((_, quote @ ('\'' | '"'))) = characters.next() else {
            let word = self.rest().split([' ', '=', '!', ')', '&', '|']).next().unwrap_or_default();
            return Err(self.invalid(match word {
                "" => "expected a quoted text or a variable".to_owned(),
                word => format!("expected a quoted text or a variable, found `{word}`"),
            }));
        };
        let mut value = String::new();
        while let Some((offset, character)) = characters.next() {
            match character {
                '\\' => match characters.next() {
                    Some((_, escaped @ ('\\' | '\'' | '"'))) => value.push(escaped),
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, 't')) => value.push('\t'),
                    Some((_, other)) => value.extend(['\\', other]),
                    None => break,
                },
                _ if character == quote => {
                    self.at += offset + 1;
                    return Ok(value);
                }
                _ => value.push(character),
            }
        }
        Err(self.invalid("these quotes are not closed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_bind_alike_from_the_left() {
        for (text, holds) in [
            ("'a' == 'a'", true),
            ("\"a\"!='a'", false),
            ("'c'=='c' || 'a'=='a' && 'a'=='b'", false),
            ("'c'=='c' || ('a'=='a' && 'a'=='b')", true),
            (" ( 'a' == \"a\" ) ", true),
            (r#"'it\'s' == "it's""#, true),
            ("${{x}} == ''", true),
        ] {
            assert_eq!(evaluate(text), Ok(holds), "{text}");
        }
    }

    #[test]
    fn what_is_no_condition_is_refused() {
        let wrong =
            ["", "true", "'a'", "'a' = 'a'", "!'a' == 'a'", "'a' == b", "'a' == 'a", "('a'=='a'"];
        for text in wrong {
            assert!(evaluate(text).is_err(), "{text}");
        }
        assert_eq!(
            evaluate("foo == 'x'").unwrap_err().message,
            "expected a quoted text or a variable, found `foo`"
        );
        assert!(evaluate(&"(".repeat(100_000)).is_err());
    }

    #[test]
    fn values_stay_within_their_quotes() {
        let lookup = |name: &str| match name {
            "evil" => Ok(Some("' == '\" \\".to_owned())),
            _ => Ok(None),
        };
        for text in ["'${{evil}}' == 'x'", "\"${{evil}}\" == 'x'", "${{evil}} == 'x'"] {
            let text = substitute(text, &lookup).unwrap();
            assert_eq!(evaluate(&text), Ok(false), "{text}");
        }
        assert_eq!(substitute("${{other}} == ''", &lookup).unwrap(), "${{other}} == ''");
    }

    proptest::proptest! {
        #[test]
        fn a_value_equals_itself(value in ".{0,20}") {
            let text = substitute("${{v}} == '${{v}}'", &|_| Ok(Some(value.clone()))).unwrap();
            proptest::prop_assert_eq!(evaluate(&text), Ok(true));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[a'\"=!&|()${}\\\\ é]{0,40}") {
            let _ = evaluate(&text);
        }
    }
}

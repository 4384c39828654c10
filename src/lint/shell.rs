//! Where in a shell text a reference stands: bare, in quotes, in a here-document.
//!
//! Not a parser: it follows quotes, comments, command substitutions and here-documents, which is
//! what decides how the shell reads what is put in a reference's place.

use crate::plan::references;

/// What surrounds a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quoting {
    /// Nothing: words are split, patterns expanded.
    Bare,
    /// `"…"`, or a here-document that is expanded.
    Double,
    /// `'…'`
    Single,
    /// A here-document with a quoted end, or a comment: nothing is special.
    Verbatim,
}

/// A reference and how it stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place<'a> {
    /// At which byte.
    pub(super) at: usize,
    /// Its name.
    pub(super) name: &'a str,
    pub(super) quoting: Quoting,
    /// Whether a word begins there.
    pub(super) starts_word: bool,
}

/// The references of a script, and how each stands.
pub(super) fn places(script: &str) -> Vec<Place<'_>> {
    let references = references(script);
    let mut lexer =
        Lexer { script, at: 0, stack: vec![Frame::Bare(Ends::Never)], heredocs: Vec::new() };
    let mut places = Vec::new();
    for (at, name) in references {
        lexer.run_to(at);
        let before = script[..at].chars().next_back();
        let starts_word = before.is_none_or(|c| c.is_whitespace() || "=;|&(".contains(c));
        places.push(Place { at, name, quoting: lexer.quoting(), starts_word });
        // What stands for the reference has no say in how the rest is read.
        let length = script[at..].find("}}").map_or(0, |end| end + 2);
        lexer.at = at + length;
    }
    places
}

/// What ends a bare part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    Never,
    Parenthesis,
    Backtick,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Frame {
    Bare(Ends),
    Double,
    Single,
    Comment,
    Heredoc { end: String, tabs: bool, quoted: bool },
}

struct Lexer<'a> {
    script: &'a str,
    at: usize,
    stack: Vec<Frame>,
    /// Here-documents that begin with the next line.
    heredocs: Vec<Frame>,
}

impl<'a> Lexer<'a> {
    fn quoting(&self) -> Quoting {
        match self.stack.last() {
            None | Some(Frame::Bare(_)) => Quoting::Bare,
            Some(Frame::Double | Frame::Heredoc { quoted: false, .. }) => Quoting::Double,
            Some(Frame::Single) => Quoting::Single,
            Some(Frame::Comment | Frame::Heredoc { .. }) => Quoting::Verbatim,
        }
    }

    fn run_to(&mut self, end: usize) {
        while self.at < end {
            let before = self.at;
            self.step();
            // Whatever happens, it ends.
            if self.at <= before {
                self.at = before + 1;
            }
        }
    }

    fn rest(&self) -> &'a str {
        self.script.get(self.at..).unwrap_or_default()
    }

    fn step(&mut self) {
        let Some(character) = self.rest().chars().next() else {
            self.at += 1;
            return;
        };
        let frame = self.stack.last().cloned().unwrap_or(Frame::Bare(Ends::Never));
        match frame {
            Frame::Bare(ends) => self.bare(character, ends),
            Frame::Double => self.double(character),
            Frame::Single => {
                self.at += character.len_utf8();
                if character == '\'' {
                    self.stack.pop();
                }
            }
            Frame::Comment => {
                if character == '\n' {
                    // The line's end is the command's too.
                    self.stack.pop();
                } else {
                    self.at += character.len_utf8();
                }
            }
            Frame::Heredoc { end, tabs, quoted } => self.heredoc(&end, tabs, quoted),
        }
    }

    fn bare(&mut self, character: char, ends: Ends) {
        let word_before = self.script[..self.at]
            .chars()
            .next_back()
            .is_some_and(|c| !c.is_whitespace() && !";|&()`".contains(c));
        if self.rest().starts_with("<<") && !self.rest().starts_with("<<<") {
            self.here();
            return;
        }
        let skip = if character == '\\' {
            1 + self.rest().chars().nth(1).map_or(0, char::len_utf8)
        } else {
            character.len_utf8()
        };
        self.at += skip;
        match character {
            '"' => self.stack.push(Frame::Double),
            '\'' => self.stack.push(Frame::Single),
            '(' => self.stack.push(Frame::Bare(Ends::Parenthesis)),
            ')' if ends == Ends::Parenthesis => drop(self.stack.pop()),
            '`' if ends == Ends::Backtick => drop(self.stack.pop()),
            '`' => self.stack.push(Frame::Bare(Ends::Backtick)),
            '#' if !word_before => self.stack.push(Frame::Comment),
            '\n' => self.stack.extend(self.heredocs.drain(..).rev()),
            _ => {}
        }
    }

    fn double(&mut self, character: char) {
        if character == '\\' {
            self.at += 1 + self.rest().chars().nth(1).map_or(0, char::len_utf8);
            return;
        }
        if self.rest().starts_with("$(") {
            self.at += 2;
            self.stack.push(Frame::Bare(Ends::Parenthesis));
            return;
        }
        self.at += character.len_utf8();
        match character {
            '"' => drop(self.stack.pop()),
            '`' => self.stack.push(Frame::Bare(Ends::Backtick)),
            _ => {}
        }
    }

    /// Reads `<<WORD`.
    fn here(&mut self) {
        let after = &self.rest()[2..];
        let tabs = after.starts_with('-');
        let after = if tabs { &after[1..] } else { after };
        let after = after.trim_start_matches([' ', '\t']);
        let word = after.split(|c: char| c.is_whitespace() || ";|&<>()".contains(c)).next();
        let word = word.unwrap_or_default();
        let end: String = word.chars().filter(|c| !"'\"\\".contains(*c)).collect();
        // `1 << 2` shifts.
        if end.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            let quoted = word.len() != end.len();
            self.heredocs.push(Frame::Heredoc { end, tabs, quoted });
        }
        let skipped = self.rest().len() - after.len() + word.len();
        self.at += skipped.max(2);
    }

    /// Reads one character of a here-document, or the line that ends it.
    fn heredoc(&mut self, end: &str, tabs: bool, quoted: bool) {
        let at_line = self.at == 0 || self.script[..self.at].ends_with('\n');
        if at_line {
            let line = self.rest().split('\n').next().unwrap_or_default();
            let length = line.len();
            if (if tabs { line.trim_start_matches('\t') } else { line }) == end {
                self.stack.pop();
                self.at += length + 1;
                return;
            }
        }
        if !quoted && self.rest().starts_with("$(") {
            self.at += 2;
            self.stack.push(Frame::Bare(Ends::Parenthesis));
            return;
        }
        self.at += self.rest().chars().next().map_or(1, char::len_utf8);
    }
}

/// Whether the shell takes a value, put in at such a place, as it is.
pub(super) fn is_literal(value: &str, quoting: Quoting, starts_word: bool) -> bool {
    match quoting {
        Quoting::Verbatim => true,
        Quoting::Single => !value.contains('\''),
        Quoting::Double => !value.contains(['"', '$', '`', '\\']),
        Quoting::Bare => {
            let special = |c: char| c.is_whitespace() || "|&;<>()$`\\\"'*?[".contains(c);
            !(value.contains(special) || starts_word && value.starts_with(['~', '#']))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quotings(script: &str) -> Vec<Quoting> {
        places(script).into_iter().map(|place| place.quoting).collect()
    }

    #[test]
    fn quotes_comments_and_here_documents_are_followed() {
        use Quoting::{Bare, Double, Single, Verbatim};
        for (script, expected) in [
            ("a ${{x}} \"${{x}}\" '${{x}}'", vec![Bare, Double, Single]),
            ("a \\\"${{x}} # it's ${{x}}\nb ${{x}}", vec![Bare, Verbatim, Bare]),
            ("a#b'${{x}}' \"$(c ${{x}} \"${{x}}\")${{x}}\"", vec![Single, Bare, Double, Double]),
            ("\"`a ${{x}}`${{x}}\" (b) ${{x}}", vec![Bare, Double, Bare]),
            (
                "cat <<EOF >x ${{x}}\n'${{x}} $(a ${{x}})\nEOF\n${{x}}",
                vec![Bare, Double, Bare, Bare],
            ),
            ("cat <<-'EOF'\n\t${{x}}\n\tEOF\n'${{x}}'", vec![Verbatim, Single]),
            ("cat <<A <<\"B\"\n${{x}}\nA\n${{x}}\nB\n${{x}}", vec![Double, Verbatim, Bare]),
            ("echo $((1 << 2)) ${{x}}\n${{x}}", vec![Bare, Bare]),
            ("a <<<${{x}}\n\"${{x}}\"", vec![Bare, Double]),
        ] {
            assert_eq!(quotings(script), expected, "{script}");
        }
    }

    #[test]
    fn values_are_literal_or_not() {
        for (value, quoting, literal) in [
            ("1.2-r0/x@y:z=%", Quoting::Bare, true),
            ("a b", Quoting::Bare, false),
            ("a b", Quoting::Double, true),
            ("$a", Quoting::Double, false),
            ("$a \"", Quoting::Single, true),
            ("it's", Quoting::Single, false),
            ("~/x", Quoting::Bare, false),
        ] {
            assert_eq!(is_literal(value, quoting, true), literal, "{value} {quoting:?}");
        }
        assert!(is_literal("~1", Quoting::Bare, false));
    }

    proptest::proptest! {
        #[test]
        fn no_script_makes_it_panic(script in "[a${}'\"`()<\\\\#é\n E-]{0,60}") {
            let _ = places(&format!("{script}${{{{x}}}}{script}"));
        }
    }
}

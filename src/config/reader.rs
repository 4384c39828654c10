//! Reading YAML nodes against the schema: what is unknown or of a wrong type is collected.
//!
//! Stage 1. Knows no key by itself; the types of `schema` do.

use std::ops::Range;
use std::sync::Arc;

use super::yaml::{Key, Node, Value};
use crate::diagnostic::{Diagnostic, Diagnostics, Source, Span, nearest, quoted_list};

/// What happens with keys that the schema does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnknownKeys {
    /// Each is an error: recipes.
    Refused,
    /// They are skipped: pipeline files, which carry remarks such as `description`.
    Ignored,
}

/// Reads one file.
pub(crate) struct Reader<'a> {
    source: &'a Arc<Source>,
    unknown: UnknownKeys,
    /// What is wrong so far.
    pub(crate) problems: Diagnostics,
}

impl<'a> Reader<'a> {
    /// A reader of a file.
    pub(crate) fn new(source: &'a Arc<Source>, unknown: UnknownKeys) -> Self {
        Self { source, unknown, problems: Diagnostics::default() }
    }

    /// A place in the file.
    pub(crate) fn span(&self, bytes: &Range<usize>) -> Span {
        Span::new(self.source, bytes.clone())
    }

    /// Says that a value is of a wrong type; returns the default, which stands in for it.
    pub(crate) fn wrong_type<T: Default>(&mut self, node: &Node, expected: &str) -> T {
        let message = format!("expected {expected}, found {}", node.kind());
        let label = format!("expected {expected}");
        let help = match (&node.value, expected) {
            (Value::List(_), "a string") => {
                "several values go into one string, separated by spaces or newlines (`|` block)"
            }
            (Value::Map(_), "a string") => "is there a `: ` in the text? put quotes round it",
            (Value::Quoted(_), expected) if expected.contains("quotes") => "remove the quotes",
            (Value::Plain(_) | Value::Quoted(_), "a list") => {
                "write `- ` before the value, on a line of its own"
            }
            (_, "a list") => "write `- ` before each value, each on a line of its own",
            (Value::List(_), "a mapping") => "write `name: value`, without `- ` or `[]`",
            (_, "a mapping") => "write `name: value` on the lines below, indented",
            (_, expected) if expected.contains("number") => "write digits, such as `1`",
            _ => "write `true` or `false`",
        };
        let diagnostic = Diagnostic::error("wrong-type", message, self.span(&node.bytes), label);
        self.problems.push(diagnostic.help(help));
        T::default()
    }

    /// No program's argument, variable or file name can hold a NUL, and nor can a script.
    pub(crate) fn check_text(&mut self, text: &str, span: &Span) {
        if text.contains('\0') {
            let diagnostic =
                Diagnostic::error("nul", "a text with a NUL character", span.clone(), "")
                    .help("remove the `\\0` (or the invisible character)");
            self.problems.push(diagnostic);
        }
    }

    /// The entries of a mapping; none of null.
    pub(crate) fn entries<'n>(&mut self, node: &'n Node) -> &'n [(Key, Node)] {
        match &node.value {
            _ if node.is_null() => &[],
            Value::Map(entries) => entries,
            _ => {
                self.wrong_type::<()>(node, "a mapping");
                &[]
            }
        }
    }

    /// A key that the schema does not have there.
    pub(crate) fn unknown_key(&mut self, key: &Key, known: &[&str]) {
        if self.unknown == UnknownKeys::Ignored {
            return;
        }
        let help = match nearest(&key.text, known.iter().copied()) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("expected one of {}", quoted_list(known.iter().copied())),
        };
        let diagnostic = Diagnostic::error(
            "unknown-key",
            format!("unknown key `{}`", key.text),
            self.span(&key.bytes),
            "not a key of this mapping",
        );
        self.problems.push(diagnostic.help(help));
    }
}

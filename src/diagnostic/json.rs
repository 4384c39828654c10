//! Diagnostics as data, for editors and for CI. Around the stages; decides nothing.
//!
//! Of each diagnostic one object with the same keys, whatever is known of it:
//!
//! | key | value |
//! |---|---|
//! | `severity` | `error` or `warning` |
//! | `code` | the stable name of this kind of problem, such as `unknown-key`; else `null` |
//! | `message` | what is wrong, in one line |
//! | `labels` | places and what stands there, the main one first |
//! | `help` | what to do, or `null` |
//! | `chain` | the `uses:` that led into a pipeline file, innermost first |
//!
//! A place has `file`, `line`, `column`, `end_line`, `end_column`: all count from 1, columns count
//! characters, and the end is the place after the last character. A label has a `text` besides
//! (which may be empty), a link of the chain the `pipeline` that is used there.

use serde_json::{Value, json};

use super::{Diagnostic, Severity, Span};

/// A diagnostic as data.
pub(super) fn json(item: &Diagnostic) -> Value {
    let labels = item.labels.iter().filter(|(span, _)| !span.is_nowhere());
    let labels = labels.map(|(span, text)| at(span, "text", text));
    let chain = item.chain.iter().map(|link| at(&link.span, "pipeline", &link.value));
    json!({
        "severity": match item.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        "code": (!item.code.is_empty()).then_some(item.code),
        "message": item.message,
        "labels": labels.collect::<Value>(),
        "help": item.help,
        "chain": chain.collect::<Value>(),
    })
}

fn at(span: &Span, key: &str, text: &str) -> Value {
    let (line, column) = span.line_column();
    let (end_line, end_column) = span.end().line_column();
    json!({
        "file": span.path(),
        "line": line,
        "column": column,
        "end_line": end_line,
        "end_column": end_column,
        key: text,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::diagnostic::{Source, Spanned};

    #[test]
    fn everything_known_is_there_and_places_count_from_one() {
        let text = "pipeline:\n  - runs: é ${{x}}\n    name: a\n".to_owned();
        let source = Arc::new(Source { path: "a.yaml".into(), text });
        let reference = source.text.find("${{x}}").unwrap();
        let span = Span::new(&source, reference..reference + 6);
        let step = Span::new(&source, 14..source.text.len() - 1);
        let mut item = Diagnostic::error("unknown-variable", "no `x`", span, "not defined here")
            .label(step.clone(), "")
            .label(Span::default(), "nowhere");
        item.chain.push(Spanned::new("demo".to_owned(), step));
        insta::assert_snapshot!(lines(&json(&item)), @r#"
        "severity":"error"
        "code":"unknown-variable"
        "message":"no `x`"
        "labels":[{"file":"a.yaml","line":2,"column":13,"end_line":2,"end_column":19,"text":"not defined here"},{"file":"a.yaml","line":2,"column":5,"end_line":3,"end_column":12,"text":""}]
        "help":null
        "chain":[{"file":"a.yaml","line":2,"column":5,"end_line":3,"end_column":12,"pipeline":"demo"}]
        "#);
        let bare = Diagnostic::without_place("", "m").help("do");
        let bare = Diagnostic { severity: Severity::Warning, ..bare };
        insta::assert_snapshot!(lines(&json(&bare)), @r#"
        "severity":"warning"
        "code":null
        "message":"m"
        "labels":[]
        "help":"do"
        "chain":[]
        "#);
    }

    /// A line for each key.
    fn lines(json: &Value) -> String {
        let pairs = json.as_object().unwrap().iter();
        pairs.map(|(key, value)| format!("\"{key}\":{value}\n")).collect()
    }
}

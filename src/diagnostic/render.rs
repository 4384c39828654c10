//! Diagnostics as text in rustc's form. Around the stages; decides nothing.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::{Diagnostic, Severity, Span};

/// Renders all of them, an empty line between two.
pub(super) fn render(items: &[Diagnostic], color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let mut text = String::new();
    for item in items {
        if !text.is_empty() {
            text.push('\n');
        }
        let labels = labels(item);
        text.push_str(renderer.render(&[group(item, &labels)]).trim_end());
        text.push('\n');
    }
    text
}

fn group<'i>(item: &'i Diagnostic, labels: &'i [(Span, String)]) -> Group<'i> {
    let level = match item.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(item.message.as_str()).id(item.code);
    let mut group = Group::with_title(title);
    for snippet in snippets(labels) {
        group = group.element(snippet);
    }
    if let Some(help) = &item.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    group
}

/// The diagnostic's own places, then those of the `uses:` that led there, each once.
fn labels(item: &Diagnostic) -> Vec<(Span, String)> {
    let mut labels = item.labels.clone();
    for link in &item.chain {
        if !labels.iter().any(|(span, _)| span.same_place(&link.span)) {
            labels.push((link.span.clone(), format!("`{}` is used here", link.value)));
        }
    }
    labels
}

/// One snippet per run of labels of one file, in order: the main place comes first.
fn snippets(labels: &[(Span, String)]) -> Vec<Snippet<'_, annotate_snippets::Annotation<'_>>> {
    let mut snippets = Vec::new();
    let mut rest = labels;
    let mut kind = AnnotationKind::Primary;
    while let Some((first, _)) = rest.first() {
        let same =
            |(span, _): &&(Span, String)| std::sync::Arc::ptr_eq(&span.source, &first.source);
        let count = rest.iter().take_while(same).count();
        let (run, after) = rest.split_at(count);
        rest = after;
        if first.is_nowhere() {
            continue;
        }
        let mut snippet = Snippet::source(first.source.text.as_str())
            .path(first.source.path.display().to_string());
        for (span, text) in run {
            let annotation = kind.span(first_line(span));
            kind = AnnotationKind::Context;
            snippet = snippet.annotation(match text.as_str() {
                "" => annotation,
                text => annotation.label(text),
            });
        }
        snippets.push(snippet);
    }
    snippets
}

/// The part of a place that is on its first line: a whole script underlined helps nobody.
fn first_line(span: &Span) -> std::ops::Range<usize> {
    let text = span.text();
    let length = text.find('\n').unwrap_or(text.len());
    let length = text[..length].trim_end().len();
    let start = span.bytes.start.min(span.source.text.len());
    start..start + length
}

//! The tree from the parser's events. Stage 1; saphyr's types end here.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle};

use super::node::{Key, Node, Value};
use crate::diagnostic::{Diagnostic, Diagnostics, Source, Span};

/// How deep nodes may nest. Recipes reach 10.
const MAX_DEPTH: usize = 100;
/// How many nodes aliases may add: an alias of aliases grows without bound.
const MAX_ALIASED: usize = 100_000;

/// Reads the first document of a text, as upstream does.
///
/// `None` beside an empty list of problems is a text without a value; a tree beside problems is what
/// could be understood, so that its schema can be checked too.
pub(crate) fn parse(source: &Arc<Source>) -> (Option<Node>, Diagnostics) {
    let mut builder = Builder::new(source);
    let mut parser = Parser::new_from_str(&source.text);
    while let Some(event) = parser.next_event() {
        match event {
            Ok((Event::DocumentEnd | Event::StreamEnd, _)) => break,
            Ok((event, span)) => {
                let bytes = builder.bytes(span.start.index(), span.end.index());
                if builder.event(event, bytes).is_err() {
                    return (None, builder.problems);
                }
            }
            Err(error) => {
                let index = error.marker().index();
                let bytes = before_the_end(&source.text, builder.bytes(index, index + 1));
                let at = bytes.start;
                let span = Span::new(source, bytes);
                let message = format!("not valid YAML: {}", error.info());
                let diagnostic = Diagnostic::error("yaml", message, span, "");
                let near_reference = {
                    let from = source.text.floor_char_boundary(at.saturating_sub(3));
                    let to = source.text.floor_char_boundary(at + 3);
                    source.text[from..to].contains("${{")
                };
                let help = match help(error.info()) {
                    // The braces of a reference are YAML's there.
                    FLOW if near_reference => FLOW_REFERENCE,
                    help => help,
                };
                builder.problems.push(diagnostic.help(help));
                return (None, builder.problems);
            }
        }
    }
    (builder.root, builder.problems)
}

/// A place where something stands: what is missed at the end of the text is shown at its last
/// character, for there is no line after it.
fn before_the_end(text: &str, bytes: Range<usize>) -> Range<usize> {
    let written = text.trim_end();
    match written.char_indices().next_back() {
        Some((last, _)) if bytes.start >= written.len() => last..written.len(),
        _ => bytes,
    }
}

const FLOW: &str = "close the `[` or `{` before this place, and put a comma between values";
const FLOW_REFERENCE: &str =
    "within `[…]` and `{…}` put quotes round a text with `${{…}}`: `[\"a=${{package.version}}\"]`";

/// What to do about an error of the parser, whose words are those of libyaml.
fn help(info: &str) -> &'static str {
    let any = |parts: &[&str]| parts.iter().any(|part| info.contains(part));
    if any(&["quoted scalar"]) {
        "close the quotes that open here; within `\"…\"` a backslash is written twice"
    } else if any(&["'-' indicator", "block collection", "block sequence"]) {
        "the `-` of all items of a list stand in the same column, and so do the names of an item"
    } else if any(&["flow", "',' or", "','"]) {
        FLOW
    } else if any(&["anchor", "alias"]) {
        "an alias `*name` repeats what `&name` marked before; put quotes round a text with `*` or `&`"
    } else if any(&["tab"]) {
        "indent with spaces"
    } else if any(&["cannot start any token", "unexpected character", "reserved"]) {
        "put quotes round a text that starts with `@`, a backtick, `%` or a tab"
    } else if any(&["simple key"]) {
        "a colon belongs after a name: `name: value`; or does this line go on the one above?"
    } else if any(&["mapping values", "expected ':'"]) {
        "put quotes round a text with `: `; names of one mapping stand in the same column"
    } else {
        "names of one mapping stand in the same column, each with a colon: look at the line above too"
    }
}

/// Reading can't go on; the reason is among the problems.
struct Stop;

/// A collection that is not complete yet.
struct Frame {
    start: usize,
    anchor: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map { entries: Vec<(Key, Node)>, key: Option<Key>, seen: HashMap<String, Range<usize>> },
}

struct Builder<'a> {
    source: &'a Arc<Source>,
    /// Byte offsets of characters, if they differ: saphyr counts characters.
    offsets: Option<Vec<usize>>,
    stack: Vec<Frame>,
    anchors: HashMap<usize, (Node, usize)>,
    aliased: usize,
    root: Option<Node>,
    problems: Diagnostics,
}

impl<'a> Builder<'a> {
    fn new(source: &'a Arc<Source>) -> Self {
        let offsets = (!source.text.is_ascii())
            .then(|| source.text.char_indices().map(|(offset, _)| offset).collect());
        Self {
            source,
            offsets,
            stack: Vec::new(),
            anchors: HashMap::new(),
            aliased: 0,
            root: None,
            problems: Diagnostics::default(),
        }
    }

    fn bytes(&self, start: usize, end: usize) -> Range<usize> {
        let length = self.source.text.len();
        let byte = |index: usize| match &self.offsets {
            Some(offsets) => offsets.get(index).copied().unwrap_or(length),
            None => index.min(length),
        };
        byte(start)..byte(end.max(start))
    }

    fn problem(&mut self, code: &'static str, message: &str, bytes: Range<usize>, help: &str) {
        let span = Span::new(self.source, bytes);
        self.problems.push(Diagnostic::error(code, message, span, "").help(help));
    }

    fn event(&mut self, event: Event<'_>, bytes: Range<usize>) -> Result<(), Stop> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let string = tag.is_some_and(|tag| tag.suffix == "str");
                let value = match style {
                    // An empty plain scalar's text is not what stands there.
                    ScalarStyle::Plain if bytes.is_empty() => Value::Plain(String::new()),
                    ScalarStyle::Plain if !string => Value::Plain(text.into_owned()),
                    _ => Value::Quoted(text.into_owned()),
                };
                self.complete(Node { bytes, value }, anchor);
            }
            Event::SequenceStart(anchor, _) => {
                self.open(bytes, anchor, Content::List(Vec::new()))?;
            }
            Event::MappingStart(anchor, _) => {
                let map = Content::Map { entries: Vec::new(), key: None, seen: HashMap::new() };
                self.open(bytes, anchor, map)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(&bytes),
            Event::Alias(anchor) => self.alias(anchor, bytes)?,
            _ => {}
        }
        Ok(())
    }

    fn open(&mut self, bytes: Range<usize>, anchor: usize, content: Content) -> Result<(), Stop> {
        if self.stack.len() >= MAX_DEPTH {
            let help = "are brackets or braces not closed?";
            self.problem("too-deep", "nested more than 100 levels deep", bytes, help);
            return Err(Stop);
        }
        self.stack.push(Frame { start: bytes.start, anchor, content });
        Ok(())
    }

    fn close(&mut self, bytes: &Range<usize>) {
        let Some(frame) = self.stack.pop() else { return };
        // The end of a block collection is where the next thing begins; trim what lies between.
        let text = &self.source.text[frame.start..bytes.end.max(frame.start)];
        let whole = frame.start..frame.start + text.trim_end().len();
        let value = match frame.content {
            Content::List(items) => Value::List(items),
            Content::Map { entries, .. } => Value::Map(self.merge(entries)),
        };
        self.complete(Node { bytes: whole, value }, frame.anchor);
    }

    fn alias(&mut self, anchor: usize, bytes: Range<usize>) -> Result<(), Stop> {
        let Some((node, size)) = self.anchors.get(&anchor) else {
            let help = "write the value in place of the alias, or move the `&anchor` further in";
            self.problem("yaml", "an alias within the value that it stands for", bytes, help);
            return Err(Stop);
        };
        self.aliased += size;
        let node = node.clone();
        if self.aliased > MAX_ALIASED {
            let help = "write values out where aliases stand within what others repeat";
            self.problem("alias-limit", "aliases repeat more than 100,000 values", bytes, help);
            return Err(Stop);
        }
        self.complete(node, 0);
        Ok(())
    }

    /// Hands a complete node to the collection that it is in.
    fn complete(&mut self, node: Node, anchor: usize) {
        if anchor != 0 {
            let size = node.size();
            self.anchors.insert(anchor, (node.clone(), size));
        }
        match self.stack.last_mut().map(|frame| &mut frame.content) {
            None => self.root = Some(node),
            Some(Content::List(items)) => items.push(node),
            Some(Content::Map { entries, key, seen }) => match key.take() {
                None => match node.value {
                    Value::Plain(text) => {
                        *key = Some(Key { bytes: node.bytes, text, plain: true });
                    }
                    Value::Quoted(text) => {
                        *key = Some(Key { bytes: node.bytes, text, plain: false });
                    }
                    Value::List(_) | Value::Map(_) => {
                        let bytes = node.bytes.clone();
                        // Its value still has to be taken, so a key it gets.
                        *key = Some(Key { bytes: node.bytes, text: String::new(), plain: false });
                        let help = "if it is a text, put quotes round it";
                        self.problem("yaml", "a key must be a text", bytes, help);
                    }
                },
                Some(key) => {
                    // Several merge keys are refused too: which one wins nobody can know.
                    if let Some(first) = seen.get(&key.text) {
                        let first = first.clone();
                        self.duplicate(&key.text, first, key.bytes);
                    } else {
                        seen.insert(key.text.clone(), key.bytes.clone());
                        entries.push((key, node));
                    }
                }
            },
        }
    }

    fn duplicate(&mut self, key: &str, first: Range<usize>, again: Range<usize>) {
        let diagnostic = Diagnostic::error(
            "duplicate-key",
            format!("the key `{key}` stands twice in one mapping"),
            Span::new(self.source, again),
            "again here",
        )
        .label(Span::new(self.source, first), "first here")
        .help(match key {
            "<<" => "one `<<` takes several: `<<: [*first, *second]`",
            _ => "keep one of them",
        });
        self.problems.push(diagnostic);
    }

    /// Replaces `<<` by the entries of the mappings that it names; what is written wins over what
    /// is merged, and an earlier mapping over a later one.
    fn merge(&mut self, entries: Vec<(Key, Node)>) -> Vec<(Key, Node)> {
        if !entries.iter().any(|(key, _)| key.is_merge()) {
            return entries;
        }
        let (merges, mut own): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|(key, _)| key.is_merge());
        let mut seen: HashSet<String> = own.iter().map(|(key, _)| key.text.clone()).collect();
        for (_, node) in merges {
            let sources = match node.value {
                Value::List(items) => items,
                _ => vec![node],
            };
            for source in sources {
                let Value::Map(entries) = source.value else {
                    let help = "write `<<: *name`, and `&name` before the mapping that is meant";
                    let message = "`<<` takes a mapping, or a list of them";
                    self.problem("yaml", message, source.bytes, help);
                    continue;
                };
                for (key, node) in entries {
                    if seen.insert(key.text.clone()) {
                        own.push((key, node));
                    }
                }
            }
        }
        own
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Option<Node>, Diagnostics) {
        parse(&Arc::new(Source { path: "test.yaml".into(), text: text.to_owned() }))
    }

    fn show(node: &Node) -> String {
        match &node.value {
            _ if node.is_null() => "null".to_owned(),
            Value::Plain(text) => text.clone(),
            Value::Quoted(text) => format!("{text:?}"),
            Value::List(items) => {
                format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(" "))
            }
            Value::Map(entries) => {
                let entries =
                    entries.iter().map(|(key, node)| format!("{}={}", key.text, show(node)));
                format!("{{{}}}", entries.collect::<Vec<_>>().join(" "))
            }
        }
    }

    #[test]
    fn scalars_keep_their_text() {
        let (node, problems) = read("a: 1.10\nb: 00303\nc: ~\nd:\ne: 'x'\nf: |\n  y\n- z: 1\n");
        assert!(node.is_none() && problems.has_errors());
        let (node, problems) = read("a: 1.10\nb: 00303\nc: ~\nd:\ne: 'x'\nf: |\n  y\n");
        assert!(problems.items.is_empty());
        assert_eq!(show(&node.unwrap()), r#"{a=1.10 b=00303 c=null d=null e="x" f="y\n"}"#);
    }

    #[test]
    fn merge_keys_and_aliases() {
        let (node, problems) =
            read("base: &b {x: 1, y: 2}\nmore: &m {y: 3, z: 4}\nuse:\n  <<: [*b, *m]\n  x: 0\n");
        assert!(problems.items.is_empty(), "{problems}");
        let text = show(&node.unwrap());
        assert!(text.ends_with("use={x=0 y=2 z=4}}"), "{text}");
    }

    #[test]
    fn an_alias_bomb_is_refused() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let before = format!("*a{}, ", level - 1).repeat(10);
            text.push_str(&format!("a{level}: &a{level} [{before}]\n"));
        }
        let (node, problems) = read(&text);
        assert!(node.is_none());
        assert_eq!(problems.items[0].code, "alias-limit");
    }

    #[test]
    fn depth_is_limited() {
        let (node, problems) = read(&"[".repeat(150));
        assert!(node.is_none());
        assert_eq!(problems.items[0].code, "too-deep");
        assert!(read(&"[".repeat(100_000)).1.has_errors());
    }

    #[test]
    fn places_are_bytes() {
        let text = "é: 'ü'\nlist:\n  - ä b # c\n\nnext: 1\n";
        let (node, _) = read(text);
        let Value::Map(entries) = node.unwrap().value else { panic!() };
        let at = |node: &Node| text[node.bytes.clone()].to_owned();
        assert_eq!(at(&entries[0].1), "'ü'");
        assert_eq!(at(&entries[2].1), "1");
        let Value::List(items) = &entries[1].1.value else { panic!() };
        assert_eq!(at(&items[0]), "ä b");
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,80}") {
            let _ = read(&text);
        }

        #[test]
        fn no_yamlish_text_makes_it_panic(text in "[a:\\-\\[\\]{}&*<'\"|> \n]{0,60}") {
            let _ = read(&text);
        }
    }
}

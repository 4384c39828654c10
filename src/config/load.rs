//! Files to typed values: recipes strictly, pipeline files leniently. Stage 1's entry.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use indexmap::IndexMap;

use super::field::{Dict, Field};
use super::reader::{Reader, UnknownKeys};
use super::schema::{About, Config, Step};
use super::yaml::{self, Node, Value};
use crate::diagnostic::{Diagnostic, Diagnostics, Source, Span};

/// The largest file that is read. The largest recipe of Wolfi has 68 KB.
const MAX_BYTES: u64 = 1 << 20;

/// Reads a recipe, or says everything that is wrong with it.
pub fn load(path: &Path) -> Result<Config, Diagnostics> {
    parse_recipe(&read_source(path)?)
}

/// Reads a recipe's text, which is not, or not yet, what is in the file.
pub fn parse_recipe(source: &Arc<Source>) -> Result<Config, Diagnostics> {
    parse(source, UnknownKeys::Refused, Empty::Refused("a recipe starts with `package:`"))
}

/// Reads a recipe that is in memory already; `path` is what messages call it.
pub fn read(path: &Path, bytes: Vec<u8>) -> Result<Config, Diagnostics> {
    parse_recipe(&source(path, bytes)?)
}

/// Reads a file of `name: value` pairs (`--vars-file`): texts as written, in file order.
pub fn load_vars(path: &Path) -> Result<IndexMap<String, String>, Diagnostics> {
    let empty = Empty::Refused("write a variable as `name: value`, or leave out the flag");
    let pairs: Dict = parse(&read_source(path)?, UnknownKeys::Refused, empty)?;
    Ok(pairs.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// Reads a pipeline file, which is a step; keys that the schema does not know are skipped.
pub(crate) fn parse_pipeline(source: &Arc<Source>) -> Result<Step, Diagnostics> {
    parse(source, UnknownKeys::Ignored, Empty::Taken)
}

/// What a pipeline file says of itself: its description, or else its name.
pub(crate) fn about(source: &Arc<Source>) -> String {
    let about: About = parse(source, UnknownKeys::Ignored, Empty::Taken).unwrap_or_default();
    let text = if about.description.is_empty() { about.name } else { about.description };
    text.value.trim().to_owned()
}

/// What happens with a file in which nothing stands, or comments alone: as upstream does.
#[derive(Clone, Copy)]
enum Empty {
    /// It is a file with no keys.
    Taken,
    /// It is an error, with what to write.
    Refused(&'static str),
}

fn parse<T: Field>(
    source: &Arc<Source>,
    unknown: UnknownKeys,
    empty: Empty,
) -> Result<T, Diagnostics> {
    let (mut node, problems) = yaml::parse(source);
    let mut reader = Reader::new(source, unknown);
    reader.problems = problems;
    if node.is_none() && reader.problems.items.is_empty() {
        match empty {
            Empty::Taken => node = Some(Node { bytes: 0..0, value: Value::Plain(String::new()) }),
            Empty::Refused(help) => {
                let span = Span::new(source, 0..0);
                let diagnostic = Diagnostic::error("yaml", "the file is empty", span, "");
                reader.problems.push(diagnostic.help(help));
            }
        }
    }
    let value = node.map(|node| T::read(&node, &mut reader)).unwrap_or_default();
    if reader.problems.has_errors() {
        return Err(in_file_order(reader.problems));
    }
    Ok(value)
}

fn in_file_order(mut problems: Diagnostics) -> Diagnostics {
    problems.items.sort_by_key(|item| item.labels.first().map_or(0, |(span, _)| span.bytes.start));
    problems
}

/// Reads a text file: UTF-8, of limited size, a byte order mark removed.
pub(crate) fn read_source(path: &Path) -> Result<Arc<Source>, Diagnostics> {
    let unreadable = |error: &dyn std::fmt::Display| {
        let help = "is it the right file, and may you read it?";
        Diagnostics::from(Diagnostic::without_place("unreadable", error.to_string()).help(help))
    };
    let file = fs_err::File::open(path).map_err(|error| unreadable(&error))?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
    if bytes.len() as u64 > MAX_BYTES {
        let message = format!("`{}` is larger than 1 MiB: not a recipe", path.display());
        let help =
            "is it the right file? large texts go into files of their own, in `--source-dir`";
        return Err(Diagnostic::without_place("unreadable", message).help(help).into());
    }
    source(path, bytes)
}

fn source(path: &Path, bytes: Vec<u8>) -> Result<Arc<Source>, Diagnostics> {
    let text = String::from_utf8(bytes).map_err(|error| not_utf8(path, &error))?;
    let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
    Ok(Arc::new(Source { path: path.to_owned(), text }))
}

/// Points to the first byte that is not UTF-8.
fn not_utf8(path: &Path, error: &std::string::FromUtf8Error) -> Diagnostics {
    let at = error.utf8_error().valid_up_to();
    let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
    let source = Arc::new(Source { path: path.to_owned(), text });
    let end = at + char::REPLACEMENT_CHARACTER.len_utf8();
    Diagnostic::error("encoding", "not UTF-8", Span::new(&source, at..end), "these bytes")
        .help("save the file as UTF-8")
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_text(text: &str) -> Result<Config, Diagnostics> {
        let source = Arc::new(Source { path: "test.yaml".into(), text: text.to_owned() });
        parse_recipe(&source)
    }

    #[test]
    fn several_mistakes_are_found_at_once() {
        let problems = parse_text(
            "package:\n  name: a\n  verison: 1\n  epoch: '1'\npipeline:\n  runs: x\npipline: []\n",
        )
        .unwrap_err();
        let found: Vec<_> = problems
            .items
            .iter()
            .map(|item| (item.labels[0].0.line(), item.code, item.help.clone().unwrap_or_default()))
            .collect();
        assert_eq!(found[0], (3, "unknown-key", "did you mean `version`?".to_owned()));
        assert_eq!((found[1].0, found[1].1), (4, "wrong-type"));
        assert_eq!((found[2].0, found[2].1), (6, "wrong-type"));
        assert_eq!(found[3], (7, "unknown-key", "did you mean `pipeline`?".to_owned()));
    }

    #[test]
    fn values_keep_text_and_place() {
        let config = parse_text("package: {name: x, version: 1.10, epoch: 3}\ntest:\n").unwrap();
        assert_eq!(config.package.version.as_str(), "1.10");
        assert_eq!(config.package.version.span.to_string(), "test.yaml:1:29");
        assert!(config.test.is_none());
    }

    #[test]
    fn a_file_of_variables_keeps_their_text() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("vars.yaml");
        fs_err::write(&path, "version: 1.10\nempty:\n").unwrap();
        let vars = load_vars(&path).unwrap();
        assert_eq!(vars["version"], "1.10");
        assert_eq!(vars["empty"], "");
        fs_err::write(&path, "version: [1]\n").unwrap();
        assert_eq!(load_vars(&path).unwrap_err().items[0].code, "wrong-type");
        fs_err::write(&path, "# none yet\n").unwrap();
        let help = load_vars(&path).unwrap_err().items.remove(0).help.unwrap();
        assert!(help.contains("`name: value`"), "{help}");
    }

    #[test]
    fn pipeline_files_may_be_empty_and_recipes_may_not() {
        for text in ["", "# nothing\n", "---\n", "null\n"] {
            let source = Arc::new(Source { path: "p.yaml".into(), text: text.to_owned() });
            let step = parse_pipeline(&source).unwrap();
            assert!(step.runs.is_empty() && !step.span.is_nowhere(), "{text}");
            assert!(about(&source).is_empty());
        }
        assert_eq!(parse_text("# nothing\n").unwrap_err().items[0].message, "the file is empty");
    }

    #[test]
    fn pipeline_files_may_carry_other_keys() {
        let text = "description: x\npipeline:\n  - description: y\n    runs: z\n";
        let source = Arc::new(Source { path: "p.yaml".into(), text: text.to_owned() });
        assert_eq!(parse_pipeline(&source).unwrap().pipeline[0].runs.as_str(), "z");
    }

    #[test]
    fn bytes_that_are_not_utf8_are_pointed_to() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.yaml");
        fs_err::write(&path, b"package:\n  name: \xff\xfe\n").unwrap();
        let problems = load(&path).unwrap_err();
        assert_eq!(problems.items[0].labels[0].0.line_column(), (2, 9));
    }
}

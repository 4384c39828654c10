//! How values get into a Dockerfile unchanged: the filters of the templates.
//!
//! Part of stage 3. A template holds structure only; every value in it passes one of the filters
//! at the end of this file, and a test refuses a template that has one which does not. The rules
//! are those of BuildKit's Dockerfile parser; each was tried on a real daemon.

use std::fmt::Write as _;

/// The longest line that the Dockerfile parser takes is 65,535 bytes; this leaves room for the
/// rest of the line.
pub(super) const MAX_LINE: usize = 60_000;

/// A mount of a `RUN`: the keys and values behind `--mount=`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mount(pub(super) Vec<(&'static str, String)>);

/// A word for a POSIX shell: as it is if nothing in it is special, otherwise in single quotes.
pub(super) fn shell(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_./:@%+,-".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Whether a value can stand in an `ENV` line: a newline can't be written there at all.
pub(super) fn fits_env(value: &str) -> bool {
    !value.contains(['\n', '\0']) && value.len() * 2 < MAX_LINE
}

/// `NAME="value"`, so that Dockerfile's expansion gives the value back.
///
/// Within double quotes the parser knows `\"`, `\$` and `\\`, and leaves every other backslash.
pub(super) fn env_assignment(name: &str, value: &str) -> Option<String> {
    if !is_variable_name(name) || !fits_env(value) {
        return None;
    }
    let mut text = format!("{name}=\"");
    for character in value.chars() {
        if matches!(character, '"' | '$' | '\\') {
            text.push('\\');
        }
        text.push(character);
    }
    text.push('"');
    Some(text)
}

/// Whether a shell takes it as the name of a variable.
pub(super) fn is_variable_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Whether the Dockerfile parser takes a word as it stands: no blank, quote, expansion, comma,
/// wildcard or heredoc in it.
pub(super) fn is_plain_word(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('-')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_./:@+=~-".contains(&byte))
}

/// Whether a text can be a heredoc: no NUL (the kernel's arguments end there), and no line that is
/// too long for the parser.
pub(super) fn fits_heredoc(text: &str) -> bool {
    !text.contains('\0') && text.split('\n').all(|line| line.len() < MAX_LINE)
}

/// A word that no line of the text is, so that it can end a heredoc.
///
/// The parser cuts carriage returns off a line before it compares.
pub(super) fn heredoc_delimiter(text: &str) -> String {
    let taken = |word: &str| text.lines().any(|line| line.trim_end_matches('\r') == word);
    let mut word = "END_OF_SCRIPT".to_owned();
    let mut number = 1;
    while taken(&word) {
        number += 1;
        word = format!("END_OF_SCRIPT_{number}");
    }
    word
}

/// The filters. Each refuses what it can't express: a template then fails as a whole.
pub(super) mod filters {
    use std::fmt::Display;

    use askama::{Error, Result, Values};

    use super::*;

    fn refused(what: &str, value: &str) -> Error {
        Error::custom(format!("`{}` can't be written as {what} of a Dockerfile", clean(value)))
    }

    /// A value with control characters made visible, for comments and messages.
    fn clean(value: &str) -> String {
        value.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect()
    }

    /// The rest of a comment line.
    #[askama::filter_fn]
    pub(in super::super) fn comment(value: impl Display, _: &dyn Values) -> Result<String> {
        Ok(clean(&value.to_string()).trim_end().to_owned())
    }

    /// A stage's name, a path, an owner: taken literally, or refused.
    #[askama::filter_fn]
    pub(in super::super) fn word(value: impl Display, _: &dyn Values) -> Result<String> {
        let value = value.to_string();
        if is_plain_word(&value) { Ok(value) } else { Err(refused("a word", &value)) }
    }

    /// `NAME="value"` of an `ENV` line.
    #[askama::filter_fn]
    pub(in super::super) fn env(value: &(String, String), _: &dyn Values) -> Result<String> {
        env_assignment(&value.0, &value.1).ok_or_else(|| refused("an `ENV`", &value.0))
    }

    /// The value of a `--mount` flag.
    #[askama::filter_fn]
    pub(in super::super) fn mount(value: &Mount, _: &dyn Values) -> Result<String> {
        let mut text = String::new();
        for (key, value) in &value.0 {
            if !is_plain_word(value) {
                return Err(refused("the value of a mount", value));
            }
            let comma = if text.is_empty() { "" } else { "," };
            let _ = write!(text, "{comma}{key}={value}");
        }
        Ok(text)
    }

    /// A JSON array of strings, as in `SHELL`.
    #[askama::filter_fn]
    pub(in super::super) fn array(value: &[String], _: &dyn Values) -> Result<String> {
        serde_json::to_string(value).map_err(Error::custom)
    }

    /// `<<'WORD'`, the text as it is, and the closing word.
    #[askama::filter_fn]
    pub(in super::super) fn heredoc(value: &str, _: &dyn Values) -> Result<String> {
        if !fits_heredoc(value) || value.starts_with("#!") {
            return Err(refused("a heredoc", value));
        }
        let word = heredoc_delimiter(value);
        let end = if value.ends_with('\n') { "" } else { "\n" };
        Ok(format!("<<'{word}'\n{value}{end}{word}"))
    }
}

#[cfg(test)]
mod tests;

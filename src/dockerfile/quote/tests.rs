//! The quoting against a model of what reads it: BuildKit's Dockerfile parser, and a shell.

use askama::Template;
use proptest::prelude::*;

use super::*;

#[derive(Template)]
#[template(source = "{{ text|heredoc }}", ext = "txt")]
struct Heredoc<'a> {
    text: &'a str,
}

#[derive(Template)]
#[template(source = "{{ text|comment }}", ext = "txt")]
struct Comment<'a> {
    text: &'a str,
}

#[derive(Template)]
#[template(source = "{{ mount|mount }}", ext = "txt")]
struct Mounted {
    mount: Mount,
}

/// What the parser makes of `NAME="…"`: the value, or `None` where the line would be something
/// else. Its rules: the line is cut at newlines; a quote opens; within it a backslash before `"`,
/// `$` or a backslash goes away; a `$` is expanded.
fn read_env(line: &str) -> Option<(String, String)> {
    let (name, rest) = line.split_once("=\"")?;
    let mut value = String::new();
    let mut characters = rest.chars().peekable();
    loop {
        match characters.next()? {
            '"' => break,
            '$' | '\n' => return None,
            '\\' => match characters.peek() {
                Some('"' | '$' | '\\') => value.extend(characters.next()),
                _ => value.push('\\'),
            },
            other => value.push(other),
        }
    }
    characters.next().is_none().then(|| (name.to_owned(), value))
}

/// What the parser takes as the content of a heredoc, and what is left after it.
fn read_heredoc(text: &str) -> Option<(String, String)> {
    let (first, rest) = text.split_once('\n')?;
    let word = first.strip_prefix("<<'")?.strip_suffix('\'')?;
    let mut content = String::new();
    let mut rest = rest;
    loop {
        let end = rest.find('\n').map_or(rest.len(), |at| at + 1);
        if end == 0 {
            return None;
        }
        let (line, after) = rest.split_at(end);
        if line.trim_end_matches(['\r', '\n']) == word {
            return Some((content, after.to_owned()));
        }
        content.push_str(line);
        rest = after;
    }
}

/// What a shell makes of one word.
fn read_shell(word: &str) -> Option<String> {
    let mut value = String::new();
    let mut characters = word.chars();
    while let Some(character) = characters.next() {
        match character {
            '\'' => loop {
                match characters.next()? {
                    '\'' => break,
                    other => value.push(other),
                }
            },
            '\\' => value.push(characters.next()?),
            c if c.is_ascii_alphanumeric() || "_./:@%+,-".contains(c) => value.push(c),
            _ => return None,
        }
    }
    Some(value)
}

/// Text made of what is special somewhere, and of anything.
fn nasty() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("\\".to_owned()),
        Just("\"".to_owned()),
        Just("'".to_owned()),
        Just("$".to_owned()),
        Just("${A}".to_owned()),
        Just("\n".to_owned()),
        Just("\r".to_owned()),
        Just("\t".to_owned()),
        Just(" ".to_owned()),
        Just("#".to_owned()),
        Just("`".to_owned()),
        Just("<<EOF".to_owned()),
        Just("END_OF_SCRIPT".to_owned()),
        Just("END_OF_SCRIPT_2".to_owned()),
        Just("\u{85}\u{a0}\u{feff}\u{2028}".to_owned()),
        any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(part, 0..24).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn a_value_is_what_env_gives(value in nasty()) {
        match env_assignment("NAME", &value) {
            Some(line) => prop_assert_eq!(read_env(&line), Some(("NAME".to_owned(), value))),
            None => prop_assert!(value.contains(['\n', '\0'])),
        }
    }

    #[test]
    fn a_text_is_what_the_heredoc_gives(text in nasty()) {
        match (Heredoc { text: &text }).render() {
            Ok(heredoc) => {
                let end = if text.ends_with('\n') { "" } else { "\n" };
                let read = read_heredoc(&format!("{heredoc}\nFROM x\n"));
                prop_assert_eq!(read, Some((format!("{text}{end}"), "FROM x\n".to_owned())));
            }
            Err(_) => prop_assert!(text.contains('\0') || text.starts_with("#!")),
        }
    }

    #[test]
    fn a_word_is_what_the_shell_gives(text in nasty()) {
        prop_assert_eq!(read_shell(&shell(&text)), Some(text));
    }

    #[test]
    fn a_comment_is_one_line(text in nasty()) {
        let comment = Comment { text: &text }.render().unwrap();
        prop_assert!(!comment.contains(|c: char| c.is_control()), "{:?}", comment);
    }

    #[test]
    fn a_mounts_value_is_plain_or_refused(value in nasty()) {
        let mount = Mount(vec![("type", "cache".to_owned()), ("id", value.clone())]);
        if let Ok(text) = (Mounted { mount }).render() {
            prop_assert_eq!(&text, &format!("type=cache,id={value}"));
            prop_assert!(!text.contains([' ', '"', '\'', '$', '\\', '\n', '<']));
            prop_assert_eq!(text.matches(',').count(), 1);
        }
    }
}

#[test]
fn long_lines_and_interpreters_are_refused() {
    assert!(Heredoc { text: &"x".repeat(MAX_LINE) }.render().is_err());
    assert!(Heredoc { text: &"x\n".repeat(MAX_LINE) }.render().is_ok());
    // BuildKit would run it as a file of its own.
    assert!(Heredoc { text: "#!/bin/sh\n" }.render().is_err());
    assert!(Heredoc { text: "\n#!/bin/sh\n" }.render().is_ok());
    assert_eq!(env_assignment("NAME", &"x".repeat(MAX_LINE)), None);
}

#[test]
fn names_of_variables() {
    for name in ["A", "_a1", "npm_config_cache"] {
        assert!(is_variable_name(name), "{name}");
    }
    for name in ["", "1A", "A-B", "A B", "A=B", "é"] {
        assert!(!is_variable_name(name), "{name}");
    }
}

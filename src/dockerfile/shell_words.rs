//! A script as commands and words, without the shell's grammar.
//!
//! Part of stage 3, for `workspace_data.rs`. Quotes are the trap: a separator inside quotes may be
//! data (`tar --exclude='a;b' -c .`) or a program (`sh -c 'cd x; cp -r . y'`). So a script is cut
//! both ways, and what either cut shows counts. The cut that heeds quotes is the shell's own, as far
//! as this goes: it has neither comments nor here-documents, and quoted patterns match nothing.

/// A command: what stands before its program, its words without quotes, and what ended it.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) assignments: Vec<(String, String)>,
    pub(super) words: Vec<String>,
    /// The files that its output goes to.
    pub(super) files: Vec<String>,
    /// Whether something else reads what it says: a pipe, a file, or the command around it.
    pub(super) read: bool,
    /// Whether it surely runs, and in the shell of the script: it is in no condition, loop,
    /// subshell or pipe.
    pub(super) sure: bool,
    /// Whether separators inside quotes are part of it.
    pub(super) whole: bool,
}

impl Command {
    /// As it is shown to a person: its beginning.
    pub(super) fn shown(&self) -> String {
        let plain = |char| LITERAL.iter().find(|(_, literal)| *literal == char);
        let text = self.words.join(" ");
        text.chars().map(|char| plain(char).map_or(char, |(plain, _)| *plain)).take(60).collect()
    }
}

/// Words that may stand before a command.
const BEFORE: [&str; 14] = [
    "if", "then", "else", "elif", "do", "while", "until", "!", "{", "time", "exec", "command",
    "export", "local",
];

/// Words that begin and end what may run, or not, or more than once.
const OPENING: [&str; 7] = ["if", "for", "while", "until", "case", "{", "select"];
const CLOSING: [&str; 4] = ["fi", "done", "esac", "}"];

/// All commands of a script, in both readings of its quotes, and once more with what follows a
/// `$(…)` as part of the command around it.
pub(super) fn commands(script: &str) -> [Vec<Command>; 3] {
    let lines = script.replace("\\\n", " ");
    let lines: Vec<&str> =
        lines.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    let text = lines.join("\n");
    let mut text = text.replace("\\;", " ");
    for current in ["$(pwd -P)", "$(pwd)", "`pwd`", "$(realpath .)", "$(readlink -f .)"] {
        text = text.replace(current, "$PWD");
    }
    let around = without_substitutions(&text);
    [(false, &text), (true, &text), (true, &around)].map(|(quotes, text)| {
        let without = if quotes { without_documents(text) } else { None };
        // What a here-document holds can't be told from what runs.
        let document = without.is_none() && text.contains("<<");
        let text = without.as_ref().unwrap_or(text);
        let mut reading = Reading { nested: usize::from(document), before: '\n', whole: quotes };
        cut(text, quotes).into_iter().filter_map(|piece| reading.command(piece)).collect()
    })
}

/// The script with a variable of no meaning for each `$(…)`.
fn without_substitutions(text: &str) -> String {
    let mut text = text.to_owned();
    while let Some(begin) = text.rfind("$(") {
        let end = text[begin..].find(')').map_or(text.len(), |end| begin + end + 1);
        text.replace_range(begin..end, "$_");
    }
    text
}

/// The script without what here-documents hold; `None` where one does not end.
fn without_documents(text: &str) -> Option<String> {
    let mut kept = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        kept.push(line);
        for (at, _) in line.match_indices("<<") {
            let rest = &line[at + 2..];
            if rest.starts_with('<') || line[..at].ends_with('<') {
                continue;
            }
            let word = rest.trim_start_matches('-').trim_start();
            let end = word.find(|c: char| c.is_whitespace() || "|&;<>()".contains(c));
            let end = word[..end.unwrap_or(word.len())].replace(['"', '\'', '\\'], "");
            // A shift, in arithmetic: no word that ends a document.
            if end.is_empty() || end.starts_with(|c: char| c.is_ascii_digit() || c == '$') {
                continue;
            }
            lines.by_ref().find(|line| line.trim() == end)?;
        }
    }
    Some(kept.join("\n"))
}

/// Characters of patterns, and what stands for them where they are quoted.
const LITERAL: [(char, char); 3] = [('*', '\u{1}'), ('?', '\u{2}'), ('[', '\u{3}')];

fn literal(char: char) -> char {
    LITERAL.iter().find(|(pattern, _)| *pattern == char).map_or(char, |(_, literal)| *literal)
}

/// The words of a command as the shell has them, without quotes.
fn quoted_words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut open = None;
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match (open, char) {
            (Some(by), _) if char == by => open = None,
            (None, '"' | '\'') => {
                open = Some(char);
                word.get_or_insert_default();
            }
            (None, _) if char.is_whitespace() => words.extend(word.take()),
            (None | Some('"'), '\\') => {
                word.get_or_insert_default().extend(chars.next().map(literal));
            }
            (Some(_), _) => word.get_or_insert_default().push(literal(char)),
            _ => word.get_or_insert_default().push(char),
        }
    }
    words.extend(word);
    words
}

/// Where in a script one is.
#[derive(Debug)]
struct Reading {
    nested: usize,
    before: char,
    whole: bool,
}

/// The pieces between separators, with the separator that ended each; those inside quotes count
/// unless `quotes`.
fn cut(text: &str, quotes: bool) -> Vec<(String, char)> {
    let mut pieces = Vec::new();
    let mut piece = String::new();
    let mut open = None;
    let mut escaped = false;
    let mut comment = false;
    let mut before = '\n';
    for char in text.chars() {
        comment &= char != '\n';
        comment |= quotes && open.is_none() && char == '#' && before.is_whitespace();
        before = char;
        if comment {
            continue;
        }
        let quote = matches!(char, '"' | '\'') && !escaped;
        match open {
            Some(by) if quote && by == char => open = None,
            None if quote && quotes => open = Some(char),
            _ => {}
        }
        escaped = char == '\\' && !escaped && open != Some('\'');
        if open.is_none() && matches!(char, '\n' | ';' | '|' | '&' | '(' | ')' | '`') {
            pieces.push((std::mem::take(&mut piece), char));
        } else {
            piece.push(char);
        }
    }
    pieces.push((piece, '\n'));
    pieces
}

impl Reading {
    /// The next piece as a command.
    fn command(&mut self, (text, end): (String, char)) -> Option<Command> {
        let sure = self.nested == 0 && matches!(self.before, '\n' | ';') && end != '|';
        self.before = end;
        let command = command(&text, end, self.whole);
        let all: Vec<&str> = text.split_whitespace().collect();
        let opens = all.iter().filter(|word| OPENING.contains(word)).count();
        let opens = opens + usize::from(end == '(');
        let closes = all.iter().filter(|word| CLOSING.contains(word)).count();
        let closes = closes + usize::from(end == ')');
        self.nested = (self.nested + opens).saturating_sub(closes);
        command.map(|command| Command { sure: sure && opens == 0, whole: self.whole, ..command })
    }
}

fn command(text: &str, end: char, whole: bool) -> Option<Command> {
    let mut assignments = Vec::new();
    let mut words = Vec::new();
    let mut files = Vec::new();
    let mut read = matches!(end, '|' | ')' | '`');
    let mut file_follows = None;
    let plain = |word: &str| word.replace(['"', '\''], "");
    let all = match whole {
        true => quoted_words(text),
        false => text.split_whitespace().map(plain).collect(),
    };
    for word in all {
        if words.is_empty() {
            if BEFORE.contains(&word.as_str()) {
                continue;
            }
            if let Some((name, value)) = word.split_once('=')
                && super::quote::is_variable_name(name)
            {
                assignments.push((name.to_owned(), value.to_owned()));
                continue;
            }
        }
        if let Some(writes) = file_follows.take() {
            files.extend(Some(word).filter(|_| writes));
            continue;
        }
        if let Some((number, file)) = word.split_once(['<', '>'])
            && number.chars().all(|c| c.is_ascii_digit())
        {
            let writes = word.contains('>');
            read |= writes;
            let file = file.trim_start_matches(['<', '>', '|']);
            match file.is_empty() {
                true => file_follows = Some(writes),
                false => files.extend(Some(file.to_owned()).filter(|_| writes)),
            }
            continue;
        }
        words.push(word);
    }
    (!words.is_empty() || !assignments.is_empty()).then_some(Command {
        assignments,
        words,
        files,
        read,
        sure: false,
        whole: false,
    })
}

/// `a{b,c}d` as `abd` and `acd`: the first group of braces, which is as much as recipes have.
pub(super) fn alternatives(word: &str) -> Vec<String> {
    let group = word.match_indices('{').find(|(at, _)| !word[..*at].ends_with('$'));
    let parts = group.and_then(|(open, _)| {
        let (inside, after) = word[open + 1..].split_once('}')?;
        inside.contains(',').then_some((&word[..open], inside, after))
    });
    match parts {
        Some((before, inside, after)) => {
            inside.split(',').map(|part| format!("{before}{part}{after}")).collect()
        }
        None => vec![word.to_owned()],
    }
}

/// Whether a pattern of the shell (`*`, `?`; a `[` may be anything) matches a name.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    // Patterns leave names with a dot alone unless they begin with one.
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    fn from(pattern: &[char], name: &[char]) -> bool {
        match (pattern, name) {
            (['[', ..], _) => true,
            (['*', rest @ ..], _) => (0..=name.len()).any(|at| from(rest, &name[at..])),
            (['?', rest @ ..], [_, after @ ..]) => from(rest, after),
            ([wanted, rest @ ..], [char, after @ ..]) if wanted == char => from(rest, after),
            ([], []) => true,
            _ => false,
        }
    }
    from(&pattern.chars().collect::<Vec<_>>(), &name.chars().collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(script: &str) -> Vec<String> {
        commands(script).iter().flatten().map(|command| command.words.join(" ")).collect()
    }

    #[test]
    fn a_script_is_cut_with_and_without_regard_to_quotes() {
        let both = words("A=1 tar --exclude='a;b' -c . && sh -c 'x; y'\n# no\nif z; then w; fi");
        for command in ["tar --exclude=a;b -c .", "y", "z", "w", "fi", "sh -c x"] {
            assert!(both.iter().any(|words| words == command), "{command}: {both:?}");
        }
        assert!(words("a \\\n b").contains(&"a b".to_owned()));
        // A quote that is never closed hides nothing: the other reading is there.
        assert!(words("echo don't\ncp -r . x").contains(&"cp -r . x".to_owned()));
    }

    #[test]
    fn the_cut_that_heeds_quotes_is_the_shells() {
        let [_, whole, _] = commands(
            "cat > 'a b' <<'E'\ndon't\nE\nx \"*\" \\* * a'?'b 2>&1 # don't\ny >> out <<-F\n* b\n\tF\nz",
        );
        let words: Vec<_> = whole.iter().map(|command| command.words.join("|")).collect();
        // The `1` of `2>&1` is a piece of its own.
        assert_eq!(words, ["cat", "x|\u{1}|\u{1}|*|a\u{2}b", "1", "y", "z"]);
        let files: Vec<_> = whole.iter().flat_map(|command| &command.files).collect();
        assert_eq!(files, ["a b", "out"]);
        assert_eq!(whole[1].shown(), "x * * * a?b");
        assert!(whole.last().unwrap().sure);
    }

    #[test]
    fn what_may_not_run_is_not_sure() {
        let sure = |script: &str| {
            let [plain, quoted, _] = commands(script);
            let last = |commands: &[Command]| commands.last().unwrap().sure;
            (last(&plain), last(&quoted))
        };
        for script in ["x", "a\nx", "a; x", "if a; then b; fi\nx", "(a; b)\nx", "n=$(a)\nx"] {
            assert_eq!(sure(script), (true, true), "{script}");
        }
        for script in ["a && x", "a | x", "if a; then x", "(x", "{ x", "for a in b; do x"] {
            assert_eq!(sure(script), (false, false), "{script}");
        }
        assert_eq!(sure("cat <<E\nx"), (false, false));
        assert!(sure("sh -c 'a; (b'; x").1);
    }

    #[test]
    fn patterns_match_as_the_shells_do() {
        assert!(matches("go*", "go") && matches("g?", "go") && matches(".c*", ".cache"));
        assert!(!matches("*", ".npm") && !matches("*.so", "go") && !matches("g", "go"));
        assert_eq!(alternatives("a/{b,c}"), ["a/b", "a/c"]);
        assert_eq!(alternatives("${x}/{}"), ["${x}/{}"]);
    }
}

//! A script as commands and words, without the shell's grammar.
//!
//! Part of stage 3, for `workspace_data.rs`. Quotes are the trap: a separator inside quotes may be
//! data (`tar --exclude='a;b' -c .`) or a program (`sh -c 'cd x; cp -r . y'`). So a script is cut
//! both ways, and what either cut shows counts.

/// A command: what stands before its program, its words without quotes, and what ended it.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) assignments: Vec<(String, String)>,
    pub(super) words: Vec<String>,
    /// Whether something else reads what it says: a pipe, a file, or the command around it.
    pub(super) read: bool,
    /// Whether it surely runs, and in the shell of the script: it is in no condition, loop,
    /// subshell or pipe.
    pub(super) sure: bool,
    /// Whether separators inside quotes are part of it.
    pub(super) whole: bool,
}

/// Words that may stand before a command.
const BEFORE: [&str; 14] = [
    "if", "then", "else", "elif", "do", "while", "until", "!", "{", "time", "exec", "command",
    "export", "local",
];

/// Words that begin and end what may run, or not, or more than once.
const OPENING: [&str; 7] = ["if", "for", "while", "until", "case", "{", "select"];
const CLOSING: [&str; 4] = ["fi", "done", "esac", "}"];

/// All commands of a script, in both readings of its quotes.
pub(super) fn commands(script: &str) -> [Vec<Command>; 2] {
    let lines = script.replace("\\\n", " ");
    let lines: Vec<&str> =
        lines.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    let text = lines.join("\n");
    let mut text = text.replace("\\;", " ");
    for current in ["$(pwd -P)", "$(pwd)", "`pwd`"] {
        text = text.replace(current, "$PWD");
    }
    // What a here-document holds can't be told from what runs.
    let document = text.contains("<<");
    [false, true].map(|quotes| {
        let mut reading = Reading { nested: usize::from(document), before: '\n', whole: quotes };
        cut(&text, quotes).into_iter().filter_map(|piece| reading.command(piece)).collect()
    })
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
    for char in text.chars() {
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
        let command = command(&text, end);
        let all: Vec<&str> = text.split_whitespace().collect();
        let opens = all.iter().filter(|word| OPENING.contains(word)).count();
        let opens = opens + usize::from(end == '(');
        let closes = all.iter().filter(|word| CLOSING.contains(word)).count();
        let closes = closes + usize::from(end == ')');
        self.nested = (self.nested + opens).saturating_sub(closes);
        command.map(|command| Command { sure: sure && opens == 0, whole: self.whole, ..command })
    }
}

fn command(text: &str, end: char) -> Option<Command> {
    let mut assignments = Vec::new();
    let mut words = Vec::new();
    let mut read = matches!(end, '|' | ')' | '`');
    let mut file_follows = false;
    for word in text.split_whitespace().map(|word| word.replace(['"', '\''], "")) {
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
        if std::mem::take(&mut file_follows) {
            continue;
        }
        if let Some((number, file)) = word.split_once(['<', '>'])
            && number.chars().all(|c| c.is_ascii_digit())
        {
            read |= word.contains('>');
            file_follows = file.trim_start_matches(['<', '>']).is_empty();
            continue;
        }
        words.push(word);
    }
    (!words.is_empty() || !assignments.is_empty()).then_some(Command {
        assignments,
        words,
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
    fn what_may_not_run_is_not_sure() {
        let sure = |script: &str| {
            let [plain, quoted] = commands(script);
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

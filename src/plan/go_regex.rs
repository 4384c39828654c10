//! Go's regular expressions, written as Rust's.
//!
//! Stage 2. Both are RE2's language, but for details, and Rust's has more: what Go refuses is refused
//! here, at its place, so that an expression means the same with both or nothing. Rust sees no names
//! of groups, which Go takes twice and with a digit in front; they are handed over apart.

use std::ops::Range;

/// How often a part may be repeated, what is in it included.
const MAX_REPEAT: u32 = 1000;

/// How deep groups may nest: Rust's limit is 250.
const MAX_DEPTH: usize = 200;

/// An expression in Rust's spelling.
#[derive(Debug)]
pub(super) struct Translated {
    /// What Rust compiles.
    pub(super) pattern: String,
    /// The names of groups, and their numbers.
    pub(super) names: Vec<(String, usize)>,
}

/// What is wrong with an expression, and where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Invalid {
    pub(super) at: Range<usize>,
    pub(super) message: String,
}

/// The expression in Rust's spelling, or what Go would refuse.
pub(super) fn translate(pattern: &str) -> Result<Translated, Invalid> {
    let mut translator = Translator {
        pattern,
        at: 0,
        result: String::new(),
        flags: String::new(),
        names: Vec::new(),
        groups: 0,
        open: Vec::new(),
        last: Last::Nothing,
        heaviest: 1,
    };
    translator.all()?;
    let Translator { result, names, .. } = translator;
    Ok(Translated { pattern: result, names })
}

/// What stands before the current place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    /// Nothing that can be repeated.
    Nothing,
    /// Something, with how often its innermost part is repeated.
    Part(u32),
    /// The same, and it ends with a repetition.
    Repeated(u32),
}

/// A group that is not closed yet.
struct Open {
    at: usize,
    /// The greatest repetition of what stood before it in the surrounding group.
    heaviest: u32,
}

struct Translator<'t> {
    pattern: &'t str,
    at: usize,
    result: String,
    /// Flags that are written before whatever comes next, but behind a repetition: Go repeats what
    /// stands before them.
    flags: String,
    names: Vec<(String, usize)>,
    groups: usize,
    open: Vec<Open>,
    last: Last,
    /// The greatest repetition in the current group.
    heaviest: u32,
}

impl<'t> Translator<'t> {
    fn rest(&self) -> &'t str {
        &self.pattern[self.at..]
    }

    fn next(&mut self) -> Option<char> {
        let letter = self.rest().chars().next()?;
        self.at += letter.len_utf8();
        Some(letter)
    }

    fn take(&mut self, prefix: &str) -> bool {
        let found = self.rest().starts_with(prefix);
        if found {
            self.at += prefix.len();
        }
        found
    }

    /// What is wrong with what stands from `start` to the current place.
    fn invalid(&self, start: usize, message: impl Into<String>) -> Invalid {
        Invalid { at: start..self.at, message: message.into() }
    }

    fn part(&mut self, weight: u32) {
        self.last = Last::Part(weight);
        self.heaviest = self.heaviest.max(weight);
    }

    fn all(&mut self) -> Result<(), Invalid> {
        loop {
            let start = self.at;
            let Some(letter) = self.next() else { break };
            let counts = if letter == '{' { self.counts() } else { None };
            if !matches!(letter, '*' | '+' | '?') && counts.is_none() {
                self.result.push_str(&std::mem::take(&mut self.flags));
            }
            match letter {
                '\\' => self.escape(start)?,
                '[' => self.class(start)?,
                '(' => self.group(start)?,
                ')' => {
                    let open = self.open.pop();
                    let open = open.ok_or_else(|| self.invalid(start, "nothing opens this `)`"))?;
                    self.result.push(')');
                    let weight = self.heaviest;
                    self.heaviest = open.heaviest;
                    self.part(weight);
                }
                '|' => {
                    self.result.push('|');
                    self.last = Last::Nothing;
                }
                '*' | '+' | '?' => self.repeat(start, 1)?,
                '{' => match counts {
                    Some((low, high)) => self.repeat_counted(start, low, high)?,
                    None => {
                        self.result.push_str(r"\{");
                        self.part(1);
                    }
                },
                _ => {
                    self.result.push(letter);
                    self.part(1);
                }
            }
        }
        match self.open.pop() {
            Some(open) => Err(Invalid {
                at: open.at..open.at + 1,
                message: "nothing closes this `(`".to_owned(),
            }),
            None => Ok(()),
        }
    }

    /// What follows a brace, if it is a repetition: `3}`, `3,}` or `3,5}`, without leading zeros.
    fn counts(&mut self) -> Option<(u32, Option<u32>)> {
        let (inner, _) = self.rest().split_once('}')?;
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let plain = digits && (text == "0" || !text.starts_with('0'));
            // One that is too large is too large.
            plain.then(|| text.parse().unwrap_or(u32::MAX))
        };
        let counts = match inner.split_once(',') {
            None => number(inner).map(|count| (count, Some(count))),
            Some((low, "")) => number(low).map(|low| (low, None)),
            Some((low, high)) => number(low).zip(number(high)).map(|(low, high)| (low, Some(high))),
        };
        if counts.is_some() {
            self.at += inner.len() + 1;
        }
        counts
    }

    fn repeat_counted(&mut self, start: usize, low: u32, high: Option<u32>) -> Result<(), Invalid> {
        if high.is_some_and(|high| high < low) {
            return Err(self.invalid(start, "the second number is less than the first"));
        }
        let times = high.unwrap_or(low);
        if times > MAX_REPEAT {
            return Err(self.invalid(start, "repeated more than 1000 times"));
        }
        self.repeat(start, times)
    }

    fn repeat(&mut self, start: usize, times: u32) -> Result<(), Invalid> {
        let weight = match self.last {
            Last::Nothing => return Err(self.invalid(start, "there is nothing to repeat")),
            Last::Repeated(_) => {
                return Err(self.invalid(start, "a repetition of a repetition"));
            }
            Last::Part(weight) => weight.saturating_mul(times.max(1)),
        };
        if weight > MAX_REPEAT {
            return Err(self.invalid(start, "repeated more than 1000 times, with what is in it"));
        }
        self.take("?");
        self.result.push_str(&self.pattern[start..self.at]);
        self.heaviest = self.heaviest.max(weight);
        self.last = Last::Repeated(weight);
        Ok(())
    }

    /// What follows a `(`.
    fn group(&mut self, start: usize) -> Result<(), Invalid> {
        if !self.take("?") {
            self.groups += 1;
            self.result.push('(');
        } else if self.take("P<") || (self.rest().starts_with('<') && !self.looks_around()) {
            self.take("<");
            let rest = self.rest();
            let name = rest.find('>').map_or(rest, |end| &rest[..end]);
            self.at += name.len();
            let letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.is_empty() || !name.chars().all(letter) || !self.take(">") {
                return Err(self.invalid(start, "a group's name has ASCII letters, digits and `_`"));
            }
            self.groups += 1;
            self.names.push((name.to_owned(), self.groups));
            self.result.push('(');
        } else if !self.flags(start)? {
            return Ok(());
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(self.invalid(start, "groups are nested too deep"));
        }
        self.open.push(Open { at: start, heaviest: std::mem::replace(&mut self.heaviest, 1) });
        self.last = Last::Nothing;
        Ok(())
    }

    fn looks_around(&self) -> bool {
        self.rest().starts_with("<=") || self.rest().starts_with("<!")
    }

    /// What follows a `(?`: flags, then `:` (a group: `true`) or `)`.
    fn flags(&mut self, start: usize) -> Result<bool, Invalid> {
        let (mut on, mut off) = (String::new(), String::new());
        let (mut negative, mut seen) = (false, false);
        let end = loop {
            match self.next() {
                Some(flag @ ('i' | 'm' | 's' | 'U')) => {
                    seen = true;
                    let (to, from) =
                        if negative { (&mut off, &mut on) } else { (&mut on, &mut off) };
                    from.retain(|other| other != flag);
                    if !to.contains(flag) {
                        to.push(flag);
                    }
                }
                Some('-') if !negative => (negative, seen) = (true, false),
                Some(end @ (':' | ')')) if !negative || seen => break end,
                _ => {
                    let message = "after `(?` stand flags (`i`, `m`, `s`, `U`), `:`, or `P<name>`";
                    return Err(self.invalid(start, message));
                }
            }
        };
        let minus = if off.is_empty() { "" } else { "-" };
        let flags = format!("(?{on}{minus}{off}{end}");
        if end == ':' {
            self.result.push_str(&flags);
        } else if flags != "(?)" {
            self.flags.push_str(&flags);
        }
        if let Last::Repeated(weight) = self.last {
            // What stood before is no operator to Go any more.
            self.last = Last::Part(weight);
        }
        Ok(end == ':')
    }

    /// What follows a backslash outside of classes.
    fn escape(&mut self, start: usize) -> Result<(), Invalid> {
        if self.take("Q") {
            let (quoted, _) = self.rest().split_once(r"\E").unwrap_or((self.rest(), ""));
            self.at += quoted.len();
            self.take(r"\E");
            if !quoted.is_empty() {
                self.result.push_str(&regex::escape(quoted));
                self.part(1);
            }
            return Ok(());
        }
        // Go's know ASCII alone.
        let boundary = ["b", "B"].into_iter().find(|letter| self.take(letter));
        if let Some(letter) = boundary {
            self.result.push_str(&format!(r"(?-u:\{letter})"));
        } else if self.take("A") {
            self.result.push_str(r"\A");
        } else if self.take("z") {
            self.result.push_str(r"\z");
        } else if let Some(class) = self.named_class(start)? {
            self.result.push_str(&class);
        } else {
            let character = self.character(start)?;
            self.result.push_str(&regex::escape(character.encode_utf8(&mut [0; 4])));
        }
        self.part(1);
        Ok(())
    }

    /// `\d` and its like, or `\p…`, after its backslash.
    fn named_class(&mut self, start: usize) -> Result<Option<String>, Invalid> {
        let class = match self.rest().chars().next() {
            Some('d') => "[0-9]",
            Some('D') => "[^0-9]",
            Some('w') => "[0-9A-Za-z_]",
            Some('W') => "[^0-9A-Za-z_]",
            Some('s') => r"[\t\n\f\r ]",
            Some('S') => r"[^\t\n\f\r ]",
            Some('p' | 'P') => return self.property(start).map(Some),
            _ => return Ok(None),
        };
        self.at += 1;
        Ok(Some(class.to_owned()))
    }

    /// `\pL` or `\p{Greek}`, after its backslash: categories and scripts; Rust has more properties.
    fn property(&mut self, start: usize) -> Result<String, Invalid> {
        let mut negative = self.next() == Some('P');
        let name = if self.take("{") {
            let rest = self.rest();
            let name = rest.find('}').map_or(rest, |end| &rest[..end]);
            self.at += name.len();
            self.take("}");
            name
        } else {
            let from = self.at;
            self.next();
            &self.pattern[from..self.at]
        };
        let name = name.strip_prefix('^').map_or(name, |name| {
            negative = !negative;
            name
        });
        let letters = !name.is_empty()
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ' ' | '-'));
        let known = |kind: &str| regex::Regex::new(&format!(r"\p{{{kind}={name}}}")).is_ok();
        let special = ["any", "ascii", "assigned"].iter().any(|own| own.eq_ignore_ascii_case(name));
        if !letters || !(special || known("gc") || known("sc")) {
            let message = "not a category or script of Unicode, such as `L` or `Greek`";
            return Err(self.invalid(start, message));
        }
        Ok(format!(r"\{}{{{name}}}", if negative { 'P' } else { 'p' }))
    }

    /// The character that an escape stands for, after its backslash.
    fn character(&mut self, start: usize) -> Result<char, Invalid> {
        let character = match self.next() {
            Some('a') => Some('\u{7}'),
            Some('f') => Some('\u{c}'),
            Some('n') => Some('\n'),
            Some('r') => Some('\r'),
            Some('t') => Some('\t'),
            Some('v') => Some('\u{b}'),
            Some('x') => self.hexadecimal(),
            Some(digit @ '0'..='7') => {
                // One digit alone would refer to a group.
                let more = self.rest().bytes().take_while(|byte| matches!(byte, b'0'..=b'7'));
                let more = more.take(2).count();
                let end = self.at + more;
                let digits = &self.pattern[self.at - 1..end];
                self.at = end;
                let number = u32::from_str_radix(digits, 8).ok();
                number.filter(|_| digit == '0' || more > 0).and_then(char::from_u32)
            }
            Some(letter) if letter.is_ascii() && !letter.is_ascii_alphanumeric() => Some(letter),
            _ => None,
        };
        character.ok_or_else(|| self.invalid(start, "not an escape"))
    }

    /// What follows `\x`: two digits, or any in braces.
    fn hexadecimal(&mut self) -> Option<char> {
        let digits = if self.take("{") {
            let (digits, _) = self.rest().split_once('}')?;
            self.at += digits.len() + 1;
            digits
        } else {
            let digits = self.rest().get(..2)?;
            self.at += 2;
            digits
        };
        let hexadecimal = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        u32::from_str_radix(digits, 16).ok().filter(|_| hexadecimal).and_then(char::from_u32)
    }

    /// What follows the bracket of a class.
    fn class(&mut self, start: usize) -> Result<(), Invalid> {
        self.result.push('[');
        if self.take("^") {
            self.result.push('^');
        }
        // A bracket that stands first is itself.
        let mut first = true;
        while first || !self.rest().starts_with(']') {
            first = false;
            let from = self.at;
            if let Some(name) = self.posix(from)? {
                self.result.push_str(name);
                continue;
            }
            if self.rest().starts_with('\\') {
                self.at += 1;
                if let Some(class) = self.named_class(from)? {
                    self.result.push_str(&class);
                    continue;
                }
                self.at = from;
            }
            let low = self.class_character(start)?;
            let range = self.rest().starts_with('-') && !self.rest().starts_with("-]");
            self.push_in_class(low);
            // A `-` at the very end is in a class that nothing closes.
            if range && self.rest().len() > 1 {
                self.at += 1;
                let high = self.class_character(start)?;
                if high < low {
                    return Err(self.invalid(from, "a range from a greater character to a lesser"));
                }
                self.result.push('-');
                self.push_in_class(high);
            }
        }
        self.take("]");
        self.result.push(']');
        self.part(1);
        Ok(())
    }

    fn class_character(&mut self, start: usize) -> Result<char, Invalid> {
        let from = self.at;
        match self.next() {
            Some('\\') => self.character(from),
            Some(letter) => Ok(letter),
            None => {
                Err(Invalid { at: start..start + 1, message: "nothing closes this `[`".to_owned() })
            }
        }
    }

    fn push_in_class(&mut self, letter: char) {
        // What ends a class or makes one of two, to Rust.
        if matches!(letter, '[' | ']' | '^' | '-' | '&' | '~' | '\\') {
            self.result.push('\\');
        }
        self.result.push(letter);
    }

    /// `[:alpha:]` within a class.
    fn posix(&mut self, from: usize) -> Result<Option<&'t str>, Invalid> {
        let Some(inner) = self.rest().strip_prefix("[:") else { return Ok(None) };
        let Some(length) = inner.find(":]") else { return Ok(None) };
        self.at += length + 4;
        let name = &inner[..length];
        if !NAMED.contains(&name.strip_prefix('^').unwrap_or(name)) {
            let message = format!("not a named class: there are {}", NAMED.join(", "));
            return Err(self.invalid(from, message));
        }
        Ok(Some(&self.pattern[from..self.at]))
    }
}

/// The names that stand in `[:…:]`.
const NAMED: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
    "space", "upper", "word", "xdigit",
];

#[cfg(test)]
mod tests;

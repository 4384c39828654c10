//! A template as tokens: texts, and the words of its actions.

use super::Error;

/// A token and the byte where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) at: usize,
    pub(super) kind: Kind,
    /// Whether white space stands before it: `.A.B` is one operand, `.A .B` are two.
    pub(super) spaced: bool,
}

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// Text between actions, trimmed where an action says so.
    Text(String),
    /// `{{`
    Open,
    /// `}}`
    Close,
    /// `.`
    Dot,
    /// `.Name`
    Field(String),
    /// `$name`, `$` itself being the empty name.
    Variable(String),
    /// A keyword or the name of a function.
    Word(String),
    /// A text in quotes, or a character.
    Literal(String),
    /// A whole number.
    Int(i128),
    /// Another number.
    Float(f64),
    /// `|`, `(`, `)`, `,`, `=` or `:=`.
    Sign(&'static str),
}

impl Kind {
    /// As it is told in messages.
    pub(super) fn shown(&self) -> String {
        match self {
            Kind::Text(_) => "text".to_owned(),
            Kind::Open => "`{{`".to_owned(),
            Kind::Close => "`}}`".to_owned(),
            Kind::Dot => "`.`".to_owned(),
            Kind::Field(name) => format!("`.{name}`"),
            Kind::Variable(name) => format!("`${name}`"),
            Kind::Word(name) => format!("`{name}`"),
            Kind::Literal(text) => format!("{text:?}"),
            Kind::Int(number) => format!("`{number}`"),
            Kind::Float(number) => format!("`{number}`"),
            Kind::Sign(sign) => format!("`{sign}`"),
        }
    }
}

/// Cuts a template into tokens.
pub(super) fn tokens(template: &str) -> Result<Vec<Token>, Error> {
    let mut lexer = Lexer { template, at: 0, tokens: Vec::new() };
    let mut trim = false;
    loop {
        let rest = lexer.rest();
        let Some(length) = rest.find("{{") else {
            lexer.text(rest.len(), trim, false);
            return Ok(lexer.tokens);
        };
        let after = &rest[length + 2..];
        let trims = after.starts_with('-') && after[1..].starts_with(char::is_whitespace);
        lexer.text(length, trim, trims);
        let open = lexer.at;
        lexer.at += 2 + if trims { 2 } else { 0 };
        trim = match lexer.comment(open)? {
            Some(trim) => trim,
            None => lexer.action(open)?,
        };
    }
}

struct Lexer<'t> {
    template: &'t str,
    at: usize,
    tokens: Vec<Token>,
}

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t str {
        &self.template[self.at..]
    }

    fn push(&mut self, kind: Kind, length: usize, spaced: bool) {
        self.tokens.push(Token { at: self.at, kind, spaced });
        self.at += length;
    }

    fn text(&mut self, length: usize, trim_start: bool, trim_end: bool) {
        let mut text = &self.rest()[..length];
        if trim_start {
            text = text.trim_start();
        }
        if trim_end {
            text = text.trim_end();
        }
        if text.is_empty() {
            self.at += length;
        } else {
            self.push(Kind::Text(text.to_owned()), length, false);
        }
    }

    /// A comment, and whether the text after it is trimmed.
    fn comment(&mut self, open: usize) -> Result<Option<bool>, Error> {
        let Some(inner) = self.rest().strip_prefix("/*") else { return Ok(None) };
        let unclosed = || Error::new(open, "the comment has no end (`*/}}`)");
        let end = inner.find("*/").ok_or_else(unclosed)?;
        let after = &inner[end + 2..];
        let trimmed = after.trim_start();
        let (trim, length) = if trimmed.starts_with("-}}") && trimmed.len() < after.len() {
            (true, after.len() - trimmed.len() + 3)
        } else if after.starts_with("}}") {
            (false, 2)
        } else {
            return Err(unclosed());
        };
        self.at += 2 + end + 2 + length;
        Ok(Some(trim))
    }

    /// The tokens of an action, and whether the text after it is trimmed.
    fn action(&mut self, open: usize) -> Result<bool, Error> {
        self.tokens.push(Token { at: open, kind: Kind::Open, spaced: false });
        let mut spaced = true;
        loop {
            let rest = self.rest();
            if rest.starts_with("}}") {
                self.push(Kind::Close, 2, spaced);
                return Ok(false);
            }
            if spaced && rest.starts_with("-}}") {
                self.push(Kind::Close, 3, spaced);
                return Ok(true);
            }
            let Some(letter) = rest.chars().next() else {
                return Err(Error::new(open, "the action has no end (`}}`)"));
            };
            if letter.is_whitespace() {
                self.at += letter.len_utf8();
                spaced = true;
                continue;
            }
            let (kind, length) = self.word(letter, rest)?;
            self.push(kind, length, spaced);
            spaced = false;
        }
    }

    fn word(&self, letter: char, rest: &str) -> Result<(Kind, usize), Error> {
        for sign in ["|", "(", ")", ",", "=", ":="] {
            if rest.starts_with(sign) {
                return Ok((Kind::Sign(sign), sign.len()));
            }
        }
        Ok(match letter {
            '.' if rest[1..].starts_with(|c: char| c.is_ascii_digit()) => self.number(rest)?,
            '.' => match name(&rest[1..]) {
                "" => (Kind::Dot, 1),
                name => (Kind::Field(name.to_owned()), 1 + name.len()),
            },
            '$' => {
                let name = name(&rest[1..]);
                (Kind::Variable(name.to_owned()), 1 + name.len())
            }
            '"' => self.quoted(rest)?,
            '`' => {
                let end = rest[1..].find('`').ok_or_else(|| self.unclosed())?;
                (Kind::Literal(rest[1..=end].to_owned()), end + 2)
            }
            '\'' => self.character(rest)?,
            _ if letter.is_ascii_digit() || matches!(letter, '-' | '+') => self.number(rest)?,
            _ => match name(rest) {
                "" => {
                    let message = format!("unexpected `{}`", letter.escape_default());
                    return Err(Error::new(self.at, message));
                }
                name => (Kind::Word(name.to_owned()), name.len()),
            },
        })
    }

    fn unclosed(&self) -> Error {
        Error::new(self.at, "the text has no closing quote")
    }

    fn quoted(&self, rest: &str) -> Result<(Kind, usize), Error> {
        let mut end = None;
        let mut escaped = false;
        for (at, letter) in rest.char_indices().skip(1) {
            match letter {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => {
                    end = Some(at);
                    break;
                }
                '\n' => break,
                _ => {}
            }
        }
        let end = end.ok_or_else(|| self.unclosed())?;
        Ok((Kind::Literal(self.unescaped(&rest[1..end])?), end + 1))
    }

    /// A character is its number, as in Go.
    fn character(&self, rest: &str) -> Result<(Kind, usize), Error> {
        let wrong = || {
            Error::new(self.at, "expected one character between `'`").help("texts stand in `\"`")
        };
        let skip = if rest[1..].starts_with('\\') { 2 } else { 1 };
        let end = rest.get(skip + 1..).and_then(|after| after.find('\'')).ok_or_else(wrong)?;
        let length = skip + 1 + end;
        let text = self.unescaped(&rest[1..length])?;
        let mut letters = text.chars();
        match (letters.next(), letters.next()) {
            (Some(letter), None) => Ok((Kind::Int(i128::from(u32::from(letter))), length + 1)),
            _ => Err(wrong()),
        }
    }

    fn unescaped(&self, text: &str) -> Result<String, Error> {
        let wrong = || Error::new(self.at, "the text has an unknown escape");
        let mut result = String::new();
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            if letter != '\\' {
                result.push(letter);
                continue;
            }
            result.push(match letters.next().ok_or_else(wrong)? {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                '0' => '\0',
                'a' => '\u{7}',
                'b' => '\u{8}',
                'f' => '\u{c}',
                'v' => '\u{b}',
                same @ ('\\' | '"' | '\'') => same,
                coded @ ('x' | 'u' | 'U') => {
                    let digits = match coded {
                        'x' => 2,
                        'u' => 4,
                        _ => 8,
                    };
                    let hex: String = letters.by_ref().take(digits).collect();
                    let number = u32::from_str_radix(&hex, 16).map_err(|_| wrong())?;
                    char::from_u32(number).ok_or_else(wrong)?
                }
                _ => return Err(wrong()),
            });
        }
        Ok(result)
    }

    fn number(&self, rest: &str) -> Result<(Kind, usize), Error> {
        let signed = rest.strip_prefix(['-', '+']).unwrap_or(rest);
        let word = signed.find(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '_');
        let length = rest.len() - signed.len() + word.unwrap_or(signed.len());
        let text = rest[..length].replace('_', "");
        let digits = text.trim_start_matches(['-', '+']);
        let whole = match digits.get(..2) {
            Some("0x" | "0X") => i128::from_str_radix(&digits[2..], 16).ok(),
            Some("0o" | "0O") => i128::from_str_radix(&digits[2..], 8).ok(),
            Some("0b" | "0B") => i128::from_str_radix(&digits[2..], 2).ok(),
            _ => digits.parse().ok(),
        };
        let negative = text.starts_with('-');
        if let Some(number) = whole {
            return Ok((Kind::Int(if negative { -number } else { number }), length));
        }
        let starts = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.');
        match text.parse() {
            Ok(number) if starts => Ok((Kind::Float(number), length)),
            _ => Err(Error::new(self.at, format!("`{}` is not a number", &rest[..length]))),
        }
    }
}

/// The name at the start of a text.
fn name(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

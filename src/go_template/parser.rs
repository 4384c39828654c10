//! Tokens as a tree: texts, actions, blocks.

use super::Error;
use super::data::Data;
use super::lexer::{Kind, Token, tokens};

/// How deep blocks and parentheses may nest.
const MAX_DEPTH: usize = 100;

/// A part of a template.
#[derive(Debug)]
pub(super) enum Node {
    Text(String),
    Action(Pipeline),
    If { condition: Pipeline, then: Vec<Node>, otherwise: Vec<Node> },
    With { value: Pipeline, then: Vec<Node>, otherwise: Vec<Node> },
    Range { over: Pipeline, body: Vec<Node>, otherwise: Vec<Node> },
    Break,
    Continue,
}

/// Commands, each getting the result of the one before as its last argument.
#[derive(Debug)]
pub(super) struct Pipeline {
    pub(super) at: usize,
    /// Variables that get the result.
    pub(super) variables: Vec<String>,
    /// Whether they are there already (`=`).
    pub(super) assigns: bool,
    pub(super) commands: Vec<Command>,
}

/// A value, or a function and its arguments.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) at: usize,
    pub(super) operands: Vec<Operand>,
}

/// A value, and the fields of it that are meant.
#[derive(Debug)]
pub(super) struct Operand {
    pub(super) at: usize,
    pub(super) base: Base,
    pub(super) fields: Vec<(usize, String)>,
}

#[derive(Debug)]
pub(super) enum Base {
    Dot,
    Variable(String),
    Function(String),
    Literal(Data),
    Nil,
    Pipeline(Box<Pipeline>),
}

/// Reads a template.
pub(super) fn parse(template: &str) -> Result<Vec<Node>, Error> {
    let mut parser =
        Parser { tokens: tokens(template)?, next: 0, end: template.len(), depth: 0, loops: 0 };
    let (nodes, end) = parser.nodes()?;
    match end {
        None => Ok(nodes),
        Some((at, word)) => Err(Error::new(at, format!("`{word}` ends nothing"))),
    }
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
    end: usize,
    depth: usize,
    loops: usize,
}

/// The word that ended a list of nodes, `end` or `else`, and where it stands.
type Ending = Option<(usize, String)>;

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next)
    }

    fn take(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.next).cloned();
        self.next += 1;
        token
    }

    fn at(&self) -> usize {
        self.peek().map_or(self.end, |token| token.at)
    }

    fn is_sign(&self, sign: &str) -> bool {
        matches!(self.peek(), Some(Token { kind: Kind::Sign(found), .. }) if *found == sign)
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Some(Token { kind: Kind::Word(found), .. }) if found == word)
    }

    fn unexpected(&self, wanted: &str) -> Error {
        match self.peek() {
            Some(token) => {
                Error::new(token.at, format!("expected {wanted}, found {}", token.kind.shown()))
            }
            None => Error::new(self.end, format!("expected {wanted}")),
        }
    }

    fn close(&mut self) -> Result<(), Error> {
        match self.peek() {
            Some(Token { kind: Kind::Close, .. }) => {
                self.next += 1;
                Ok(())
            }
            _ => Err(self.unexpected("`}}`")),
        }
    }

    fn deeper(&mut self) -> Result<(), Error> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Error::new(self.at(), "nested more than 100 levels deep"));
        }
        Ok(())
    }

    /// Nodes up to the end of the template, or to an `end` or `else`, whose action is still open.
    fn nodes(&mut self) -> Result<(Vec<Node>, Ending), Error> {
        let mut nodes = Vec::new();
        while let Some(token) = self.take() {
            if let Kind::Text(text) = token.kind {
                nodes.push(Node::Text(text));
                continue;
            }
            let word = match self.peek() {
                Some(Token { kind: Kind::Word(word), .. }) => word.clone(),
                _ => String::new(),
            };
            let at = self.at();
            match word.as_str() {
                "end" | "else" => {
                    self.next += 1;
                    return Ok((nodes, Some((at, word))));
                }
                "if" | "with" | "range" => nodes.push(self.block(&word, at)?),
                "break" | "continue" if self.loops > 0 => {
                    self.next += 1;
                    self.close()?;
                    nodes.push(if word == "break" { Node::Break } else { Node::Continue });
                }
                "break" | "continue" => {
                    return Err(Error::new(at, format!("`{word}` stands outside of `range`")));
                }
                "define" | "template" | "block" => {
                    let message = format!("`{word}` is not supported in queries");
                    return Err(Error::new(at, message)
                        .help("`if`, `with`, `range` and the built-in functions are"));
                }
                _ => {
                    nodes.push(Node::Action(self.pipeline()?));
                    self.close()?;
                }
            }
        }
        Ok((nodes, None))
    }

    fn block(&mut self, word: &str, at: usize) -> Result<Node, Error> {
        self.deeper()?;
        self.next += 1;
        let pipeline = self.pipeline()?;
        if pipeline.variables.len() > 1 && word != "range" {
            return Err(Error::new(pipeline.at, format!("`{word}` sets one variable at most")));
        }
        self.close()?;
        self.loops += usize::from(word == "range");
        let (body, mut ending) = self.nodes()?;
        self.loops -= usize::from(word == "range");
        let mut otherwise = Vec::new();
        if let Some((else_at, _)) = ending.take_if(|(_, word)| word == "else") {
            if word != "range" && self.is_word(word) {
                // `else if` is a block of its own, and its `end` is that of both.
                otherwise.push(self.block(word, else_at)?);
                self.depth -= 1;
                return Ok(node(word, pipeline, body, otherwise));
            }
            self.close()?;
            (otherwise, ending) = self.nodes()?;
        }
        match ending {
            Some((_, end)) if end == "end" => self.close()?,
            Some((at, _)) => return Err(Error::new(at, "a second `else`")),
            None => return Err(Error::new(at, format!("`{word}` has no `{{{{end}}}}`"))),
        }
        self.depth -= 1;
        Ok(node(word, pipeline, body, otherwise))
    }

    /// A pipeline, and the variables that it sets.
    fn pipeline(&mut self) -> Result<Pipeline, Error> {
        self.deeper()?;
        let at = self.at();
        let (variables, assigns) = self.variables();
        let mut commands = vec![self.command()?];
        while self.is_sign("|") {
            self.next += 1;
            commands.push(self.command()?);
        }
        if let Some(literal) = commands.iter().skip(1).find(|command| !command.is_function()) {
            return Err(Error::new(literal.at, "after `|` stands a function"));
        }
        self.depth -= 1;
        Ok(Pipeline { at, variables, assigns, commands })
    }

    /// `$a :=`, `$a =` or `$a, $b :=`, if that comes next.
    fn variables(&mut self) -> (Vec<String>, bool) {
        let begin = self.next;
        let mut names = Vec::new();
        while let Some(Token { kind: Kind::Variable(name), .. }) = self.peek() {
            names.push(name.clone());
            self.next += 1;
            if self.is_sign(":=") || self.is_sign("=") {
                let assigns = self.is_sign("=");
                self.next += 1;
                return (names, assigns);
            }
            if names.len() > 1 || !self.is_sign(",") {
                break;
            }
            self.next += 1;
        }
        self.next = begin;
        (Vec::new(), false)
    }

    fn command(&mut self) -> Result<Command, Error> {
        let at = self.at();
        let mut operands = vec![self.operand()?];
        while !matches!(self.peek(), None | Some(Token { kind: Kind::Close, .. }))
            && !self.is_sign("|")
            && !self.is_sign(")")
        {
            if self.peek().is_some_and(|token| !token.spaced) {
                return Err(self.unexpected("a space"));
            }
            operands.push(self.operand()?);
        }
        let command = Command { at, operands };
        if command.operands.len() > 1 && !command.is_function() {
            let message = "only a function takes arguments";
            return Err(Error::new(at, message));
        }
        Ok(command)
    }

    fn operand(&mut self) -> Result<Operand, Error> {
        let at = self.at();
        let mut fields = Vec::new();
        let Some(token) = self.take() else { return Err(self.unexpected("a value")) };
        let base = match token.kind {
            Kind::Dot => Base::Dot,
            Kind::Field(name) => {
                fields.push((at, name));
                Base::Dot
            }
            Kind::Variable(name) => Base::Variable(name),
            Kind::Literal(text) => Base::Literal(Data::Text(text)),
            Kind::Int(number) => Base::Literal(Data::Int(number)),
            Kind::Float(number) => Base::Literal(Data::Float(number)),
            Kind::Word(word) => match word.as_str() {
                "true" | "false" => Base::Literal(Data::Bool(word == "true")),
                "nil" => Base::Nil,
                _ => Base::Function(word),
            },
            Kind::Sign("(") => {
                let inner = self.pipeline()?;
                if !self.is_sign(")") {
                    return Err(self.unexpected("`)`"));
                }
                self.next += 1;
                Base::Pipeline(Box::new(inner))
            }
            _ => {
                self.next -= 1;
                return Err(self.unexpected("a value"));
            }
        };
        while let Some(Token { kind: Kind::Field(name), spaced: false, at }) = self.peek() {
            fields.push((*at, name.clone()));
            self.next += 1;
        }
        Ok(Operand { at, base, fields })
    }
}

impl Command {
    fn is_function(&self) -> bool {
        matches!(self.operands.first().map(|first| &first.base), Some(Base::Function(_)))
    }
}

fn node(word: &str, pipeline: Pipeline, then: Vec<Node>, otherwise: Vec<Node>) -> Node {
    match word {
        "if" => Node::If { condition: pipeline, then, otherwise },
        "with" => Node::With { value: pipeline, then, otherwise },
        _ => Node::Range { over: pipeline, body: then, otherwise },
    }
}

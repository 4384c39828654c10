//! Go's `text/template`, as far as queries use it: fields, variables, `if`, `range`, `with`, pipes and
//! the built-in functions.
//!
//! A leaf: knows nothing of recipes. Left out are `define`, `template`, `block`, `call` and methods,
//! and functions that escape for pages (`html`, `js`, `urlquery`); each is an error that says so.

mod data;
mod eval;
mod functions;
mod lexer;
mod parser;
mod printf;

use std::fmt;

pub use data::Data;

/// What is wrong with a template, or with what it asks of the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The byte of the template.
    pub at: usize,
    /// What is wrong: a lowercase sentence without full stop.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

impl Error {
    fn new(at: usize, message: impl Into<String>) -> Self {
        Self { at, message: message.into(), help: None }
    }

    fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// Fills in a template.
pub fn render(template: &str, data: &Data) -> Result<String, Error> {
    eval::execute(&parser::parse(template)?, data)
}

#[cfg(test)]
mod tests;

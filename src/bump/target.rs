//! Where a value of the recipe can be changed: where it is written out, which need not be where it
//! is used.

use super::Error;
use crate::config::{Config, Text};
use crate::diagnostic::{Diagnostic, Span};
use crate::plan::references;

/// A place with nothing but the value.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) span: Span,
    /// The variable that holds the value, if one does.
    pub(super) variable: Option<String>,
}

/// Finds where a value stands. `text` has the place where it is used and what it is there, after
/// substitution; `table` is that of the subpackage around it.
pub(super) fn find(text: &Text, config: &Config, table: Option<&str>) -> Result<Target, Error> {
    let raw = text.span.text();
    let value = text.as_str();
    if !raw.contains("${{") && raw.contains(value) && !value.is_empty() {
        return Ok(Target { span: text.span.narrowed(value), variable: None });
    }
    let bare = raw.trim_matches(['"', '\'']);
    let whole = match references(bare).as_slice() {
        [(0, name)] if bare.ends_with("}}") => Some(*name),
        _ => None,
    };
    let found = match whole {
        Some("range.value") => in_table(value, config, table),
        Some(name) => name.strip_prefix("vars.").and_then(|name| in_variables(name, config)),
        None => None,
    };
    found.ok_or_else(|| {
        let message = "this value can't be changed: it is put together from others";
        let problem = Diagnostic::error("not-changeable", message, text.span.clone(), "")
            .help("write the value itself, or one `${{vars.…}}` that has it");
        Error::Recipe(problem.into())
    })
}

fn in_variables(name: &str, config: &Config) -> Option<Target> {
    let entry = config.vars.0.get(name)?;
    // A transform of that name would win.
    if config.var_transforms.iter().any(|transform| transform.to.as_str() == name) {
        return None;
    }
    let value = &entry.value;
    let plain = !value.as_str().contains("${{") && !value.is_empty();
    let span =
        Some(value.span.narrowed(value.as_str())).filter(|span| span.text() == value.as_str());
    Some(Target { span: span.filter(|_| plain)?, variable: Some(name.to_owned()) })
}

/// The item of a table that has this value, if there is one and no other.
fn in_table(value: &str, config: &Config, table: Option<&str>) -> Option<Target> {
    let table = config.data.iter().rev().find(|data| Some(data.name.as_str()) == table)?;
    let mut items = table.items.0.values().filter(|entry| entry.value.as_str() == value);
    let (item, more) = (items.next()?, items.next());
    let span = item.value.span.narrowed(value);
    (more.is_none() && span.text() == value).then_some(Target { span, variable: None })
}

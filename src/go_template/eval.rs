//! The tree filled in with data.

use std::borrow::Cow;

use super::Error;
use super::data::{Data, inner};
use super::functions;
use super::parser::{Base, Command, Node, Operand, Pipeline};
use crate::diagnostic::{nearest, quoted_list};

/// How long the result may become.
const MAX_OUTPUT: usize = 64 << 20;

type Value<'d> = Cow<'d, Data>;

/// What a list of nodes ended with.
#[derive(PartialEq)]
enum Flow {
    On,
    Break,
    Continue,
}

/// Fills in a template.
pub(super) fn execute(nodes: &[Node], data: &Data) -> Result<String, Error> {
    let root = (String::new(), Cow::Borrowed(data));
    let mut state = State { variables: vec![root], output: String::new() };
    state.nodes(nodes, &Cow::Borrowed(data))?;
    Ok(state.output)
}

struct State<'d> {
    /// The latest of a name counts; `$` is the first.
    variables: Vec<(String, Value<'d>)>,
    output: String,
}

impl<'d> State<'d> {
    fn nodes(&mut self, nodes: &[Node], dot: &Value<'d>) -> Result<Flow, Error> {
        let known = self.variables.len();
        let mut flow = Flow::On;
        for node in nodes {
            flow = self.node(node, dot)?;
            if flow != Flow::On {
                break;
            }
        }
        self.variables.truncate(known);
        Ok(flow)
    }

    fn node(&mut self, node: &Node, dot: &Value<'d>) -> Result<Flow, Error> {
        match node {
            Node::Text(text) => self.output.push_str(text),
            Node::Action(pipeline) => {
                let value = self.pipeline(pipeline, dot)?;
                if pipeline.variables.is_empty() {
                    self.print(pipeline, &value)?;
                } else {
                    self.set(pipeline, vec![value])?;
                }
            }
            Node::If { condition, then, otherwise } => {
                return self.scoped(condition, dot, |state, value| {
                    state.nodes(if value.holds() { then } else { otherwise }, dot)
                });
            }
            Node::With { value, then, otherwise } => {
                return self.scoped(value, dot, |state, value| {
                    if value.holds() {
                        state.nodes(then, &value)
                    } else {
                        state.nodes(otherwise, dot)
                    }
                });
            }
            Node::Range { over, body, otherwise } => return self.range(over, body, otherwise, dot),
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::On)
    }

    fn print(&mut self, pipeline: &Pipeline, value: &Data) -> Result<(), Error> {
        match value {
            // Go prints these in ways that say nothing to anybody.
            Data::Struct(fields) => {
                return Err(Error::new(pipeline.at, "this is a group of fields, not a text").help(
                    format!("name one: {}", quoted_list(fields.keys().map(String::as_str))),
                ));
            }
            Data::Nil => self.output.push_str("<no value>"),
            value => self.output.push_str(&value.to_string()),
        }
        if self.output.len() > MAX_OUTPUT {
            return Err(Error::new(pipeline.at, "the result is longer than 64 MiB"));
        }
        Ok(())
    }

    /// Runs with the value of a pipeline; the variable that it sets ends with that.
    fn scoped(
        &mut self,
        pipeline: &Pipeline,
        dot: &Value<'d>,
        run: impl FnOnce(&mut Self, Value<'d>) -> Result<Flow, Error>,
    ) -> Result<Flow, Error> {
        let known = self.variables.len();
        let value = self.pipeline(pipeline, dot)?;
        if !pipeline.variables.is_empty() {
            self.set(pipeline, vec![value.clone()])?;
        }
        let flow = run(self, value);
        self.variables.truncate(known);
        flow
    }

    fn range(
        &mut self,
        over: &Pipeline,
        body: &[Node],
        otherwise: &[Node],
        dot: &Value<'d>,
    ) -> Result<Flow, Error> {
        let value = self.pipeline(over, dot)?;
        let pairs = pairs(value, over.at)?;
        if pairs.is_empty() {
            return self.nodes(otherwise, dot);
        }
        let known = self.variables.len();
        for (key, item) in pairs {
            let values = match over.variables.len() {
                0 => Vec::new(),
                1 => vec![item.clone()],
                _ => vec![Cow::Owned(key), item.clone()],
            };
            self.set(over, values)?;
            let flow = self.nodes(body, &item)?;
            self.variables.truncate(known);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(Flow::On)
    }

    fn set(&mut self, pipeline: &Pipeline, values: Vec<Value<'d>>) -> Result<(), Error> {
        for (name, value) in pipeline.variables.iter().zip(values) {
            if pipeline.assigns {
                let known = self.variables.iter_mut().rev().find(|(known, _)| known == name);
                match known {
                    Some((_, old)) => *old = value,
                    None => return Err(unknown_variable(pipeline.at, name)),
                }
            } else {
                self.variables.push((name.clone(), value));
            }
        }
        Ok(())
    }

    fn pipeline(&mut self, pipeline: &Pipeline, dot: &Value<'d>) -> Result<Value<'d>, Error> {
        let mut value = None;
        for command in &pipeline.commands {
            value = Some(self.command(command, dot, value)?);
        }
        Ok(value.unwrap_or(Cow::Owned(Data::Nil)))
    }

    fn command(
        &mut self,
        command: &Command,
        dot: &Value<'d>,
        last: Option<Value<'d>>,
    ) -> Result<Value<'d>, Error> {
        let Some(first) = command.operands.first() else { return Ok(Cow::Owned(Data::Nil)) };
        let Base::Function(name) = &first.base else { return self.operand(first, dot) };
        let arguments = command.operands.get(1..).unwrap_or_default();
        if matches!(name.as_str(), "and" | "or") {
            return self.junction(name == "or", first.at, arguments, dot, last);
        }
        let mut values = Vec::new();
        for argument in arguments {
            values.push(self.operand(argument, dot)?);
        }
        values.extend(last);
        let result = functions::call(name, first.at, &values)?;
        fields(Cow::Owned(result), &first.fields)
    }

    /// `and` and `or` look no further than they must.
    fn junction(
        &mut self,
        stops_at: bool,
        at: usize,
        arguments: &[Operand],
        dot: &Value<'d>,
        last: Option<Value<'d>>,
    ) -> Result<Value<'d>, Error> {
        let mut result = None;
        for argument in arguments {
            let value = self.operand(argument, dot)?;
            if value.holds() == stops_at {
                return Ok(value);
            }
            result = Some(value);
        }
        last.or(result).ok_or_else(|| Error::new(at, "expected a value after it"))
    }

    fn operand(&mut self, operand: &Operand, dot: &Value<'d>) -> Result<Value<'d>, Error> {
        let base = match &operand.base {
            Base::Dot => dot.clone(),
            Base::Variable(name) => {
                let known = self.variables.iter().rev().find(|(known, _)| known == name);
                known
                    .map(|(_, value)| value.clone())
                    .ok_or_else(|| unknown_variable(operand.at, name))?
            }
            Base::Literal(data) => Cow::Owned(data.clone()),
            Base::Nil => Cow::Owned(Data::Nil),
            Base::Pipeline(pipeline) => self.pipeline(pipeline, dot)?,
            Base::Function(name) => Cow::Owned(functions::call(name, operand.at, &[])?),
        };
        fields(base, &operand.fields)
    }
}

fn unknown_variable(at: usize, name: &str) -> Error {
    Error::new(at, format!("variable `${name}` is not defined"))
        .help(format!("define it before: `{{{{${name} := …}}}}`"))
}

/// Follows `.A.B` into a value.
fn fields<'d>(mut value: Value<'d>, names: &[(usize, String)]) -> Result<Value<'d>, Error> {
    for (at, name) in names {
        let is_map = matches!(&*value, Data::Map(_));
        let known: Vec<String> = match &*value {
            Data::Struct(fields) => fields.keys().cloned().collect(),
            _ => Vec::new(),
        };
        let kind = value.kind();
        value = match inner(value, name) {
            Some(value) => value,
            // As in Go, a key that is not there is no error.
            None if is_map => Cow::Owned(Data::Nil),
            None if known.is_empty() => {
                return Err(Error::new(*at, format!("{kind} has no field `.{name}`")));
            }
            None => {
                let names = || known.iter().map(String::as_str);
                let help = match nearest(name, names()) {
                    Some(near) => format!("did you mean `.{near}`?"),
                    None => format!("the fields are {}", quoted_list(names())),
                };
                return Err(Error::new(*at, format!("there is no field `.{name}`")).help(help));
            }
        };
    }
    Ok(value)
}

/// What `range` walks over: keys and items.
fn pairs(value: Value<'_>, at: usize) -> Result<Vec<(Data, Value<'_>)>, Error> {
    let number = |number: usize| Data::Int(i128::try_from(number).unwrap_or_default());
    Ok(match value {
        Cow::Borrowed(Data::List(items)) => {
            items.iter().enumerate().map(|(n, item)| (number(n), Cow::Borrowed(item))).collect()
        }
        Cow::Borrowed(Data::Map(map)) => {
            map.iter().map(|(key, item)| (Data::Text(key.clone()), Cow::Borrowed(item))).collect()
        }
        Cow::Owned(Data::List(items)) => {
            items.into_iter().enumerate().map(|(n, item)| (number(n), Cow::Owned(item))).collect()
        }
        Cow::Owned(Data::Map(map)) => {
            map.into_iter().map(|(key, item)| (Data::Text(key), Cow::Owned(item))).collect()
        }
        value => match &*value {
            Data::Nil => Vec::new(),
            Data::Int(count @ 0..=1_000_000) => {
                (0..*count).map(|n| (Data::Int(n), Cow::Owned(Data::Int(n)))).collect()
            }
            other => {
                let message = format!("`range` walks over lists and maps, not {}", other.kind());
                return Err(Error::new(at, message));
            }
        },
    })
}

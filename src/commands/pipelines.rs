//! `melange2 pipelines`: the pipelines that recipes can use, with their inputs; or one of them whole.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::options::LibraryArgs;
use crate::config::field::Field;
use crate::config::{Input, Step, Text};
use crate::error::Result;
use crate::plan::{self, Pipeline};
use crate::ui::{Format, Ui};

/// List the pipelines that recipes can use, or show one.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The pipeline to show, such as `autoconf/make`.
    #[arg(value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    library: LibraryArgs,
}

/// Runs the command.
pub fn run(args: &Args, ui: &Ui) -> Result<()> {
    let mut directories = args.library.directories()?;
    // As beside a recipe.
    let here = PathBuf::from("pipelines");
    if here.is_dir() {
        directories.push(here);
    }
    let json = ui.format() == Format::Json;
    let Some(name) = &args.name else {
        let all = plan::pipelines(&directories)?;
        let text = if json { lines(all.iter().map(as_json)) } else { list(&all) };
        return Ok(ui.data(&text)?);
    };
    let pipeline = plan::pipeline(name, &directories)?;
    Ok(ui.data(&if json {
        lines(std::iter::once(as_json(&pipeline)))
    } else {
        whole(&pipeline)
    })?)
}

/// One object on each line.
fn lines(values: impl Iterator<Item = Value>) -> String {
    values.map(|value| format!("{value}\n")).collect()
}

fn as_json(pipeline: &Pipeline) -> Value {
    let inputs = pipeline.step.inputs.iter().map(|(name, input)| {
        let input = json!({
            "description": input.description.as_str(),
            "default": input.default.as_str(),
            "required": input.required,
        });
        (name.clone(), input)
    });
    json!({
        "name": pipeline.name,
        "path": pipeline.path.as_deref().map(|path| path.display().to_string()),
        "description": pipeline.about,
        "needs": needs(&pipeline.step),
        "inputs": inputs.collect::<serde_json::Map<_, _>>(),
        "steps": Step { inputs: Default::default(), needs: None, ..(*pipeline.step).clone() }.json(),
    })
}

fn needs(step: &Step) -> Vec<&str> {
    let packages = step.needs.iter().flat_map(|needs| &needs.packages);
    packages.map(Text::as_str).collect()
}

/// Each with what it does and the names of its inputs.
fn list(pipelines: &[Pipeline]) -> String {
    let mut text = String::new();
    for pipeline in pipelines {
        let _ = writeln!(text, "{}", pipeline.name);
        if let Some(line) = pipeline.about.lines().next() {
            let _ = writeln!(text, "    {line}");
        }
        let inputs: Vec<String> = pipeline.step.inputs.iter().map(input_name).collect();
        if !inputs.is_empty() {
            let _ = writeln!(text, "    inputs: {}", inputs.join(", "));
        }
        if let Some(path) = &pipeline.path {
            let _ = writeln!(text, "    from {}", path.display());
        }
    }
    text
}

/// Required ones are marked.
fn input_name((name, input): (&String, &Input)) -> String {
    if input.required { format!("{name}*") } else { name.clone() }
}

fn whole(pipeline: &Pipeline) -> String {
    let step = &pipeline.step;
    let place = pipeline.path.as_deref().map_or_else(|| "built in".to_owned(), shown);
    let mut text = format!("{} ({place})\n", pipeline.name);
    for line in pipeline.about.lines() {
        let _ = writeln!(text, "    {line}");
    }
    let needs = needs(step);
    if !needs.is_empty() {
        let _ = writeln!(text, "\nneeds: {}", needs.join(", "));
    }
    if !step.inputs.is_empty() {
        text.push_str("\ninputs:\n");
    }
    for (name, input) in &step.inputs {
        let default = match (input.required, input.default.as_str()) {
            (true, _) => " (required)".to_owned(),
            (false, "") => String::new(),
            (false, default) => format!(" (default: {default})"),
        };
        let _ = writeln!(text, "  {name}{default}");
        for line in input.description.as_str().trim().lines() {
            let _ = writeln!(text, "      {line}");
        }
    }
    text.push_str("\nsteps:\n");
    steps(std::slice::from_ref(&**step), 0, &mut text);
    text
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// Steps as a person reads them: what they are, then their scripts. The first is the file itself.
fn steps(all: &[Step], depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth + 1);
    for step in all {
        // What the file is called was said above.
        let name = if depth == 0 { "" } else { step.name.as_str() };
        let facts = [
            ("name", name),
            ("uses", step.uses.as_str()),
            ("if", step.condition.0.as_str()),
            ("working-directory", step.working_directory.as_str()),
        ];
        let given = facts.iter().filter(|(_, value)| !value.is_empty());
        let mut lines: Vec<String> = given.map(|(key, value)| format!("{key}: {value}")).collect();
        lines.extend(step.with.iter().map(|(key, value)| format!("  {key}: {value}")));
        lines.extend(step.environment.iter().map(|(key, value)| format!("{key}={value}")));
        lines.extend(step.runs.as_str().trim_end().lines().map(str::to_owned));
        for (number, line) in lines.iter().enumerate() {
            let mark = match (depth, number) {
                (0, _) => "",
                (_, 0) => "- ",
                _ => "  ",
            };
            let _ = writeln!(text, "{}", format!("{indent}{mark}{line}").trim_end());
        }
        steps(&step.pipeline, depth + 1, text);
    }
}

//! `melange2 query`: fills in a Go template with a recipe, as melange does.
//!
//! The recipe is as the parser hands it on: ranges expanded, `package.*` and `vars.*` in their places.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::arch::Arch;
use crate::config::field::Field;
use crate::diagnostic::{Diagnostic, Source, Span};
use crate::error::{Error, Kind, Result};
use crate::go_template::{self, Data};
use crate::package::license_expression;
use crate::ui::Ui;
use crate::{config, plan};

/// Fill in a Go template with what a recipe says.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: melange2 query hello.yaml '{{ .Package.Name }}{{ range .Subpackages }} {{ .Name }}{{ end }}'"
)]
pub struct Args {
    /// The recipe.
    #[arg(value_name = "RECIPE")]
    recipe: PathBuf,
    /// The template: Go's fields, variables, `if`, `range`, `with`, pipes and built-in functions.
    #[arg(value_name = "TEMPLATE")]
    template: String,
}

/// Runs the command.
pub fn run(args: &Args, ui: &Ui) -> Result<()> {
    Ok(ui.data(&query(&args.recipe, &args.template)?)?)
}

/// What a template makes of a recipe.
pub(super) fn query(recipe: &Path, template: &str) -> Result<String> {
    let recipe = config::load(recipe)?;
    let context = plan::Context::new(Arch::host());
    let recipe = plan::parsed(&recipe, &context)?;
    let licenses = recipe.package.copyright.iter().map(|copyright| copyright.license.as_str());
    let data = with_methods(recipe.data(), license_expression(licenses));
    go_template::render(template, &data).map_err(|error| explain(error, template))
}

/// What upstream has as methods: `.Name` of the recipe, `.FullVersion` and `.LicenseExpression` of its
/// package.
fn with_methods(mut data: Data, licenses: String) -> Data {
    if let Data::Struct(config) = &mut data
        && let Some(Data::Struct(package)) = config.get_mut("Package")
    {
        let text = |name: &str| package.get(name).map(Data::to_string).unwrap_or_default();
        let full = format!("{}-r{}", text("Version"), text("Epoch"));
        let name = Data::Text(text("Name"));
        package.insert("FullVersion".to_owned(), Data::Text(full));
        package.insert("LicenseExpression".to_owned(), Data::Text(licenses));
        config.insert("Name".to_owned(), name);
    }
    data
}

/// The place in the template, as those in recipes are shown.
fn explain(error: go_template::Error, template: &str) -> Error {
    let source = Arc::new(Source { path: PathBuf::from("<template>"), text: template.to_owned() });
    let length =
        template.get(error.at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
    let span = Span::new(&source, error.at..error.at + length);
    let diagnostic = Diagnostic::error("template", error.message, span, "")
        .help(
            "templates are Go's: `{{ .Package.Name }}`, \
             `{{ range .Subpackages }}{{ .Name }} {{ end }}`, `{{ if .Update.Enabled }}x{{ end }}`",
        )
        .maybe_help(error.help);
    Error::new(Kind::Config, "the template can't be filled in").with_diagnostics(diagnostic.into())
}

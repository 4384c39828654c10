//! What must hold of a recipe's environment and capabilities. Stage 2.
//!
//! Stage 3 and `image` would refuse the same, without knowing the place.

use super::Wanted;
use super::capabilities::{DEFAULT, MORE, normalised};
use crate::apk::dependency::Atom;
use crate::config::{Config, Dict, Environment, Text};
use crate::diagnostic::{Diagnostic, Diagnostics, nearest, quoted_list};
use crate::repo;

/// The kinds of `paths`, apko's.
const PATH_KINDS: [&str; 5] = ["directory", "empty-file", "hardlink", "symlink", "permissions"];

/// Checks everything; `problems` gets what is wrong.
pub(super) fn check(config: &Config, problems: &mut Diagnostics) {
    let environment = &config.environment;
    let contents = &environment.contents;
    for repository in contents.build_repositories.iter().chain(&contents.repositories) {
        self::repository(repository, problems);
    }
    variable_names(&environment.environment, problems);
    run_as(environment, problems);
    accounts(environment, problems);
    for change in &environment.paths {
        if !PATH_KINDS.contains(&change.kind.as_str()) {
            let span = if change.kind.is_empty() { &change.span } else { &change.kind.span };
            let message = match change.kind.as_str() {
                "" => "a change of a path needs a `type`".to_owned(),
                kind => format!("`{kind}` is no kind of `paths`"),
            };
            let help = match nearest(change.kind.as_str(), PATH_KINDS) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("expected one of {}", quoted_list(PATH_KINDS)),
            };
            problems.push(Diagnostic::error("path-type", message, span.clone(), "").help(help));
        }
    }
    let capabilities = config.capabilities.add.iter().chain(&config.capabilities.drop);
    capabilities.for_each(|name| capability(name, problems));
}

/// A package that the environment must have. Those of tests, and of steps that don't run, are no
/// reason to refuse a build.
pub(super) fn package(wanted: &Wanted, problems: &mut Diagnostics) {
    // What could not be substituted was already reported.
    if wanted.atom.contains("${{") || wanted.atom.parse::<Atom>().is_ok() {
        return;
    }
    let message = match wanted.atom.trim() {
        "" => "a package without a name".to_owned(),
        text => format!("`{text}` does not name a package"),
    };
    let diagnostic = Diagnostic::error("package", message, wanted.place.clone(), "")
        .help("write a name, and a version if it matters: `go`, `go=1.25.1-r0`, `go~1.25`");
    problems.push(Diagnostic { chain: wanted.chain.clone(), ..diagnostic });
}

fn repository(repository: &Text, problems: &mut Diagnostics) {
    // Early substitution leaves what it does not know.
    if let Err(error) = repository.as_str().parse::<repo::Spec>() {
        let message = format!("not a repository: {error}");
        let diagnostic = Diagnostic::error("repository", message, repository.span.clone(), "");
        problems.push(diagnostic.help("write a URL or a directory, after `@tag` if it has one"));
    }
}

/// Names of environment variables of the recipe, or of a step.
pub(super) fn variable_names(variables: &Dict, problems: &mut Diagnostics) {
    for (name, entry) in &variables.0 {
        let letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.chars().all(letter)
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && !name.is_empty()
        {
            continue;
        }
        let message =
            format!("`{}` is not the name of an environment variable", name.escape_debug());
        let diagnostic = Diagnostic::error("variable-name", message, entry.key.clone(), "")
            .help("a name has letters, digits and `_`, and does not start with a digit");
        problems.push(diagnostic);
    }
}

/// `run-as` is a user of the recipe, a number, `UID:GID`, `root` or `build`.
fn run_as(environment: &Environment, problems: &mut Diagnostics) {
    let run_as = &environment.accounts.run_as;
    let text = run_as.as_str().trim();
    let numbers =
        text.split(':').count() <= 2 && text.split(':').all(|part| part.parse::<u32>().is_ok());
    let users = || {
        let own = environment.accounts.users.iter().map(|user| user.username.as_str());
        own.chain(["root"]).filter(|name| !name.is_empty())
    };
    if text.is_empty() || numbers || users().any(|user| user == text) {
        return;
    }
    let help = match nearest(text, users()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("add it to `accounts: users`, or take one of {}", quoted_list(users())),
    };
    let message = format!("there is no user `{text}` to run the steps as");
    problems.push(Diagnostic::error("run-as", message, run_as.span.clone(), "").help(help));
}

/// What stands in the lines of `/etc/passwd` and `/etc/group`.
fn accounts(environment: &Environment, problems: &mut Diagnostics) {
    let accounts = &environment.accounts;
    for (name, whole, what) in
        (accounts.users.iter().map(|user| (&user.username, &user.span, "user")))
            .chain(accounts.groups.iter().map(|group| (&group.groupname, &group.span, "group")))
    {
        if name.is_empty() {
            let message = format!("a {what} needs a name");
            let diagnostic = Diagnostic::error("account", message, whole.clone(), "no name here");
            problems.push(diagnostic.help(format!("add `{what}name:`")));
        }
    }
    let users = accounts.users.iter().flat_map(|user| [&user.username, &user.shell, &user.homedir]);
    let groups = accounts
        .groups
        .iter()
        .flat_map(|group| [&group.groupname].into_iter().chain(&group.members));
    for text in users.chain(groups) {
        if text.as_str().contains([':', '\n']) {
            let message = format!("`{}` can't stand in an account", text.as_str().escape_debug());
            let diagnostic = Diagnostic::error("account", message, text.span.clone(), "");
            problems
                .push(diagnostic.help("names, homes and shells have no colon and no line break"));
        }
    }
}

fn capability(name: &Text, problems: &mut Diagnostics) {
    if normalised(name.as_str()).is_some() {
        return;
    }
    let names = DEFAULT.iter().chain(&MORE).map(|name| format!("CAP_{}", name.to_uppercase()));
    let names: Vec<String> = names.collect();
    let names = names.iter().map(String::as_str);
    let help = match nearest(name.as_str(), names) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "write a name of `capabilities(7)`, such as `CAP_NET_ADMIN`".to_owned(),
    };
    let message = format!("`{}` is not a Linux capability", name.as_str());
    problems.push(Diagnostic::error("capability", message, name.span.clone(), "").help(help));
}

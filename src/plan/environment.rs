//! What every build's environment has beside what its recipe says.
//!
//! Stage 2. melange's defaults, whole: cache mounts bring variables of their own, in stage 3.

use indexmap::IndexMap;

use super::{Context, Environment, Wanted};
use crate::config::{self, Config, Text};
use crate::image;

/// The build user and its group.
const BUILD: &str = "build";
const BUILD_ID: u32 = 1000;

/// The path of every step; a recipe's environment does not change it, a step's own does.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/bin:/usr/sbin:/sbin:/bin";

/// Variables that are set where the recipe does not, or sets them to nothing: melange's. Steps with
/// cache mounts get other directories instead, which stage 3 decides.
const DEFAULTS: [(&str, &str); 7] = [
    ("HOME", "/home/build"),
    ("GOPATH", "/home/build/.cache/go"),
    ("GOMODCACHE", "/var/cache/melange/gomodcache"),
    ("UV_CACHE_DIR", "/var/cache/melange/uv"),
    ("PIP_CACHE_DIR", "/var/cache/melange/pip"),
    ("COMPOSER_CACHE_DIR", "/var/cache/melange/composer"),
    ("npm_config_cache", "/var/cache/melange/npm"),
];

/// Adds the build user, the variables of the command line, and the defaults.
pub(super) fn add_defaults(config: &mut Config, context: &Context) {
    add_accounts(&mut config.environment);
    if let Some(test) = &mut config.test {
        add_accounts(&mut test.environment);
    }
    let tests = config.subpackages.iter_mut().filter_map(|subpackage| subpackage.test.as_mut());
    tests.filter(|test| !test.pipeline.is_empty()).for_each(|test| {
        add_accounts(&mut test.environment);
    });
    let variables = &mut config.environment.environment;
    for (name, value) in &context.env {
        if !variables.0.contains_key(name) {
            variables.set(name, value);
        }
    }
    // npm reads its variables without regard to case.
    let own_npm = variables.get("NPM_CONFIG_CACHE").is_some_and(|value| !value.is_empty());
    for (name, value) in DEFAULTS {
        let given = variables.get(name).is_some_and(|value| !value.is_empty());
        let by_other_name = own_npm && name == "npm_config_cache";
        if !given && !by_other_name {
            variables.set(name, value);
        }
    }
}

fn add_accounts(environment: &mut config::Environment) {
    let name = || Text::new(BUILD.to_owned(), Default::default());
    let accounts = &mut environment.accounts;
    if !accounts.groups.iter().any(|group| group.groupname.as_str() == BUILD) {
        accounts.groups.push(config::Group {
            groupname: name(),
            gid: BUILD_ID,
            members: vec![name()],
            ..config::Group::default()
        });
    }
    if !accounts.users.iter().any(|user| user.username.as_str() == BUILD) {
        accounts.users.push(config::User {
            username: name(),
            uid: BUILD_ID,
            gid: Some(BUILD_ID),
            ..config::User::default()
        });
    }
}

/// The plan's environment; `packages` are all that it takes.
pub(super) fn plan(environment: &config::Environment, packages: Vec<Wanted>) -> Environment {
    let contents = &environment.contents;
    let mut variables: IndexMap<String, String> =
        environment.environment.iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    variables.insert("PATH".to_owned(), PATH.to_owned());
    variables.sort_unstable_keys();
    let accounts = &environment.accounts;
    let run_as = accounts.run_as.as_str();
    Environment {
        packages,
        repositories: strings(contents.build_repositories.iter().chain(&contents.repositories)),
        keyring: strings(&contents.keyring),
        variables,
        users: accounts.users.iter().map(user).collect(),
        groups: accounts.groups.iter().map(group).collect(),
        run_as: (!run_as.is_empty()).then(|| run_as.to_owned()),
        paths: environment.paths.iter().map(path_change).collect(),
    }
}

fn strings<'a>(texts: impl IntoIterator<Item = &'a Text>) -> Vec<String> {
    texts.into_iter().map(|text| text.value.clone()).collect()
}

fn user(user: &config::User) -> image::User {
    image::User {
        name: user.username.value.clone(),
        uid: user.uid,
        gid: user.gid.unwrap_or(user.uid),
        shell: user.shell.value.clone(),
        home: user.homedir.value.clone(),
    }
}

fn group(group: &config::Group) -> image::Group {
    image::Group {
        name: group.groupname.value.clone(),
        gid: group.gid,
        members: strings(&group.members),
    }
}

fn path_change(change: &config::PathMutation) -> image::PathChange {
    image::PathChange {
        kind: change.kind.value.clone(),
        path: change.path.value.clone(),
        uid: change.uid.unwrap_or_default(),
        gid: change.gid.unwrap_or_default(),
        permissions: change.permissions,
        source: change.source.value.clone(),
        recursive: change.recursive,
    }
}

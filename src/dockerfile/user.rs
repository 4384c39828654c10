//! Who the steps run as: `accounts.run-as`, `--run-as`, or the build user.
//!
//! Part of stage 3.

use std::fmt;

use crate::image::User;
use crate::plan::Plan;

use super::{Error, Options};

/// A user and a group, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl Owner {
    /// The user that melange environments have for building.
    pub(super) const BUILD: Owner = Owner { uid: 1000, gid: 1000 };

    /// What is appended to the ids of cache mounts, so that users of different numbers do not
    /// shut each other out of one directory.
    pub(super) fn id_suffix(self) -> String {
        if self == Owner::BUILD { String::new() } else { format!("-{}-{}", self.uid, self.gid) }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.uid, self.gid)
    }
}

/// Who runs the steps: whom the command line names, else the recipe, else the build user.
pub(super) fn of_steps(plan: &Plan, options: &Options) -> Result<Owner, Error> {
    let run_as = options.run_as.as_deref().or(plan.environment.run_as.as_deref());
    resolve(run_as, &plan.environment.users)
}

/// Whether the steps run as root.
pub fn runs_as_root(plan: &Plan, options: &Options) -> Result<bool, Error> {
    Ok(of_steps(plan, options)?.uid == 0)
}

/// Looks up a name or a number, as written; a number's group is that of the recipe's user with
/// this number, otherwise the same number. `UID:GID` says both.
pub(super) fn resolve(run_as: Option<&str>, users: &[User]) -> Result<Owner, Error> {
    let Some(text) = run_as.map(str::trim).filter(|text| !text.is_empty()) else {
        return Ok(Owner::BUILD);
    };
    let of = |user: &User| Owner { uid: user.uid, gid: user.gid };
    if let Some(user) = users.iter().find(|user| user.name == text) {
        return Ok(of(user));
    }
    if let Some((uid, gid)) = text.split_once(':')
        && let (Ok(uid), Ok(gid)) = (uid.parse(), gid.parse())
    {
        return Ok(Owner { uid, gid });
    }
    if let Ok(uid) = text.parse::<u32>() {
        let known = users.iter().find(|user| user.uid == uid);
        return Ok(known.map_or(Owner { uid, gid: uid }, of));
    }
    match text {
        "root" => Ok(Owner { uid: 0, gid: 0 }),
        "build" => Ok(Owner::BUILD),
        _ => Err(Error::UnknownUser {
            name: text.to_owned(),
            known: users.iter().map(|user| user.name.clone()).collect(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_looked_up() {
        let user = User { name: "pg".to_owned(), uid: 70, gid: 71, ..User::default() };
        let users = [user];
        let owner = |text| resolve(Some(text), &users).map(|owner| owner.to_string());
        assert_eq!(owner("pg").unwrap(), "70:71");
        assert_eq!(owner("70").unwrap(), "70:71");
        assert_eq!(owner("99").unwrap(), "99:99");
        assert_eq!(owner("99:5").unwrap(), "99:5");
        assert_eq!(owner("root").unwrap(), "0:0");
        assert_eq!(owner("0").unwrap(), "0:0");
        assert_eq!(owner("").unwrap(), "1000:1000");
        assert_eq!(resolve(None, &users).unwrap(), Owner::BUILD);
        assert_eq!(
            owner("nobody").unwrap_err().to_string(),
            "`run-as: nobody` names no user of the recipe: `accounts.users` has `pg`"
        );
    }
}

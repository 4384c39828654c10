//! Who owns the files of a package.
//!
//! Part of stage 5. Steps run as the build user; what it made belongs to root in the package, as
//! in melange. Names come from the recipe's accounts: the stream has numbers only.

use std::collections::BTreeMap;

use crate::apk::tar::Header;
use crate::plan::Environment;

/// The name of the build user and its group.
const BUILD: &str = "build";

/// Its numbers, unless the recipe's accounts say otherwise.
const BUILD_ID: u64 = 1000;

/// Maps numbers to numbers and names.
pub struct Owners {
    build: (u64, u64),
    users: BTreeMap<u64, Vec<u8>>,
    groups: BTreeMap<u64, Vec<u8>>,
}

impl Owners {
    /// The owners that an environment has.
    pub fn of(environment: &Environment) -> Self {
        let users = environment.users.iter().map(|user| (u64::from(user.uid), &user.name));
        let groups = environment.groups.iter().map(|group| (u64::from(group.gid), &group.name));
        let build_user = users.clone().find(|(_, name)| *name == BUILD);
        let build_group = groups.clone().find(|(_, name)| *name == BUILD);
        let id = |found: Option<(u64, &String)>| found.map_or(BUILD_ID, |(id, _)| id);
        let root = || BTreeMap::from([(0, b"root".to_vec())]);
        let mut owners =
            Self { build: (id(build_user), id(build_group)), users: root(), groups: root() };
        for (uid, name) in users {
            owners.users.entry(uid).or_insert_with(|| name.clone().into_bytes());
        }
        for (gid, name) in groups {
            owners.groups.entry(gid).or_insert_with(|| name.clone().into_bytes());
        }
        owners
    }

    /// Gives an entry the owner that it has in the package.
    pub fn apply(&self, header: &mut Header) {
        if header.uid == self.build.0 {
            header.uid = 0;
        }
        if header.gid == self.build.1 {
            header.gid = 0;
        }
        header.uname = self.users.get(&header.uid).cloned().unwrap_or_default();
        header.gname = self.groups.get(&header.gid).cloned().unwrap_or_default();
    }
}

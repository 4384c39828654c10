//! The mount behind `/var/cache/melange`, as the steps have it and as the host cache needs it.
//!
//! Part of stage 3.

use crate::plan::Plan;

use super::{Error, Options, user};

/// The mount of a build: its id, and the owner, who is part of a mount's identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostCacheMount {
    /// The id.
    pub id: String,
    /// The owner.
    pub uid: u32,
    /// The owner's group.
    pub gid: u32,
}

/// The mount that a plan's steps get.
pub fn host_cache_mount(plan: &Plan, options: &Options) -> Result<HostCacheMount, Error> {
    let owner = user::of_steps(plan, options)?;
    let id = format!("{}{}", id(&options.host_cache), owner.id_suffix());
    Ok(HostCacheMount { id, uid: owner.uid, gid: owner.gid })
}

/// The id of the mount, but for the owner's suffix.
pub(super) fn id(identity: &str) -> String {
    match identity {
        "" => "melange-host-cache".to_owned(),
        identity => format!("melange-host-cache-{identity}"),
    }
}

//! The private daemon: a `buildkitd` of the user's own, shared by all melange2 processes.
//!
//! Part of stage 4. Its truth is in locks and sockets, never in pid files, so that whatever
//! crashes leaves nothing that the next run trips over:
//!
//! - `users.lock`: held shared by every process that uses the daemon. Who gets it exclusively
//!   knows that nobody does.
//! - `supervisor.lock`: held by the one supervisor (`melange2 daemon supervise`), a process in a
//!   session of its own that starts buildkitd, stops it when it was unused for the linger time
//!   (and BuildKit says that no build runs), and ends with it.
//! - `start.lock`: held while a client has a supervisor started, so that of two clients one waits.
//! - `control.sock`: where the supervisor takes requests; `buildkitd.sock`: BuildKit's API.
//!
//! Does not know specs or builds.

pub(super) mod activity;
mod buildkitd;
mod client;
mod config;
mod control;
mod garbage;
mod leftovers;
mod paths;
mod supervisor;

pub(super) use client::Use;
pub use client::{PrivateDaemon, Stop};
pub use control::Report;
pub use supervisor::supervise;

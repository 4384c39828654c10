//! Repositories as they are met: on a server that answers late, halfway or not at all, and on disk.

mod file;
mod fixture;
mod network;
mod origins;
mod server;
mod trust;

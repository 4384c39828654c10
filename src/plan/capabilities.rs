//! The names of Linux' capabilities. Stage 2 checks recipes against them, stage 3 renders them.

/// What a container gets that asks for nothing: Docker's and BuildKit's default set.
pub(crate) const DEFAULT: [&str; 14] = [
    "audit_write",
    "chown",
    "dac_override",
    "fowner",
    "fsetid",
    "kill",
    "mknod",
    "net_bind_service",
    "net_raw",
    "setfcap",
    "setgid",
    "setpcap",
    "setuid",
    "sys_chroot",
];

/// The others that Linux knows (`capabilities(7)`).
pub(super) const MORE: [&str; 27] = [
    "audit_control",
    "audit_read",
    "block_suspend",
    "bpf",
    "checkpoint_restore",
    "dac_read_search",
    "ipc_lock",
    "ipc_owner",
    "lease",
    "linux_immutable",
    "mac_admin",
    "mac_override",
    "net_admin",
    "net_broadcast",
    "perfmon",
    "sys_admin",
    "sys_boot",
    "sys_module",
    "sys_nice",
    "sys_pacct",
    "sys_ptrace",
    "sys_rawio",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "syslog",
    "wake_alarm",
];

/// `CAP_NET_ADMIN`, `NET_ADMIN` and `net_admin` are one; `None` if Linux has none of that name.
pub(crate) fn normalised(name: &str) -> Option<String> {
    let lower = name.to_ascii_lowercase();
    let short = lower.strip_prefix("cap_").unwrap_or(&lower);
    let known = DEFAULT.contains(&short) || MORE.contains(&short);
    known.then(|| short.to_owned())
}

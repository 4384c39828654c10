//! File capabilities as the extended attribute `security.capability` holds them.
//!
//! Part of stage 5. Shape: Linux' `struct vfs_ns_cap_data`, revision 3, as melange writes it.

use crate::plan::SetCap;

/// Name of the attribute's PAX record.
pub const RECORD: &str = "SCHILY.xattr.security.capability";

const REVISION_3: u32 = 0x0300_0000;
const EFFECTIVE: u32 = 1;

/// Capabilities by number (`linux/capability.h`).
const NAMES: &[&str] = &[
    "cap_chown",
    "cap_dac_override",
    "cap_dac_read_search",
    "cap_fowner",
    "cap_fsetid",
    "cap_kill",
    "cap_setgid",
    "cap_setuid",
    "cap_setpcap",
    "cap_linux_immutable",
    "cap_net_bind_service",
    "cap_net_broadcast",
    "cap_net_admin",
    "cap_net_raw",
    "cap_ipc_lock",
    "cap_ipc_owner",
    "cap_sys_module",
    "cap_sys_rawio",
    "cap_sys_chroot",
    "cap_sys_ptrace",
    "cap_sys_pacct",
    "cap_sys_admin",
];

/// The attribute's value, or the name that is no capability.
///
/// Flags are the letters `e`, `p` and `i`; other characters (`+`) say nothing.
pub fn attribute(setcap: &SetCap) -> Result<Vec<u8>, String> {
    let (mut effective, mut permitted, mut inheritable) = (0, 0, 0);
    for (names, flags) in &setcap.add {
        let mut set = 0;
        for name in names.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            let number = NAMES.iter().position(|known| *known == name);
            set |= 1u32 << number.ok_or_else(|| name.to_owned())?;
        }
        if flags.contains('e') {
            effective = EFFECTIVE;
        }
        if flags.contains('p') {
            permitted |= set;
        }
        if flags.contains('i') {
            inheritable |= set;
        }
    }
    // Low words, high words (none of the names above), and the owner of the user namespace.
    let words = [REVISION_3 | effective, permitted, inheritable, 0, 0, 0];
    Ok(words.into_iter().flat_map(u32::to_le_bytes).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setcap(add: &[(&str, &str)]) -> SetCap {
        let add = add.iter().map(|&(names, flags)| (names.to_owned(), flags.to_owned()));
        SetCap { path: "/usr/bin/x".to_owned(), add: add.collect() }
    }

    #[test]
    fn bytes_are_the_kernels() {
        let words = |add: &[(&str, &str)]| {
            let bytes = attribute(&setcap(add)).unwrap();
            assert_eq!(bytes.len(), 24);
            bytes.chunks(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect()
        };
        let found: Vec<u32> = words(&[("cap_net_raw,cap_net_admin", "+ep")]);
        assert_eq!(found, [0x0300_0001, 1 << 13 | 1 << 12, 0, 0, 0, 0]);
        let found: Vec<u32> = words(&[("cap_sys_admin", "+p"), ("cap_ipc_lock", "=i")]);
        assert_eq!(found, [0x0300_0000, 1 << 21, 1 << 14, 0, 0, 0]);
        assert_eq!(attribute(&setcap(&[("cap_magic", "+ep")])), Err("cap_magic".to_owned()));
    }
}

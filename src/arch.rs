//! CPU architectures and the names that apk, Go, OCI, GNU and Rust give them.
//!
//! A leaf: knows nothing of stages or formats. The tables are apko's and melange's.

use std::fmt;
use std::str::FromStr;

/// An architecture that apk packages are built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Arch {
    /// 32-bit x86 (`x86` in apk, `386` in Go).
    X86,
    /// 64-bit x86 (`x86_64` in apk, `amd64` in Go).
    X86_64,
    /// 64-bit Arm (`aarch64` in apk, `arm64` in Go).
    Aarch64,
    /// Armv6 with hardware floating point (`armhf` in apk, `arm/v6` in Go).
    Armhf,
    /// Armv7 (`armv7` in apk, `arm/v7` in Go).
    Armv7,
    /// 64-bit LoongArch (`loongarch64` in apk, `loong64` in Go).
    Loongarch64,
    /// 64-bit little-endian PowerPC.
    Ppc64le,
    /// 64-bit RISC-V.
    Riscv64,
    /// IBM Z.
    S390x,
}

/// The text was not the name of an architecture.
#[derive(Debug, thiserror::Error)]
#[error("unknown architecture `{0}`: expected one of {names}", names = Arch::names())]
pub struct UnknownArch(pub String);

/// The C library half of a GNU or Rust target triplet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Libc {
    /// glibc: `gnu`.
    Gnu,
    /// musl: `musl`.
    Musl,
}

impl Libc {
    /// The word that stands in a triplet.
    pub fn name(self) -> &'static str {
        match self {
            Libc::Gnu => "gnu",
            Libc::Musl => "musl",
        }
    }
}

impl Arch {
    /// Every architecture, in the order in which `--arch all` builds them.
    pub const ALL: [Arch; 9] = [
        Arch::X86,
        Arch::X86_64,
        Arch::Aarch64,
        Arch::Armhf,
        Arch::Armv7,
        Arch::Loongarch64,
        Arch::Ppc64le,
        Arch::Riscv64,
        Arch::S390x,
    ];

    /// The architecture that this program runs on.
    pub fn host() -> Arch {
        match std::env::consts::ARCH {
            "x86" => Arch::X86,
            "aarch64" => Arch::Aarch64,
            "arm" => Arch::Armv7,
            "loongarch64" => Arch::Loongarch64,
            "powerpc64" => Arch::Ppc64le,
            "riscv64" => Arch::Riscv64,
            "s390x" => Arch::S390x,
            _ => Arch::X86_64,
        }
    }

    /// apk's name, as in `.PKGINFO` and repository paths.
    pub fn apk(self) -> &'static str {
        match self {
            Arch::X86 => "x86",
            Arch::X86_64 => "x86_64",
            Arch::Aarch64 => "aarch64",
            Arch::Armhf => "armhf",
            Arch::Armv7 => "armv7",
            Arch::Loongarch64 => "loongarch64",
            Arch::Ppc64le => "ppc64le",
            Arch::Riscv64 => "riscv64",
            Arch::S390x => "s390x",
        }
    }

    /// apko's name (`${{build.goarch}}`), with the variant after a slash.
    pub fn go(self) -> &'static str {
        match self {
            Arch::X86 => "386",
            Arch::X86_64 => "amd64",
            Arch::Aarch64 => "arm64",
            Arch::Armhf => "arm/v6",
            Arch::Armv7 => "arm/v7",
            Arch::Loongarch64 => "loong64",
            Arch::Ppc64le => "ppc64le",
            Arch::Riscv64 => "riscv64",
            Arch::S390x => "s390x",
        }
    }

    /// OCI's architecture and variant, as in an image's configuration.
    pub fn oci(self) -> (&'static str, Option<&'static str>) {
        match self.go().split_once('/') {
            Some((architecture, variant)) => (architecture, Some(variant)),
            None => (self.go(), None),
        }
    }

    /// The platform that BuildKit is asked for, as in `linux/arm64`.
    pub fn platform(self) -> String {
        format!("linux/{}", self.go())
    }

    /// The GNU triplet, as melange's `host.triplet.gnu` has it.
    pub fn gnu_triplet(self, libc: Libc) -> String {
        let flavor = libc.name();
        match self {
            Arch::X86 => format!("i486-pc-linux-{flavor}"),
            Arch::X86_64 => format!("x86_64-pc-linux-{flavor}"),
            Arch::Armhf => format!("arm-unknown-linux-{flavor}eabihf"),
            Arch::Armv7 => format!("armv7l-unknown-linux-{flavor}eabihf"),
            Arch::Ppc64le => format!("powerpc64le-unknown-linux-{flavor}"),
            Arch::S390x => format!("s390x-ibm-linux-{flavor}"),
            _ => format!("{}-unknown-linux-{flavor}", self.apk()),
        }
    }

    /// The Rust triplet, as melange's `host.triplet.rust` has it.
    pub fn rust_triplet(self, libc: Libc) -> String {
        let flavor = libc.name();
        match self {
            Arch::X86 => format!("i686-unknown-linux-{flavor}"),
            Arch::Armhf => format!("armv6-unknown-linux-{flavor}eabihf"),
            Arch::Armv7 => format!("armv7-unknown-linux-{flavor}eabihf"),
            Arch::Ppc64le => format!("powerpc64le-unknown-linux-{flavor}"),
            _ => format!("{}-unknown-linux-{flavor}", self.apk()),
        }
    }

    fn names() -> String {
        Arch::ALL.map(|arch| format!("`{}`", arch.apk())).join(", ")
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.apk())
    }
}

impl FromStr for Arch {
    type Err = UnknownArch;

    /// Accepts apk's names and Go's (`x86_64` and `amd64`, `arm/v7` and `armv7`).
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Arch::ALL
            .into_iter()
            .find(|arch| arch.apk() == text || arch.go() == text)
            .ok_or_else(|| UnknownArch(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_of_names_are_read() {
        for arch in Arch::ALL {
            assert_eq!(arch.apk().parse::<Arch>().unwrap(), arch);
            assert_eq!(arch.go().parse::<Arch>().unwrap(), arch);
        }
        let error = "sparc".parse::<Arch>().unwrap_err().to_string();
        assert!(
            error.starts_with("unknown architecture `sparc`: expected one of `x86`, "),
            "{error}"
        );
    }

    #[test]
    fn triplets_are_melanges() {
        assert_eq!(Arch::X86_64.gnu_triplet(Libc::Gnu), "x86_64-pc-linux-gnu");
        assert_eq!(Arch::Armv7.gnu_triplet(Libc::Musl), "armv7l-unknown-linux-musleabihf");
        assert_eq!(Arch::Aarch64.rust_triplet(Libc::Gnu), "aarch64-unknown-linux-gnu");
        assert_eq!(Arch::Armv7.oci(), ("arm", Some("v7")));
    }
}

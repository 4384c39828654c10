//! `environment:`: apko's image configuration, as far as recipes may use its keys.

use crate::arch::Arch;
use crate::config::field::{Dict, Field, Text};
use crate::config::reader::Reader;
use crate::config::record::record;
use crate::config::yaml::Node;

record! {
    /// What steps run in.
    pub struct Environment {
        /// Packages and where they come from.
        contents: Contents = "contents" [early always],
        /// Unused by builds.
        entrypoint: Entrypoint = "entrypoint" [early always],
        /// Unused by builds.
        cmd: Text = "cmd" [early],
        /// Unused by builds.
        stop_signal: Text = "stop-signal" [early],
        /// Unused by builds.
        work_dir: Text = "work-dir" [early],
        /// Users and groups.
        accounts: Accounts = "accounts" [always],
        /// Unused by builds.
        archs: Vec<ArchName> = "archs" [],
        /// Variables of every step.
        environment: Dict = "environment" [early],
        /// Changes to the file tree.
        paths: Vec<PathMutation> = "paths" [],
        /// Unused by builds.
        vcs_url: Text = "vcs-url" [early],
        /// Unused by builds.
        annotations: Dict = "annotations" [early],
        /// Unused by builds.
        include: Text = "include" [],
        /// Unused by builds.
        volumes: Vec<Text> = "volumes" [early],
        /// Accepted; upstream drops it.
        layering: Option<Layering> = "layering" [silent],
        /// Accepted; upstream drops it.
        certificates: Option<Certificates> = "certificates" [silent],
    }
}

/// The name of an architecture: any of its names is read, apko's is written.
#[derive(Clone, Debug, Default)]
pub struct ArchName(pub Text);

impl Field for ArchName {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Self {
        Self(Text::read(node, reader))
    }

    fn json(&self) -> serde_json::Value {
        let arch = self.0.as_str().parse().map(Arch::go);
        arch.unwrap_or(self.0.as_str()).into()
    }

    fn data(&self) -> crate::go_template::Data {
        self.0.data()
    }

    fn schema(definitions: &mut serde_json::Map<String, serde_json::Value>) -> serde_json::Value {
        Text::schema(definitions)
    }

    fn is_unset(&self) -> bool {
        self.0.is_empty()
    }
}

record! {
    /// Packages and where they come from.
    pub struct Contents {
        /// Repositories of the build.
        build_repositories: Vec<Text> = "build_repositories" [early],
        /// Accepted; upstream drops it.
        runtime_repositories: Vec<Text> = "runtime_repositories" [silent],
        /// Repositories.
        repositories: Vec<Text> = "repositories" [early],
        /// Keys: files or URLs.
        keyring: Vec<Text> = "keyring" [early],
        /// Accepted; upstream drops it.
        runtime_keyring: Vec<RuntimeKey> = "runtime_keyring" [silent],
        /// Packages.
        packages: Vec<Text> = "packages" [early],
        /// Accepted, without effect.
        baseimage: Option<BaseImage> = "baseimage" [],
    }
}

record! {
    /// A key by its content.
    pub struct RuntimeKey {
        /// File name.
        name: Text = "name" [],
        /// PEM.
        content: Text = "content" [],
    }
}

record! {
    /// An image to start from.
    pub struct BaseImage {
        /// Its layout.
        image: Text = "image" [],
        /// Its packages.
        apkindex: Text = "apkindex" [],
    }
}

record! {
    /// What an image would run.
    pub struct Entrypoint {
        /// `service-bundle`
        kind: Text = "type" [],
        /// Command.
        command: Text = "command" [early],
        /// Shell text.
        shell_fragment: Text = "shell-fragment" [early],
        /// Services.
        services: Dict = "services" [early],
    }
}

record! {
    /// Users and groups.
    pub struct Accounts {
        /// Whom steps run as: a name or a number.
        run_as: Text = "run-as" [],
        /// Users.
        users: Vec<User> = "users" [],
        /// Groups.
        groups: Vec<Group> = "groups" [],
    }
}

record! {
    /// A user.
    pub struct User {
        /// Name.
        username: Text = "username" [],
        /// Number.
        uid: u32 = "uid" [],
        /// Group's number.
        gid: Option<u32> = "gid" [],
        /// Login shell.
        shell: Text = "shell" [],
        /// Home.
        homedir: Text = "homedir" [],
    }
}

record! {
    /// A group.
    pub struct Group {
        /// Name.
        groupname: Text = "groupname" [],
        /// Number.
        gid: u32 = "gid" [],
        /// Names.
        members: Vec<Text> = "members" [],
    }
}

record! {
    /// A change to the file tree.
    pub struct PathMutation {
        /// The path.
        path: Text = "path" [],
        /// `directory`, `empty-file`, `hardlink`, `symlink`, `permissions`.
        kind: Text = "type" [],
        /// Owner.
        uid: Option<u32> = "uid" [],
        /// Group.
        gid: Option<u32> = "gid" [],
        /// Mode bits.
        permissions: u32 = "permissions" [],
        /// Target of a link.
        source: Text = "source" [],
        /// Also what lies below.
        recursive: bool = "recursive" [],
    }
}

record! {
    /// apko's layers.
    pub struct Layering {
        /// Strategy.
        strategy: Text = "strategy" [],
        /// Number of layers.
        budget: i64 = "budget" [],
    }
}

record! {
    /// Certificates of an image.
    pub struct Certificates {
        /// By content.
        additional: Vec<AdditionalCertificate> = "additional" [],
        /// By package.
        providers: Vec<Text> = "providers" [],
    }
}

record! {
    /// A certificate by its content.
    pub struct AdditionalCertificate {
        /// File name.
        name: Text = "name" [],
        /// PEM.
        content: Text = "content" [],
    }
}

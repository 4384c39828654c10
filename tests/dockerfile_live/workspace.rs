//! What steps find, and what is exported.

use std::os::unix::fs::MetadataExt as _;

use melange2::dockerfile::Options;

use super::daemon::daemon;
use crate::dockerfile_plan::{options, package, plan, step};

#[test]
fn the_workspace_belongs_to_the_user_and_has_the_recipes_files() {
    let Some(daemon) = daemon() else { return };
    let source = tempfile::tempdir().unwrap();
    fs_err::create_dir(source.path().join("real")).unwrap();
    fs_err::write(source.path().join("real/fix.patch"), "patch\n").unwrap();
    // Several recipes share one directory by a link.
    let link = source.path().join("link");
    fs_err::os::unix::fs::symlink("real", &link).unwrap();
    let mut plan = plan();
    let script = "cd /home/build; stat -c '%u:%g %a %n' . fix.patch .melange.gcc.spec melange-out \
                  .config/clang-19/x86_64-unknown-linux-gnu-clang.cfg > melange-out/hello/list\n\
                  cp .melange.fdo.h melange-out/hello/\n";
    plan.steps.push(step(1, "list", script));
    let options = Options { source_dir: Some(link), ..options() };
    let built = daemon.build(&plan, &["clang-19"], &options);
    insta::assert_snapshot!(built.read("hello/list"));
}

#[test]
fn the_output_has_modes_links_and_empty_packages() {
    let Some(daemon) = daemon() else { return };
    let mut plan = plan();
    plan.packages.push(package("hello-doc"));
    plan.packages.push(package("hello-empty"));
    let script = "cd melange-out; echo x > hello/a; ln hello/a hello/b; ln hello/a hello-doc/c\n\
                  ln -s a hello/l; chmod 4755 hello/a; mkdir -m 1777 hello/t\n";
    plan.steps.push(step(1, "make", script));
    let built = daemon.build(&plan, &[], &options());
    let meta = |path: &str| fs_err::symlink_metadata(built.out.path().join(path)).unwrap();
    assert_eq!(meta("hello/a").mode() & 0o7777, 0o4755);
    assert_eq!(meta("hello/t").mode() & 0o7777, 0o1777);
    assert_eq!(meta("hello/a").ino(), meta("hello/b").ino());
    assert_eq!(built.read("hello-doc/c"), "x\n", "a link across packages is a file in each");
    assert!(meta("hello/l").is_symlink());
    assert!(meta("hello-empty").is_dir(), "{}", built.listing);
}

#[test]
fn packages_without_steps_are_directories() {
    let Some(daemon) = daemon() else { return };
    let mut plan = plan();
    plan.packages.push(package("hello-doc"));
    let built = daemon.build(&plan, &[], &options());
    let names: Vec<_> = built.listing.lines().filter_map(|line| line.rsplit(' ').next()).collect();
    assert_eq!(names, ["hello/", "hello-doc/"]);
}

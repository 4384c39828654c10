//! Certificates, secrets, capabilities: what reaches a step, and what stays out of its key.

use crate::support::parts;
use melange2::dockerfile::{Options, Secret};

use super::daemon::daemon;
use crate::dockerfile_plan::{options, plan, step};

const OUT: &str = "/home/build/melange-out/hello";

#[test]
fn a_step_built_with_a_bundle_is_cached_without_one() {
    let Some(daemon) = daemon() else { return };
    let directory = tempfile::tempdir().unwrap();
    let bundle = directory.path().join("ca.pem");
    fs_err::write(&bundle, "a certificate\n").unwrap();
    let report = "echo \"${SSL_CERT_FILE-unset} ${PIP_CERT-unset}\"\n\
                  stat -c '%a %u:%g' /etc/ssl/certs/* || :\ncat /etc/ssl/certs/* || :\n\
                  cat /proc/sys/kernel/random/uuid";
    let with = |label: &str| {
        let mut plan = plan();
        let script = format!("{{ : {label}\n{report}\n}} > {OUT}/report\n");
        plan.steps.push(step(1, label, &script));
        plan
    };
    let given = Options { ca_file: Some(bundle), ..options() };

    let first = daemon.build(&with("a"), &[], &given).read("hello/report");
    assert!(
        first.starts_with(
            "/etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt\n\
         444 1000:1000\na certificate\n"
        ),
        "{first}"
    );
    // The same random number: the step did not run again.
    assert_eq!(daemon.build(&with("a"), &[], &options()).read("hello/report"), first);

    let second = daemon.build(&with("b"), &[], &options()).read("hello/report");
    assert!(second.starts_with("unset unset\n") && !second.contains("certificate"), "{second}");
    assert_eq!(daemon.build(&with("b"), &[], &given).read("hello/report"), second);
}

#[test]
fn a_secret_is_read_by_the_user_and_left_nowhere() {
    let Some(daemon) = daemon() else { return };
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    fs_err::write(&file, "hunter2").unwrap();
    let mut plan = plan();
    let script =
        format!("wc -c < /run/secrets/token > {OUT}/size; stat -c %a /run/secrets/token\n");
    plan.steps.push(step(1, "use", &script));
    plan.steps.push(step(2, "look", &format!("find / -xdev -name token > {OUT}/left || :\n")));
    let source = format!("src={}", file.display());
    let secrets = vec![Secret { id: "token".to_owned(), source }];
    let built = daemon.build(&plan, &[], &Options { secrets, ..options() });
    assert_eq!(built.read("hello/size"), "7\n");
    assert!(!built.log.contains("hunter2"));
    // The second step has the mount too; below /home and /var nothing was kept.
    assert!(!built.read("hello/left").contains("/home"), "{}", built.read("hello/left"));
}

#[test]
fn capabilities_are_the_default_set_and_what_was_asked() {
    let Some(daemon) = daemon() else { return };
    if which::which("setpriv").is_err() {
        return parts::without("there is no setpriv");
    }
    // CAP_NET_ADMIN is bit 12, CAP_MKNOD bit 27; the default set is 0xa80425fb.
    let cases = [
        (None, Some("CAP_NET_ADMIN"), "0000000000001000", "00000000a00435fb"),
        (Some("root"), Some("CAP_NET_ADMIN"), "00000000a00435fb", "00000000a00435fb"),
        (Some("root"), None, "00000000a00425fb", "00000000a00425fb"),
        (None, None, "0000000000000000", "00000000a80425fb"),
    ];
    for (run_as, add, effective, bounding) in cases {
        let mut plan = plan();
        plan.environment.run_as = run_as.map(str::to_owned);
        plan.capabilities.add = add.map(str::to_owned).into_iter().collect();
        let script = format!("grep -E 'CapEff|CapBnd' /proc/self/status > {OUT}/caps\n");
        plan.steps.push(step(1, "look", &script));
        plan.capabilities.drop = vec!["CAP_MKNOD".to_owned()];
        let built = daemon.build(&plan, &[], &options());
        assert_eq!(
            built.read("hello/caps"),
            format!("CapEff:\t{effective}\nCapBnd:\t{bounding}\n"),
        );
    }
}

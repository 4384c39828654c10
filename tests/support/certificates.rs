//! Certificates by openssl: an authority, and what it vouches for.

use super::TestEnv;

/// Makes `ca.pem` in the work directory and, for each name, `NAME.pem` and `NAME.key` that it has
/// signed for `localhost` and `127.0.0.1`.
pub fn make(env: &TestEnv, names: &[&str]) {
    let openssl = |args: &str| {
        let output = env.command("openssl").args(args.split(' ')).output().unwrap();
        assert!(output.status.success(), "{}", env.text(&output));
    };
    let key = "-newkey rsa:2048 -nodes -subj";
    openssl(&format!("req -x509 -days 2 -keyout ca.key -out ca.pem {key} /CN=test-authority"));
    env.write("names", "subjectAltName=DNS:localhost,IP:127.0.0.1\n");
    for name in names {
        openssl(&format!("req -new -keyout {name}.key -out {name}.csr {key} /CN={name}"));
        openssl(&format!(
            "x509 -req -days 2 -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile \
             names -out {name}.pem"
        ));
    }
}

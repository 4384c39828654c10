//! Keys made, written, read and used. Interoperation with openssl is tested from outside.

use std::os::unix::ffi::OsStrExt as _;
use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;

/// Made once: a key takes a while.
static KEY: LazyLock<Signer> = LazyLock::new(|| Signer::generate(2048, "test.rsa.pub").unwrap());

fn ring() -> KeyRing {
    let mut ring = KeyRing::default();
    ring.add("test.rsa.pub", KEY.public_pem().unwrap().as_bytes()).unwrap();
    ring
}

#[test]
fn a_key_survives_its_file() {
    let pem = KEY.private_pem().unwrap();
    assert!(pem.starts_with("-----BEGIN RSA PRIVATE KEY-----\n"));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mine.rsa");
    fs_err::write(&path, &pem).unwrap();
    let read = Signer::from_file(&path).unwrap();
    assert_eq!(read.name(), "mine.rsa.pub");
    assert_eq!(read.private_pem().unwrap(), pem);
    assert_eq!(read.sign(b"x").unwrap(), KEY.sign(b"x").unwrap());
}

#[test]
fn key_files_are_private_and_stay() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mine.rsa");
    let public = KEY.write_files(&path, Existing::Keep).unwrap();
    let mode = |path: &Path| fs_err::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(&public)), (0o600, 0o644));
    assert_eq!(fs_err::read_to_string(&public).unwrap(), KEY.public_pem().unwrap());
    fs_err::write(&path, "mine").unwrap();
    let error = KEY.write_files(&path, Existing::Keep).unwrap_err().to_string();
    assert!(error.ends_with("mine.rsa` exists already"), "{error}");
    assert_eq!(fs_err::read(&path).unwrap(), b"mine");
    fs_err::remove_file(&path).unwrap();
    assert!(KEY.write_files(&path, Existing::Keep).is_err(), "the public key is in the way");
    KEY.write_files(&path, Existing::Replace).unwrap();
    assert_eq!(Signer::from_file(&path).unwrap().name(), "mine.rsa.pub");
}

#[test]
fn pkcs8_is_read() {
    let document = AsDer::<Pkcs8V1Der<'_>>::as_der(&KEY.pair).unwrap();
    let pem = der::pem("PRIVATE KEY", document.as_ref());
    let read = Signer::from_pem(pem.as_bytes(), "test.rsa.pub").unwrap();
    assert_eq!(read.private_pem().unwrap(), KEY.private_pem().unwrap());
}

#[test]
fn a_signature_fits_its_message_and_its_key() {
    let (ring, signature) = (ring(), KEY.sign(b"message").unwrap());
    let verify = |name, algorithm, message: &[u8]| {
        ring.verify(name, algorithm, message, &signature).map_err(|error| error.to_string())
    };
    verify("test.rsa.pub", Algorithm::RsaSha256, b"message").unwrap();
    let does_not_fit = "the signature of the key `test.rsa.pub` does not fit";
    for (algorithm, message) in
        [(Algorithm::RsaSha256, b"massage".as_slice()), (Algorithm::RsaSha1, b"message")]
    {
        assert_eq!(verify("test.rsa.pub", algorithm, message).unwrap_err(), does_not_fit);
    }
    assert_eq!(
        verify("other.rsa.pub", Algorithm::RsaSha256, b"message").unwrap_err(),
        "the signing key `other.rsa.pub` is not trusted"
    );
}

#[test]
fn keys_are_found_without_their_ending() {
    let mut ring = KeyRing::default();
    ring.add("test", KEY.public_pem().unwrap().as_bytes()).unwrap();
    let signature = KEY.sign(b"message").unwrap();
    ring.verify("test.rsa.pub", Algorithm::RsaSha256, b"message", &signature).unwrap();
}

#[test]
fn public_keys_in_pkcs1_are_read() {
    let pem = der::pem("RSA PUBLIC KEY", KEY.pair.public_key().as_ref());
    let mut ring = KeyRing::default();
    ring.add("k", pem.as_bytes()).unwrap();
    ring.verify("k", Algorithm::RsaSha256, b"m", &KEY.sign(b"m").unwrap()).unwrap();
    assert_eq!(ring.pem("k"), Some(pem.as_bytes()));
    assert_eq!((ring.names(), ring.is_empty()), (vec!["k"], false));
}

#[test]
fn unsafe_and_odd_sizes_are_refused() {
    let error = Signer::generate(1024, "x").unwrap_err().to_string();
    assert_eq!(error, "a key of 1024 bits is not safe: it needs at least 2048");
    let error = Signer::generate(2049, "x").unwrap_err().to_string();
    assert_eq!(error, "a key can't have 2049 bits: choose 2048, 3072, 4096 or 8192");
}

#[test]
fn what_is_no_key_is_refused_without_showing_it() {
    let secret = "c2VjcmV0c2VjcmV0";
    for label in ["RSA PRIVATE KEY", "PRIVATE KEY", "PUBLIC KEY", "CERTIFICATE"] {
        let pem = format!("-----BEGIN {label}-----\n{secret}\n-----END {label}-----\n");
        let private = Signer::from_pem(pem.as_bytes(), "x").unwrap_err().to_string();
        let public = KeyRing::default().add("x", pem.as_bytes()).unwrap_err().to_string();
        for error in [private, public] {
            assert!(error.starts_with("malformed key: "), "{error}");
            assert!(!error.contains(secret) && !error.contains("secretsecret"), "{error}");
        }
    }
    assert!(Signer::from_pem(b"", "x").is_err());
    assert!(KeyRing::default().add("a/b", KEY.public_pem().unwrap().as_bytes()).is_err());
    assert!(!format!("{:?}", *KEY).contains("PRIVATE"));
}

#[test]
fn a_key_file_has_limits_and_a_name() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("huge");
    fs_err::write(&path, vec![b'-'; 100_000]).unwrap();
    assert!(Signer::from_file(&path).unwrap_err().to_string().contains("too long"));
    let path = directory.path().join(std::ffi::OsStr::from_bytes(b"\xff"));
    fs_err::write(&path, KEY.private_pem().unwrap()).unwrap();
    assert!(Signer::from_file(&path).is_err());
    assert!(Signer::from_file(&directory.path().join("missing")).is_err());
}

proptest! {
    #[test]
    fn rubbish_and_damaged_keys_never_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..100),
        place in any::<proptest::sample::Index>(),
        byte in any::<u8>(),
        label in prop_oneof![Just("RSA PRIVATE KEY"), Just("PRIVATE KEY"), Just("PUBLIC KEY")],
    ) {
        let mut damaged = der::sections(KEY.public_pem().unwrap().as_bytes()).unwrap().remove(0).1;
        *place.get_mut(&mut damaged) = byte;
        for pem in [bytes.clone(), der::pem(label, &bytes).into(), der::pem(label, &damaged).into()] {
            let _ = Signer::from_pem(&pem, "x");
            let mut ring = KeyRing::default();
            if ring.add("x", &pem).is_ok() {
                let _ = ring.verify("x", Algorithm::RsaSha256, b"m", &bytes);
            }
        }
    }
}

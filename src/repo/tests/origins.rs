//! What an environment tells of where its packages are from.

use fs_err as fs;

use super::fixture::{Fixture, OTHER_KEY};
use crate::repo::{Options, Universe};

/// `/etc/apk/repositories`, and the names and bytes of `/etc/apk/keys`.
fn told(universe: &Universe) -> (Vec<String>, Vec<(String, Vec<u8>)>) {
    let origins = universe.origins();
    let keys = origins.keys.names().into_iter();
    let keys = keys.map(|name| (name.to_owned(), origins.keys.pem(name).unwrap().to_vec()));
    (origins.repositories.clone(), keys.collect())
}

#[test]
fn a_server_is_told_with_its_key_however_it_is_written() {
    let fixture = Fixture::new();
    let server = fixture.serve(|_, _, answer| answer);
    let other = fixture.path("other.rsa.pub");
    fs::write(&other, OTHER_KEY.public_pem().unwrap()).unwrap();
    // A signature finds a key by this name too.
    let renamed = fixture.path("good");
    fs::copy(fixture.key(), &renamed).unwrap();
    let key = fs::read(fixture.key()).unwrap();
    let expected = (vec![server.url("")], vec![("good.rsa.pub".to_owned(), key)]);

    let with_credentials = server.url("").replace("http://", "http://me:secret@");
    for location in [server.url(""), server.url("/"), with_credentials] {
        for keys in [vec![fixture.key()], vec![fixture.key(), other.clone()], vec![renamed.clone()]]
        {
            let keys = keys.iter().map(|key| key.display().to_string()).collect();
            for ignore_signatures in [false, true] {
                let keys = Vec::clone(&keys);
                let options = Options { keys, ignore_signatures, ..fixture.options() };
                let universe = fixture.open_as(&location, &options, None).unwrap();
                assert_eq!(told(&universe), expected, "{location}");
            }
        }
    }
    let tagged = fixture.open(&format!("@edge {}", server.url("/"))).unwrap();
    assert_eq!(told(&tagged).0, [format!("@edge {}", server.url(""))]);
}

#[test]
fn a_directory_is_not_told_and_its_key_is_not_either() {
    let fixture = Fixture::new();
    assert_eq!(told(&fixture.open_local().unwrap()), (Vec::new(), Vec::new()));
}

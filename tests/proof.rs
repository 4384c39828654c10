//! `docs/proof.md` says which test shows which sentence of an issue: here, that those tests exist.
//!
//! A row's last cell names its proofs: `path: function` for a test, or the path of a script that
//! CI runs.

use std::path::Path;

/// The proofs named in the last cells of the tables, with the line they stand on.
fn proofs(text: &str) -> Vec<(usize, String)> {
    let rows = text.lines().enumerate().filter(|(_, line)| line.starts_with('|'));
    rows.filter(|(_, line)| !line.contains("|---"))
        .flat_map(|(number, line)| {
            let cell = line.trim_end_matches('|').rsplit('|').next().unwrap_or_default();
            let quoted = cell.split('`').skip(1).step_by(2);
            quoted.map(|proof| (number + 1, proof.to_owned())).collect::<Vec<_>>()
        })
        .collect()
}

/// Why a proof does not hold, if it does not.
fn missing(root: &Path, proof: &str) -> Option<String> {
    let Some((path, function)) = proof.split_once(": ") else {
        return (!root.join(proof).is_file()).then(|| format!("`{proof}` is not a file"));
    };
    let Ok(text) = fs_err::read_to_string(root.join(path)) else {
        return Some(format!("`{path}` is not a file"));
    };
    let head = format!("fn {function}(");
    let Some(at) = text.find(&head) else {
        return Some(format!("`{path}` has no `{function}`"));
    };
    // Within `proptest!` the attribute stands there too, so the last lines before it tell.
    let before = text[..at].lines().rev().take(4).collect::<Vec<_>>();
    (!before.iter().any(|line| line.trim() == "#[test]"))
        .then(|| format!("`{function}` in `{path}` is not a test"))
}

#[test]
fn every_proof_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs_err::read_to_string(root.join("docs/proof.md")).unwrap();
    let proofs = proofs(&text);
    assert!(proofs.len() > 50, "the table is empty, or its form has changed");
    let missing: Vec<String> = proofs
        .iter()
        .filter_map(|(line, proof)| Some(format!("line {line}: {}", missing(root, proof)?)))
        .collect();
    assert!(missing.is_empty(), "docs/proof.md:\n{}", missing.join("\n"));
}

#[test]
fn a_missing_proof_is_noticed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    assert!(missing(root, "tests/proof.rs: every_proof_exists").is_none());
    assert!(missing(root, "tests/proof.rs: no_such_test").is_some());
    assert!(missing(root, "tests/proof.rs: proofs").is_some());
    assert!(missing(root, "scripts/no-such-script").is_some());
    let table = "| sentence | proof |\n|---|---|\n| a | `x`, `y: z` |\n";
    assert_eq!(proofs(table), [(3, "x".to_owned()), (3, "y: z".to_owned())]);
}

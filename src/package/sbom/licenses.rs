//! A package's licences as one SPDX expression.
//!
//! Part of stage 5, beneath the document.

use spdx::{Expression, ParseMode};

use super::document::ExtractedLicense;
use crate::digest::Sha256;

/// One expression for all licences of a package, joined by `AND`; empty if there are none.
pub fn expression(licenses: &[String]) -> String {
    let ids: Vec<String> =
        licenses.iter().filter(|license| !license.is_empty()).map(|l| normalized(l)).collect();
    if ids.len() < 2 {
        return ids.concat();
    }
    // `AND` binds tighter than `OR`.
    let grouped = |id: &String| if id.contains(" OR ") { format!("({id})") } else { id.clone() };
    ids.iter().map(grouped).collect::<Vec<_>>().join(" AND ")
}

/// The same as melange makes it, without parentheses: what its queries print.
pub fn ungrouped<'l>(licenses: impl Iterator<Item = &'l str>) -> String {
    licenses.fold(String::new(), |before, license| {
        let and = if before.is_empty() { "" } else { " AND " };
        let id = if license.is_empty() { String::new() } else { normalized(license) };
        format!("{before}{and}{id}")
    })
}

/// What is said of licences that SPDX does not know, sorted.
pub fn extracted(licenses: &[String]) -> Vec<ExtractedLicense> {
    let mut infos: Vec<ExtractedLicense> = licenses
        .iter()
        .filter(|license| !license.is_empty() && !is_spdx(license))
        .map(|license| ExtractedLicense {
            license_id: normalized(license),
            extracted_text: format!("Non-SPDX License: {license}"),
        })
        .collect();
    infos.sort_by(|a, b| a.license_id.cmp(&b.license_id));
    infos.dedup_by(|a, b| a.license_id == b.license_id);
    infos
}

fn is_spdx(license: &str) -> bool {
    // Recipes still say `GPL-2.0`.
    let mode = ParseMode { allow_deprecated: true, ..ParseMode::STRICT };
    Expression::parse_mode(license, mode).is_ok()
}

fn normalized(license: &str) -> String {
    if is_spdx(license) {
        return license.to_owned();
    }
    let name: String = license
        .chars()
        .filter_map(|c| match c {
            ' ' | '_' => Some('-'),
            '.' | '-' => Some(c),
            _ => c.is_ascii_alphanumeric().then_some(c),
        })
        .collect();
    if name.is_empty() {
        let digest = Sha256::of(license.as_bytes()).to_string();
        return format!("LicenseRef-{}", &digest[..16]);
    }
    format!("LicenseRef-{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(licenses: &[&str]) -> String {
        expression(&licenses.iter().map(|&license| license.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn expressions_are_joined_and_unknown_licenses_named() {
        assert_eq!(of(&[]), "");
        assert_eq!(of(&["MIT", "", "GPL-2.0"]), "MIT AND GPL-2.0");
        assert_eq!(of(&["GPL-3.0-or-later OR MIT"]), "GPL-3.0-or-later OR MIT");
        assert_eq!(of(&["Apache-2.0 OR MIT", "ISC"]), "(Apache-2.0 OR MIT) AND ISC");
        assert_eq!(of(&["My_own License!"]), "LicenseRef-My-own-License");
        assert_eq!(of(&["€"]).len(), "LicenseRef-".len() + 16);
    }

    #[test]
    fn unknown_licenses_are_explained_once() {
        let licenses = ["Zeta", "MIT", "Alpha", "Zeta"].map(str::to_owned);
        let infos = extracted(&licenses);
        assert_eq!(
            infos.iter().map(|info| info.license_id.as_str()).collect::<Vec<_>>(),
            ["LicenseRef-Alpha", "LicenseRef-Zeta"]
        );
        assert_eq!(infos[0].extracted_text, "Non-SPDX License: Alpha");
    }
}

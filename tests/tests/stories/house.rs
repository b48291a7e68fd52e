//! The house rules that a machine can check: which room may know which.

use std::collections::BTreeSet;

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Room, and the rooms that it may depend on (tests apart).
const ARROWS: &[(&str, &[&str])] = &[
    ("protocol", &[]),
    ("repodata", &[]),
    ("debian-chroot", &[]),
    ("embedded-s3", &[]),
    ("keys", &[]),
    ("guest", &["protocol"]),
    ("builder", &["protocol"]),
    ("db", &["protocol"]),
    ("storage", &["protocol"]),
    // The header of an upload is read before a build exists.
    ("frontend", &["protocol", "db", "storage", "repodata"]),
    ("backend", &["protocol", "db", "storage", "repodata", "keys"]),
];

/// Libraries that only one crate may name.
const OWNED: &[(&str, &[&str])] = &[
    ("diesel", &["db"]),
    ("diesel-async", &["db"]),
    ("aws-sdk-s3", &["storage"]),
    // The leaf only switches a feature on.
    ("sequoia-openpgp", &["keys", "koper"]),
];

#[test]
fn arrows_run_one_way() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let metadata = MetadataCommand::new()
        .manifest_path(manifest)
        .no_deps()
        .exec()
        .unwrap();
    let rooms: BTreeSet<&str> = metadata.packages.iter().map(|p| p.name.as_str()).collect();
    for package in &metadata.packages {
        let normal = package
            .dependencies
            .iter()
            .filter(|d| d.kind == DependencyKind::Normal);
        let names: BTreeSet<&str> = normal.map(|d| d.name.as_str()).collect();
        if let Some((_, allowed)) = ARROWS.iter().find(|(room, _)| *room == package.name.as_str()) {
            let inner: Vec<&&str> = names
                .iter()
                .filter(|n| rooms.contains(**n) && !allowed.contains(*n))
                .collect();
            assert!(inner.is_empty(), "{} must not depend on {inner:?}", package.name);
        }
        for (library, owners) in OWNED {
            let named = package
                .dependencies
                .iter()
                .any(|d| d.name == *library && d.kind == DependencyKind::Normal);
            assert!(
                !named || owners.contains(&package.name.as_str()),
                "{} must not name {library}",
                package.name
            );
        }
    }
}

//! A full disk, played by a limit on the size of files: it needs no mount and no privileges.

#![cfg(unix)]

use std::path::Path;
use std::process::Command;

use super::toy::{big_toy, command, files_below, test_store};
use crate::store::{Store, StoreError};

const BIG: usize = 4_000_000;

#[test]
fn a_full_disk_is_named_with_the_bytes_needed_and_leaves_nothing_half_made() {
    let store = test_store();
    store.put(&big_toy(1, BIG)).unwrap();
    let child = command("full-disk", store.root());
    // Blocks of 512 or 1024 bytes, as the shell likes: half a megabyte to one.
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -f 1000; trap '' XFSZ; exec \"$0\" \"$@\""]).arg(child.get_program());
    limited.args(child.get_args());
    for (name, value) in child.get_envs() {
        limited.env(name, value.expect("only set, never removed"));
    }
    assert!(limited.status().expect("a shell is there").success());
}

/// The part of the child.
pub(super) fn child(root: &Path) {
    let store = Store::open(root).unwrap();
    let _tenancy = store.tenancy().unwrap();
    let before = files_below(&root.join("v1/tmp"));
    let error = store.put(&big_toy(2, BIG)).unwrap_err();
    assert!(matches!(&error, StoreError::NoRoom { needed, .. } if *needed == BIG as u64), "{error}");
    assert!(error.help().unwrap().contains("cache gc"));
    assert_eq!(files_below(&root.join("v1/tmp")), before);
    let artefact = store.measure(&big_toy(1, 100)).unwrap();
    assert!(!store.contains(&artefact));

    let artefact = store.ls().unwrap().into_iter().map(|e| (e.digest, e.bytes)).next().unwrap();
    let artefact = crate::store::Artefact {
        digest: artefact.0,
        bytes: artefact.1,
        extension: "toy".into(),
        type_name: "toy".into(),
    };
    let out = root.join("out");
    let dest = out.join("result.toy");
    std::fs::create_dir(&out).unwrap();
    std::fs::write(&dest, "the result of yesterday").unwrap();
    let error = store.deliver(&artefact, &dest).unwrap_err();
    assert!(
        matches!(&error, StoreError::NoRoom { needed, path, .. } if *needed == BIG as u64 && *path == dest),
        "{error}"
    );
    assert_eq!(std::fs::read(&dest).unwrap(), b"the result of yesterday");
    assert_eq!(files_below(&out), [dest]);
}

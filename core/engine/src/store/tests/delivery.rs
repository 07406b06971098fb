use super::toy::{big_toy, files_below, flip_bit, test_store, toy};
use crate::store::{Delivered, StoreError};

#[test]
fn an_output_is_placed_once_and_then_left_alone() {
    let store = test_store();
    let out = tempfile::tempdir().unwrap();
    let dest = out.path().join("deep/er/result.toy");
    let artefact = store.put(&toy("hello")).unwrap();
    assert!(!store.is_delivered(&artefact, &dest));
    assert_eq!(store.deliver(&artefact, &dest).unwrap(), Delivered::Copied);
    assert_eq!(std::fs::read(&dest).unwrap(), b"hello");
    let placed = std::fs::metadata(&dest).unwrap().modified().unwrap();
    assert_eq!(store.deliver(&artefact, &dest).unwrap(), Delivered::AlreadyThere);
    assert_eq!(std::fs::metadata(&dest).unwrap().modified().unwrap(), placed);
    assert_eq!(files_below(out.path()), std::slice::from_ref(&dest));
    // The artefact need not be there to see that the output is.
    std::fs::remove_file(store.path_of(&artefact)).unwrap();
    assert!(store.is_delivered(&artefact, &dest));
    assert_eq!(store.deliver(&artefact, &dest).unwrap(), Delivered::AlreadyThere);
}

#[test]
fn an_output_that_was_edited_is_replaced_and_the_artefact_is_not_touched_by_edits() {
    let store = test_store();
    let out = tempfile::tempdir().unwrap();
    let dest = out.path().join("result.toy");
    let artefact = store.put(&toy("hello")).unwrap();
    store.deliver(&artefact, &dest).unwrap();
    for edit in ["HELLO", "longer than before", ""] {
        std::fs::write(&dest, edit).unwrap();
        assert!(!store.is_delivered(&artefact, &dest));
        assert_eq!(store.load_toy(&artefact).unwrap(), b"hello");
        assert_eq!(store.deliver(&artefact, &dest).unwrap(), Delivered::Copied);
        assert_eq!(std::fs::read(&dest).unwrap(), b"hello");
    }
}

#[test]
fn a_missing_or_damaged_artefact_is_not_delivered() {
    let store = test_store();
    let out = tempfile::tempdir().unwrap();
    let dest = out.path().join("result.toy");
    std::fs::write(&dest, "the result of yesterday").unwrap();
    let artefact = store.put(&toy("hello")).unwrap();
    flip_bit(&store.path_of(&artefact));
    let error = store.deliver(&artefact, &dest).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert!(matches!(store.deliver(&artefact, &dest), Err(StoreError::Missing { .. })));
    assert_eq!(std::fs::read(&dest).unwrap(), b"the result of yesterday");
    assert_eq!(files_below(out.path()), [dest]);
}

#[test]
fn outputs_that_cannot_be_placed_say_why() {
    let store = test_store();
    let out = tempfile::tempdir().unwrap();
    let artefact = store.put(&toy("hello")).unwrap();
    let plain = out.path().join("plain");
    std::fs::write(&plain, "x").unwrap();
    let error = store.deliver(&artefact, &plain.join("result.toy")).unwrap_err();
    assert!(matches!(&error, StoreError::NotAFolder { file, .. } if *file == plain), "{error}");
    assert!(error.help().unwrap().contains("--out DIR"));
    let folder = out.path().join("folder");
    std::fs::create_dir(&folder).unwrap();
    let error = store.deliver(&artefact, &folder).unwrap_err();
    assert_eq!(error.code(), "not-a-file");
    #[cfg(unix)]
    assert_eq!(store.deliver(&artefact, std::path::Path::new("/dev/null")).unwrap_err().code(), "not-a-file");
    assert_eq!(files_below(out.path()), [plain]);
}

#[test]
fn what_a_killed_delivery_left_is_cleared_and_what_a_living_one_writes_is_not() {
    let store = test_store();
    let out = tempfile::tempdir().unwrap();
    let dest = out.path().join("result.toy");
    let (dead, living) =
        (out.path().join(".result.toy.skyloom-part-1-2-3"), out.path().join(".result.toy.skyloom-part-4-5-6"));
    let unrelated = out.path().join(".other.toy.skyloom-part-1-2-3");
    for path in [&dead, &living, &unrelated] {
        std::fs::write(path, "half").unwrap();
    }
    let lock = std::fs::File::open(&living).unwrap();
    lock.lock().unwrap();
    store.deliver(&store.put(&toy("hello")).unwrap(), &dest).unwrap();
    assert!(!dead.exists() && living.exists() && unrelated.exists());
}

#[test]
fn a_report_is_placed_whole_or_not_at_all() {
    let store = test_store();
    let out = tempfile::tempdir().unwrap();
    let dest = out.path().join("run.json");
    store.deliver_bytes(b"{}", &dest).unwrap();
    store.deliver_bytes(b"{ }", &dest).unwrap();
    assert_eq!(std::fs::read(&dest).unwrap(), b"{ }");
    assert_eq!(files_below(out.path()), [dest]);
}

#[test]
fn many_threads_may_deliver_the_same_output() {
    let store = test_store();
    let out = tempfile::tempdir().unwrap();
    let dest = out.path().join("result.toy");
    let toy = big_toy(1, 300_000);
    let artefact = store.put(&toy).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10 {
                    store.deliver(&artefact, &dest).unwrap();
                    // Another thread may just have removed it.
                    if let Ok(bytes) = std::fs::read(&dest) {
                        assert!(bytes == toy.0, "whole or not at all");
                    }
                    let _ = std::fs::remove_file(&dest);
                }
            });
        }
    });
    assert!(files_below(out.path()).iter().all(|p| *p == dest));
}

use std::path::Path;

use super::toy::{Toy, flip_bit, test_store, toy};
use crate::store::{LoadError, Store, StoreError};
use crate::{Deliverable, Digest, ErrorClass, ProductKind, StageError};

#[test]
fn a_product_comes_back_under_the_digest_of_its_bytes() {
    let store = test_store();
    let artefact = store.put(&toy("hello")).unwrap();
    assert_eq!(artefact.digest, Digest::of(b"hello"));
    assert_eq!((artefact.bytes, artefact.extension.as_str(), artefact.type_name.as_str()), (5, "toy", "toy"));
    assert!(store.contains(&artefact));
    assert_eq!(store.load_toy(&artefact).unwrap(), b"hello");
    let path = store.path_of(&artefact);
    assert!(path.ends_with(format!("v1/artefacts/{0}/{1}.toy", &artefact.digest.to_hex()[..2], artefact.digest)));
    assert_eq!(std::fs::read(path).unwrap(), b"hello");
}

#[test]
fn equal_products_share_one_file_and_an_empty_one_is_fine() {
    let store = test_store();
    assert_eq!(store.put(&toy("")).unwrap(), store.put(&toy("")).unwrap());
    assert_eq!(store.files("artefacts").len(), 1);
    assert_eq!(store.load_toy(&store.put(&toy("")).unwrap()).unwrap(), b"");
}

#[test]
fn measuring_a_product_keeps_nothing() {
    let store = test_store();
    let measured = store.measure(&toy("hello")).unwrap();
    assert!(!store.contains(&measured));
    assert!(store.files("artefacts").is_empty() && store.files("tmp").is_empty());
    assert_eq!(store.put(&toy("hello")).unwrap(), measured);
}

#[test]
fn a_deliverable_keeps_its_extension_and_may_have_none() {
    let store = test_store();
    for extension in ["reg", "", "tar.gz"] {
        let artefact = store.put(&Deliverable::new(extension, b"text".to_vec())).unwrap();
        assert_eq!(artefact.extension, extension);
        assert!(store.load(ProductKind::of::<Deliverable>(), &artefact).is_ok());
    }
    for extension in ["../../x", "a/b", ".hidden", "a b", "much too long an extension"] {
        let refused = store.put(&Deliverable::new(extension, Vec::new())).unwrap_err();
        assert_eq!(refused.code(), "bad-extension", "{extension}");
    }
}

#[test]
fn one_flipped_bit_in_any_artefact_is_named_by_verify_and_is_a_miss() {
    let store = test_store();
    let artefacts: Vec<_> =
        ["one", "another", "a third, longer one"].iter().map(|t| store.put(&toy(t)).unwrap()).collect();
    store.commit(&super::toy::record("maker", 1, &[("toy", &artefacts[1])])).unwrap();
    assert_eq!(store.verify().unwrap(), []);
    for artefact in &artefacts {
        flip_bit(&store.path_of(artefact));
    }
    let reports = store.verify().unwrap();
    assert_eq!(reports.len(), 3);
    for artefact in &artefacts {
        let report = reports.iter().find(|r| r.expected == Some(artefact.digest)).expect("named");
        assert_eq!(report.path, store.path_of(artefact));
        assert_ne!(report.found, report.expected);
        let nodes: &[&str] = if *artefact == artefacts[1] { &["test/maker.toy"] } else { &[] };
        assert_eq!(report.nodes, nodes);
        assert!(store.contains(artefact), "the size is right");
        assert!(matches!(store.load_toy(artefact), Err(LoadError::Damaged { .. })));
        assert!(!store.contains(artefact), "it was removed");
        assert!(matches!(store.load_toy(artefact), Err(LoadError::Missing { .. })));
    }
    assert_eq!(store.verify().unwrap(), []);
}

#[test]
fn a_shortened_artefact_is_not_contained_and_putting_it_again_heals_it() {
    let store = test_store();
    let artefact = store.put(&toy("hello")).unwrap();
    std::fs::write(store.path_of(&artefact), "hel").unwrap();
    assert!(!store.contains(&artefact));
    store.put(&toy("hello")).unwrap();
    assert_eq!(store.load_toy(&artefact).unwrap(), b"hello");
    flip_bit(&store.path_of(&artefact));
    store.put(&toy("hello")).unwrap();
    assert_eq!(store.load_toy(&artefact).unwrap(), b"hello");
}

#[test]
fn what_cannot_be_decoded_is_damaged_and_what_is_of_another_type_is_left_alone() {
    let store = test_store();
    let poison = store.put(&toy("poison")).unwrap();
    assert!(matches!(store.load_toy(&poison), Err(LoadError::Damaged { .. })));
    let fine = store.put(&toy("fine")).unwrap();
    let wrong = store.load(ProductKind::of::<Deliverable>(), &fine).unwrap_err();
    assert!(matches!(wrong, LoadError::WrongType { .. }), "{wrong}");
    assert!(store.contains(&fine));
}

#[test]
fn a_product_that_cannot_be_written_leaves_nothing() {
    let store = test_store();
    let error = store.put(&toy("unwritable")).unwrap_err();
    assert_eq!(error.to_string(), "a product of type toy cannot be written: toys of this kind break");
    assert_eq!(StageError::from(error).class, ErrorClass::Data);
    assert!(store.files("tmp").is_empty() && store.files("artefacts").is_empty());
}

#[test]
fn a_store_below_a_plain_file_is_refused_with_the_file_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plain");
    std::fs::write(&file, "x").unwrap();
    for root in [file.clone(), file.join("cache"), file.join("deep/cache")] {
        let error = Store::open(&root).unwrap_err();
        assert!(matches!(&error, StoreError::NotAFolder { file: f, .. } if *f == file), "{error}");
        assert!(error.to_string().ends_with("plain is a plain file"), "{error}");
        assert!(error.help().unwrap().contains("--cache DIR"));
        assert_eq!(error.class(), ErrorClass::Io);
    }
}

#[test]
fn what_the_system_refuses_is_named_by_its_cause() {
    let io = |kind: std::io::ErrorKind| StoreError::io("writing", Path::new("/cache/x"), kind.into(), 7);
    assert_eq!(io(std::io::ErrorKind::ReadOnlyFilesystem).code(), "not-writable");
    assert_eq!(io(std::io::ErrorKind::PermissionDenied).code(), "not-writable");
    assert_eq!(io(std::io::ErrorKind::QuotaExceeded).code(), "no-room");
    assert_eq!(io(std::io::ErrorKind::UnexpectedEof).code(), "store-io");
    let full = io(std::io::ErrorKind::StorageFull);
    assert!(full.to_string().starts_with("/cache/x: no room left while writing; 7 bytes are needed"), "{full}");
    assert_eq!(full.class(), ErrorClass::Resources);
}

#[test]
fn deleting_the_whole_store_under_a_running_process_costs_no_correctness() {
    let store = test_store();
    let tenancy = store.tenancy().unwrap();
    let artefact = store.put(&toy("before")).unwrap();
    std::fs::remove_dir_all(store.folder.path().join("v1")).unwrap();
    assert!(matches!(store.load_toy(&artefact), Err(LoadError::Missing { .. })));
    let after = store.put(&toy("after")).unwrap();
    store.commit(&super::toy::record("maker", 1, &[("toy", &after)])).unwrap();
    assert_eq!(store.load_toy(&after).unwrap(), b"after");
    let everything = crate::store::GcOptions { max_size: Some(0), ..Default::default() };
    store.gc(&everything).unwrap();
    assert!(store.contains(&after), "the claim was renewed");
    drop(tenancy);
    store.gc(&everything).unwrap();
    assert!(!store.contains(&after));
}

#[test]
fn products_of_one_store_may_be_put_and_read_by_many_threads() {
    let store = test_store();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let store = &store;
            scope.spawn(move || {
                for i in 0..20 {
                    let text = format!("toy {}", (i + thread) % 20);
                    let artefact = store.put(&toy(&text)).unwrap();
                    assert_eq!(store.load_toy(&artefact).unwrap(), text.as_bytes());
                }
            });
        }
    });
    assert_eq!(store.files("artefacts").len(), 20);
    assert!(store.files("tmp").is_empty() && store.files("live").is_empty());
    assert_eq!(Toy(Vec::new()), toy(""));
}

#![cfg(unix)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::toy::{age, files_below, test_store};
use crate::store::stat_cache::unix::{Identity, entry_path};
use crate::{Digest, DigestBuilder, FileDigests};

struct Case {
    store: super::toy::TestStore,
    digests: Arc<dyn FileDigests>,
    file: PathBuf,
}

fn case(content: &str) -> Case {
    let store = test_store();
    let digests = store.file_digests();
    let file = store.folder.path().join("file");
    std::fs::write(&file, content).unwrap();
    Case { store, digests, file }
}

impl Case {
    fn entries(&self) -> Vec<PathBuf> {
        files_below(&self.store.layout.stat())
    }
    fn entry(&self) -> PathBuf {
        entry_path(&self.store.layout.stat(), &Identity::of(&std::fs::metadata(&self.file).unwrap()))
    }
    /// Waits until the file counts as settled. The time of change cannot be set, so this takes two seconds.
    fn settle(&self) {
        std::thread::sleep(Duration::from_millis(2050));
        self.digests.file_digest(&self.file).unwrap();
        assert_eq!(self.entries().len(), 1);
    }
}

#[test]
fn a_file_that_changed_within_two_seconds_is_read_each_time() {
    let case = case("one");
    assert_eq!(case.digests.file_digest(&case.file).unwrap(), Digest::of(b"one"));
    assert!(case.entries().is_empty());
    // A copy that carries an old time of modification was made just now all the same.
    age(&case.file, 3600);
    case.digests.file_digest(&case.file).unwrap();
    assert!(case.entries().is_empty());
    std::fs::write(&case.file, "two").unwrap();
    assert_eq!(case.digests.file_digest(&case.file).unwrap(), Digest::of(b"two"));
}

#[test]
fn the_rule_of_two_seconds_holds_to_the_nanosecond_for_both_times() {
    let case = case("x");
    let metadata = std::fs::metadata(&case.file).unwrap();
    let identity = Identity::of(&metadata);
    let nanos = |t: SystemTime| t.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos() as i128;
    let latest = {
        use std::os::unix::fs::MetadataExt;
        let changed = i128::from(metadata.ctime()) * 1_000_000_000 + i128::from(metadata.ctime_nsec());
        changed.max(nanos(metadata.modified().unwrap()))
    };
    assert!(!identity.is_settled_at(latest + 1_999_999_999));
    assert!(identity.is_settled_at(latest + 2_000_000_000));
    assert!(!identity.is_settled_at(latest - 5_000_000_000), "a file from the future is not trusted");
}

#[test]
fn a_settled_file_is_not_read_again_until_anything_about_it_differs() {
    let case = case("one");
    case.settle();
    // Whoever reads the entry believes it: put in another digest, with its check, to see that the file is not read.
    let entry = case.entry();
    let text = std::fs::read_to_string(&entry).unwrap();
    let forged = text.lines().next().unwrap().replace(&Digest::of(b"one").to_hex(), &Digest::of(b"forged").to_hex());
    let check = Digest::of(forged.as_bytes()).short();
    std::fs::write(&entry, format!("{forged}\n{check}\n")).unwrap();
    assert_eq!(case.digests.file_digest(&case.file).unwrap(), Digest::of(b"forged"));
    // Another name for the same file.
    let link = case.file.with_extension("link");
    std::os::unix::fs::symlink(&case.file, &link).unwrap();
    assert_eq!(case.digests.file_digest(&link).unwrap(), Digest::of(b"forged"));
    let mut builder = DigestBuilder::with_files(Arc::clone(&case.digests));
    builder.file("frame", &case.file).unwrap();
    assert_eq!(builder.parts(), [("frame".to_owned(), Digest::of(b"forged"))]);
    // The same size and, set back, the same time of modification: the time of change still differs.
    let modified = std::fs::metadata(&case.file).unwrap().modified().unwrap();
    std::fs::write(&case.file, "two").unwrap();
    std::fs::File::options().append(true).open(&case.file).unwrap().set_modified(modified).unwrap();
    assert_eq!(case.digests.file_digest(&case.file).unwrap(), Digest::of(b"two"));
}

#[test]
fn damaged_entries_are_ignored() {
    let case = case("one");
    case.settle();
    let entry = case.entry();
    let whole = std::fs::read(&entry).unwrap();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        std::fs::write(&entry, &bytes).unwrap();
        assert_eq!(case.digests.file_digest(&case.file).unwrap(), Digest::of(b"one"), "byte {at}");
        std::fs::write(&entry, &whole[..at]).unwrap();
        assert_eq!(case.digests.file_digest(&case.file).unwrap(), Digest::of(b"one"), "cut at {at}");
    }
    std::fs::remove_file(&entry).unwrap();
    std::fs::create_dir(&entry).unwrap();
    assert_eq!(case.digests.file_digest(&case.file).unwrap(), Digest::of(b"one"));
}

#[test]
fn a_file_that_cannot_be_read_is_an_error() {
    let case = case("one");
    assert!(case.digests.file_digest(Path::new("/no/such/file")).is_err());
    assert!(case.digests.file_digest(case.store.folder.path()).is_err());
}

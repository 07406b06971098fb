//! Digests of files whose size and times have not changed since they were read.
//!
//! An entry holds device, inode, size, and the times of modification and change in nanoseconds; all must be equal. A file
//! can change within one tick of the clock, so an entry is written only when the file was read at least two seconds after
//! it last changed; until then the file is read each time. The path does not count: a renamed file keeps its entry.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::digest::{Digest, FileDigests};

/// See the module documentation.
pub struct StatCache {
    #[cfg_attr(not(unix), expect(dead_code, reason = "other systems have no inodes to name entries by"))]
    folder: PathBuf,
}

impl fmt::Debug for StatCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StatCache({})", self.folder.display())
    }
}

impl StatCache {
    /// A cache with its entries in a folder that exists.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }
}

impl FileDigests for StatCache {
    #[cfg(unix)]
    fn file_digest(&self, path: &Path) -> std::io::Result<Digest> {
        unix::file_digest(&self.folder, path)
    }

    #[cfg(not(unix))]
    fn file_digest(&self, path: &Path) -> std::io::Result<Digest> {
        Digest::of_file(path)
    }
}

#[cfg(unix)]
pub(crate) mod unix {
    use std::fs::{File, Metadata};
    use std::io::Read;
    use std::os::unix::fs::MetadataExt;
    use std::path::{Path, PathBuf};
    use std::time::{Duration, SystemTime};

    use crate::digest::Digest;

    const TRUST_AFTER_NS: i128 = 2_000_000_000;
    /// An entry in use is renewed daily, so that garbage collection sees which ones are.
    const RENEW_AFTER: Duration = Duration::from_secs(24 * 3600);

    /// What must be equal for a file to count as unchanged.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) struct Identity {
        device: u64,
        inode: u64,
        size: u64,
        modified_ns: i128,
        changed_ns: i128,
    }

    impl Identity {
        pub(crate) fn of(metadata: &Metadata) -> Self {
            let nanos = |seconds: i64, nanos: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
            Self {
                device: metadata.dev(),
                inode: metadata.ino(),
                size: metadata.size(),
                modified_ns: nanos(metadata.mtime(), metadata.mtime_nsec()),
                changed_ns: nanos(metadata.ctime(), metadata.ctime_nsec()),
            }
        }

        /// Whether a digest taken from then on may be kept. The time of change counts too: a copy may carry an old time of
        /// modification.
        pub(crate) fn is_settled_at(&self, now_ns: i128) -> bool {
            now_ns - self.modified_ns.max(self.changed_ns) >= TRUST_AFTER_NS
        }
    }

    pub(crate) fn entry_path(folder: &Path, identity: &Identity) -> PathBuf {
        folder.join(format!("{:x}-{:x}", identity.device, identity.inode))
    }

    /// One line and its own digest, so that a half-written or damaged entry is recognised.
    fn entry_text(identity: &Identity, digest: &Digest) -> String {
        let Identity { device, inode, size, modified_ns, changed_ns } = identity;
        let line = format!("stat 1 {device} {inode} {size} {modified_ns} {changed_ns} {digest}");
        let check = Digest::of(line.as_bytes()).short();
        format!("{line}\n{check}\n")
    }

    fn find(folder: &Path, identity: &Identity) -> Option<Digest> {
        let mut file = File::open(entry_path(folder, identity)).ok()?;
        let mut text = String::new();
        (&mut file).take(1024).read_to_string(&mut text).ok()?;
        let digest = Digest::from_hex(text.lines().next()?.rsplit(' ').next()?)?;
        if text != entry_text(identity, &digest) {
            return None;
        }
        let age = file.metadata().ok()?.modified().ok()?.elapsed();
        if age.is_ok_and(|age| age > RENEW_AFTER) {
            // A failure lets the entry grow old, and costs one reading of the file.
            let _ = file.set_modified(SystemTime::now());
        }
        Some(digest)
    }

    pub(super) fn file_digest(folder: &Path, path: &Path) -> std::io::Result<Digest> {
        let mut file = File::open(path)?;
        let began_ns = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |d| i128::try_from(d.as_nanos()).unwrap_or(i128::MAX));
        let metadata = file.metadata()?;
        let before = Identity::of(&metadata);
        // Devices and pipes change without their times.
        let is_plain = metadata.is_file();
        if is_plain && let Some(digest) = find(folder, &before) {
            return Ok(digest);
        }
        let digest = Digest::of_reader(&mut file)?;
        let after = Identity::of(&file.metadata()?);
        if is_plain && before == after && before.is_settled_at(began_ns) {
            // Written in place: a torn entry is recognised and ignored. A failure costs only time.
            if let Err(e) = std::fs::write(entry_path(folder, &before), entry_text(&before, &digest)) {
                tracing::debug!("the digest of {} was not kept: {e}", path.display());
            }
        }
        Ok(digest)
    }
}

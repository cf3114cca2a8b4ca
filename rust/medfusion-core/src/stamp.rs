//! What the file system says of a file: enough to see that it was changed, without reading it.

use std::fs::Metadata;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Size and times of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Bytes.
    pub size: u64,
    /// When the content was last changed, nanoseconds since 1970.
    pub modified: i64,
    /// When the file's entry was last changed, likewise; on Windows when the file was made.
    pub changed: i64,
    /// Number of the file in its file system; 0 on Windows.
    pub inode: u64,
}

/// Returns the stamp of each file, `None` where there is none or it is no regular file.
#[must_use]
pub fn stamps<P: AsRef<Path>>(paths: &[P]) -> Vec<Option<Stamp>> {
    let stamp = |path: &P| {
        let facts = path.as_ref().metadata().ok().filter(Metadata::is_file)?;
        let (changed, inode) = entry(&facts);
        let modified = nanoseconds(facts.modified().ok());
        Some(Stamp { size: facts.len(), modified, changed, inode })
    };
    paths.iter().map(stamp).collect()
}

#[cfg(unix)]
fn entry(facts: &Metadata) -> (i64, u64) {
    use std::os::unix::fs::MetadataExt;
    let changed = facts.ctime().wrapping_mul(1_000_000_000).wrapping_add(facts.ctime_nsec());
    (changed, facts.ino())
}

#[cfg(not(unix))]
fn entry(facts: &Metadata) -> (i64, u64) {
    (nanoseconds(facts.created().ok()), 0)
}

/// Nanoseconds since 1970; 0 where the system does not say.
fn nanoseconds(time: Option<SystemTime>) -> i64 {
    let Some(time) = time else { return 0 };
    let count = |span: std::time::Duration| i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => count(since),
        Err(before) => -count(before.duration()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_have_one() {
        let folder = std::env::temp_dir();
        let path = folder.join(format!("medfusion-stamp-{}", std::process::id()));
        std::fs::write(&path, "abc").expect("a file");
        let found = stamps(&[&path, &folder, &folder.join("medfusion-none")]);
        std::fs::remove_file(&path).expect("clean up");
        assert_eq!(found[0].map(|stamp| stamp.size), Some(3));
        assert!(found[0].is_some_and(|stamp| stamp.modified > 0));
        assert_eq!(found[1..], [None, None]);
    }
}

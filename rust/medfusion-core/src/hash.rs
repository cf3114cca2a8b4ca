//! SHA-256 of the bytes of files, and CRC-32 of bytes in memory.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::parallel::{self, Stopped, Watch};

/// Bytes read at once.
const BLOCK: usize = 1 << 18;

/// Returns the SHA-256 of each file in lower-case hex, `None` where it cannot be read.
///
/// # Errors
/// [`Stopped`] when `watch` asked for it.
pub fn hash_files<P: AsRef<Path> + Sync>(
    paths: &[P],
    threads: usize,
    watch: Watch<'_>,
) -> Result<Vec<Option<String>>, Stopped> {
    let mut hashes = vec![None; paths.len()];
    parallel::for_each(
        paths.iter().zip(&mut hashes),
        threads,
        || vec![0; BLOCK],
        |block, (path, slot)| *slot = hash_file(path.as_ref(), block).ok(),
        watch,
    )?;
    Ok(hashes)
}

/// Returns the CRC-32 (ISO-HDLC, that of zlib) of each block.
///
/// # Errors
/// [`Stopped`] when `watch` asked for it.
pub fn checksums(blocks: &[&[u8]], threads: usize, watch: Watch<'_>) -> Result<Vec<u32>, Stopped> {
    let mut sums = vec![0; blocks.len()];
    let work = blocks.iter().zip(&mut sums);
    parallel::for_each(
        work,
        threads,
        || (),
        |(), (block, sum)| *sum = crc32fast::hash(block),
        watch,
    )?;
    Ok(sums)
}

fn hash_file(path: &Path, block: &mut [u8]) -> io::Result<String> {
    let mut file = open_regular(path)?;
    let mut hasher = Sha256::new();
    loop {
        match file.read(block) {
            Ok(0) => break,
            Ok(count) => hasher.update(&block[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let digits = |byte: u8| {
        [byte >> 4, byte & 15].map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)]))
    };
    Ok(hasher.finalize().into_iter().flat_map(digits).collect())
}

/// Opens a file, and refuses what is not one: a named pipe would block for ever.
fn open_regular(path: &Path) -> io::Result<File> {
    if !path.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    File::open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_catalogue() {
        // The check value of CRC-32/ISO-HDLC.
        let sums = checksums(&[b"123456789", b""], 2, &mut || false);
        assert_eq!(sums, Ok(vec![0xcbf4_3926, 0]));
    }

    #[test]
    fn equals_the_published_vector() {
        // FIPS 180-4, the one-block message "abc".
        let folder = std::env::temp_dir().join(format!("medfusion-hash-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a temporary folder");
        let path = folder.join("abc");
        std::fs::write(&path, "abc").expect("a file");
        let missing = folder.join("missing");
        let hashes =
            hash_files(&[&path, &missing, &folder], 2, &mut || false).expect("not stopped");
        std::fs::remove_dir_all(&folder).expect("clean up");
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hashes, [Some(abc.to_owned()), None, None]);
    }
}

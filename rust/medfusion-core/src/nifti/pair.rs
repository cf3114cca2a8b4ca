//! Names: one file, or a header (.hdr) and its voxels (.img), each compressed or not.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::NiftiError;

/// The files of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// The file that begins with the header.
    pub header: PathBuf,
    /// The file of the voxels, where it is another.
    pub image: Option<PathBuf>,
}

/// Finds the files of the image that `path` names; either half of a pair will do.
///
/// # Errors
/// [`NiftiError::PairMissing`] where the other half does not exist, [`NiftiError::Foreign`] for
/// the names of other formats that nibabel reads.
pub fn locate(path: &Path) -> Result<Files, NiftiError> {
    let packed = has_extension(path, "gz");
    let plain = if packed { path.with_extension("") } else { path.to_owned() };
    if has_extension(path, "mgz") || has_extension(&plain, "mgh") {
        open_regular(path)?;
        return Err(NiftiError::Foreign("FreeSurfer MGH"));
    }
    let own = path.to_owned();
    if has_extension(&plain, "hdr") {
        open_regular(path)?;
        return Ok(Files { header: own, image: Some(partner(&plain, ["img", "IMG"], packed)?) });
    }
    if has_extension(&plain, "img") {
        open_regular(path)?;
        return Ok(Files { header: partner(&plain, ["hdr", "HDR"], packed)?, image: Some(own) });
    }
    Ok(Files { header: own, image: None })
}

fn has_extension(path: &Path, wanted: &str) -> bool {
    path.extension().is_some_and(|found| found.eq_ignore_ascii_case(wanted))
}

/// Returns the other half: in the same letters and compression first, then in the other.
fn partner(plain: &Path, [lower, upper]: [&str; 2], packed: bool) -> Result<PathBuf, NiftiError> {
    let capital = plain
        .extension()
        .is_some_and(|found| found.to_string_lossy().starts_with(char::is_uppercase));
    let bare = plain.with_extension(if capital { upper } else { lower });
    let mut compressed = bare.clone().into_os_string();
    compressed.push(if capital { ".GZ" } else { ".gz" });
    let compressed = PathBuf::from(compressed);
    let [first, second] = if packed { [compressed, bare] } else { [bare, compressed] };
    if first.exists() {
        Ok(first)
    } else if second.exists() {
        Ok(second)
    } else {
        Err(NiftiError::PairMissing(first))
    }
}

/// Opens a file that has content, and returns its size.
pub(super) fn open_regular(path: &Path) -> Result<(File, u64), NiftiError> {
    // A named pipe would block in `open` for ever, so the kind is asked first.
    let metadata = path.metadata()?;
    if !metadata.is_file() {
        return Err(NiftiError::NotAFile);
    }
    if metadata.len() == 0 {
        return Err(NiftiError::Empty);
    }
    Ok((File::open(path)?, metadata.len()))
}

/// Bytes of the file that take room on the disk, where the system tells.
#[cfg(unix)]
pub(super) fn bytes_on_disk(file: &File) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    // Some file systems say 0 of every file.
    file.metadata().ok().map(|metadata| metadata.blocks() * 512).filter(|&bytes| bytes > 0)
}

/// Bytes of the file that take room on the disk, where the system tells.
#[cfg(not(unix))]
pub(super) fn bytes_on_disk(_file: &File) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_half_finds_the_other() {
        let folder = std::env::temp_dir().join(format!("medfusion-pair-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a temporary folder");
        for name in
            ["a.hdr", "a.img", "b.hdr.gz", "b.img.gz", "c.HDR", "c.IMG", "d.img", "d.hdr.gz"]
        {
            std::fs::write(folder.join(name), "x").expect("a file");
        }
        for (name, header, image) in [
            ("a.hdr", "a.hdr", "a.img"),
            ("a.img", "a.hdr", "a.img"),
            ("b.img.gz", "b.hdr.gz", "b.img.gz"),
            ("c.HDR", "c.HDR", "c.IMG"),
            ("d.img", "d.hdr.gz", "d.img"),
        ] {
            let files = locate(&folder.join(name)).expect("both halves are there");
            assert_eq!(
                files,
                Files { header: folder.join(header), image: Some(folder.join(image)) }
            );
        }
        std::fs::remove_file(folder.join("a.img")).expect("remove");
        assert!(matches!(locate(&folder.join("a.hdr")), Err(NiftiError::PairMissing(_))));
        let single = folder.join("e.nii.gz");
        assert_eq!(locate(&single).expect("no pair").image, None);
        std::fs::remove_dir_all(&folder).expect("clean up");
    }
}

//! The EXIF orientation: how a camera was held.

use super::{Image, Samples};

/// EXIF tag 0x0112, orientation, and type 3, a 16-bit number.
const ORIENTATION: u16 = 0x0112;
const SHORT: u16 = 3;

/// Returns the orientation (1 to 8) in EXIF data; 1, upright, where there is none that is valid.
pub(super) fn from_exif(exif: &[u8]) -> u8 {
    find(exif.strip_prefix(b"Exif\0\0").unwrap_or(exif)).unwrap_or(1)
}

/// Returns whether height and width change places.
pub(super) fn swaps_sides(orientation: u8) -> bool {
    orientation >= 5
}

fn find(tiff: &[u8]) -> Option<u8> {
    let big = match tiff.get(..4)? {
        b"MM\0*" => true,
        b"II*\0" => false,
        _ => return None,
    };
    let short = |at: usize| -> Option<u16> {
        let pair = tiff.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if big { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) })
    };
    let (first, second) = (usize::from(short(4)?), usize::from(short(6)?));
    let directory = if big { first << 16 | second } else { second << 16 | first };
    for entry in 0..usize::from(short(directory)?) {
        let at = directory.checked_add(2 + 12 * entry)?;
        if short(at)? == ORIENTATION && short(at + 2)? == SHORT {
            let value = short(at + 8)?;
            return u8::try_from(value).ok().filter(|value| (1..=8).contains(value));
        }
    }
    None
}

/// Turns and mirrors the image so that it is upright.
pub(super) fn apply(image: Image, orientation: u8) -> Image {
    if !(2..=8).contains(&orientation) {
        return image;
    }
    let Image { height, width, channels, samples } = image;
    let samples = match samples {
        Samples::U8(samples) => Samples::U8(turn(&samples, height, width, channels, orientation)),
        Samples::U16(samples) => Samples::U16(turn(&samples, height, width, channels, orientation)),
    };
    let (height, width) = if swaps_sides(orientation) { (width, height) } else { (height, width) };
    Image { height, width, channels, samples }
}

fn turn<T: Copy>(
    samples: &[T],
    height: usize,
    width: usize,
    channels: usize,
    orientation: u8,
) -> Vec<T> {
    let (rows, columns) = if swaps_sides(orientation) { (width, height) } else { (height, width) };
    let mut turned = Vec::with_capacity(samples.len());
    for row in 0..rows {
        for column in 0..columns {
            let (from_row, from_column) = match orientation {
                2 => (row, width - 1 - column),
                3 => (height - 1 - row, width - 1 - column),
                4 => (height - 1 - row, column),
                5 => (column, row),
                6 => (height - 1 - column, row),
                7 => (height - 1 - column, width - 1 - row),
                8 => (column, width - 1 - row),
                _ => (row, column),
            };
            let from = (from_row * width + from_column) * channels;
            turned.extend_from_slice(&samples[from..from + channels]);
        }
    }
    turned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_exif_is_upright() {
        let valid = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0";
        assert_eq!(from_exif(valid), 6);
        for length in 0..valid.len() - 3 {
            assert_eq!(from_exif(&valid[..length]), 1, "{length}");
        }
        let mut wild = *valid;
        wild[10..14].fill(0xff);
        assert_eq!(from_exif(&wild), 1);
    }

    #[test]
    fn a_turn_and_its_inverse_cancel() {
        let image = Image {
            height: 2,
            width: 3,
            channels: 1,
            samples: Samples::U8(vec![1, 2, 3, 4, 5, 6]),
        };
        for (there, back) in [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 8), (7, 7), (8, 6)] {
            assert_eq!(apply(apply(image.clone(), there), back), image);
        }
        let turned = apply(image, 6);
        assert_eq!((turned.height, turned.width), (3, 2));
        assert_eq!(turned.samples, Samples::U8(vec![4, 1, 5, 2, 6, 3]));
    }
}

//! Where the voxels of each class are, so that patches can be drawn about them.

use super::error::PatchError;
use super::source::{Samples, Volume};
use crate::parallel::{self, Watch};

/// Counts the voxels of each class in each row of a volume of labels, `[class, k, j]`.
///
/// Such counts tell which row holds the n-th voxel of a class; they take a thousandth of the
/// memory of a list of voxels.
///
/// # Errors
/// [`PatchError`]: a volume without voxels, with several channels or of float32; `out` is not
/// `classes.len() * k * j` long; or `watch` asked to stop.
pub fn count_classes(
    volume: &Volume<'_>,
    classes: &[i64],
    out: &mut [u32],
    threads: usize,
    watch: Watch<'_>,
) -> Result<(), PatchError> {
    let fault = |reason| Err(PatchError::Volume { position: 0, reason });
    if let Some(reason) = volume.fault() {
        return fault(reason);
    }
    if volume.shape[0] != 1 {
        return fault("labels have one channel");
    }
    let rows = volume.shape[1] * volume.shape[2];
    let wanted = classes.len().saturating_mul(rows);
    if out.len() != wanted {
        return Err(PatchError::Count { what: "out", found: out.len(), wanted });
    }
    match volume.samples {
        Samples::U8(samples) => count(volume, samples, classes, out, threads, watch),
        Samples::I16(samples) => count(volume, samples, classes, out, threads, watch),
        Samples::U16(samples) => count(volume, samples, classes, out, threads, watch),
        Samples::I32(samples) => count(volume, samples, classes, out, threads, watch),
        Samples::I64(samples) => count(volume, samples, classes, out, threads, watch),
        Samples::F32(_) => fault("labels must be whole numbers, not float32"),
    }
}

fn count<T: Copy + Into<i64> + Sync>(
    volume: &Volume<'_>,
    samples: &[T],
    classes: &[i64],
    out: &mut [u32],
    threads: usize,
    watch: Watch<'_>,
) -> Result<(), PatchError> {
    let [_, depth, height, width] = volume.shape;
    let channel = volume.channel(samples, 0);
    let [i, j, k] = channel.step;
    let turned = |index: usize, size: usize, mirrored: bool| {
        if mirrored { size - 1 - index } else { index }
    };
    // One item a plane: its part of each class's counts.
    let mut planes: Vec<Vec<&mut [u32]>> = (0..depth).map(|_| Vec::new()).collect();
    for (index, part) in out.chunks_exact_mut(height).enumerate() {
        planes[index % depth].push(part);
    }
    parallel::for_each(
        planes.into_iter().enumerate(),
        threads,
        || (),
        |(), (plane, mut counts)| {
            let plane = turned(plane, depth, channel.mirrored[2]) * k;
            for row in 0..height {
                let first = plane + turned(row, height, channel.mirrored[1]) * j;
                let line = &channel.samples[first..=first + (width - 1) * i];
                for (counts, &class) in counts.iter_mut().zip(classes) {
                    let mut found = 0_u32;
                    for &label in line.iter().step_by(i.max(1)) {
                        let label: i64 = label.into();
                        found += u32::from(label == class);
                    }
                    counts[row] = found;
                }
            }
        },
        watch,
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_is_counted_in_its_own_order() {
        let labels: [u8; 12] = [0, 1, 1, 2, 2, 2, 0, 0, 0, 5, 1, 0];
        // [k 2, j 2, i 3], read with j backwards.
        let volume = Volume {
            samples: Samples::U8(&labels),
            start: 3,
            shape: [1, 2, 2, 3],
            strides: [0, 6, -3, 1],
        };
        let mut out = [9; 12];
        count_classes(&volume, &[0, 1, 2], &mut out, 2, &mut || false).expect("fits");
        assert_eq!(out, [0, 1, 1, 3, 0, 2, 1, 0, 3, 0, 0, 0]);
    }
}

//! The voxels that patches are cut from, in whatever type and order they lie in memory.

/// Samples of one volume, in the type that they are stored in.
#[derive(Debug, Clone, Copy)]
pub enum Samples<'a> {
    /// 8 bits without a sign.
    U8(&'a [u8]),
    /// 16 bits with a sign.
    I16(&'a [i16]),
    /// 16 bits without a sign.
    U16(&'a [u16]),
    /// Single precision.
    F32(&'a [f32]),
    /// 32 bits with a sign: labels only.
    I32(&'a [i32]),
    /// 64 bits with a sign: labels only.
    I64(&'a [i64]),
}

impl Samples<'_> {
    pub(super) const fn len(&self) -> usize {
        match self {
            Self::U8(all) => all.len(),
            Self::I16(all) => all.len(),
            Self::U16(all) => all.len(),
            Self::F32(all) => all.len(),
            Self::I32(all) => all.len(),
            Self::I64(all) => all.len(),
        }
    }
}

/// A volume in memory: no copy is made of it, so a memory-mapped one is read where it is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Volume<'a> {
    /// All of its samples.
    pub samples: Samples<'a>,
    /// Position in `samples` of voxel (0, 0, 0) of the first channel.
    pub start: usize,
    /// Channels, and voxels along k, j and i.
    pub shape: [usize; 4],
    /// Samples from one to the next along each of them; may be negative.
    pub strides: [isize; 4],
}

/// One channel of a volume, turned so that its strides are not negative.
#[derive(Debug, Clone, Copy)]
pub(super) struct Channel<'a, T> {
    pub samples: &'a [T],
    /// Voxels along i, j and k.
    pub size: [usize; 3],
    /// Samples to the next voxel along i, j and k; 0 along an axis of one voxel.
    pub step: [usize; 3],
    /// Axes along which voxels are counted from the other end.
    pub mirrored: [bool; 3],
}

impl Volume<'_> {
    /// Says what is wrong with the numbers, if anything is.
    pub(super) fn fault(&self) -> Option<&'static str> {
        if self.shape.contains(&0) {
            return Some("the volume has no voxels");
        }
        let (mut low, mut high) = (self.start, self.start);
        let mut plane = (self.start, self.start);
        for (axis, (&size, &stride)) in self.shape.iter().zip(&self.strides).enumerate() {
            if axis == 1 {
                plane = (low, high);
            }
            let reach = (size - 1).checked_mul(stride.unsigned_abs());
            let bounds = reach.and_then(|reach| {
                if stride < 0 {
                    Some((low.checked_sub(reach)?, high))
                } else {
                    Some((low, high.checked_add(reach)?))
                }
            });
            let Some(bounds) = bounds else { return Some("the strides leave the volume") };
            (low, high) = bounds;
        }
        if high >= self.samples.len() {
            return Some("the strides leave the volume");
        }
        let channel = (high - plane.1) + (plane.0 - low);
        if u32::try_from(channel).is_err() {
            return Some("a channel has more than 2^32 voxels");
        }
        self.shape.iter().any(|&size| size > 1 << 20).then_some("a side has more than 2^20 voxels")
    }

    /// Returns a channel; the volume must be without fault.
    pub(super) fn channel<'a, T>(&self, samples: &'a [T], channel: usize) -> Channel<'a, T> {
        let mut start = self.start.wrapping_add_signed(
            self.strides[0].wrapping_mul(isize::try_from(channel).unwrap_or(isize::MAX)),
        );
        let (mut size, mut step, mut mirrored) = ([1; 3], [0; 3], [false; 3]);
        let mut last = 0;
        for axis in 0..3 {
            let (count, stride) = (self.shape[3 - axis], self.strides[3 - axis]);
            size[axis] = count;
            if count > 1 {
                step[axis] = stride.unsigned_abs();
                mirrored[axis] = stride < 0;
                let reach = (count - 1) * stride.unsigned_abs();
                last += reach;
                if stride < 0 {
                    start -= reach;
                }
            }
        }
        Channel { samples: &samples[start..=start + last], size, step, mirrored }
    }
}

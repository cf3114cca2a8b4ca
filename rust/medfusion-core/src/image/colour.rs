//! From colour to grey.

/// Returns the luma of RGB samples: 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601), in the fixed-point
/// form of Pillow, so that both give the same grey level.
pub(super) fn luma<T: Copy + Into<u32> + TryFrom<u32>>(rgb: &[T], grey: &mut Vec<T>) {
    grey.clear();
    grey.extend(rgb.chunks_exact(3).map(|pixel| {
        let [red, green, blue] = [pixel[0].into(), pixel[1].into(), pixel[2].into()];
        // The weights add up to 65536: the result is never above the largest sample.
        let level = (19_595 * red + 38_470 * green + 7_471 * blue + 0x8000) >> 16;
        T::try_from(level).unwrap_or(pixel[0])
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grey_stays_grey_and_weights_are_those_of_bt601() {
        let mut grey = Vec::new();
        luma(
            &[0_u8, 0, 0, 255, 255, 255, 100, 100, 100, 255, 0, 0, 0, 255, 0, 0, 0, 255],
            &mut grey,
        );
        assert_eq!(grey, [0, 255, 100, 76, 150, 29]);
        let mut grey = Vec::new();
        luma(&[u16::MAX; 3], &mut grey);
        assert_eq!(grey, [u16::MAX]);
    }
}

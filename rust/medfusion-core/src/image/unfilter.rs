//! The filters of PNG rows undone (PNG specification, section 9).
//!
//! A filtered pixel needs the pixel to its left, so a row is one long chain of dependent steps.
//! Two rows are undone at a time, the lower one pixel behind the upper: two chains run side by
//! side, and the processor works on both.

/// How a pixel is guessed from its neighbours.
trait Filter {
    fn guess(left: u8, up: u8, corner: u8) -> u8;
}

struct Sub;
struct Average;
struct Paeth;

impl Filter for Sub {
    #[inline]
    fn guess(left: u8, _: u8, _: u8) -> u8 {
        left
    }
}

impl Filter for Average {
    #[inline]
    fn guess(left: u8, up: u8, _: u8) -> u8 {
        left.midpoint(up)
    }
}

impl Filter for Paeth {
    #[inline]
    fn guess(left: u8, up: u8, corner: u8) -> u8 {
        // The nearest of the three to a + b - c, without branches (after stb_image).
        let (low, high) = (left.min(up), left.max(up));
        let threshold = 3 * i16::from(corner) - i16::from(left) - i16::from(up);
        let other = if i16::from(high) <= threshold { low } else { corner };
        if threshold <= i16::from(low) { high } else { other }
    }
}

/// Undoes the filters of an image in place: rows of one byte that names the filter and then
/// `length` bytes, pixels of `size` bytes. Returns the first byte that names no filter.
pub(super) fn unfilter(data: &mut [u8], length: usize, size: usize) -> Result<(), u8> {
    if let Some(unknown) = data.chunks_exact(length + 1).map(|row| row[0]).find(|&kind| kind > 4) {
        return Err(unknown);
    }
    match size {
        1 => rows::<1>(data, length),
        2 => rows::<2>(data, length),
        3 => rows::<3>(data, length),
        4 => rows::<4>(data, length),
        6 => rows::<6>(data, length),
        _ => rows::<8>(data, length),
    }
    Ok(())
}

fn rows<const N: usize>(data: &mut [u8], length: usize) {
    let zeros = vec![0; length];
    let (mut above, mut rest): (&[u8], &mut [u8]) = (&zeros, data);
    while let Some((kind, row, after)) = next_row(rest, length) {
        let other = after.first().copied().filter(|&other| chained(kind) && chained(other));
        let Some(other) = other else {
            one::<N>(kind, above, row);
            (above, rest) = (row, after);
            continue;
        };
        let Some((_, lower, after)) = next_row(after, length) else { return };
        two::<N>([kind, other], above, row, lower);
        (above, rest) = (lower, after);
    }
}

/// Returns the filter and the bytes of the first row, and the rows that follow.
fn next_row(data: &mut [u8], length: usize) -> Option<(u8, &mut [u8], &mut [u8])> {
    let (row, after) = data.split_at_mut_checked(length + 1)?;
    let (kind, row) = row.split_first_mut()?;
    Some((*kind, row, after))
}

/// Whether a pixel needs the one to its left.
fn chained(kind: u8) -> bool {
    matches!(kind, 1 | 3 | 4)
}

fn one<const N: usize>(kind: u8, above: &[u8], row: &mut [u8]) {
    match kind {
        0 => {}
        1 => single::<N, Sub>(above, row),
        2 => {
            for (byte, &up) in row.iter_mut().zip(above) {
                *byte = byte.wrapping_add(up);
            }
        }
        3 => single::<N, Average>(above, row),
        _ => single::<N, Paeth>(above, row),
    }
}

fn two<const N: usize>(kinds: [u8; 2], above: &[u8], upper: &mut [u8], lower: &mut [u8]) {
    match kinds {
        [1, 1] => pair::<N, Sub, Sub>(above, upper, lower),
        [1, 3] => pair::<N, Sub, Average>(above, upper, lower),
        [1, _] => pair::<N, Sub, Paeth>(above, upper, lower),
        [3, 1] => pair::<N, Average, Sub>(above, upper, lower),
        [3, 3] => pair::<N, Average, Average>(above, upper, lower),
        [3, _] => pair::<N, Average, Paeth>(above, upper, lower),
        [_, 1] => pair::<N, Paeth, Sub>(above, upper, lower),
        [_, 3] => pair::<N, Paeth, Average>(above, upper, lower),
        _ => pair::<N, Paeth, Paeth>(above, upper, lower),
    }
}

#[inline]
fn step<const N: usize, F: Filter>(
    raw: [u8; N],
    left: [u8; N],
    up: [u8; N],
    corner: [u8; N],
) -> [u8; N] {
    let mut pixel = raw;
    for (((byte, left), up), corner) in pixel.iter_mut().zip(left).zip(up).zip(corner) {
        *byte = byte.wrapping_add(F::guess(left, up, corner));
    }
    pixel
}

#[inline(never)] // together in one function the loops lose their registers
fn single<const N: usize, F: Filter>(above: &[u8], row: &mut [u8]) {
    let (mut left, mut corner) = ([0; N], [0; N]);
    for (pixel, &up) in row.as_chunks_mut::<N>().0.iter_mut().zip(above.as_chunks::<N>().0) {
        left = step::<N, F>(*pixel, left, up, corner);
        *pixel = left;
        corner = up;
    }
}

#[inline(never)]
fn pair<const N: usize, A: Filter, B: Filter>(above: &[u8], upper: &mut [u8], lower: &mut [u8]) {
    let ([up, above @ ..], [first, upper @ ..]) =
        (above.as_chunks::<N>().0, upper.as_chunks_mut::<N>().0)
    else {
        return;
    };
    let Some((last, lower)) = lower.as_chunks_mut::<N>().0.split_last_mut() else { return };
    *first = step::<N, A>(*first, [0; N], *up, [0; N]);
    let (mut left, mut corner) = (*first, *up);
    let (mut left_below, mut corner_below) = ([0; N], [0; N]);
    for ((pixel, &up), below) in upper.iter_mut().zip(above).zip(lower) {
        *pixel = step::<N, A>(*pixel, left, up, corner);
        *below = step::<N, B>(*below, left_below, left, corner_below);
        (left_below, corner_below) = (*below, left);
        (left, corner) = (*pixel, up);
    }
    *last = step::<N, B>(*last, left_below, left, corner_below);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The specification word by word, one byte at a time.
    fn plain(data: &[u8], length: usize, size: usize) -> Vec<u8> {
        let mut done: Vec<Vec<u8>> = Vec::new();
        for row in data.chunks(length + 1) {
            let mut pixels = Vec::new();
            for (at, &raw) in row[1..].iter().enumerate() {
                let above = |at: usize| done.last().map_or(0, |row| i32::from(row[at]));
                let (a, c) = if at < size {
                    (0, 0)
                } else {
                    (i32::from(pixels[at - size]), above(at - size))
                };
                let b = above(at);
                let p = a + b - c;
                let guess = match row[0] {
                    0 => 0,
                    1 => a,
                    2 => b,
                    3 => a.midpoint(b),
                    _ if (p - a).abs() <= (p - b).abs() && (p - a).abs() <= (p - c).abs() => a,
                    _ if (p - b).abs() <= (p - c).abs() => b,
                    _ => c,
                };
                pixels.push(raw.wrapping_add(u8::try_from(guess & 255).expect("a byte")));
            }
            done.push(pixels);
        }
        done.concat()
    }

    #[test]
    fn equals_the_specification() {
        let mut state = 9_u32;
        let mut byte = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            u8::try_from(state >> 24).expect("a byte")
        };
        for size in [1, 2, 3, 4, 6, 8] {
            for width in [1, 2, 3, 17] {
                for height in [0, 1, 2, 40] {
                    let length = width * size;
                    let mut data: Vec<u8> = (0..height * (length + 1)).map(|_| byte()).collect();
                    for row in data.chunks_mut(length + 1) {
                        row[0] %= 5;
                    }
                    let expected = plain(&data, length, size);
                    unfilter(&mut data, length, size).expect("known filters");
                    let rows = data.chunks(length + 1).flat_map(|row| &row[1..]);
                    assert!(rows.eq(&expected), "{size} {width} {height}");
                }
            }
        }
        assert_eq!(unfilter(&mut [0, 1, 5, 1, 7, 0], 1, 1), Err(5));
    }
}

//! Antialiased bilinear resampling: a triangle filter, widened by the scale when it shrinks.
//!
//! The filter is that of Pillow's `Image.resize(BILINEAR)` and of torchvision's `Resize`, in
//! single precision throughout: nothing is rounded between the two passes.

/// Samples of one input line that make one output sample, for every output sample of an axis.
#[derive(Debug, Default)]
struct Taps {
    input: usize,
    output: usize,
    /// First input sample, and first weight, of each output sample.
    spans: Vec<(usize, usize)>,
    weights: Vec<f32>,
}

impl Taps {
    fn prepare(&mut self, input: usize, output: usize) {
        if (self.input, self.output) == (input, output) {
            return;
        }
        (self.input, self.output) = (input, output);
        self.spans.clear();
        self.weights.clear();
        let scale = real(input) / real(output);
        let support = scale.max(1.0);
        for position in 0..output {
            let centre = (real(position) + 0.5) * scale;
            let weight =
                |sample: usize| (1.0 - ((real(sample) + 0.5 - centre) / support).abs()).max(0.0);
            let first = floor(centre - support + 0.5);
            let end = floor(centre + support + 0.5).min(input);
            // Samples at the edge of the filter may weigh nothing.
            let first = (first..end).find(|&sample| weight(sample) > 0.0).unwrap_or(first);
            let end =
                (first..end).rfind(|&sample| weight(sample) > 0.0).map_or(end, |last| last + 1);
            let total: f64 = (first..end).map(weight).sum();
            self.spans.push((first, self.weights.len()));
            self.weights.extend((first..end).map(|sample| narrow(weight(sample) / total)));
        }
    }

    /// Returns the first input sample and the weights of an output sample.
    fn of(&self, position: usize) -> (usize, &[f32]) {
        let (first, start) = self.spans[position];
        let end = self.spans.get(position + 1).map_or(self.weights.len(), |next| next.1);
        (first, &self.weights[start..end])
    }
}

/// Resamples images; keeps its tables and scratch memory from one to the next.
#[derive(Debug, Default)]
pub(super) struct Resizer {
    rows: Taps,
    columns: Taps,
    line: Vec<f32>,
}

/// Where resampled values go.
pub(super) struct Target<'a> {
    /// `[channels, height, width]`.
    pub out: &'a mut [f32],
    pub height: usize,
    pub width: usize,
    /// For each channel, the factor and the summand that make the value to write.
    pub affine: &'a [(f32, f32)],
}

impl Resizer {
    /// Resamples `samples` (`[height, width, channels]`) into `target`. One channel fills all of
    /// the target's; else both have the same number.
    pub fn resize<T: Copy + Into<f32>>(
        &mut self,
        samples: &[T],
        (height, width, channels): (usize, usize, usize),
        target: &mut Target<'_>,
    ) {
        self.rows.prepare(height, target.height);
        self.columns.prepare(width, target.width);
        // One more than the pixels need: `dot_rgb` loads four values at a time.
        self.line.resize(width * channels + 1, 0.0);
        let area = target.height * target.width;
        for row in 0..target.height {
            let (first, weights) = self.rows.of(row);
            let length = width * channels;
            weigh_rows(&samples[first * length..], weights, &mut self.line[..length]);
            for column in 0..target.width {
                let (first, weights) = self.columns.of(column);
                let line = &self.line[first * channels..];
                let values = if channels == 3 {
                    dot_rgb(line, weights)
                } else {
                    [dot(&line[..weights.len()], weights); 3]
                };
                let place = row * target.width + column;
                for (channel, (&(factor, summand), value)) in
                    target.affine.iter().zip(values).enumerate()
                {
                    target.out[channel * area + place] = value * factor + summand;
                }
            }
        }
    }
}

/// Writes the weighted sum of the first rows of `samples` into `line`.
fn weigh_rows<T: Copy + Into<f32>>(samples: &[T], weights: &[f32], line: &mut [f32]) {
    let length = line.len();
    let mut rows = samples.chunks_exact(length);
    let mut next = || rows.next().unwrap_or(&samples[..length]);
    let (groups, rest) = weights.as_chunks::<4>();
    line.fill(0.0);
    // Four rows at a time: the sums are loaded and stored a quarter as often.
    for &[w0, w1, w2, w3] in groups {
        let (r0, r1, r2, r3) = (next(), next(), next(), next());
        for ((((sum, &a), &b), &c), &d) in line.iter_mut().zip(r0).zip(r1).zip(r2).zip(r3) {
            *sum += a.into() * w0 + b.into() * w1 + c.into() * w2 + d.into() * w3;
        }
    }
    for &weight in rest {
        for (sum, &value) in line.iter_mut().zip(next()) {
            *sum += value.into() * weight;
        }
    }
}

/// The sum of the products, in eight partial sums that the processor can work on at once.
fn dot(values: &[f32], weights: &[f32]) -> f32 {
    let (values, values_rest) = values.as_chunks::<8>();
    let (weights, weights_rest) = weights.as_chunks::<8>();
    let mut sums = [0.0_f32; 8];
    for (values, weights) in values.iter().zip(weights) {
        for ((sum, value), weight) in sums.iter_mut().zip(values).zip(weights) {
            *sum += value * weight;
        }
    }
    let rest: f32 =
        values_rest.iter().zip(weights_rest).map(|(value, weight)| value * weight).sum();
    let halves: [f32; 4] = std::array::from_fn(|lane| sums[lane] + sums[lane + 4]);
    (halves[0] + halves[2]) + (halves[1] + halves[3]) + rest
}

/// The sums of the products for the three channels of interleaved pixels, at once.
fn dot_rgb(line: &[f32], weights: &[f32]) -> [f32; 3] {
    let mut sums = [0.0_f32; 4];
    for (pixel, &weight) in line.windows(4).step_by(3).zip(weights) {
        for (sum, value) in sums.iter_mut().zip(pixel) {
            *sum += value * weight;
        }
    }
    [sums[0], sums[1], sums[2]]
}

#[expect(clippy::cast_precision_loss, reason = "image sides are far below 2^53")]
fn real(count: usize) -> f64 {
    count as f64
}

#[expect(clippy::cast_possible_truncation, reason = "weights are computed in double precision")]
fn narrow(weight: f64) -> f32 {
    weight as f32
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 0 becomes 0")]
fn floor(position: f64) -> usize {
    position as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resize(samples: &[u8], input: (usize, usize), output: (usize, usize)) -> Vec<f32> {
        let mut out = vec![0.0; output.0 * output.1];
        let (height, width) = output;
        let mut target = Target { out: &mut out, height, width, affine: &[(1.0, 0.0)] };
        Resizer::default().resize(samples, (input.0, input.1, 1), &mut target);
        out
    }

    #[test]
    fn the_same_size_is_the_same_image() {
        let samples: Vec<u8> = (0..200).collect();
        let same: Vec<f32> = samples.iter().map(|&sample| f32::from(sample)).collect();
        assert_eq!(resize(&samples, (10, 20), (10, 20)), same);
    }

    #[test]
    fn weights_add_up_to_one() {
        for (input, output) in [(1, 1), (1, 7), (7, 1), (3, 2), (2, 3), (16_384, 224), (5, 16_384)]
        {
            let flat = resize(&vec![200; input], (1, input), (1, output));
            assert!(flat.iter().all(|value| (value - 200.0).abs() < 1e-3), "{input} {output}");
        }
    }

    #[test]
    fn halving_averages_with_a_triangle() {
        // Taps 1/8, 3/8, 3/8, 1/8 inside; at the edge 3/7, 3/7, 1/7.
        let found = resize(&[0, 0, 80, 0, 0, 0], (1, 6), (1, 3));
        let expected = [80.0 / 7.0, 30.0, 0.0];
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-4), "{found:?}");
    }
}

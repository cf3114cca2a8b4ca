//! A NIfTI file in memory: header, any type of result, a region.
#![no_main]

use libfuzzer_sys::fuzz_target;
use medfusion_core::nifti::{Nifti, Number, Scratch, Want};

/// Results beyond this are planned, not read: they would only test the machine's memory.
const LIMIT: usize = 1 << 20;

fuzz_target!(|content: &[u8]| {
    let Ok(mut file) = Nifti::from_bytes(content.to_vec()) else { return };
    let [depth, height, width] = file.header().grid.size;
    // Different inputs ask for different types and regions, the same input always for the same.
    let choice =
        content.iter().fold(0_usize, |sum, &byte| sum.wrapping_mul(31) + usize::from(byte));
    let number = Number::ALL[choice % Number::ALL.len()];
    let region = [depth / 3..depth.div_ceil(2).max(depth / 3 + 1), 0..height, width / 2..width];
    let mut scratch = Scratch::default();
    for (want, region) in
        [(Want::Native, None), (Want::As(number), None), (Want::As(Number::F32), Some(&region))]
    {
        let Ok(layout) = file.layout(want, region) else { continue };
        if layout.bytes <= LIMIT {
            // Aligned to 8, as NumPy's memory is.
            let mut memory = vec![0_u64; layout.bytes.div_ceil(8)];
            let memory = &mut bytemuck::cast_slice_mut::<u64, u8>(&mut memory)[..layout.bytes];
            let _ = file.read(&layout, memory, &mut scratch, &mut || false);
        }
    }
});

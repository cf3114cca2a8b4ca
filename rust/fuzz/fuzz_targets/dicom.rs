//! A DICOM file in memory: header, stored values of all frames and of one, the frame as shown.
#![no_main]

use libfuzzer_sys::fuzz_target;
use medfusion_core::dicom::{self, Window};

fuzz_target!(|content: &[u8]| {
    let Ok(header) = dicom::parse_header(content) else { return };
    let whole = dicom::parse_pixels(content, None);
    let first = dicom::parse_pixels(content, Some(&[0]));
    if let (Ok(whole), Ok(first)) = (&whole, &first) {
        assert!(header.has_pixels);
        assert_eq!(whole.bytes[..first.bytes.len()], first.bytes);
        let frames = whole.frames.unwrap_or(1);
        let values = frames * whole.rows * whole.columns * whole.samples;
        assert_eq!(whole.bytes.len(), values * whole.kind.bytes());
    }
    // Different inputs ask for different windows, the same input always for the same.
    let width = f64::from(content.last().copied().unwrap_or(0)) - 5.0;
    let window = (content.len() % 2 == 0).then_some(Window { center: 40.0, width });
    let _ = dicom::parse_display(content, 0, window);
});

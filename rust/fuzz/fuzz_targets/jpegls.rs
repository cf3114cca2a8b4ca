//! A frame of any bytes, of the shape that its first bytes say.

#![no_main]

use libfuzzer_sys::fuzz_target;
use medfusion_core::codec::Codec;

mod shape;

fuzz_target!(|data: &[u8]| shape::decode(Codec::JpegLs, data));

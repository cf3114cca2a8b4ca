//! The elements that are read; every other one is skipped (PS3.6).

pub(super) type Tag = u32;

pub(super) const CHARACTER_SET: Tag = 0x0008_0005;
pub(super) const IMAGE_TYPE: Tag = 0x0008_0008;
pub(super) const SOP_CLASS: Tag = 0x0008_0016;
pub(super) const SOP_UID: Tag = 0x0008_0018;
pub(super) const ACQUISITION_TIME: Tag = 0x0008_0032;
pub(super) const MODALITY: Tag = 0x0008_0060;
pub(super) const MANUFACTURER: Tag = 0x0008_0070;
pub(super) const SERIES_DESCRIPTION: Tag = 0x0008_103e;
pub(super) const BODY_PART: Tag = 0x0018_0015;
pub(super) const SLICE_THICKNESS: Tag = 0x0018_0050;
pub(super) const ECHO_TIME: Tag = 0x0018_0081;
pub(super) const ECHO_NUMBER: Tag = 0x0018_0086;
pub(super) const SPACING_BETWEEN_SLICES: Tag = 0x0018_0088;
pub(super) const TRIGGER_TIME: Tag = 0x0018_1060;
pub(super) const FRAME_TIME: Tag = 0x0018_1063;
pub(super) const GANTRY_TILT: Tag = 0x0018_1120;
pub(super) const IMAGER_PIXEL_SPACING: Tag = 0x0018_1164;
pub(super) const FRAME_TYPE: Tag = 0x0008_9007;
pub(super) const GRADIENT_DIRECTIONS: Tag = 0x0018_9076;
pub(super) const EFFECTIVE_ECHO_TIME: Tag = 0x0018_9082;
pub(super) const B_VALUE: Tag = 0x0018_9087;
pub(super) const GRADIENT_DIRECTION: Tag = 0x0018_9089;
pub(super) const MR_ECHO: Tag = 0x0018_9114;
pub(super) const MR_DIFFUSION: Tag = 0x0018_9117;
pub(super) const CARDIAC_SYNCHRONIZATION: Tag = 0x0018_9118;
pub(super) const MR_FRAME_TYPE: Tag = 0x0018_9226;
pub(super) const CT_FRAME_TYPE: Tag = 0x0018_9329;
pub(super) const PET_FRAME_TYPE: Tag = 0x0018_9751;
pub(super) const NOMINAL_TRIGGER_DELAY: Tag = 0x0020_9153;
pub(super) const SIEMENS_CREATOR: Tag = 0x0019_0010;
pub(super) const SIEMENS_B_VALUE: Tag = 0x0019_100c;
pub(super) const STUDY_UID: Tag = 0x0020_000d;
pub(super) const SERIES_UID: Tag = 0x0020_000e;
pub(super) const SERIES_NUMBER: Tag = 0x0020_0011;
pub(super) const ACQUISITION_NUMBER: Tag = 0x0020_0012;
pub(super) const INSTANCE_NUMBER: Tag = 0x0020_0013;
pub(super) const POSITION: Tag = 0x0020_0032;
pub(super) const ORIENTATION: Tag = 0x0020_0037;
pub(super) const FRAME_OF_REFERENCE: Tag = 0x0020_0052;
pub(super) const LATERALITY: Tag = 0x0020_0060;
pub(super) const IMAGE_LATERALITY: Tag = 0x0020_0062;
pub(super) const TEMPORAL_POSITION: Tag = 0x0020_0100;
pub(super) const STACK_ID: Tag = 0x0020_9056;
pub(super) const IN_STACK_POSITION: Tag = 0x0020_9057;
pub(super) const FRAME_CONTENT: Tag = 0x0020_9111;
pub(super) const PLANE_POSITION: Tag = 0x0020_9113;
pub(super) const PLANE_ORIENTATION: Tag = 0x0020_9116;
pub(super) const TEMPORAL_INDEX: Tag = 0x0020_9128;
pub(super) const DIMENSION_INDEX: Tag = 0x0020_9157;
pub(super) const SAMPLES: Tag = 0x0028_0002;
pub(super) const PHOTOMETRIC: Tag = 0x0028_0004;
pub(super) const PLANAR: Tag = 0x0028_0006;
pub(super) const FRAMES: Tag = 0x0028_0008;
pub(super) const ROWS: Tag = 0x0028_0010;
pub(super) const COLUMNS: Tag = 0x0028_0011;
pub(super) const PIXEL_SPACING: Tag = 0x0028_0030;
pub(super) const BITS_ALLOCATED: Tag = 0x0028_0100;
pub(super) const BITS_STORED: Tag = 0x0028_0101;
pub(super) const HIGH_BIT: Tag = 0x0028_0102;
pub(super) const SIGNED: Tag = 0x0028_0103;
pub(super) const PIXEL_PADDING: Tag = 0x0028_0120;
pub(super) const WINDOW_CENTER: Tag = 0x0028_1050;
pub(super) const WINDOW_WIDTH: Tag = 0x0028_1051;
pub(super) const INTERCEPT: Tag = 0x0028_1052;
pub(super) const SLOPE: Tag = 0x0028_1053;
pub(super) const RESCALE_TYPE: Tag = 0x0028_1054;
pub(super) const VOI_FUNCTION: Tag = 0x0028_1056;
pub(super) const PALETTE_RED_DESCRIPTOR: Tag = 0x0028_1101;
pub(super) const PALETTE_GREEN_DESCRIPTOR: Tag = 0x0028_1102;
pub(super) const PALETTE_BLUE_DESCRIPTOR: Tag = 0x0028_1103;
pub(super) const PALETTE_RED: Tag = 0x0028_1201;
pub(super) const PALETTE_GREEN: Tag = 0x0028_1202;
pub(super) const PALETTE_BLUE: Tag = 0x0028_1203;
pub(super) const PALETTE_RED_SEGMENTED: Tag = 0x0028_1221;
pub(super) const PALETTE_GREEN_SEGMENTED: Tag = 0x0028_1222;
pub(super) const PALETTE_BLUE_SEGMENTED: Tag = 0x0028_1223;
pub(super) const MODALITY_LUT: Tag = 0x0028_3000;
pub(super) const LUT_DESCRIPTOR: Tag = 0x0028_3002;
pub(super) const LUT_DATA: Tag = 0x0028_3006;
pub(super) const VOI_LUT: Tag = 0x0028_3010;
pub(super) const PIXEL_MEASURES: Tag = 0x0028_9110;
pub(super) const FRAME_VOI_LUT: Tag = 0x0028_9132;
pub(super) const PIXEL_VALUE_TRANSFORMATION: Tag = 0x0028_9145;
pub(super) const DETECTORS: Tag = 0x0054_0022;
pub(super) const UNITS: Tag = 0x0054_1001;
pub(super) const SEGMENT_IDENTIFICATION: Tag = 0x0062_000a;
pub(super) const SEGMENT_NUMBER: Tag = 0x0062_000b;
pub(super) const PRESENTATION_LUT_SHAPE: Tag = 0x2050_0020;
pub(super) const DOSE_UNITS: Tag = 0x3004_0002;
pub(super) const GRID_FRAME_OFFSETS: Tag = 0x3004_000c;
pub(super) const DOSE_GRID_SCALING: Tag = 0x3004_000e;
pub(super) const SHARED_GROUPS: Tag = 0x5200_9229;
pub(super) const PER_FRAME_GROUPS: Tag = 0x5200_9230;
pub(super) const OFFSET_TABLE: Tag = 0x7fe0_0001;
pub(super) const OFFSET_LENGTHS: Tag = 0x7fe0_0002;
pub(super) const FLOAT_PIXELS: Tag = 0x7fe0_0008;
pub(super) const DOUBLE_PIXELS: Tag = 0x7fe0_0009;
pub(super) const PIXELS: Tag = 0x7fe0_0010;
pub(super) const ITEM: Tag = 0xfffe_e000;
pub(super) const ITEM_END: Tag = 0xfffe_e00d;
pub(super) const SEQUENCE_END: Tag = 0xfffe_e0dd;

/// What is done with an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Skip,
    /// Its value is kept, up to so many bytes.
    Keep(u32),
    /// Its items are read.
    Descend,
}

/// The longest value of text or numbers that is kept.
const SHORT: u32 = 1 << 14;
/// The longest lookup table: 65 536 entries of 16 bits, and a little that is too much.
const TABLE: u32 = 1 << 18;
/// The longest offset table or dose grid: a few million frames.
const LONG: u32 = 1 << 25;

/// Says what is done with an element.
pub(super) fn usage(tag: Tag) -> Use {
    match tag {
        CHARACTER_SET
        | IMAGE_TYPE
        | SOP_CLASS
        | SOP_UID
        | ACQUISITION_TIME
        | MODALITY
        | MANUFACTURER
        | SERIES_DESCRIPTION
        | BODY_PART
        | SLICE_THICKNESS
        | ECHO_TIME
        | ECHO_NUMBER
        | SPACING_BETWEEN_SLICES
        | TRIGGER_TIME
        | FRAME_TIME
        | FRAME_TYPE
        | GRADIENT_DIRECTION
        | DOSE_UNITS
        | DOSE_GRID_SCALING
        | GANTRY_TILT
        | IMAGER_PIXEL_SPACING
        | EFFECTIVE_ECHO_TIME
        | B_VALUE
        | NOMINAL_TRIGGER_DELAY
        | SIEMENS_CREATOR
        | SIEMENS_B_VALUE
        | STUDY_UID
        | SERIES_UID
        | SERIES_NUMBER
        | ACQUISITION_NUMBER
        | INSTANCE_NUMBER
        | POSITION
        | ORIENTATION
        | FRAME_OF_REFERENCE
        | LATERALITY
        | IMAGE_LATERALITY
        | TEMPORAL_POSITION
        | STACK_ID
        | IN_STACK_POSITION
        | TEMPORAL_INDEX
        | DIMENSION_INDEX
        | SAMPLES
        | PHOTOMETRIC
        | PLANAR
        | FRAMES
        | ROWS
        | COLUMNS
        | PIXEL_SPACING
        | BITS_ALLOCATED
        | BITS_STORED
        | HIGH_BIT
        | SIGNED
        | PIXEL_PADDING
        | WINDOW_CENTER
        | WINDOW_WIDTH
        | INTERCEPT
        | SLOPE
        | RESCALE_TYPE
        | VOI_FUNCTION
        | UNITS
        | SEGMENT_NUMBER
        | PRESENTATION_LUT_SHAPE
        | PALETTE_RED_DESCRIPTOR
        | PALETTE_GREEN_DESCRIPTOR
        | PALETTE_BLUE_DESCRIPTOR
        | LUT_DESCRIPTOR => Use::Keep(SHORT),
        PALETTE_RED
        | PALETTE_GREEN
        | PALETTE_BLUE
        | PALETTE_RED_SEGMENTED
        | PALETTE_GREEN_SEGMENTED
        | PALETTE_BLUE_SEGMENTED
        | LUT_DATA => Use::Keep(TABLE),
        GRID_FRAME_OFFSETS | OFFSET_TABLE | OFFSET_LENGTHS => Use::Keep(LONG),
        SHARED_GROUPS
        | PER_FRAME_GROUPS
        | FRAME_CONTENT
        | PLANE_POSITION
        | PLANE_ORIENTATION
        | PIXEL_MEASURES
        | PIXEL_VALUE_TRANSFORMATION
        | FRAME_VOI_LUT
        | MR_ECHO
        | MR_DIFFUSION
        | GRADIENT_DIRECTIONS
        | MR_FRAME_TYPE
        | CT_FRAME_TYPE
        | PET_FRAME_TYPE
        | DETECTORS
        | CARDIAC_SYNCHRONIZATION
        | SEGMENT_IDENTIFICATION
        | MODALITY_LUT
        | VOI_LUT => Use::Descend,
        _ => Use::Skip,
    }
}

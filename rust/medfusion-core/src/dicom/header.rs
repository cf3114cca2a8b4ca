//! What the header of a DICOM file says of its image and of the place of it.
//!
//! Nothing that names a patient is read.

use super::dataset::{Dataset, PixelPlace};
use super::frame_groups::{FrameGroups, frame_groups};
use super::syntax::Syntax;
use super::value::Kind;
use super::{DicomError, tag, text};

/// The image description and geometry of a DICOM object; `None` where the file doesn't say.
///
/// Names are those of the standard; lengths are in mm, times in ms where not said otherwise.
#[derive(Debug, Clone, Default, PartialEq)]
#[expect(missing_docs, reason = "each field is the attribute of PS3.6 with its name")]
pub struct Header {
    pub transfer_syntax: Option<String>,
    pub sop_class: Option<String>,
    pub sop_uid: Option<String>,
    pub series_uid: Option<String>,
    pub study_uid: Option<String>,
    pub frame_of_reference_uid: Option<String>,
    pub modality: Option<String>,
    pub manufacturer: Option<String>,
    pub series_description: Option<String>,
    pub body_part: Option<String>,
    pub laterality: Option<String>,
    pub image_type: Option<Vec<String>>,
    pub photometric: Option<String>,
    pub rows: Option<i64>,
    pub columns: Option<i64>,
    /// Number of Frames as the file says it: text that is no number stays text.
    pub frames: Option<String>,
    pub samples_per_pixel: Option<i64>,
    pub bits_allocated: Option<i64>,
    pub bits_stored: Option<i64>,
    pub high_bit: Option<i64>,
    pub pixel_representation: Option<i64>,
    pub planar: Option<i64>,
    /// Patient coordinates (LPS) of the first voxel's centre.
    pub position: Option<[f64; 3]>,
    /// Direction of a row, then of a column.
    pub orientation: Option<[f64; 6]>,
    /// Distance of rows, then of columns.
    pub pixel_spacing: Option<[f64; 2]>,
    pub imager_pixel_spacing: Option<[f64; 2]>,
    pub slice_thickness: Option<f64>,
    pub spacing_between_slices: Option<f64>,
    pub gantry_tilt: Option<f64>,
    pub series_number: Option<i64>,
    pub instance_number: Option<i64>,
    pub acquisition_number: Option<i64>,
    pub echo_number: Option<i64>,
    pub echo_time: Option<f64>,
    pub temporal_position: Option<i64>,
    pub acquisition_time: Option<String>,
    pub trigger_time: Option<f64>,
    /// From one frame of a cine loop to the next.
    pub frame_time: Option<f64>,
    /// s/mm².
    pub b_value: Option<f64>,
    /// Direction of the diffusion gradient, LPS.
    pub gradient_direction: Option<[f64; 3]>,
    pub slope: Option<f64>,
    pub intercept: Option<f64>,
    pub rescale_type: Option<String>,
    pub units: Option<String>,
    pub window_center: Option<Vec<f64>>,
    pub window_width: Option<Vec<f64>>,
    pub voi_function: Option<String>,
    pub presentation_lut_shape: Option<String>,
    /// Distance of each plane of a dose grid from the first.
    pub grid_frame_offsets: Option<Vec<f64>>,
    /// A lookup table turns stored values into those of the modality.
    pub has_modality_lut: bool,
    /// Functional groups of enhanced multi-frame objects.
    pub per_frame: Option<FrameGroups>,
    /// There is pixel data.
    pub has_pixels: bool,
    /// The file ends within an element before the pixel data.
    pub truncated: bool,
}

impl Header {
    pub(super) fn new(
        dataset: &Dataset,
        transfer_syntax: Option<String>,
        pixels: Option<PixelPlace>,
        truncated: bool,
    ) -> Self {
        let set = dataset;
        let characters = set.value(tag::CHARACTER_SET);
        let words = |tag| {
            set.text(tag)
                .filter(|bytes| bytes.len() <= 256)
                .map(|bytes| text::decode(bytes, characters))
        };
        let first = |tag| set.codes(tag).and_then(|codes| codes.into_iter().next());
        let whole = |tag| set.integer(tag, Kind::Text);
        let real = |tag| set.number(tag, Kind::Text);
        let short = |tag| set.integer(tag, Kind::Short);
        let detector = || set.items(tag::DETECTORS).first();
        Self {
            transfer_syntax,
            sop_class: set.code(tag::SOP_CLASS),
            sop_uid: set.code(tag::SOP_UID),
            series_uid: set.code(tag::SERIES_UID),
            study_uid: set.code(tag::STUDY_UID),
            frame_of_reference_uid: set.code(tag::FRAME_OF_REFERENCE),
            modality: first(tag::MODALITY),
            manufacturer: words(tag::MANUFACTURER),
            series_description: words(tag::SERIES_DESCRIPTION),
            body_part: set.code(tag::BODY_PART),
            laterality: set.code(tag::IMAGE_LATERALITY).or_else(|| set.code(tag::LATERALITY)),
            image_type: set.codes(tag::IMAGE_TYPE),
            photometric: set.code(tag::PHOTOMETRIC),
            rows: short(tag::ROWS),
            columns: short(tag::COLUMNS),
            frames: frames(set),
            samples_per_pixel: short(tag::SAMPLES),
            bits_allocated: short(tag::BITS_ALLOCATED),
            bits_stored: short(tag::BITS_STORED),
            high_bit: short(tag::HIGH_BIT),
            pixel_representation: short(tag::SIGNED),
            planar: short(tag::PLANAR),
            // Nuclear medicine has its plane with the first detector (PS3.3 C.8.4.11).
            position: set.vector(tag::POSITION).or_else(|| detector()?.vector(tag::POSITION)),
            orientation: set
                .vector(tag::ORIENTATION)
                .or_else(|| detector()?.vector(tag::ORIENTATION)),
            pixel_spacing: set.vector(tag::PIXEL_SPACING),
            imager_pixel_spacing: set.vector(tag::IMAGER_PIXEL_SPACING),
            slice_thickness: real(tag::SLICE_THICKNESS),
            spacing_between_slices: real(tag::SPACING_BETWEEN_SLICES),
            gantry_tilt: real(tag::GANTRY_TILT),
            series_number: whole(tag::SERIES_NUMBER),
            instance_number: whole(tag::INSTANCE_NUMBER),
            acquisition_number: whole(tag::ACQUISITION_NUMBER),
            echo_number: whole(tag::ECHO_NUMBER),
            echo_time: real(tag::ECHO_TIME),
            temporal_position: whole(tag::TEMPORAL_POSITION),
            acquisition_time: set.code(tag::ACQUISITION_TIME),
            trigger_time: real(tag::TRIGGER_TIME),
            frame_time: real(tag::FRAME_TIME),
            b_value: b_value(set),
            gradient_direction: set.doubles(tag::GRADIENT_DIRECTION),
            slope: real(tag::SLOPE).or_else(|| real(tag::DOSE_GRID_SCALING)),
            intercept: real(tag::INTERCEPT),
            rescale_type: set.code(tag::RESCALE_TYPE),
            units: set.code(tag::UNITS).or_else(|| set.code(tag::DOSE_UNITS)),
            window_center: set.numbers(tag::WINDOW_CENTER, Kind::Text),
            window_width: set.numbers(tag::WINDOW_WIDTH, Kind::Text),
            voi_function: set.code(tag::VOI_FUNCTION),
            presentation_lut_shape: set.code(tag::PRESENTATION_LUT_SHAPE),
            grid_frame_offsets: set.numbers(tag::GRID_FRAME_OFFSETS, Kind::Text),
            has_modality_lut: !set.items(tag::MODALITY_LUT).is_empty(),
            per_frame: frame_groups(set),
            has_pixels: pixels.is_some(),
            truncated,
        }
    }

    /// Returns the number of frames: 1 where the file says none or 0, as pydicom assumes.
    ///
    /// # Errors
    /// [`DicomError::Value`] where it is no number.
    pub fn frame_count(&self) -> Result<usize, DicomError> {
        let Some(text) = &self.frames else { return Ok(1) };
        match text.parse::<u32>() {
            Ok(count) => Ok(count.max(1) as usize),
            Err(_) => Err(DicomError::Value(format!("{text:?} frames"))),
        }
    }

    /// Whether what was read can be an object at all: other files, too, have lengths that fit.
    pub(super) fn is_plausible(&self) -> bool {
        self.sop_class.is_some()
            || self.modality.is_some()
            || self.study_uid.is_some()
            || self.series_uid.is_some()
            || (self.rows.is_some() && self.columns.is_some())
    }
}

fn frames(set: &Dataset) -> Option<String> {
    if let Some(number) = set.integer(tag::FRAMES, Kind::Text) {
        return Some(number.to_string());
    }
    // An empty value is one frame; text that is no number is an error later.
    set.code(tag::FRAMES)
}

/// Returns the diffusion weighting, from the standard's element or that of Siemens.
fn b_value(set: &Dataset) -> Option<f64> {
    set.number(tag::B_VALUE, Kind::Double).or_else(|| {
        let siemens = set.code(tag::SIEMENS_CREATOR)?.starts_with("SIEMENS MR HEADER");
        siemens.then(|| set.number(tag::SIEMENS_B_VALUE, Kind::Text)).flatten()
    })
}

/// A parsed file: header, kept elements, and where the pixels are.
#[derive(Debug)]
pub(super) struct Object {
    pub header: Header,
    pub dataset: Dataset,
    pub syntax: Syntax,
    pub pixels: Option<PixelPlace>,
}

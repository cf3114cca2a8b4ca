//! A frame as it is shown: 8 bits of grey or RGB (PS3.4 N.2, PS3.3 C.11).

use std::path::Path;

use super::dataset::Dataset;
use super::file::{guard, open, parse};
use super::format::{Format, Kind, Photometric};
use super::header::{Header, Object};
use super::lut::{self, Table};
use super::pixels::{Frames, Scratch, source_of};
use super::source::Source;
use super::value::Kind as Stored;
use super::{DicomError, tag};
use crate::image::{Image, Samples};

/// A window of grey values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// The value in the middle.
    pub center: f64,
    /// Values from black to white.
    pub width: f64,
}

/// Returns a frame as it is shown.
///
/// Grey values pass the modality's lookup table or rescaling, then `window`, or else the file's own
/// VOI lookup table or first window, or else are spread from the least to the largest; MONOCHROME1
/// is inverted. Palettes and YBR become RGB.
///
/// # Errors
/// Any [`DicomError`].
pub fn display(path: &Path, frame: usize, window: Option<Window>) -> Result<Image, DicomError> {
    guard(|| {
        let (file, size) = open(path)?;
        let mut scratch = Scratch::default();
        let source = source_of(&file, size, &mut scratch);
        show(source, frame, window, None, scratch)
    })
}

/// Returns a frame of a file in memory as it is shown.
///
/// # Errors
/// Any [`DicomError`].
pub fn parse_display(
    bytes: &[u8],
    frame: usize,
    window: Option<Window>,
) -> Result<Image, DicomError> {
    guard(|| show(Source::slice(bytes), frame, window, None, Scratch::default()))
}

/// Returns a frame as it is shown, given its stored values: where another library decoded them.
///
/// # Errors
/// Any [`DicomError`].
pub fn display_values(
    path: &Path,
    frame: usize,
    window: Option<Window>,
    values: Vec<f64>,
) -> Result<Image, DicomError> {
    guard(|| {
        let (file, size) = open(path)?;
        show(
            Source::file(&file, size, Vec::new(), 0),
            frame,
            window,
            Some(values),
            Scratch::default(),
        )
    })
}

fn show(
    source: Source<'_>,
    frame: usize,
    window: Option<Window>,
    given: Option<Vec<f64>>,
    mut scratch: Scratch,
) -> Result<Image, DicomError> {
    let (object, mut source) = parse(source)?;
    let format = Format::described(&object)?;
    let values = if let Some(values) = given {
        values
    } else {
        let frames = Frames::find(&object, &mut source, false)?;
        frames.check_frame(frame)?;
        let mut values = vec![0.0; format.values()];
        frames.decode_values(frame, &mut source, &mut scratch, &mut values)?;
        values
    };
    if values.len() != format.values() {
        let (found, expected) = (values.len().to_string(), format.values().to_string());
        return Err(DicomError::Shape { found, expected });
    }
    let Format { rows, columns, samples, .. } = format;
    let image = |channels, samples| Image {
        height: rows,
        width: columns,
        channels,
        samples: Samples::U8(samples),
    };
    if samples == 3 {
        return Ok(image(3, colour(&values, &format)));
    }
    let signed = object.header.pixel_representation == Some(1);
    if format.photometric == Photometric::Palette {
        let tables = lut::palette(&object.dataset, signed)?;
        return Ok(image(3, painted(&values, &tables)));
    }
    Ok(image(1, grey(values, &object, &format, frame, window)?))
}

/// Brings colour to 8 bits.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..255")]
fn colour(values: &[f64], format: &Format) -> Vec<u8> {
    let bits = i32::try_from(format.bits_stored).unwrap_or(8);
    let factor = if bits > 8 { 0.5_f64.powi(bits - 8) } else { 1.0 };
    values.iter().map(|value| (value * factor).clamp(0.0, 255.0) as u8).collect()
}

/// Paints indices with a palette.
fn painted(values: &[f64], tables: &[Table; 3]) -> Vec<u8> {
    let byte = |table: &Table, value| {
        let entry = table.get(value);
        let shown = if table.bits == 16 { entry >> 8 } else { entry };
        u8::try_from(shown).unwrap_or(u8::MAX)
    };
    values.iter().flat_map(|&value| tables.each_ref().map(|table| byte(table, value))).collect()
}

fn grey(
    mut values: Vec<f64>,
    object: &Object,
    format: &Format,
    frame: usize,
    window: Option<Window>,
) -> Result<Vec<u8>, DicomError> {
    let Object { header, dataset, .. } = object;
    let signed = header.pixel_representation == Some(1);
    let padding = dataset.integer(tag::PIXEL_PADDING, Stored::Short);
    let is_padding: Option<Vec<bool>> = padding
        .map(|padding| values.iter().map(|&value| is_near(value, padding, format)).collect());
    if let Some(item) = dataset.items(tag::MODALITY_LUT).first() {
        let table = lut::item(item, signed)?;
        for value in &mut values {
            *value = table.get(*value).into();
        }
    } else if let Some((slope, intercept)) = rescale(header, frame) {
        for value in &mut values {
            *value = *value * slope + intercept;
        }
    }
    let invert = format.photometric == Photometric::Monochrome1
        || header.presentation_lut_shape.as_deref() == Some("INVERSE");
    let shown = |values: &[f64], share: &dyn Fn(f64) -> f64| -> Vec<u8> {
        values.iter().map(|&value| byte(share(value), invert)).collect()
    };
    if window.is_none()
        && let Some(table) = voi_table(dataset, signed)?
    {
        let most = f64::from((1_u32 << table.bits) - 1);
        return Ok(shown(&values, &|value| f64::from(table.get(value)) / most));
    }
    let Some(window) = window.or_else(|| own_window(header, frame)) else {
        let counted = values.iter().enumerate().filter(|(n, value)| {
            value.is_finite() && !is_padding.as_ref().is_some_and(|padding| padding[*n])
        });
        let (least, most) = counted
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), (_, &value)| {
                (least.min(value), most.max(value))
            });
        let range = if most > least { most - least } else { 1.0 };
        return Ok(shown(&values, &|value| (value - least) / range));
    };
    let share = function(header.voi_function.as_deref(), window)?;
    Ok(shown(&values, &*share))
}

/// Whether a stored value is the padding, whose element may be stored with or without sign.
#[expect(clippy::cast_precision_loss, reason = "16 bits")]
fn is_near(value: f64, padding: i64, format: &Format) -> bool {
    let signed = matches!(format.kind, Kind::I8 | Kind::I16 | Kind::I32);
    let padding = if signed && padding > 32_767 { padding - 65_536 } else { padding };
    (value - padding as f64).abs() < 0.5
}

/// Returns the share of 255, rounded; a value that is no number is black.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..255")]
fn byte(share: f64, invert: bool) -> u8 {
    let share = share.clamp(0.0, 1.0);
    ((if invert { 1.0 - share } else { share }) * 255.0).round_ties_even() as u8
}

/// Returns slope and intercept of a frame, where the file has both.
fn rescale(header: &Header, frame: usize) -> Option<(f64, f64)> {
    let of_frame = |list: &Option<Vec<Option<f64>>>| list.as_ref()?.get(frame).copied().flatten();
    let groups = header.per_frame.as_ref();
    let slope = groups.and_then(|groups| of_frame(&groups.slope)).or(header.slope)?;
    let intercept = groups.and_then(|groups| of_frame(&groups.intercept)).or(header.intercept)?;
    Some((slope, intercept))
}

/// Returns the window that the file has for a frame: the first.
fn own_window(header: &Header, frame: usize) -> Option<Window> {
    let of_frame = |list: &Option<Vec<Option<f64>>>| list.as_ref()?.get(frame).copied().flatten();
    let first = |list: &Option<Vec<f64>>| list.as_ref()?.first().copied();
    let groups = header.per_frame.as_ref();
    let center = groups
        .and_then(|groups| of_frame(&groups.window_center))
        .or(first(&header.window_center))?;
    let width =
        groups.and_then(|groups| of_frame(&groups.window_width)).or(first(&header.window_width))?;
    // A window of no width, met in practice, shows nothing: the values are spread instead.
    (width > 0.0).then_some(Window { center, width })
}

fn voi_table(dataset: &Dataset, signed: bool) -> Result<Option<Table>, DicomError> {
    let Some(item) = dataset.items(tag::VOI_LUT).first() else { return Ok(None) };
    if item.value(tag::LUT_DATA).is_none() || item.value(tag::LUT_DESCRIPTOR).is_none() {
        return Ok(None);
    }
    lut::item(item, signed).map(Some)
}

/// Returns the share of white that a value has (PS3.3 C.11.2.1.2 and .3).
fn function(name: Option<&str>, window: Window) -> Result<Box<dyn Fn(f64) -> f64>, DicomError> {
    let Window { center, width } = window;
    if !center.is_finite() || !width.is_finite() || width <= 0.0 {
        return Err(DicomError::Value(format!("a window of width {width}")));
    }
    Ok(match name.unwrap_or("LINEAR").to_uppercase().as_str() {
        "LINEAR_EXACT" => Box::new(move |value| (value - center) / width + 0.5),
        "SIGMOID" => Box::new(move |value| 1.0 / (1.0 + (-4.0 * (value - center) / width).exp())),
        "LINEAR" => Box::new(move |value| {
            let (center, width) = (center - 0.5, (width - 1.0).max(0.0));
            if value <= center - width / 2.0 {
                0.0
            } else if value > center + width / 2.0 {
                1.0
            } else {
                (value - center) / width + 0.5
            }
        }),
        other => return Err(DicomError::Value(format!("the VOI function {other:?}"))),
    })
}

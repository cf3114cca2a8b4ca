//! The header of NIfTI-1 and NIfTI-2, read and repaired as nibabel reads and repairs it.
//!
//! Formats: <https://nifti.nimh.nih.gov/nifti-1>, <https://nifti.nimh.nih.gov/nifti-2>.

use super::NiftiError;
use super::affine::{self, Affine, Fields, Placement};
use super::number::{Number, Scaling};

/// Bytes of the largest header.
pub(super) const HEAD: usize = 540;

/// Bytes in front of the voxels that are skipped (header extensions); none known takes as many.
const MAX_OFFSET: u64 = 256 << 20;

/// 1 or 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// NIfTI-1: 348 bytes.
    One,
    /// NIfTI-2: 540 bytes.
    Two,
}

/// The sizes of a volume in the order of its axes `[T, C, D, H, W]`; one where there is no such
/// axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// Points in time.
    pub time: usize,
    /// Channels: the fifth dimension, or the colours of RGB.
    pub channels: usize,
    /// Voxels along k, j and i.
    pub size: [usize; 3],
}

impl Grid {
    /// The axes that the array has: D, H and W always, T and C where they are longer than one.
    #[must_use]
    pub fn axes(&self) -> &'static str {
        match (self.time > 1, self.channels > 1) {
            (false, false) => "DHW",
            (false, true) => "CDHW",
            (true, false) => "TDHW",
            (true, true) => "TCDHW",
        }
    }

    /// The shape of the array.
    #[must_use]
    pub fn shape(&self) -> Vec<usize> {
        let outer = [self.time, self.channels].into_iter().filter(|&count| count > 1);
        outer.chain(self.size).collect()
    }
}

/// What a header says. Nothing that may name a patient (`descrip`, `aux_file`, `db_name`) is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    /// NIfTI-1 or NIfTI-2.
    pub version: Version,
    /// The byte order of header and voxels.
    pub big_endian: bool,
    /// The type of the stored numbers; of RGB, of a colour.
    pub stored: Number,
    /// Numbers stored for each voxel side by side: 3 for RGB, 4 for RGBA, else 1.
    pub samples: usize,
    /// The sizes.
    pub grid: Grid,
    /// Where the voxels begin in their file.
    pub offset: u64,
    /// Stored values times slope plus intercept are the values.
    pub scaling: Scaling,
    /// Voxel (i, j, k) to LPS in mm.
    pub affine: Affine,
    /// Where the affine comes from.
    pub placement: Placement,
    /// Seconds between two points in time.
    pub interval: Option<f64>,
    /// Meaning of the values, as NIfTI codes it.
    pub intent: i32,
    /// What was repaired.
    pub notes: Vec<String>,
}

impl Header {
    /// Bytes from the first voxel to the last.
    pub(super) fn stored_bytes(&self) -> Result<u64, NiftiError> {
        let Grid { time, channels, size } = self.grid;
        // The colours of RGB are channels; they are among them already.
        [time, channels, self.stored.size()]
            .into_iter()
            .chain(size)
            .try_fold(1_u64, |product, count| product.checked_mul(count as u64))
            .filter(|&bytes| bytes <= isize::MAX as u64 / 16)
            .ok_or_else(|| NiftiError::Header("its dimensions are too large".to_owned()))
    }
}

/// Numbers at fixed places of the header.
struct Bytes<'a> {
    bytes: &'a [u8],
    big_endian: bool,
}

macro_rules! number {
    ($name:ident, $type:ty) => {
        fn $name(&self, at: usize) -> $type {
            let mut bytes = [0; size_of::<$type>()];
            bytes.copy_from_slice(&self.bytes[at..at + size_of::<$type>()]);
            if self.big_endian {
                <$type>::from_be_bytes(bytes)
            } else {
                <$type>::from_le_bytes(bytes)
            }
        }
    };
}

impl Bytes<'_> {
    number!(i16, i16);
    number!(i32, i32);
    number!(i64, i64);
    number!(f32, f32);
    number!(f64, f64);
}

/// The fields of either version that matter, as stored.
struct Raw {
    dim: [i64; 8],
    datatype: i16,
    pixdim: [f64; 8],
    offset: f64,
    slope: f64,
    inter: f64,
    units: u8,
    glmin: i32,
    intent: i32,
    codes: [i32; 2],
    quaternion: [f64; 3],
    shift: [f64; 3],
    srow: [[f64; 4]; 3],
}

/// Reads a header from the first bytes of its file. `single` is false for a .hdr with an .img.
pub(super) fn parse(head: &[u8], single: bool) -> Result<Header, NiftiError> {
    let (version, own_magic) = recognise(head)?;
    let bytes = Bytes { bytes: head, big_endian: is_big_endian(head, version)? };
    let raw = match version {
        Version::One => read_one(&bytes),
        Version::Two => read_two(&bytes),
    };
    let mut notes = Vec::new();
    let (stored, samples) = stored_type(raw.datatype)?;
    let grid = grid(&raw, version, samples)?;
    let scaling = if samples > 1 { None } else { scaling(raw.slope, raw.inter)? };
    let offset = offset(&raw, version, single, own_magic, &mut notes)?;
    let millimetres = match raw.units & 7 {
        1 => {
            notes.push("the affine was in metres; it is in mm now".to_owned());
            1000.0
        }
        3 => {
            notes.push("the affine was in micrometres; it is in mm now".to_owned());
            0.001
        }
        _ => 1.0,
    };
    let (ras, placement) = affine::to_ras(&place(&raw, version))?;
    Ok(Header {
        version,
        big_endian: bytes.big_endian,
        stored,
        samples,
        grid,
        offset,
        scaling,
        affine: affine::to_lps_mm(ras, millimetres),
        placement,
        interval: (grid.time > 1).then(|| interval(&raw)).flatten(),
        intent: raw.intent,
        notes,
    })
}

/// Returns the version, and whether the magic string is that of header and voxels in one file.
fn recognise(head: &[u8]) -> Result<(Version, bool), NiftiError> {
    let first = |order: fn([u8; 4]) -> u32| head.first_chunk().map(|&bytes| order(bytes));
    let sizes = [first(u32::from_le_bytes), first(u32::from_be_bytes)];
    match head.get(344..348) {
        Some(b"n+1\0") => return Ok((Version::One, true)),
        Some(b"ni1\0") => return Ok((Version::One, false)),
        _ => {}
    }
    if sizes.contains(&Some(540)) {
        let own_magic = match head.get(4..8) {
            Some(b"n+2\0") => true,
            Some(b"ni2\0") => false,
            _ => return Err(NiftiError::NotNifti("its header size is NIfTI-2's, its name is not")),
        };
        if head.len() < HEAD {
            return Err(NiftiError::HeaderTruncated);
        }
        if !matches!(head[8..12], [13, 10, 26, 10] | [0, 0, 0, 0]) {
            let text = "line ends were changed on the way, as by a transfer in text mode";
            return Err(NiftiError::Header(text.to_owned()));
        }
        return Ok((Version::Two, own_magic));
    }
    let known = sizes.contains(&Some(348));
    match head.len() {
        348.. if known => Err(NiftiError::Foreign("Analyze 7.5")),
        348.. => Err(NiftiError::NotNifti("it has neither a NIfTI-1 nor a NIfTI-2 header")),
        _ if known => Err(NiftiError::HeaderTruncated),
        _ => Err(NiftiError::NotNifti("it is shorter than a header")),
    }
}

/// The byte order in which the number of dimensions is one.
fn is_big_endian(head: &[u8], version: Version) -> Result<bool, NiftiError> {
    let dimensions = |big_endian| {
        let bytes = Bytes { bytes: head, big_endian };
        match version {
            Version::One => i64::from(bytes.i16(40)),
            Version::Two => bytes.i64(16),
        }
    };
    match (dimensions(false), dimensions(true)) {
        (1..=7, _) => Ok(false),
        (_, 1..=7) => Ok(true),
        (little, big) => {
            let count = if little.unsigned_abs() < big.unsigned_abs() { little } else { big };
            Err(NiftiError::Header(format!("it has {count} dimensions: 1 to 7 are possible")))
        }
    }
}

fn read_one(bytes: &Bytes<'_>) -> Raw {
    let float = |at| f64::from(bytes.f32(at));
    Raw {
        dim: std::array::from_fn(|axis| i64::from(bytes.i16(40 + 2 * axis))),
        datatype: bytes.i16(70),
        pixdim: std::array::from_fn(|axis| float(76 + 4 * axis)),
        offset: float(108),
        slope: float(112),
        inter: float(116),
        units: bytes.bytes[123],
        glmin: bytes.i32(144),
        intent: i32::from(bytes.i16(68)),
        codes: [i32::from(bytes.i16(252)), i32::from(bytes.i16(254))],
        quaternion: std::array::from_fn(|part| float(256 + 4 * part)),
        shift: std::array::from_fn(|axis| float(268 + 4 * axis)),
        srow: std::array::from_fn(|row| std::array::from_fn(|at| float(280 + 16 * row + 4 * at))),
    }
}

#[expect(clippy::cast_precision_loss, reason = "an offset beyond 2^53 is refused anyway")]
fn read_two(bytes: &Bytes<'_>) -> Raw {
    let float = |at| bytes.f64(at);
    Raw {
        dim: std::array::from_fn(|axis| bytes.i64(16 + 8 * axis)),
        datatype: bytes.i16(12),
        pixdim: std::array::from_fn(|axis| float(104 + 8 * axis)),
        offset: bytes.i64(168) as f64,
        slope: float(176),
        inter: float(184),
        units: bytes.i32(500).to_le_bytes()[0],
        glmin: 0,
        intent: bytes.i32(504),
        codes: [bytes.i32(344), bytes.i32(348)],
        quaternion: std::array::from_fn(|part| float(352 + 8 * part)),
        shift: std::array::from_fn(|axis| float(376 + 8 * axis)),
        srow: std::array::from_fn(|row| std::array::from_fn(|at| float(400 + 32 * row + 8 * at))),
    }
}

/// Returns the type of a number and how many make a voxel.
fn stored_type(code: i16) -> Result<(Number, usize), NiftiError> {
    let name = match code {
        2 => return Ok((Number::U8, 1)),
        4 => return Ok((Number::I16, 1)),
        8 => return Ok((Number::I32, 1)),
        16 => return Ok((Number::F32, 1)),
        64 => return Ok((Number::F64, 1)),
        128 => return Ok((Number::U8, 3)),
        256 => return Ok((Number::I8, 1)),
        512 => return Ok((Number::U16, 1)),
        768 => return Ok((Number::U32, 1)),
        1024 => return Ok((Number::I64, 1)),
        1280 => return Ok((Number::U64, 1)),
        2304 => return Ok((Number::U8, 4)),
        1 => "single bits",
        32 | 1792 | 2048 => {
            let text = "complex values: store their magnitude or phase as real numbers";
            return Err(NiftiError::Unsupported(text.to_owned()));
        }
        1536 => "128-bit floats",
        _ => return Err(NiftiError::Header(format!("data type {code} is unknown"))),
    };
    Err(NiftiError::Unsupported(name.to_owned()))
}

fn grid(raw: &Raw, version: Version, samples: usize) -> Result<Grid, NiftiError> {
    let count = usize::try_from(raw.dim[0]).unwrap_or(0).min(7);
    let mut sizes = [1_i64; 7];
    sizes[..count].copy_from_slice(&raw.dim[1..=count]);
    if version == Version::One && count >= 3 {
        // FreeSurfer keeps vectors that are too long for 16 bits in other fields.
        if sizes[..3] == [-1, 1, 1] {
            sizes[0] = i64::from(raw.glmin);
        } else if sizes[..3] == [27_307, 1, 6] {
            sizes[..3].copy_from_slice(&[163_842, 1, 1]);
        }
    }
    let mut counts = [1_usize; 7];
    for (axis, (&size, count)) in sizes.iter().zip(&mut counts).enumerate() {
        *count = usize::try_from(size).ok().filter(|&size| size > 0).ok_or_else(|| {
            NiftiError::Header(format!("dimension {} has {size} voxels", axis + 1))
        })?;
    }
    let [width, height, depth, time, vector @ ..] = counts;
    let longer = vector.iter().filter(|&&size| size > 1).count();
    let channels = vector.iter().copied().max().unwrap_or(1);
    if longer > 1 || (samples > 1 && channels > 1) {
        let listed: Vec<_> = counts.iter().map(ToString::to_string).collect();
        let text = format!(
            "an image of {} {}: at most one dimension behind the time is read",
            listed.join(" x "),
            if samples > 1 { "colours" } else { "values" },
        );
        return Err(NiftiError::Unsupported(text));
    }
    Ok(Grid { time, channels: channels * samples, size: [depth, height, width] })
}

/// Slope and intercept where there are valid ones that change anything.
fn scaling(slope: f64, inter: f64) -> Result<Scaling, NiftiError> {
    if slope == 0.0 || !slope.is_finite() {
        return Ok(None);
    }
    if !inter.is_finite() {
        return Err(NiftiError::Header(format!("slope {slope} with intercept {inter}")));
    }
    // Exactly these leave every value as it is.
    #[expect(clippy::float_cmp, reason = "exact")]
    Ok(if slope == 1.0 && inter == 0.0 { None } else { Some((slope, inter)) })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "within the limit"
)]
fn offset(
    raw: &Raw,
    version: Version,
    single: bool,
    own_magic: bool,
    notes: &mut Vec<String>,
) -> Result<u64, NiftiError> {
    let first = match version {
        Version::One => 352,
        Version::Two => 544,
    };
    let value = raw.offset.trunc();
    if single && raw.offset == 0.0 {
        notes
            .push(format!("the header does not say where the voxels begin: byte {first} is taken"));
        return Ok(first);
    }
    let least = if single && own_magic { first } else { 0 };
    if !(value >= least as f64 && value <= MAX_OFFSET as f64) {
        let text = format!(
            "the voxels begin at byte {}: {least} to {MAX_OFFSET} are possible",
            raw.offset
        );
        return Err(NiftiError::Header(text));
    }
    Ok(value as u64)
}

#[expect(clippy::cast_precision_loss, reason = "voxels along an axis")]
#[expect(clippy::float_cmp, reason = "one of two exact values")]
fn place(raw: &Raw, version: Version) -> Fields {
    // The repairs are nibabel's: unknown codes count as none, sizes of zero as one.
    let known = |code| if (0..=5).contains(&code) { code } else { 0 };
    let spacing = |axis: usize| match raw.pixdim[axis].abs() {
        0.0 => 1.0,
        size => size,
    };
    let within = |axis: usize| usize::try_from(raw.dim[0]).is_ok_and(|count| axis <= count);
    let base = known(raw.codes[0]) == 0 && known(raw.codes[1]) == 0;
    Fields {
        qform_code: known(raw.codes[0]),
        sform_code: known(raw.codes[1]),
        srow: raw.srow,
        quaternion: raw.quaternion,
        offset: raw.shift,
        qfac: if raw.pixdim[0] == -1.0 { -1.0 } else { 1.0 },
        spacing: [1, 2, 3].map(|axis| if base && !within(axis) { 1.0 } else { spacing(axis) }),
        size: [1, 2, 3].map(|axis| if within(axis) { raw.dim[axis] as f64 } else { 1.0 }),
        tolerance: 3.0
            * match version {
                Version::One => f64::from(f32::EPSILON),
                Version::Two => f64::EPSILON,
            },
    }
}

fn interval(raw: &Raw) -> Option<f64> {
    let seconds = match raw.units & 0x38 {
        8 => 1.0,
        16 => 1e-3,
        24 => 1e-6,
        _ => return None,
    };
    Some(raw.pixdim[4] * seconds).filter(|step| step.is_finite() && *step > 0.0)
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "exact values")]
mod tests {
    use super::*;

    /// A NIfTI-1 header of 2 x 3 x 4 voxels of type int16.
    pub(in crate::nifti) fn small() -> [u8; 348] {
        let mut head = [0; 348];
        head[..4].copy_from_slice(&348_i32.to_le_bytes());
        for (axis, size) in [3_i16, 2, 3, 4].into_iter().enumerate() {
            head[40 + 2 * axis..42 + 2 * axis].copy_from_slice(&size.to_le_bytes());
        }
        head[70..72].copy_from_slice(&4_i16.to_le_bytes());
        for axis in 0..4 {
            head[76 + 4 * axis..80 + 4 * axis].copy_from_slice(&1.0_f32.to_le_bytes());
        }
        head[108..112].copy_from_slice(&352.0_f32.to_le_bytes());
        head[344..348].copy_from_slice(b"n+1\0");
        head
    }

    fn changed(at: usize, bytes: &[u8]) -> Result<Header, NiftiError> {
        let mut head = small();
        head[at..at + bytes.len()].copy_from_slice(bytes);
        parse(&head, true)
    }

    #[test]
    fn reads_what_is_there() {
        let header = parse(&small(), true).expect("a valid header");
        assert_eq!(header.grid.shape(), [4, 3, 2]);
        assert_eq!((header.grid.axes(), header.stored, header.offset), ("DHW", Number::I16, 352));
        assert_eq!(header.stored_bytes().expect("small"), 48);
        assert_eq!(header.affine[0], [1.0, 0.0, 0.0, -0.5]);
    }

    #[test]
    fn damage_is_named() {
        for (at, bytes) in [
            (40, &[9, 0][..]),
            (40, &[0, 0]),
            (42, &[0, 0]),
            (44, &[0xff, 0xff]),
            (70, &[0xff, 0x7f]),
            (108, &f32::NAN.to_le_bytes()),
            (108, &f32::INFINITY.to_le_bytes()),
            (108, &(-16.0_f32).to_le_bytes()),
            (108, &100.0_f32.to_le_bytes()),
            (108, &1e9_f32.to_le_bytes()),
        ] {
            assert!(matches!(changed(at, bytes), Err(NiftiError::Header(_))), "{at}");
        }
        assert!(matches!(changed(70, &[32, 0]), Err(NiftiError::Unsupported(_))));
        assert!(matches!(changed(344, b"abcd"), Err(NiftiError::Foreign(_))));
        assert!(matches!(parse(&small()[..300], true), Err(NiftiError::HeaderTruncated)));
        assert!(matches!(parse(&[0; 348], true), Err(NiftiError::NotNifti(_))));
        assert!(matches!(parse(&[], true), Err(NiftiError::NotNifti(_))));
    }

    #[test]
    fn an_offset_of_zero_is_the_first_place_possible() {
        let header = changed(108, &0.0_f32.to_le_bytes()).expect("repaired");
        assert_eq!((header.offset, header.notes.len()), (352, 1));
    }
}

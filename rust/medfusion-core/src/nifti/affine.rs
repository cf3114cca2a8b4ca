//! Where the voxels are: sform, qform or neither, as nibabel chooses and computes them.

use super::NiftiError;

/// Four rows.
pub type Affine = [[f64; 4]; 4];

/// Where the affine comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// The general affine of the header.
    Sform,
    /// The quaternion of the header.
    Qform,
    /// Neither is given: voxel sizes alone, the centre of the volume at the origin, x flipped.
    Base,
}

/// Columns that are less than this apart from lying in one plane (of unit vectors: the volume that
/// they span) place voxels nowhere.
const FLAT: f64 = 1e-6;

/// The header's fields that place the voxels, repaired as nibabel repairs them.
pub(super) struct Fields {
    pub sform_code: i32,
    pub qform_code: i32,
    pub srow: [[f64; 4]; 3],
    pub quaternion: [f64; 3],
    pub offset: [f64; 3],
    /// -1 or 1.
    pub qfac: f64,
    /// Along i, j and k, positive.
    pub spacing: [f64; 3],
    /// Voxels along i, j and k as the header has them.
    pub size: [f64; 3],
    /// Rounding error of a sum of squares of quaternion parameters that are stored as they are.
    pub tolerance: f64,
}

/// Returns the affine from voxels (i, j, k) to RAS in the header's units.
pub(super) fn to_ras(fields: &Fields) -> Result<(Affine, Placement), NiftiError> {
    let mut affine = [[0.0; 4]; 4];
    affine[3][3] = 1.0;
    let placement = if fields.sform_code != 0 {
        affine[..3].copy_from_slice(&fields.srow);
        Placement::Sform
    } else if fields.qform_code != 0 {
        let rotation = rotation(fields)?;
        let scale = [fields.spacing[0], fields.spacing[1], fields.spacing[2] * fields.qfac];
        for row in 0..3 {
            for column in 0..3 {
                affine[row][column] = rotation[row][column] * scale[column];
            }
            affine[row][3] = fields.offset[row];
        }
        Placement::Qform
    } else {
        let scale = [-fields.spacing[0], fields.spacing[1], fields.spacing[2]];
        for axis in 0..3 {
            affine[axis][axis] = scale[axis];
            affine[axis][3] = -scale[axis] * (fields.size[axis] - 1.0) / 2.0;
        }
        Placement::Base
    };
    check(&affine, placement)?;
    Ok((affine, placement))
}

/// The rotation of a unit quaternion of which the header stores three numbers.
#[expect(clippy::many_single_char_names, reason = "a quaternion's usual names")]
fn rotation(fields: &Fields) -> Result<[[f64; 3]; 3], NiftiError> {
    let [x, y, z] = fields.quaternion;
    let rest = 1.0 - (x * x + y * y + z * z);
    let w = if rest.abs() < fields.tolerance {
        0.0
    } else if rest < 0.0 {
        return Err(NiftiError::Header(format!("the quaternion {x}, {y}, {z} is longer than 1")));
    } else {
        rest.sqrt()
    };
    // With w from above the length is 1 but for rounding; nibabel divides that out too.
    let s = 2.0 / (w * w + x * x + y * y + z * z);
    Ok([
        [1.0 - s * (y * y + z * z), s * (x * y - w * z), s * (x * z + w * y)],
        [s * (x * y + w * z), 1.0 - s * (x * x + z * z), s * (y * z - w * x)],
        [s * (x * z - w * y), s * (y * z + w * x), 1.0 - s * (x * x + y * y)],
    ])
}

fn check(affine: &Affine, placement: Placement) -> Result<(), NiftiError> {
    let name = match placement {
        Placement::Sform => "sform",
        Placement::Qform => "qform",
        Placement::Base => "voxel sizes",
    };
    if !affine.iter().flatten().all(|value| value.is_finite()) {
        return Err(NiftiError::Header(format!("the affine ({name}) is not finite")));
    }
    let length =
        |column: usize| affine[..3].iter().map(|row| row[column].powi(2)).sum::<f64>().sqrt();
    let [a, b, c] = [0, 1, 2].map(|column| {
        let length = length(column);
        [0, 1, 2].map(|row| affine[row][column] / length)
    });
    let volume = a[0] * (b[1] * c[2] - b[2] * c[1]) - a[1] * (b[0] * c[2] - b[2] * c[0])
        + a[2] * (b[0] * c[1] - b[1] * c[0]);
    if volume.abs() > FLAT {
        Ok(())
    } else {
        Err(NiftiError::Header(format!("the affine ({name}) is singular: it places no voxel")))
    }
}

/// Turns an affine to RAS into one to LPS, the millimetres of one unit multiplied in.
pub(super) fn to_lps_mm(mut affine: Affine, millimetres: f64) -> Affine {
    for (row, sign) in affine.iter_mut().zip([-1.0, -1.0, 1.0]) {
        for value in row {
            // A zero stays positive.
            *value = if *value == 0.0 { 0.0 } else { *value * sign * millimetres };
        }
    }
    affine
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields() -> Fields {
        Fields {
            sform_code: 0,
            qform_code: 0,
            srow: [[2.0, 0.0, 0.0, 5.0], [0.0, 3.0, 0.0, 6.0], [0.0, 0.0, 4.0, 7.0]],
            quaternion: [0.0, 0.0, 0.0],
            offset: [1.0, 2.0, 3.0],
            qfac: -1.0,
            spacing: [3.0, 2.0, 1.0],
            size: [3.0, 5.0, 7.0],
            tolerance: 3.0 * f64::from(f32::EPSILON),
        }
    }

    #[test]
    fn sform_comes_before_qform_before_voxel_sizes() {
        let base = to_ras(&fields()).expect("valid");
        let expected = [
            [-3.0, 0.0, 0.0, 3.0],
            [0.0, 2.0, 0.0, -4.0],
            [0.0, 0.0, 1.0, -3.0],
            [0.0, 0.0, 0.0, 1.0],
        ];
        assert_eq!(base, (expected, Placement::Base));
        let (affine, placement) = to_ras(&Fields { qform_code: 1, ..fields() }).expect("valid");
        assert_eq!((affine[2], placement), ([0.0, 0.0, -1.0, 3.0], Placement::Qform));
        let (affine, placement) =
            to_ras(&Fields { qform_code: 1, sform_code: 2, ..fields() }).expect("valid");
        assert_eq!((affine[1], placement), ([0.0, 3.0, 0.0, 6.0], Placement::Sform));
    }

    #[test]
    fn a_quaternion_may_be_too_long_by_its_rounding() {
        let turned = |x| to_ras(&Fields { qform_code: 1, quaternion: [x, 0.0, 0.0], ..fields() });
        let (affine, _) = turned(1.0 + 1e-7).expect("within rounding");
        assert_eq!(affine[1][..3], [0.0, -2.0, 0.0]);
        assert!(matches!(turned(1.0 + 1e-6), Err(NiftiError::Header(_))));
        assert!(matches!(turned(f64::NAN), Err(NiftiError::Header(_))));
    }

    #[test]
    fn what_places_no_voxel_is_refused() {
        for srow in [
            [[0.0; 4]; 3],
            [[1.0, 2.0, 0.0, 0.0], [2.0, 4.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]],
            [[f64::INFINITY, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]],
            [[1e300, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]],
        ] {
            assert!(to_ras(&Fields { sform_code: 1, srow, ..fields() }).is_err(), "{srow:?}");
        }
    }
}

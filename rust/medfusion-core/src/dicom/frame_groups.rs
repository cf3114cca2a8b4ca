//! Functional groups of enhanced multi-frame objects (PS3.3 C.7.6.16), one value per frame.

use super::dataset::Dataset;
use super::tag::{self, Tag};
use super::value::Kind;

/// Values of each frame; a list is `None` where no frame has the value. What all frames share is
/// repeated.
#[derive(Debug, Clone, Default, PartialEq)]
#[expect(missing_docs, reason = "each field is the attribute of PS3.6 with its name")]
pub struct FrameGroups {
    /// Number of frames that the groups describe.
    pub frames: usize,
    pub positions: Option<Vec<Option<[f64; 3]>>>,
    pub orientations: Option<Vec<Option<[f64; 6]>>>,
    pub spacing: Option<Vec<Option<[f64; 2]>>>,
    pub thickness: Option<Vec<Option<f64>>>,
    pub slope: Option<Vec<Option<f64>>>,
    pub intercept: Option<Vec<Option<f64>>>,
    pub rescale_type: Option<Vec<Option<String>>>,
    pub window_center: Option<Vec<Option<f64>>>,
    pub window_width: Option<Vec<Option<f64>>>,
    pub stack_id: Option<Vec<Option<String>>>,
    pub in_stack: Option<Vec<Option<i64>>>,
    pub temporal_index: Option<Vec<Option<i64>>>,
    pub dimension_index: Option<Vec<Option<Vec<i64>>>>,
    pub echo_time: Option<Vec<Option<f64>>>,
    pub b_value: Option<Vec<Option<f64>>>,
    pub gradient_direction: Option<Vec<Option<[f64; 3]>>>,
    pub frame_type: Option<Vec<Option<Vec<String>>>>,
    pub trigger_time: Option<Vec<Option<f64>>>,
    pub segment: Option<Vec<Option<i64>>>,
}

/// Reads the functional groups, shared ones spread over the frames.
pub(super) fn frame_groups(dataset: &Dataset) -> Option<FrameGroups> {
    let per_frame = dataset.items(tag::PER_FRAME_GROUPS);
    let shared = dataset.items(tag::SHARED_GROUPS).first();
    if per_frame.is_empty() {
        return None;
    }
    let groups = Groups { per_frame, shared };
    let double = |group, tag| groups.each(group, |set| set.number(tag, Kind::Double));
    let text = |group, tag| groups.each(group, |set| set.number(tag, Kind::Text));
    let long = |group, tag| groups.each(group, |set| set.integer(tag, Kind::Long));
    let short = |group, tag| groups.each(group, |set| set.integer(tag, Kind::Short));
    Some(FrameGroups {
        frames: per_frame.len(),
        positions: groups.each(tag::PLANE_POSITION, |set| set.vector(tag::POSITION)),
        orientations: groups.each(tag::PLANE_ORIENTATION, |set| set.vector(tag::ORIENTATION)),
        spacing: groups.each(tag::PIXEL_MEASURES, |set| set.vector(tag::PIXEL_SPACING)),
        thickness: text(tag::PIXEL_MEASURES, tag::SLICE_THICKNESS),
        slope: text(tag::PIXEL_VALUE_TRANSFORMATION, tag::SLOPE),
        intercept: text(tag::PIXEL_VALUE_TRANSFORMATION, tag::INTERCEPT),
        rescale_type: groups
            .each(tag::PIXEL_VALUE_TRANSFORMATION, |set| set.code(tag::RESCALE_TYPE)),
        window_center: text(tag::FRAME_VOI_LUT, tag::WINDOW_CENTER),
        window_width: text(tag::FRAME_VOI_LUT, tag::WINDOW_WIDTH),
        stack_id: groups.each(tag::FRAME_CONTENT, |set| set.code(tag::STACK_ID)),
        in_stack: long(tag::FRAME_CONTENT, tag::IN_STACK_POSITION),
        temporal_index: long(tag::FRAME_CONTENT, tag::TEMPORAL_INDEX),
        dimension_index: groups.each(tag::FRAME_CONTENT, indices),
        echo_time: double(tag::MR_ECHO, tag::EFFECTIVE_ECHO_TIME),
        b_value: double(tag::MR_DIFFUSION, tag::B_VALUE),
        gradient_direction: groups.each(tag::MR_DIFFUSION, |set| {
            set.items(tag::GRADIENT_DIRECTIONS).first()?.doubles(tag::GRADIENT_DIRECTION)
        }),
        frame_type: [tag::MR_FRAME_TYPE, tag::CT_FRAME_TYPE, tag::PET_FRAME_TYPE]
            .into_iter()
            .find_map(|group| groups.each(group, |set| set.codes(tag::FRAME_TYPE))),
        trigger_time: double(tag::CARDIAC_SYNCHRONIZATION, tag::NOMINAL_TRIGGER_DELAY),
        segment: short(tag::SEGMENT_IDENTIFICATION, tag::SEGMENT_NUMBER),
    })
}

#[expect(clippy::cast_possible_truncation, reason = "they are integers of 32 bits")]
fn indices(set: &Dataset) -> Option<Vec<i64>> {
    let numbers = set.numbers(tag::DIMENSION_INDEX, Kind::Long)?;
    Some(numbers.into_iter().map(|number| number as i64).collect())
}

struct Groups<'a> {
    per_frame: &'a [Dataset],
    shared: Option<&'a Dataset>,
}

impl Groups<'_> {
    /// Returns a value of each frame: its own, or the shared one.
    fn each<T: Clone>(
        &self,
        group: Tag,
        value: impl Fn(&Dataset) -> Option<T>,
    ) -> Option<Vec<Option<T>>> {
        let shared = self.shared.and_then(|set| set.items(group).first()).and_then(&value);
        let own = |set: &Dataset| set.items(group).first().and_then(&value);
        let values: Vec<Option<T>> =
            self.per_frame.iter().map(|set| own(set).or_else(|| shared.clone())).collect();
        values.iter().any(Option::is_some).then_some(values)
    }
}

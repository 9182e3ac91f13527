//! Conversion between burn's tensors and channels-last memory.
//!
//! A tensor keeps burn's meaning, `[image, channel, (depth,) row, column]`. Only its strides tell
//! that the channels of a point lie side by side, so a chain of our operations never moves them,
//! and burn's own operations still work.

use std::borrow::Cow;
use std::ops::Range;

use burn::backend::flex::{FlexTensor, Layout};
use burn::tensor::{Bytes, DType, Shape};

use crate::network::conv::{Extent, to_channels_last};

/// Images, channels and extent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Images {
    pub(super) count: usize,
    pub(super) channels: usize,
    pub(super) extent: Extent,
    rank: usize,
}

impl Images {
    /// Images of a tensor of rank 4 or 5.
    pub(super) fn of(tensor: &FlexTensor) -> Self {
        let dims = tensor.layout().shape();
        let rank = dims.num_dims();
        let extent = match rank {
            4 => [dims[2], 1, dims[3]],
            5 => [dims[2], dims[3], dims[4]],
            _ => panic!("images have rank 4 or 5, not {rank}"),
        };
        Self { count: dims[0], channels: dims[1], extent, rank }
    }

    /// Images of the same number with other channels and extent.
    pub(super) fn with(self, channels: usize, extent: Extent) -> Self {
        Self { channels, extent, ..self }
    }

    pub(super) fn points(&self) -> usize {
        self.extent.iter().product()
    }

    /// Elements of all images.
    pub(super) fn len(&self) -> usize {
        self.count * self.points() * self.channels
    }

    fn spatial(&self) -> Vec<usize> {
        let [planes, rows, columns] = self.extent;
        if self.rank == 4 { vec![planes, columns] } else { vec![planes, rows, columns] }
    }

    fn shape(&self) -> Shape {
        [vec![self.count, self.channels], self.spatial()].concat().into()
    }

    /// Strides of channels-last memory, in the order of the shape.
    fn strides(&self) -> Vec<isize> {
        let mut spatial = vec![self.channels as isize; self.rank - 2];
        for i in (0..self.rank - 3).rev() {
            spatial[i] = spatial[i + 1] * self.spatial()[i + 1] as isize;
        }
        [vec![(self.points() * self.channels) as isize, 1], spatial].concat()
    }

    /// A tensor of channels-last values.
    pub(super) fn tensor(&self, values: Vec<f32>) -> FlexTensor {
        assert_eq!(values.len(), self.len(), "values and shape disagree");
        let layout = Layout::new(self.shape(), self.strides(), 0);
        FlexTensor::new(Bytes::from_elems(values), layout, DType::F32)
    }
}

/// The channels-last values of a tensor: borrowed if they lie so in memory.
pub(super) fn channels_last(tensor: &FlexTensor) -> Cow<'_, [f32]> {
    if let Some(range) = range(tensor) {
        return Cow::Borrowed(&tensor.storage::<f32>()[range]);
    }
    let images = Images::of(tensor);
    Cow::Owned(to_channels_last(&contiguous(tensor), images.channels, images.points()))
}

/// The channels-last values of a tensor to write to, if they lie so in memory that no other tensor
/// shares.
pub(super) fn channels_last_mut(tensor: &mut FlexTensor) -> Option<&mut [f32]> {
    let range = range(tensor)?;
    tensor.try_storage_mut::<f32>()?.get_mut(range)
}

/// Range of a tensor's memory that holds its channels-last values, if they lie so.
fn range(tensor: &FlexTensor) -> Option<Range<usize>> {
    let images = Images::of(tensor);
    let layout = tensor.layout();
    // The stride of an axis of length 1 says nothing.
    let shape = images.shape();
    let same = |(axis, (a, b)): (usize, (&isize, isize))| shape[axis] == 1 || *a == b;
    let start = layout.start_offset();
    layout.strides().iter().zip(images.strides()).enumerate().all(same).then(|| start..start + images.len())
}

/// The values of a tensor in the order of its shape.
pub(super) fn contiguous(tensor: &FlexTensor) -> Cow<'_, [f32]> {
    if let Some(values) = tensor.as_slice::<f32>() {
        return Cow::Borrowed(values);
    }
    let copy = tensor.to_contiguous();
    Cow::Owned(copy.as_slice::<f32>().expect("the copy is contiguous and of the same type").to_vec())
}

/// A contiguous tensor of these values.
pub(super) fn tensor_of(values: Vec<f32>, shape: Shape) -> FlexTensor {
    FlexTensor::new(Bytes::from_elems(values), Layout::contiguous(shape), DType::F32)
}

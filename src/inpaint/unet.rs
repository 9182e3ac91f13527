//! The network that fills gaps: a U-Net on patches, the same code in two and three dimensions. It
//! knows no loss and no data.

use crate::error::{Error, Result};
use crate::network::ops::{Activation, NormSettings, Spacing, conv, conv_transpose, group_norm, join};
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use rand::{Rng as _, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Input channels: the pattern filled along straight lines, relative to the patch; whether a pixel
/// is measured; the level of the pattern; and what two other fills would add, the smoothest surface
/// and means over blocks.
pub const INPUTS: usize = 5;
/// Further input channels of a network that looks at what phasing calculates: its spread over the
/// runs, before the other fills, and what it would add, after them.
pub const CALCULATED_INPUTS: usize = 2;
/// Input channels of a network that is given kriging: what it would add.
pub const KRIGED_INPUTS: usize = 1;
/// How much of kriging a network takes that begins to be given it: about as much as is best for one
/// that cannot tell where.
pub const KRIGED_AT_FIRST: f32 = 0.75;
/// Number of the last input channels, which hold the other fills.
const FILLS: usize = 2;
/// Output channels: what to add to the filled pattern, and the logarithm of the spread.
pub const OUTPUTS: usize = 2;

/// Taps of all convolutions but the last, along each axis.
const TAPS: usize = 3;
/// Added to the variance in normalisations.
const EPSILON: f32 = 1e-5;

/// Pixels of the largest patch: its layers must fit into memory.
const LARGEST_PATCH: usize = 1 << 24;

/// Everything that decides the shapes of the weights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Architecture {
    /// Number of dimensions of the patches, 2 or 3.
    pub dimensions: usize,
    /// Number of channels of each level, finest first; each level has half the pixels of the one
    /// before along each axis.
    pub channels: Vec<usize>,
    /// Number of groups of channels that are normalised together.
    pub groups: usize,
    /// Steps between the taps of the convolutions of the coarsest level, one for each convolution
    /// after its first.
    pub dilations: Vec<usize>,
    /// Whether it looks at what phasing calculates in the gaps.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub phased: bool,
    /// Whether it is given what kriging of the whole pattern says of the gaps.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub kriged: bool,
}

impl Architecture {
    /// Checks that the network can be built for patches of `size` pixels.
    ///
    /// # Errors
    /// [`Error::Setting`] for the first key of `[network]` whose value cannot be used.
    pub fn check(&self, size: usize) -> Result<()> {
        if ![2, 3].contains(&self.dimensions) {
            return Err(Error::setting("network.dimensions", self.dimensions, "2 or 3"));
        }
        let levels = self.channels.len();
        if levels == 0 || levels > 8 || !size.is_multiple_of(1 << (levels - 1)) {
            let problem =
                format!("one number a level, whose patches of {size} pixels can be halved {} times", levels.max(1) - 1);
            return Err(Error::setting("network.channels", format!("{:?}", self.channels), problem));
        }
        if self.groups == 0 || self.channels.iter().any(|&channels| channels == 0 || channels % self.groups != 0) {
            let problem = format!("must divide the channels {:?}", self.channels);
            return Err(Error::setting("network.groups", self.groups, problem));
        }
        if self.dilations.iter().any(|&dilation| dilation == 0 || dilation > size) {
            let problem = format!("steps are from 1 to the {size} pixels of a patch");
            return Err(Error::setting("network.dilations", format!("{:?}", self.dilations), problem));
        }
        let pixels = size.checked_pow(self.dimensions as u32);
        if !pixels.is_some_and(|pixels| (1..=LARGEST_PATCH).contains(&pixels)) {
            return Err(Error::setting("patch", size, format!("a patch has from 1 to {LARGEST_PATCH} pixels")));
        }
        Ok(())
    }

    /// Number of input channels.
    pub fn inputs(&self) -> usize {
        INPUTS + if self.kriged { KRIGED_INPUTS } else { 0 } + if self.phased { CALCULATED_INPUTS } else { 0 }
    }

    /// Number of the last of them, which hold other fills.
    fn fills(&self) -> usize {
        FILLS + usize::from(self.kriged) + usize::from(self.phased)
    }

    /// Number of weights of the network; nothing if no computer could count them.
    pub(super) fn weights(&self) -> Option<usize> {
        let taps = |taps: usize| taps.pow(self.dimensions as u32);
        // Weights of the convolution; bias, scale and shift.
        let block =
            |from: usize, to: usize| from.checked_mul(to)?.checked_mul(taps(TAPS))?.checked_add(to.checked_mul(3)?);
        let coarsest = *self.channels.last()?;
        let (mut sum, mut from) = (0usize, self.inputs());
        for pair in self.channels.windows(2) {
            let (here, below) = (pair[0], pair[1]);
            let up = below.checked_mul(here)?.checked_mul(taps(2))?.checked_add(here)?;
            for part in
                [block(from, here)?, block(here, here)?, up, block(here.checked_mul(2)?, here)?, block(here, here)?]
            {
                sum = sum.checked_add(part)?;
            }
            from = here;
        }
        let bottom = block(coarsest, coarsest)?.checked_mul(self.dilations.len())?;
        let last = self.channels.first()?.checked_add(1)?.checked_mul(OUTPUTS + self.fills())?;
        sum.checked_add(block(from, coarsest)?)?.checked_add(bottom)?.checked_add(last)
    }
}

/// Convolution, group normalisation, GELU.
#[derive(Module, Debug)]
struct Block<const D: usize> {
    weight: Param<Tensor<D>>,
    bias: Param<Tensor<1>>,
    scale: Param<Tensor<1>>,
    shift: Param<Tensor<1>>,
    stride: usize,
    dilation: usize,
    groups: usize,
}

impl<const D: usize> Block<D> {
    fn forward(&self, x: Tensor<D>) -> Tensor<D> {
        let spacing = Spacing { stride: self.stride, ..Spacing::same(TAPS, self.dilation) };
        let settings = NormSettings { groups: self.groups, epsilon: EPSILON, activation: Activation::Gelu };
        let x = conv(x, self.weight.val(), self.bias.val(), spacing);
        group_norm(x, self.scale.val(), self.shift.val(), settings)
    }
}

/// A convolution with nothing after it, ordinary or transposed.
#[derive(Module, Debug)]
struct Plain<const D: usize> {
    weight: Param<Tensor<D>>,
    bias: Param<Tensor<1>>,
}

/// One level: two blocks down, and two blocks up again after joining what comes from below.
#[derive(Module, Debug)]
struct Level<const D: usize> {
    down: Vec<Block<D>>,
    from_below: Plain<D>,
    up: Vec<Block<D>>,
}

/// The U-Net; `D` is 4 for two dimensions and 5 for three: images, channels, and the axes.
#[derive(Module, Debug)]
pub struct Unet<const D: usize> {
    levels: Vec<Level<D>>,
    bottom: Vec<Block<D>>,
    last: Plain<D>,
    kriged: bool,
    phased: bool,
}

impl<const D: usize> Unet<D> {
    /// Creates the network with random weights. Its first prediction is the filled pattern itself.
    ///
    /// # Panics
    /// If the architecture has another number of dimensions.
    pub fn new(architecture: &Architecture, seed: u64, device: &Device) -> Self {
        assert_eq!(architecture.dimensions + 2, D, "dimensions of the architecture");
        let mut builder = LayerBuilder { rng: ChaCha8Rng::seed_from_u64(seed), groups: architecture.groups, device };
        let channels = &architecture.channels;
        let mut levels = Vec::new();
        let mut from = architecture.inputs();
        for (level, pair) in channels.windows(2).enumerate() {
            let (here, below) = (pair[0], pair[1]);
            let stride = if level == 0 { 1 } else { 2 };
            levels.push(Level {
                down: vec![builder.block(from, here, stride, 1), builder.block(here, here, 1, 1)],
                from_below: builder.up(below, here),
                up: vec![builder.block(2 * here, here, 1, 1), builder.block(here, here, 1, 1)],
            });
            from = here;
        }
        let coarsest = channels.last().copied().unwrap_or(architecture.groups);
        let mut bottom = vec![builder.block(from, coarsest, if levels.is_empty() { 1 } else { 2 }, 1)];
        bottom.extend(architecture.dilations.iter().map(|&dilation| builder.block(coarsest, coarsest, 1, dilation)));
        let finest = channels.first().copied().unwrap_or(coarsest);
        let last = builder.last(finest, OUTPUTS + architecture.fills());
        Self { levels, bottom, last, kriged: architecture.kriged, phased: architecture.phased }
    }

    /// The same network, which from now on is given kriging and what phasing calculates too where
    /// the architecture says so. Until it has learned to use them it predicts what it did before,
    /// mixed with [`KRIGED_AT_FIRST`] of kriging, and does not heed what phasing calculates.
    pub fn given(mut self, architecture: &Architecture) -> Self {
        if architecture.kriged && !self.kriged {
            let spreads = usize::from(self.phased);
            self.add_fill(INPUTS + spreads, FILLS, KRIGED_AT_FIRST);
            self.kriged = true;
        }
        if architecture.phased && !self.phased {
            self.add_input(INPUTS - FILLS);
            let fills = FILLS + usize::from(self.kriged);
            self.add_fill(INPUTS - FILLS + 1 + fills, fills, 0.0);
            self.phased = true;
        }
        self
    }

    /// Adds an input channel that is not heeded yet.
    fn add_input(&mut self, at: usize) {
        let blocks = match self.levels.first_mut() {
            Some(level) => &mut level.down,
            None => &mut self.bottom,
        };
        if let Some(block) = blocks.first_mut() {
            block.weight = block.weight.clone().map(|old| inserted(old, 1, at, 0.0));
        }
    }

    /// Adds an input channel that holds a fill, and an output channel that says how much of it to
    /// take: at first this `part`, and so much less of what was predicted before.
    fn add_fill(&mut self, input: usize, fill: usize, part: f32) {
        self.add_input(input);
        let at = OUTPUTS + fill;
        self.last.weight = self.last.weight.clone().map(|old| inserted(reduced(old, 1.0 - part), 0, at, 0.0));
        self.last.bias = self.last.bias.clone().map(|old| inserted(reduced(old, 1.0 - part), 0, at, part));
    }

    /// Number of the last input channels, which hold other fills.
    fn fills(&self) -> usize {
        FILLS + usize::from(self.kriged) + usize::from(self.phased)
    }

    /// The device that the weights are on.
    pub fn device(&self) -> Device {
        self.last.bias.val().device().inner()
    }

    /// Computes the output channels of a batch of patches.
    ///
    /// # Shapes
    /// `[patch, inputs, (planes,) rows, columns]` to `[patch, OUTPUTS, (planes,) rows, columns]`.
    pub fn forward(&self, x: Tensor<D>) -> Tensor<D> {
        let run = |blocks: &[Block<D>], x| blocks.iter().fold(x, |x, block| block.forward(x));
        let fills = x.clone().narrow(1, x.dims()[1] - self.fills(), self.fills());
        let mut skips = Vec::with_capacity(self.levels.len());
        let mut x = x;
        for level in &self.levels {
            x = run(&level.down, x);
            skips.push(x.clone());
        }
        x = run(&self.bottom, x);
        for (level, skip) in self.levels.iter().zip(skips).rev() {
            let spacing = Spacing { stride: 2, padding: 0, dilation: 1 };
            let above = conv_transpose(x, level.from_below.weight.val(), level.from_below.bias.val(), spacing);
            x = run(&level.up, join(above, skip));
        }
        let output = conv(x, self.last.weight.val(), self.last.bias.val(), Spacing::same(1, 1));
        // How much of each other fill to take, pixel by pixel: smooth patterns are given by a fill
        // to a precision that the normalised values inside the network do not have.
        let mixed = (output.clone().narrow(1, OUTPUTS, self.fills()) * fills).sum_dim(1);
        let mean = output.clone().narrow(1, 0, 1) + mixed;
        Tensor::cat(vec![mean, output.narrow(1, 1, 1)], 1)
    }
}

/// The weights or biases of all output channels times a factor, but for those of the spread.
fn reduced<const D: usize>(old: Tensor<D>, factor: f32) -> Tensor<D> {
    let rest = old.dims()[0] - OUTPUTS;
    let [mean, spread, fills] =
        [(0, 1), (1, 1), (OUTPUTS, rest)].map(|(from, count)| old.clone().narrow(0, from, count));
    Tensor::cat(vec![mean * factor, spread, fills * factor], 0)
}

/// A tensor with a value at an index of an axis, and what was there and after it behind them.
fn inserted<const D: usize>(old: Tensor<D>, axis: usize, at: usize, value: f32) -> Tensor<D> {
    let count = old.dims()[axis];
    let mut shape = old.dims();
    shape[axis] = 1;
    let mut parts = vec![old.clone().narrow(axis, 0, at), Tensor::full(shape, value, &old.device())];
    if at < count {
        parts.push(old.narrow(axis, at, count - at));
    }
    Tensor::cat(parts, axis)
}

/// Builder of layers with random weights.
struct LayerBuilder<'a> {
    rng: ChaCha8Rng,
    groups: usize,
    device: &'a Device,
}

impl LayerBuilder<'_> {
    /// Uniform within the inverse square root of the number of values that are summed.
    fn weights<const D: usize>(
        &mut self,
        [first, second]: [usize; 2],
        taps: usize,
        sums_over: usize,
    ) -> Param<Tensor<D>> {
        let mut shape = [taps; D];
        [shape[0], shape[1]] = [first, second];
        let bound = 1.0 / ((sums_over * taps.pow(D as u32 - 2)) as f32).sqrt();
        let count = shape.iter().product();
        let values: Vec<f32> = (0..count).map(|_| self.rng.random_range(-bound..bound)).collect();
        Param::from_data(TensorData::new(values, shape), self.device)
    }

    fn constant(&self, channels: usize, value: f32) -> Param<Tensor<1>> {
        Param::from_data(TensorData::new(vec![value; channels], [channels]), self.device)
    }

    fn block<const D: usize>(&mut self, from: usize, to: usize, stride: usize, dilation: usize) -> Block<D> {
        Block {
            weight: self.weights([to, from], TAPS, from),
            bias: self.constant(to, 0.0),
            scale: self.constant(to, 1.0),
            shift: self.constant(to, 0.0),
            stride,
            dilation,
            groups: self.groups,
        }
    }

    fn up<const D: usize>(&mut self, from: usize, to: usize) -> Plain<D> {
        // Each output point has one tap.
        Plain { weight: self.weights([from, to], 2, from), bias: self.constant(to, 0.0) }
    }

    fn last<const D: usize>(&mut self, from: usize, channels: usize) -> Plain<D> {
        let mut shape = [1; D];
        [shape[0], shape[1]] = [channels, from];
        let weight = TensorData::new(vec![0.0_f32; channels * from], shape);
        Plain { weight: Param::from_data(weight, self.device), bias: self.constant(channels, 0.0) }
    }
}

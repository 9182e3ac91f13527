//! The layers on the processor, as burn operations: forward on [`Flex`], with gradients of their
//! own on top of it.

use std::sync::Arc;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Flex, TensorMetadata, backend_extension};

use super::memory::{Images, channels_last, channels_last_mut, contiguous, tensor_of};
use super::packed::Order;
use super::settings::{NormSettings, Spacing};
use crate::network::conv::{
    GatherPlan, GroupNorm, Isa, Moments, PackedWeights, SummedAxis, Window, bias_gradient, gather, join_channels,
    split_channels, weight_gradient,
};

/// Backend operations of the layers; images are `[image, channel, (depth,) row, column]`.
#[backend_extension(Flex, Autodiff)]
pub trait LayerOps: Backend {
    /// Convolution with weights `[out, in, taps..]`.
    fn layer_conv(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        spacing: Spacing,
    ) -> FloatTensor<Self>;

    /// Transposed convolution with weights `[in, out, taps..]`.
    fn layer_conv_transpose(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        spacing: Spacing,
    ) -> FloatTensor<Self>;

    /// Group normalisation and activation.
    fn layer_norm(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        settings: NormSettings,
    ) -> FloatTensor<Self>;

    /// The channels of two images side by side.
    fn layer_join(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self>;
}

/// Ordinary or transposed convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ConvKind {
    Ordinary,
    Transposed,
}

/// Treatment of packed weights: cached for the next call, or packed once because an optimiser
/// changes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    Cached,
    Once,
}

/// A convolution of given images, with what it needs to run in either direction.
#[derive(Debug, Clone, Copy)]
struct Conv {
    isa: Isa,
    kind: ConvKind,
    window: Window,
    /// First and second axis of the weights, and taps.
    shape: [usize; 3],
    input: Images,
    output: Images,
}

impl Conv {
    fn new(x: &FlexTensor, weight: &FlexTensor, spacing: Spacing, kind: ConvKind) -> Self {
        let input = Images::of(x);
        let kernel = Images::of(weight).extent;
        let shape = [weight.shape()[0], weight.shape()[1], kernel.iter().product()];
        // In two dimensions, planes consist of one row.
        let flat = x.shape().num_dims() == 4;
        let of = |value: usize, none: usize| if flat { [value, none, value] } else { [value; 3] };
        let (stride, dilation, padding) = (of(spacing.stride, 1), of(spacing.dilation, 1), of(spacing.padding, 0));
        let wide = |a: usize| {
            ((input.extent[a] - 1) * stride[a] + dilation[a] * (kernel[a] - 1) + 1).saturating_sub(2 * padding[a])
        };
        let (sums_over, channels, below) = match kind {
            ConvKind::Ordinary => (shape[1], shape[0], input.extent),
            ConvKind::Transposed => (shape[0], shape[1], std::array::from_fn(wide)),
        };
        assert_eq!(input.channels, sums_over, "channels of images and weights {:?}", weight.shape());
        let window = Window { input: below, kernel, stride, dilation, padding };
        let output = match kind {
            ConvKind::Ordinary => input.with(channels, window.output()),
            ConvKind::Transposed => input.with(channels, window.input),
        };
        Self { isa: Isa::best(), kind, window, shape, input, output }
    }

    fn forward(&self, x: &FlexTensor, weight: &FlexTensor, bias: &FlexTensor, packing: Packing) -> FlexTensor {
        let (plan, sum) = match self.kind {
            ConvKind::Ordinary => (GatherPlan::forward(&self.window, self.input.channels), SummedAxis::Second),
            ConvKind::Transposed => (GatherPlan::backward(&self.window, self.input.channels), SummedAxis::First),
        };
        let order = self.order(&plan, sum);
        let packed = match packing {
            Packing::Cached => order.pack_once(weight),
            Packing::Once => Arc::new(order.pack(weight)),
        };
        gathered(x, &packed, Some(&contiguous(bias)), &plan, self.output)
    }

    fn order(&self, plan: &GatherPlan, sum: SummedAxis) -> Order {
        Order { isa: self.isa, shape: self.shape, sum, reversed: plan.reversed() }
    }

    fn input_gradient(&self, weight: &FlexTensor, gradient: &FlexTensor) -> FlexTensor {
        let (plan, sum) = match self.kind {
            ConvKind::Ordinary => (GatherPlan::backward(&self.window, self.output.channels), SummedAxis::First),
            ConvKind::Transposed => (GatherPlan::forward(&self.window, self.output.channels), SummedAxis::Second),
        };
        gathered(gradient, &self.order(&plan, sum).pack(weight), None, &plan, self.input)
    }

    fn weight_gradient(&self, x: &FlexTensor, gradient: &FlexTensor, weight: &FlexTensor) -> FlexTensor {
        let (x, gradient) = (channels_last(x), channels_last(gradient));
        let (below, above) = match self.kind {
            ConvKind::Ordinary => (&x, &gradient),
            ConvKind::Transposed => (&gradient, &x),
        };
        let values = weight_gradient(self.isa, &self.window, below, above, [self.shape[1], self.shape[0]]);
        tensor_of(values, weight.shape())
    }

    fn bias_gradient(&self, gradient: &FlexTensor) -> FlexTensor {
        let values = bias_gradient(self.isa, &channels_last(gradient), self.output.channels);
        tensor_of(values, [self.output.channels].into())
    }
}

fn gathered(
    source: &FlexTensor,
    packed: &PackedWeights,
    bias: Option<&[f32]>,
    plan: &GatherPlan,
    target: Images,
) -> FlexTensor {
    let mut out = vec![0.0; target.len()];
    gather(&channels_last(source), packed, bias, plan, &mut out);
    target.tensor(out)
}

fn norm_of(x: &FlexTensor, settings: NormSettings) -> GroupNorm {
    let images = Images::of(x);
    GroupNorm {
        isa: Isa::best(),
        points: images.points(),
        channels: images.channels,
        groups: settings.groups,
        epsilon: settings.epsilon,
        activation: settings.activation,
    }
}

fn norm_forward(x: &FlexTensor, scale: &FlexTensor, shift: &FlexTensor, norm: &GroupNorm) -> (FlexTensor, Moments) {
    let (y, moments) = norm.forward(&channels_last(x), &contiguous(scale), &contiguous(shift));
    (Images::of(x).tensor(y), moments)
}

fn join(a: &FlexTensor, b: &FlexTensor) -> FlexTensor {
    let (first, second) = (Images::of(a), Images::of(b));
    assert_eq!(first, second.with(first.channels, second.extent), "images to join differ in more than channels");
    let channels = [first.channels, second.channels];
    let values = join_channels(&channels_last(a), &channels_last(b), channels);
    first.with(first.channels + second.channels, first.extent).tensor(values)
}

impl LayerOps for Flex {
    fn layer_conv(x: FlexTensor, weight: FlexTensor, bias: FlexTensor, spacing: Spacing) -> FlexTensor {
        Conv::new(&x, &weight, spacing, ConvKind::Ordinary).forward(&x, &weight, &bias, Packing::Cached)
    }

    fn layer_conv_transpose(x: FlexTensor, weight: FlexTensor, bias: FlexTensor, spacing: Spacing) -> FlexTensor {
        Conv::new(&x, &weight, spacing, ConvKind::Transposed).forward(&x, &weight, &bias, Packing::Cached)
    }

    fn layer_norm(x: FlexTensor, scale: FlexTensor, shift: FlexTensor, settings: NormSettings) -> FlexTensor {
        let norm = norm_of(&x, settings);
        let mut x = x;
        if let Some(values) = channels_last_mut(&mut x) {
            norm.forward_in_place(values, &contiguous(&scale), &contiguous(&shift));
            return x;
        }
        norm_forward(&x, &scale, &shift, &norm).0
    }

    fn layer_join(a: FlexTensor, b: FlexTensor) -> FlexTensor {
        join(&a, &b)
    }
}

impl<C: CheckpointStrategy> LayerOps for Autodiff<Flex, C> {
    fn layer_conv(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        spacing: Spacing,
    ) -> FloatTensor<Self> {
        tracked_conv::<C>(x, weight, bias, spacing, ConvKind::Ordinary)
    }

    fn layer_conv_transpose(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        spacing: Spacing,
    ) -> FloatTensor<Self> {
        tracked_conv::<C>(x, weight, bias, spacing, ConvKind::Transposed)
    }

    fn layer_norm(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        settings: NormSettings,
    ) -> FloatTensor<Self> {
        let norm = norm_of(x.primitive(), settings);
        let (y, moments) = norm_forward(x.primitive(), scale.primitive(), shift.primitive(), &norm);
        match NormBackward.prepare::<C>([x.node(), scale.node(), shift.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let inputs = [x, scale, shift].map(|tensor| tensor.into_primitive());
                prep.finish((inputs, norm, moments), y)
            }
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }

    fn layer_join(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        let y = join(a.primitive(), b.primitive());
        match JoinBackward.prepare::<C>([a.node(), b.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish([Images::of(a.primitive()), Images::of(b.primitive())], y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }
}

fn tracked_conv<C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<Flex, C>>,
    weight: FloatTensor<Autodiff<Flex, C>>,
    bias: FloatTensor<Autodiff<Flex, C>>,
    spacing: Spacing,
    kind: ConvKind,
) -> FloatTensor<Autodiff<Flex, C>> {
    let conv = Conv::new(x.primitive(), weight.primitive(), spacing, kind);
    let y = conv.forward(x.primitive(), weight.primitive(), bias.primitive(), Packing::Once);
    match ConvBackward.prepare::<C>([x.node(), weight.node(), bias.node()]).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(([x, weight].map(|tensor| tensor.into_primitive()), conv), y),
        OpsKind::UnTracked(prep) => prep.finish(y),
    }
}

#[derive(Debug)]
struct ConvBackward;

impl Backward<Flex, 3> for ConvBackward {
    type State = ([FlexTensor; 2], Conv);

    fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<Flex>(&ops.node);
        let ([x, weight], conv) = ops.state;
        let [to_x, to_weight, to_bias] = ops.parents;
        if let Some(node) = to_x {
            gradients.register::<Flex>(node.id, conv.input_gradient(&weight, &gradient));
        }
        if let Some(node) = to_weight {
            gradients.register::<Flex>(node.id, conv.weight_gradient(&x, &gradient, &weight));
        }
        if let Some(node) = to_bias {
            gradients.register::<Flex>(node.id, conv.bias_gradient(&gradient));
        }
    }
}

#[derive(Debug)]
struct NormBackward;

impl Backward<Flex, 3> for NormBackward {
    type State = ([FlexTensor; 3], GroupNorm, Moments);

    fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<Flex>(&ops.node);
        let ([x, scale, shift], norm, moments) = ops.state;
        let [dx, dscale, dshift] = norm.backward(
            &channels_last(&x),
            &contiguous(&scale),
            &contiguous(&shift),
            &moments,
            &channels_last(&gradient),
        );
        let [to_x, to_scale, to_shift] = ops.parents;
        if let Some(node) = to_x {
            gradients.register::<Flex>(node.id, Images::of(&x).tensor(dx));
        }
        for (node, values) in [(to_scale, dscale), (to_shift, dshift)] {
            if let Some(node) = node {
                gradients.register::<Flex>(node.id, tensor_of(values, scale.shape()));
            }
        }
    }
}

#[derive(Debug)]
struct JoinBackward;

impl Backward<Flex, 2> for JoinBackward {
    type State = [Images; 2];

    fn backward(self, ops: Ops<Self::State, 2>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<Flex>(&ops.node);
        let parts = split_channels(&channels_last(&gradient), ops.state.map(|images| images.channels));
        for ((node, images), values) in ops.parents.into_iter().zip(ops.state).zip(parts) {
            if let Some(node) = node {
                gradients.register::<Flex>(node.id, images.tensor(values));
            }
        }
    }
}

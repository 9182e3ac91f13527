//! Layers of convolutional networks that are fast on the processor, with burn's meaning of shapes
//! and weights: the crate's own kernels on the `flex` backend, burn's operations on every other
//! device.

mod layers;
mod memory;
mod packed;
mod settings;

use burn::backend::{Dispatch, DispatchTensorKind};
use burn::tensor::activation::{gelu, relu, silu};
use burn::tensor::module::{conv_transpose2d, conv_transpose3d, conv2d, conv3d};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};
use burn::tensor::{DType, Tensor};

pub use crate::network::conv::Activation;
pub use layers::LayerOps;
pub use settings::{NormSettings, Spacing};

/// Whether the crate's kernels can work on a tensor: 32-bit floats on the processor.
fn ours<const D: usize>(x: &Tensor<D>) -> bool {
    let tensor = x.clone().into_dispatch();
    let kind = match &tensor.kind {
        DispatchTensorKind::Autodiff(inner) => inner,
        other => other,
    };
    matches!(kind, DispatchTensorKind::Flex(_)) && x.dtype() == DType::F32
}

/// Convolution in two (`D` = 4) or three (`D` = 5) dimensions.
///
/// # Shapes
/// `x` `[image, in, (depth,) row, column]`, `weight` `[out, in, taps..]`, `bias` `[out]`.
///
/// # Panics
/// If shapes disagree.
pub fn conv<const D: usize>(x: Tensor<D>, weight: Tensor<D>, bias: Tensor<1>, spacing: Spacing) -> Tensor<D> {
    if ours(&x) {
        let [x, weight] = [x, weight].map(Tensor::into_dispatch);
        return Tensor::from_dispatch(Dispatch::layer_conv(x, weight, bias.into_dispatch(), spacing));
    }
    let Spacing { stride, padding, dilation } = spacing;
    if D == 4 {
        let options = ConvOptions::new([stride; 2], [padding; 2], [dilation; 2], 1);
        retype(conv2d(retype(x), retype(weight), Some(bias), options))
    } else {
        let options = ConvOptions::new([stride; 3], [padding; 3], [dilation; 3], 1);
        retype(conv3d(retype(x), retype(weight), Some(bias), options))
    }
}

/// Transposed convolution in two (`D` = 4) or three (`D` = 5) dimensions.
///
/// # Shapes
/// `x` `[image, in, (depth,) row, column]`, `weight` `[in, out, taps..]`, `bias` `[out]`.
///
/// # Panics
/// If shapes disagree.
pub fn conv_transpose<const D: usize>(x: Tensor<D>, weight: Tensor<D>, bias: Tensor<1>, spacing: Spacing) -> Tensor<D> {
    if ours(&x) {
        let [x, weight] = [x, weight].map(Tensor::into_dispatch);
        return Tensor::from_dispatch(Dispatch::layer_conv_transpose(x, weight, bias.into_dispatch(), spacing));
    }
    let Spacing { stride, padding, dilation } = spacing;
    if D == 4 {
        let options = ConvTransposeOptions::new([stride; 2], [padding; 2], [0; 2], [dilation; 2], 1);
        retype(conv_transpose2d(retype(x), retype(weight), Some(bias), options))
    } else {
        let options = ConvTransposeOptions::new([stride; 3], [padding; 3], [0; 3], [dilation; 3], 1);
        retype(conv_transpose3d(retype(x), retype(weight), Some(bias), options))
    }
}

/// Group normalisation over all points of an image, scaled and shifted for each channel, and an
/// activation.
///
/// # Shapes
/// `x` `[image, channel, ..]`, `scale` and `shift` `[channel]`.
///
/// # Panics
/// If shapes disagree.
pub fn group_norm<const D: usize>(
    x: Tensor<D>,
    scale: Tensor<1>,
    shift: Tensor<1>,
    settings: NormSettings,
) -> Tensor<D> {
    if ours(&x) {
        let [scale, shift] = [scale, shift].map(Tensor::into_dispatch);
        return Tensor::from_dispatch(Dispatch::layer_norm(x.into_dispatch(), scale, shift, settings));
    }
    let shape = x.dims();
    let (images, channels) = (shape[0], shape[1]);
    let grouped: Tensor<3> = x.reshape([images as i32, settings.groups as i32, -1]);
    let centred = grouped.clone() - grouped.mean_dim(2);
    let variance = centred.clone().square().mean_dim(2);
    let normalised = (centred / (variance + settings.epsilon).sqrt()).reshape([images as i32, channels as i32, -1]);
    let z = (normalised * scale.reshape([1, channels, 1]) + shift.reshape([1, channels, 1])).reshape(shape);
    match settings.activation {
        Activation::Identity => z,
        Activation::Relu => relu(z),
        Activation::Silu => silu(z),
        Activation::Gelu => gelu(z),
    }
}

/// Joins the channels of two sets of images.
///
/// # Panics
/// If they differ in more than channels.
pub fn join<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> Tensor<D> {
    if ours(&a) {
        return Tensor::from_dispatch(Dispatch::layer_join(a.into_dispatch(), b.into_dispatch()));
    }
    Tensor::cat(vec![a, b], 1)
}

/// Renames the rank of a tensor, which stays the same.
fn retype<const A: usize, const B: usize>(tensor: Tensor<A>) -> Tensor<B> {
    Tensor::from_dispatch(tensor.into_dispatch())
}

#[cfg(test)]
mod tests {
    use burn::tensor::activation::gelu;
    use burn::tensor::{Device, Distribution};

    use super::*;

    /// Both are f32 sums in different orders.
    const TOLERANCE: f32 = 2e-5;

    fn random<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
        Tensor::random(shape, Distribution::Normal(0.0, 1.0), device).require_grad()
    }

    fn difference<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> f32 {
        let scale = b.clone().abs().max().into_scalar::<f32>().max(1.0);
        (a - b).abs().max().into_scalar::<f32>() / scale
    }

    /// Output and gradients of two functions of an image, weights and a bias agree.
    fn agree<const D: usize>(
        [x, weight]: [Tensor<D>; 2],
        bias: Tensor<1>,
        ours: impl Fn(Tensor<D>, Tensor<D>, Tensor<1>) -> Tensor<D>,
        burns: impl Fn(Tensor<D>, Tensor<D>, Tensor<1>) -> Tensor<D>,
    ) {
        let (a, b) = (ours(x.clone(), weight.clone(), bias.clone()), burns(x.clone(), weight.clone(), bias.clone()));
        assert_eq!(a.dims(), b.dims());
        assert!(difference(a.clone(), b.clone()) < TOLERANCE);
        // A loss that weighs all points differently.
        let [a, b] = [a, b].map(|y| (y.clone() * y).sum().backward());
        assert!(difference(x.grad(&a).unwrap(), x.grad(&b).unwrap()) < TOLERANCE);
        assert!(difference(weight.grad(&a).unwrap(), weight.grad(&b).unwrap()) < TOLERANCE);
        assert!(difference(bias.grad(&a).unwrap(), bias.grad(&b).unwrap()) < TOLERANCE);
    }

    #[test]
    fn convolutions_agree_with_burns_own() {
        let device = Device::flex().autodiff();
        for (stride, dilation, padding) in [(1, 1, 1), (2, 1, 1), (1, 2, 2), (2, 2, 1)] {
            let spacing = Spacing { stride, padding, dilation };
            let flat = ConvOptions::new([stride; 2], [padding; 2], [dilation; 2], 1);
            agree(
                [random([2, 3, 9, 12], &device), random([20, 3, 3, 3], &device)],
                random([20], &device),
                |x, w, b| conv(x, w, b, spacing),
                |x, w, b| conv2d(x, w, Some(b), flat.clone()),
            );
            let deep = ConvOptions::new([stride; 3], [padding; 3], [dilation; 3], 1);
            agree(
                [random([2, 4, 6, 7, 8], &device), random([8, 4, 3, 3, 3], &device)],
                random([8], &device),
                |x, w, b| conv(x, w, b, spacing),
                |x, w, b| conv3d(x, w, Some(b), deep.clone()),
            );
        }
    }

    #[test]
    fn transposed_convolutions_agree_with_burns_own() {
        let device = Device::flex().autodiff();
        for (taps, stride, padding) in [(2, 2, 0), (3, 2, 1), (3, 1, 1)] {
            let spacing = Spacing { stride, padding, dilation: 1 };
            let flat = ConvTransposeOptions::new([stride; 2], [padding; 2], [0; 2], [1; 2], 1);
            agree(
                [random([2, 17, 5, 6], &device), random([17, 6, taps, taps], &device)],
                random([6], &device),
                |x, w, b| conv_transpose(x, w, b, spacing),
                |x, w, b| conv_transpose2d(x, w, Some(b), flat.clone()),
            );
            let deep = ConvTransposeOptions::new([stride; 3], [padding; 3], [0; 3], [1; 3], 1);
            agree(
                [random([1, 8, 3, 4, 5], &device), random([8, 4, taps, taps, taps], &device)],
                random([4], &device),
                |x, w, b| conv_transpose(x, w, b, spacing),
                |x, w, b| conv_transpose3d(x, w, Some(b), deep.clone()),
            );
        }
    }

    #[test]
    fn a_chain_of_layers_with_burns_operations_in_between_agrees_with_burns_own() {
        let device = Device::flex().autodiff();
        let (scale, shift) = (random([16], &device), random([16], &device));
        let settings = NormSettings { groups: 4, epsilon: 1e-5, activation: Activation::Gelu };
        let chain = |x: Tensor<4>, w: Tensor<4>, b: Tensor<1>| {
            let y = conv(x.clone(), w, b, Spacing::same(3, 1));
            let z = group_norm(y.clone() * 2.0 + x.clone().mean_dim(1), scale.clone(), shift.clone(), settings);
            join(z, join(x, y))
        };
        let burns = |x: Tensor<4>, w: Tensor<4>, b: Tensor<1>| {
            let y = conv2d(x.clone(), w, Some(b), ConvOptions::new([1; 2], [1; 2], [1; 2], 1));
            let z = (y.clone() * 2.0 + x.clone().mean_dim(1)).reshape([3, 4, -1]);
            let centred = z.clone() - z.mean_dim(2);
            let z = centred.clone() / (centred.square().mean_dim(2) + 1e-5).sqrt();
            let z = z.reshape([3, 16, -1]) * scale.clone().reshape([1, 16, 1]) + shift.clone().reshape([1, 16, 1]);
            Tensor::cat(vec![gelu(z.reshape([3, 16, 6, 10])), x, y], 1)
        };
        let inputs = [random([3, 4, 6, 10], &device), random([16, 4, 3, 3], &device)];
        agree(inputs, random([16], &device), chain, burns);
    }

    #[test]
    fn packed_weights_follow_their_values() {
        let device = Device::flex();
        let x = Tensor::<4>::ones([1, 1, 8, 8], &device);
        let bias = Tensor::<1>::zeros([1], &device);
        let inner = |weight: &Tensor<4>| {
            let y = conv(x.clone(), weight.clone(), bias.clone(), Spacing::same(3, 1));
            y.max().into_scalar::<f32>()
        };
        // Each change may be made in the place of the values before, or in memory that was freed.
        let mut weight = Tensor::<4>::ones([1, 1, 3, 3], &device);
        for i in 0..20 {
            assert_eq!([inner(&weight), inner(&weight)], [9.0 * (1.0 + i as f32); 2]);
            weight = weight + 1.0;
        }
    }

    #[test]
    fn images_of_doubles_take_burns_operations() {
        let device = Device::flex();
        let x = Tensor::<4>::ones([1, 2, 4, 4], (&device, DType::F64));
        let weight = Tensor::<4>::ones([1, 2, 3, 3], (&device, DType::F64));
        let y = conv(x, weight, Tensor::zeros([1], (&device, DType::F64)), Spacing::same(3, 1));
        assert_eq!(y.dtype(), DType::F64);
        // Inside, all taps of both channels; the sum over the rest of the image is smaller.
        assert_eq!(y.max().into_scalar::<f64>(), 18.0);
    }
}

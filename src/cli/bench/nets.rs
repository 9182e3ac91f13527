//! The U-Nets that are measured: three levels, blocks of convolution, group normalisation and GELU, strided convolutions down,
//! transposed ones up. Each can run with either kind of layers, on the same weights.

use burn::module::Module;
use burn::nn::conv::{
    Conv2d, Conv2dConfig, Conv3d, Conv3dConfig, ConvTranspose2d, ConvTranspose2dConfig, ConvTranspose3d,
    ConvTranspose3dConfig,
};
use burn::nn::{GroupNorm, GroupNormConfig, PaddingConfig2d, PaddingConfig3d};
use burn::tensor::activation::gelu;
use burn::tensor::{Device, Tensor};
use lacuna::network::ops::{Activation, NormSettings, Spacing, conv, conv_transpose, group_norm, join};

/// Whose layers compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layers {
    /// Those of [`lacuna::network`].
    Own,
    /// burn's.
    Burn,
}

/// Groups of channels that are normalised together.
const GROUPS: usize = 8;
/// Pixels along an axis of a patch.
const SIZE: usize = 32;

/// Input and output channels, and stride, of the blocks of a network of three levels; blocks 7 and 9 follow the two ways up.
fn plan([a, b, c]: [usize; 3]) -> [(usize, usize, usize); 11] {
    [
        (1, a, 1),
        (a, a, 1),
        (a, b, 2),
        (b, b, 1),
        (b, c, 2),
        (c, c, 1),
        (c, c, 1),
        (2 * b, b, 1),
        (b, b, 1),
        (2 * a, a, 1),
        (a, a, 1),
    ]
}

/// Level, 0 at full resolution, at which each block's output lies.
const LEVELS: [u32; 11] = [0, 0, 1, 1, 2, 2, 2, 1, 1, 0, 0];

/// Floating-point operations of all convolutions for one patch, forward.
fn flops(channels: [usize; 3], dimensions: u32) -> f64 {
    let points = |level: u32| (SIZE >> level).pow(dimensions) as f64;
    let blocks = plan(channels).into_iter().zip(LEVELS);
    let blocks: f64 =
        blocks.map(|((i, o, _), level)| (i * o) as f64 * 3f64.powi(dimensions as i32) * points(level)).sum();
    let [a, b, c] = channels;
    // Each output point of a transposed convolution whose stride is its width has one tap.
    2.0 * (blocks + (c * b) as f64 * points(1) + (b * a) as f64 * points(0) + a as f64 * points(0))
}

macro_rules! network {
    ($net:ident, $block:ident, $rank:literal, $conv:ident, $conv_config:ident, $up:ident, $up_config:ident, $d:literal, $same:expr) => {
        /// Convolution, group normalisation, GELU.
        #[derive(Module, Debug)]
        pub struct $block {
            conv: $conv,
            norm: GroupNorm,
        }

        impl $block {
            fn new((i, o, stride): (usize, usize, usize), device: &Device) -> Self {
                let conv =
                    $conv_config::new([i, o], [3; $d]).with_stride([stride; $d]).with_padding($same).init(device);
                Self { conv, norm: GroupNormConfig::new(GROUPS, o).init(device) }
            }

            fn forward(&self, x: Tensor<$rank>, layers: Layers) -> Tensor<$rank> {
                if layers == Layers::Burn {
                    return gelu(self.norm.forward(self.conv.forward(x)));
                }
                let spacing = Spacing { stride: self.conv.stride[0], padding: 1, dilation: 1 };
                let bias = self.conv.bias.as_ref().expect("has a bias").val();
                let x = conv(x, self.conv.weight.val(), bias, spacing);
                let scale = self.norm.gamma.as_ref().expect("has a scale").val();
                let shift = self.norm.beta.as_ref().expect("has a shift").val();
                let epsilon = self.norm.epsilon as f32;
                group_norm(x, scale, shift, NormSettings { groups: GROUPS, epsilon, activation: Activation::Gelu })
            }
        }

        /// The network.
        #[derive(Module, Debug)]
        pub struct $net {
            blocks: Vec<$block>,
            ups: Vec<$up>,
            last: $conv,
        }

        impl $net {
            /// With random weights; channels of the three levels.
            pub fn new(channels: [usize; 3], device: &Device) -> Self {
                let [a, b, c] = channels;
                let up = |i, o| $up_config::new([i, o], [2; $d]).with_stride([2; $d]).init(device);
                Self {
                    blocks: plan(channels).into_iter().map(|block| $block::new(block, device)).collect(),
                    ups: vec![up(c, b), up(b, a)],
                    last: $conv_config::new([a, 1], [1; $d]).init(device),
                }
            }

            /// Floating-point operations of all convolutions for one patch, forward.
            pub fn flops(channels: [usize; 3]) -> f64 {
                flops(channels, $d)
            }

            fn up(&self, i: usize, x: Tensor<$rank>, skip: Tensor<$rank>, layers: Layers) -> Tensor<$rank> {
                if layers == Layers::Burn {
                    return Tensor::cat(vec![self.ups[i].forward(x), skip], 1);
                }
                let bias = self.ups[i].bias.as_ref().expect("has a bias").val();
                let spacing = Spacing { stride: 2, padding: 0, dilation: 1 };
                join(conv_transpose(x, self.ups[i].weight.val(), bias, spacing), skip)
            }

            /// # Shapes
            /// `[patch, 1, (32,) 32, 32]`, input and output.
            pub fn forward(&self, x: Tensor<$rank>, layers: Layers) -> Tensor<$rank> {
                let run = |i: usize, x| self.blocks[i].forward(x, layers);
                let top = run(1, run(0, x));
                let middle = run(3, run(2, top.clone()));
                let bottom = run(6, run(5, run(4, middle.clone())));
                let middle = run(8, run(7, self.up(0, bottom, middle, layers)));
                let top = run(10, run(9, self.up(1, middle, top, layers)));
                if layers == Layers::Burn {
                    return self.last.forward(top);
                }
                let bias = self.last.bias.as_ref().expect("has a bias").val();
                conv(top, self.last.weight.val(), bias, Spacing::same(1, 1))
            }
        }
    };
}

network!(Unet2d, Block2d, 4, Conv2d, Conv2dConfig, ConvTranspose2d, ConvTranspose2dConfig, 2, {
    PaddingConfig2d::Explicit(1, 1, 1, 1)
});
network!(Unet3d, Block3d, 5, Conv3d, Conv3dConfig, ConvTranspose3d, ConvTranspose3dConfig, 3, {
    PaddingConfig3d::Explicit(1, 1, 1)
});

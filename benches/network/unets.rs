//! The U-Nets that are measured: three levels, blocks of convolution, group normalisation and GELU,
//! strided convolutions down, transposed ones up. Each can run with either kind of layers, on the
//! same weights.

use burn::module::{Module, Param};
use burn::nn::conv::{
    Conv2d, Conv2dConfig, Conv3d, Conv3dConfig, ConvTranspose2d, ConvTranspose2dConfig, ConvTranspose3d,
    ConvTranspose3dConfig,
};
use burn::nn::{GroupNorm, GroupNormConfig, PaddingConfig2d, PaddingConfig3d};
use burn::tensor::activation::gelu;
use burn::tensor::{Device, Tensor};
use lacuna::network::conv::Window;
use lacuna::network::ops::{Activation, NormSettings, Spacing, conv, conv_transpose, group_norm, join};

/// Implementation of the layers of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layers {
    /// Layers of [`lacuna::network`].
    Own,
    /// Layers of burn.
    Burn,
}

/// Groups of channels that are normalised together.
const GROUPS: usize = 8;
/// Pixels along an axis of a patch.
const SIZE: usize = 32;

/// Input and output channels, and stride, of the blocks of a network of three levels; blocks 7 and
/// 9 follow the two transposed convolutions.
fn blocks([a, b, c]: [usize; 3]) -> [(usize, usize, usize); 11] {
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

/// A convolution of one of the networks.
#[derive(Debug, Clone, Copy)]
pub struct Layer {
    /// Input and output channels.
    pub channels: [usize; 2],
    /// Window along each axis; that of a transposed convolution slides over its output.
    pub window: Window,
    /// Whether the convolution is transposed.
    pub transposed: bool,
}

impl Layer {
    /// Floating-point operations for one patch, forward; as many for each gradient.
    pub fn flops(&self) -> f64 {
        let Window { kernel, .. } = self.window;
        let points: usize = self.window.output().iter().product();
        2.0 * (self.channels[0] * self.channels[1] * points * kernel.iter().product::<usize>()) as f64
    }
}

/// All convolutions of a network.
pub fn layers(channels: [usize; 3], dimensions: usize) -> Vec<Layer> {
    let extent = |value: usize, none: usize| if dimensions == 2 { [value, none, value] } else { [value; 3] };
    let window = |size: usize, taps: usize, stride: usize, padding: usize| Window {
        input: extent(size, 1),
        kernel: extent(taps, 1),
        stride: extent(stride, 1),
        dilation: [1; 3],
        padding: extent(padding, 0),
    };
    let blocks = blocks(channels).into_iter().zip(LEVELS).map(|((input, output, stride), level)| Layer {
        channels: [input, output],
        window: window((SIZE >> level) * stride, 3, stride, 1),
        transposed: false,
    });
    let [a, b, c] = channels;
    let up = |input, output, level: u32| Layer {
        channels: [input, output],
        window: window(SIZE >> level, 2, 2, 0),
        transposed: true,
    };
    let last = Layer { channels: [a, 1], window: window(SIZE, 1, 1, 0), transposed: false };
    blocks.chain([up(c, b, 1), up(b, a, 0), last]).collect()
}

/// Floating-point operations of all convolutions for one patch, forward.
fn flops(channels: [usize; 3], dimensions: u32) -> f64 {
    layers(channels, dimensions as usize).iter().map(Layer::flops).sum()
}

/// Name, shape and values of a tensor.
pub type NamedTensor = (String, Vec<usize>, Vec<f32>);

fn named<const D: usize>(name: String, tensor: Tensor<D>) -> NamedTensor {
    let shape = tensor.dims().to_vec();
    (name, shape, tensor.into_data().try_to_vec::<f32>().expect("weights are floats"))
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

        /// U-Net of three levels.
        #[derive(Module, Debug)]
        pub struct $net {
            blocks: Vec<$block>,
            ups: Vec<$up>,
            last: $conv,
        }

        impl $net {
            /// Makes a network with random weights and these channels of the three levels.
            pub fn new(channels: [usize; 3], device: &Device) -> Self {
                let [a, b, c] = channels;
                let up = |i, o| $up_config::new([i, o], [2; $d]).with_stride([2; $d]).init(device);
                Self {
                    blocks: blocks(channels).into_iter().map(|block| $block::new(block, device)).collect(),
                    ups: vec![up(c, b), up(b, a)],
                    last: $conv_config::new([a, 1], [1; $d]).init(device),
                }
            }

            /// Floating-point operations of all convolutions for one patch, forward.
            pub fn flops(channels: [usize; 3]) -> f64 {
                flops(channels, $d)
            }

            /// Returns all weights, for another program.
            pub fn weights(&self) -> Vec<NamedTensor> {
                let mut all = Vec::new();
                for (i, block) in self.blocks.iter().enumerate() {
                    let one = |part: &Option<Param<Tensor<1>>>| part.as_ref().expect("has this part").val();
                    all.push(named(format!("block{i}.weight"), block.conv.weight.val()));
                    all.push(named(format!("block{i}.bias"), one(&block.conv.bias)));
                    all.push(named(format!("block{i}.scale"), one(&block.norm.gamma)));
                    all.push(named(format!("block{i}.shift"), one(&block.norm.beta)));
                }
                for (i, up) in self.ups.iter().enumerate() {
                    all.push(named(format!("up{i}.weight"), up.weight.val()));
                    all.push(named(format!("up{i}.bias"), up.bias.as_ref().expect("has a bias").val()));
                }
                all.push(named("last.weight".into(), self.last.weight.val()));
                all.push(named("last.bias".into(), self.last.bias.as_ref().expect("has a bias").val()));
                all
            }

            fn up(&self, i: usize, x: Tensor<$rank>, skip: Tensor<$rank>, layers: Layers) -> Tensor<$rank> {
                if layers == Layers::Burn {
                    return Tensor::cat(vec![self.ups[i].forward(x), skip], 1);
                }
                let bias = self.ups[i].bias.as_ref().expect("has a bias").val();
                let spacing = Spacing { stride: 2, padding: 0, dilation: 1 };
                join(conv_transpose(x, self.ups[i].weight.val(), bias, spacing), skip)
            }

            /// Applies the network.
            ///
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

//! Networks on Vulkan devices beside the processor: outputs, gradients, steps of a training,
//! checkpoints. Software Vulkan (Mesa's lavapipe) serves; where there is none, these tests skip.

use crate::cli::{done, lacuna, refused};
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Distribution, Gradients, Tensor};
use lacuna::inpaint::model::{Model, Network};
use lacuna::inpaint::patch::{Hints, NormalisedPatch};
use lacuna::inpaint::unet::Unet;
use lacuna::network::NetworkDevice;
use lacuna::training::{Learner, Sample, TrainingRecipe};
use ndarray::Array3;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::fs;
use std::io::{BufRead, BufReader};

/// Both are sums of f32 in different orders, through some twenty layers: 2e-6 on lavapipe.
const TOLERANCE: f32 = 2e-5;
/// Gradients go back through as many layers again, and normalisations subtract large sums: 8e-4 on
/// lavapipe.
const GRADIENT_TOLERANCE: f32 = 2e-3;
/// Of the weights, sums over all points of a patch: 5e-3 on lavapipe, of the largest of a layer.
const WEIGHT_TOLERANCE: f32 = 2e-2;
/// The first steps of AdamW go by the signs of gradients nearly: where one is all but zero, rounding
/// decides. So weights may differ by a part of the largest step, for few of them.
const STEP_TOLERANCE: f32 = 0.1;

/// The first Vulkan device; none, with a line that says so, where there is none.
fn vulkan() -> Option<Device> {
    match NetworkDevice::Vulkan(0).open("device") {
        Ok(open) => {
            eprintln!("{}", open.name);
            Some(open.device)
        }
        Err(error) => {
            eprintln!("skipped: {error}");
            None
        }
    }
}

fn difference<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> f32 {
    let [a, b] = [a, b].map(|tensor| tensor.to_device(&Device::flex()));
    let scale = b.clone().abs().max().into_scalar::<f32>().max(1e-6);
    (a - b).abs().max().into_scalar::<f32>() / scale
}

/// Outputs of a network, and gradients of its inputs.
fn outputs_agree<const D: usize>(net: &Unet<D>, inputs: usize, device: &Device) {
    let cpu = Device::flex();
    let mut shape = [32; D];
    [shape[0], shape[1]] = [2, inputs];
    let x = Tensor::<D>::random(shape, Distribution::Normal(0.0, 1.0), &cpu);
    let on = |device: &Device| {
        let device = device.clone().autodiff();
        let net = net.clone().fork(&device).train();
        let x = Tensor::<D>::from_data(x.to_data(), &device).require_grad();
        let y = net.forward(x.clone());
        // A loss that weighs all points differently.
        let gradients = (y.clone() * y.clone()).sum().backward();
        (y.inner(), x.grad(&gradients).unwrap(), weight_gradients(&net, &gradients))
    };
    let ((y, dx, dw), (found, gradient, others)) = (on(&cpu), on(device));
    let (forward, backward) = (difference(found, y), difference(gradient, dx));
    let weights = dw.into_iter().zip(others).map(|(a, b)| difference(b, a)).fold(0.0, f32::max);
    eprintln!("outputs differ by {forward:.1e}, gradients of inputs by {backward:.1e}, of weights by {weights:.1e}");
    assert!(forward < TOLERANCE && backward < GRADIENT_TOLERANCE, "{forward} {backward}");
    assert!(weights < WEIGHT_TOLERANCE, "{weights}");
}

/// Gradients of the weights of all convolutions, one tensor after another.
fn weight_gradients<M: Module>(net: &M, gradients: &Gradients) -> Vec<Tensor<1>> {
    struct Collect<'a>(&'a Gradients, Vec<Tensor<1>>);
    impl ModuleVisitor for Collect<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            // Where each channel is normalised alone, the gradient of a bias is rounding.
            if D > 1 {
                self.1.push(param.val().grad(self.0).unwrap().reshape([-1]));
            }
        }
    }
    let mut collect = Collect(gradients, Vec::new());
    net.visit(&mut collect);
    collect.1
}

/// Three steps of a training from the same random weights.
fn steps_agree<const D: usize>(recipe: &TrainingRecipe, device: &Device) {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let depth = if D == 4 { 1 } else { 32 };
    let mut sample = || {
        let counts = Array3::from_shape_simple_fn((depth, 32, 32), || rng.random_range(0..200) as f32);
        let known = Array3::from_shape_fn(counts.dim(), |(_, _, x)| !(13..19).contains(&x));
        let patch = NormalisedPatch::new(counts.view(), known.view(), Hints::default()).unwrap();
        let target_mask: Vec<f32> = known.iter().map(|&known| f32::from(u8::from(!known))).collect();
        Sample { target: target_mask.iter().map(|mask| mask * 0.7).collect(), target_mask, patch }
    };
    let batch: Vec<Sample> = (0..recipe.batch.min(4)).map(|_| sample()).collect();
    let train = |device: &Device| {
        let mut learner = Learner::<D>::new(recipe, device);
        let losses: Vec<f64> = (0..3).map(|step| learner.step(&batch, recipe, step)).collect();
        (losses, learner.average)
    };
    let ((losses, weights), (found, others)) = (train(&Device::flex()), train(device));
    for (a, b) in losses.iter().zip(&found) {
        assert!((a - b).abs() < 1e-3 * a.abs(), "{losses:?} {found:?}");
    }
    let largest = recipe.optimizer.rate as f32;
    let far = weights.iter().zip(&others).filter(|(a, b)| (*a - *b).abs() > STEP_TOLERANCE * largest).count();
    assert!(far * 100 < weights.len(), "{far} of {} weights differ", weights.len());
}

#[test]
fn outputs_and_gradients_are_those_of_the_processor() {
    let Some(device) = vulkan() else { return };
    for dimensions in [2, 3] {
        let Model { network, card } = Model::shipped(dimensions).unwrap();
        let inputs = card.network.inputs();
        match network {
            Network::Planar(net) => outputs_agree(&net, inputs, &device),
            Network::Volumetric(net) => outputs_agree(&net, inputs, &device),
        }
    }
}

#[test]
fn three_steps_of_a_training_are_those_of_the_processor() {
    let Some(device) = vulkan() else { return };
    steps_agree::<4>(&TrainingRecipe::read("unet2d-smoke").unwrap(), &device);
    steps_agree::<5>(&TrainingRecipe::read("unet3d-smoke").unwrap(), &device);
}

/// From the simulation to a model that is evaluated, going on from one device to the other.
#[test]
fn a_training_goes_on_on_another_device() {
    if vulkan().is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("tiny.toml"), crate::network::TINY).unwrap();
    let train = |device: &str, more: &[&str]| {
        done(folder, &[&["train", "tiny.toml", "-o", "model", "-q", "--device", device], more].concat());
    };
    // A step count is a part of what tells trainings apart, so the first call is stopped.
    let mut child = lacuna(folder, &["train", "tiny.toml", "-o", "model", "--json", "--device", "vulkan"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for line in lines.map_while(Result::ok) {
        if line.contains("\"step\":9,") || line.contains("\"step\":9}") {
            std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        }
    }
    assert_eq!(child.wait().unwrap().code(), Some(130));
    train("cpu", &["--resume"]);
    done(
        folder,
        &["evaluate", "model/forward2d-smoke.h5", "--model", "model", "--limit", "2", "-q", "--device", "vulkan:0"],
    );
    let missing = ["train", "tiny.toml", "-o", "other", "--device", "vulkan:99"];
    refused(folder, &missing, &["device = vulkan:99", "vulkan:0"]);
}

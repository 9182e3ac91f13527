//! The convolutions of a network alone: forward pass and both gradients, in operations a second and
//! as a fraction of what the processor can do.

use crate::median;
use crate::unets::{Layer, layers};
use lacuna::network::conv::{GatherPlan, Isa, PackedWeights, SummedAxis, gather, weight_gradient};
use serde_json::json;
use std::time::Instant;

/// Prints the speed of all convolutions of the 2D or 3D network, the median over `rounds`, beside
/// `peak`, the operations a second of one core.
pub fn measure(dimensions: usize, threads: usize, rounds: usize, peak: f64, as_json: bool) {
    let (channels, batch) = if dimensions == 2 { (crate::CHANNELS_2D, 16) } else { (crate::CHANNELS_3D, 2) };
    let all = layers(channels, dimensions);
    let flops: f64 = all.iter().map(Layer::flops).sum::<f64>() * batch as f64;
    let mut passes = [(); 3].map(|()| Vec::new());
    // The first round warms caches and is not counted.
    for round in 0..=rounds {
        let mut seconds = [0.0; 3];
        for layer in &all {
            seconds.iter_mut().zip(passes_of(layer, batch)).for_each(|(sum, time)| *sum += time);
        }
        if round > 0 {
            passes.iter_mut().zip(seconds).for_each(|(all, seconds)| all.push(seconds));
        }
    }
    let medians = passes.each_ref().map(|seconds| median(seconds, |&seconds| seconds));
    let [forward, input_gradient, weight_gradient] = medians.map(|seconds| flops / seconds / 1e9);
    let total: f64 = 3.0 * flops / medians.iter().sum::<f64>();
    let fraction = total / (peak * threads as f64);
    let isa = format!("{:?}", Isa::best());
    let (total, peak) = (total / 1e9, peak / 1e9);
    if as_json {
        let line = json!({"bench": "convolutions", "dimensions": dimensions, "threads": threads, "isa": isa,
                          "gflops": total, "gflops_forward": forward, "gflops_input_gradient": input_gradient,
                          "gflops_weight_gradient": weight_gradient, "peak_gflops_per_core": peak,
                          "fraction_of_peak": fraction, "rounds": rounds});
        println!("{line}");
    } else {
        println!(
            "{dimensions}D convolutions, {threads} threads, {isa}: {total:.1} GFLOP/s, {:.0} % of the peak of \
             {peak:.1} a core (forward {forward:.1}, input gradient {input_gradient:.1}, weight gradient \
             {weight_gradient:.1})",
            100.0 * fraction,
        );
    }
}

/// Seconds of the forward pass, the input gradient and the weight gradient of one layer, for a
/// batch.
fn passes_of(layer: &Layer, batch: usize) -> [f64; 3] {
    let isa = Isa::best();
    let [input, output] = layer.channels;
    // `low` is the image that the window slides over, `high` what comes of it.
    let [low_channels, high_channels] = if layer.transposed { [output, input] } else { [input, output] };
    let points = |extent: [usize; 3]| extent.iter().product::<usize>();
    let low = vec![0.5_f32; batch * points(layer.window.input) * low_channels];
    let high = vec![0.5_f32; batch * points(layer.window.output()) * high_channels];
    let weights = vec![0.1_f32; high_channels * low_channels * layer.window.taps()];
    let shape = [high_channels, low_channels, layer.window.taps()];
    let time = |work: &mut dyn FnMut()| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64()
    };
    let up = time(&mut || {
        let plan = GatherPlan::forward(&layer.window, low_channels);
        let packed = PackedWeights::new(isa, &weights, shape, SummedAxis::Second, plan.reversed());
        let mut out = vec![0.0; high.len()];
        gather(&low, &packed, None, &plan, &mut out);
        std::hint::black_box(out);
    });
    let down = time(&mut || {
        let plan = GatherPlan::backward(&layer.window, high_channels);
        let packed = PackedWeights::new(isa, &weights, shape, SummedAxis::First, plan.reversed());
        let mut out = vec![0.0; low.len()];
        gather(&high, &packed, None, &plan, &mut out);
        std::hint::black_box(out);
    });
    let gradient = time(&mut || {
        std::hint::black_box(weight_gradient(isa, &layer.window, &low, &high, [low_channels, high_channels]));
    });
    if layer.transposed { [down, up, gradient] } else { [up, down, gradient] }
}

//! Fills the gap of an array with the network, and says how sure it is: `cargo run --release --example fill_an_array`.

use lacuna::geometry::Geometry;
use lacuna::inpaint::model::Model;
use lacuna::inpaint::predict::NetworkEstimate;
use lacuna::pixels::{Pattern, bit};
use lacuna::simulate;
use lacuna::volume::Centered;

fn main() -> lacuna::Result<()> {
    // Photons and a mask, both (z, y, x) with z = 1: here those of a simulated flake, whose mask has a
    // gap of six rows and columns.
    let example = simulate::example(0).pattern;
    let (photons, mask): (Centered<f32>, Centered<u32>) = (example.intensity, example.mask);
    let gap = mask.as_slice().iter().filter(|&&bits| bits & bit::MISSING != 0).count();
    let pattern = Pattern::new(photons, mask, Geometry::default())?;

    let model = Model::shipped(2)?;
    let network = NetworkEstimate::new(&pattern, &model, 1.0, &mut |_| true)?;

    // Intensities with the bounds of their 90 % intervals; where too little is known there is none.
    let estimate = network.bounded();
    let known = estimate.at.as_slice().iter().filter(|&&at| at).count();
    println!("{known} pixels without measurement have an estimate, {gap} lie in the gap");
    for (index, _) in estimate.at.0.indexed_iter().filter(|(_, at)| **at).take(5) {
        let [low, mean, high] = [&estimate.lower, &estimate.mean, &estimate.upper].map(|values| values.0[index]);
        println!("{index:?}: {mean:.1} photons, {low:.1} to {high:.1}");
    }
    Ok(())
}

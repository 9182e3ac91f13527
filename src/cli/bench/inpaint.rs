//! `lacuna bench inpaint`: the networks in the program: patches a second, training and filling, and
//! seconds for whole patterns.

use crate::cli::flags::NetworkDeviceFlag;
use lacuna::error::Result;
use lacuna::inpaint::model::{Model, ModelCard, Network};
use lacuna::inpaint::patch::{Hints, NormalisedPatch};
use lacuna::inpaint::predict::{PredictOptions, predict};
use lacuna::pixels::{Pattern, bit};
use lacuna::training::{Learner, Sample, TrainingRecipe};
use lacuna::volume::Centered;
use ndarray::Array3;
use serde_json::json;
use std::time::Instant;

/// Arguments of `lacuna bench inpaint`.
#[derive(Debug, clap::Args)]
pub struct Inpaint {
    /// Repetitions, of which the median counts
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    #[command(flatten)]
    device: NetworkDeviceFlag,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

/// Width of the cross-shaped gap of the patterns, pixels.
const GAP: usize = 6;

impl Inpaint {
    pub fn execute(self) -> Result<()> {
        let open = self.device.open()?;
        let device = open.device;
        for dimensions in [2, 3] {
            let mut model = Model::shipped(dimensions)?;
            model.network = model.network.on(&device);
            let size = if dimensions == 2 { [1, 512, 512] } else { [128; 3] };
            let pattern = pattern(size);
            let batch = if dimensions == 2 { 256 } else { 8 };
            let patches = patches(&model.card, batch);
            let batch_size = if dimensions == 2 { 4 } else { 1 };
            let fill = self.median(|| drop(model.network.predict(&patches, model.card.patch, batch_size)));
            let recipe = TrainingRecipe::read(if dimensions == 2 { "unet2d" } else { "unet3d" })?;
            let train = match &model.network {
                Network::Planar(net) => {
                    self.train(Learner::continued(net.clone(), &recipe, &device), &patches, &recipe)
                }
                Network::Volumetric(net) => {
                    self.train(Learner::continued(net.clone(), &recipe, &device), &patches, &recipe)
                }
            };
            let mut outcome = Ok(());
            let whole = self.median(|| {
                outcome = predict(&pattern, &model, PredictOptions::default(), &mut |_| true).map(drop);
            });
            outcome?;
            let (train, fill) = (recipe.batch as f64 / train, batch as f64 / fill);
            let shape = if dimensions == 2 { "512x512" } else { "128x128x128" };
            crate::cli::text::print(if self.json {
                let line = json!({"bench": "inpaint", "model": model.card.name, "device": open.name, "dimensions": dimensions, "batch": recipe.batch,
                                  "training_patches_per_second": train, "patches_per_second": fill, "pattern": shape,
                                  "gap": GAP, "seconds": whole, "threads": rayon::current_num_threads(), "rounds": self.rounds,
                                  "version": env!("CARGO_PKG_VERSION")});
                format!("{line}\n")
            } else {
                format!(
                    "{} on {}: training {train:.1} patches/s, filling {fill:.1} patches/s, {shape} with a cross of {GAP} px {whole:.2} s\n",
                    model.card.name, open.name
                )
            })?;
        }
        Ok(())
    }

    fn train<const D: usize>(
        &self,
        mut learner: Learner<D>,
        patches: &[NormalisedPatch],
        recipe: &TrainingRecipe,
    ) -> f64 {
        let batch: Vec<Sample> = patches.iter().cycle().take(recipe.batch).map(sample).collect();
        self.median(|| {
            learner.step(&batch, recipe, 0);
        })
    }

    /// Median seconds of `work`, after one repetition that does not count.
    fn median(&self, mut work: impl FnMut()) -> f64 {
        work();
        let mut seconds: Vec<f64> = (0..self.rounds.max(1))
            .map(|_| {
                let start = Instant::now();
                work();
                start.elapsed().as_secs_f64()
            })
            .collect();
        seconds.sort_by(f64::total_cmp);
        seconds[seconds.len() / 2]
    }
}

/// Pattern of rings that fall off from the centre, with a cross-shaped gap.
fn pattern(shape: [usize; 3]) -> Pattern {
    let centre = shape.map(|n| n as f32 / 2.0);
    let intensity = Array3::from_shape_fn(shape, |(z, y, x)| {
        let d = (z as f32 - centre[0]).hypot(y as f32 - centre[1]).hypot(x as f32 - centre[2]);
        (1e6 * (0.4 * d).sin().powi(2) / (1.0 + d * d)).round()
    });
    let inside = |i: usize, n: usize| (n / 3..n / 3 + GAP).contains(&i);
    let mask = Array3::from_shape_fn(
        shape,
        |(_, y, x)| {
            if inside(y, shape[1]) || inside(x, shape[2]) { bit::MISSING } else { 0 }
        },
    );
    Pattern {
        intensity: Centered(intensity),
        mask: Centered(mask),
        estimate: None,
        calculated: None,
        geometry: Default::default(),
        goniometer: None,
    }
}

fn patches(card: &ModelCard, count: usize) -> Vec<NormalisedPatch> {
    let size = card.patch;
    let depth = if card.network.dimensions == 2 { 1 } else { size };
    let counts = Array3::from_shape_fn((depth, size, size), |(z, y, x)| (100.0 + (z + y * x % 7) as f32).round());
    let known = Array3::from_shape_fn(counts.dim(), |(_, _, x)| !(13..19).contains(&x));
    let log = counts.mapv(f32::ln_1p);
    let hints = Hints { kriged: card.network.kriged.then(|| log.view()), calculated: None };
    let patch = NormalisedPatch::new(counts.view(), known.view(), hints).expect("most of it is known");
    vec![patch; count]
}

fn sample(patch: &NormalisedPatch) -> Sample {
    Sample { patch: patch.clone(), target: vec![0.5; patch.len()], target_mask: vec![1.0; patch.len()] }
}

//! Tests of whole particles.

use super::*;
use crate::simulate::draw::ParameterRange;
use rand::SeedableRng;
use std::f64::consts::TAU;

/// A grid over the box and a bit beyond.
fn grid(particle: &Particle, n: usize) -> Vec<[f64; 3]> {
    let half = particle.half_extents().map(|half| 1.1 * half);
    let at = |i: usize, half: f64| half * ((2 * i + 1) as f64 / n as f64 - 1.0);
    let planes = if particle.is_flat() { 1 } else { n };
    let index = |i: usize| [at(i / n / n, half[0]), at(i / n % n, half[1]), at(i % n, half[2])];
    (0..planes * n * n).map(|i| if particle.is_flat() { [0.0, index(i)[1], index(i)[2]] } else { index(i) }).collect()
}

/// Complex particles without anything random in their phase.
fn bare(family: Family) -> ObjectRecipe {
    let mut recipe = ObjectRecipe::only(family);
    recipe.real = 0.0;
    recipe.density.kinds = [(DensityKind::Uniform, 1.0)].into();
    recipe.strain.probability = 0.0;
    recipe.ramp.linear_probability = 0.0;
    recipe.ramp.quadratic_probability = 0.0;
    recipe.dislocation.probability = 0.0;
    recipe.step.probability = 0.0;
    recipe
}

fn wrapped(phase: f64) -> f64 {
    phase - TAU * (phase / TAU).round()
}

#[test]
fn every_family_can_be_drawn() {
    for (name, _) in Family::NAMES {
        let recipe = ObjectRecipe::only(Family::from_name(name).unwrap());
        for dimensions in [2, 3] {
            for seed in 0..3 {
                let (particle, description) = recipe.draw(dimensions, &mut Rng::seed_from_u64(seed));
                let what = format!("{name} in {dimensions}, seed {seed}: {description:?}");
                let half = particle.half_extents();
                let largest = half[if dimensions == 2 { 1 } else { 0 }..].iter().fold(0.0f64, |a, &b| a.max(b));
                assert!((largest - 1.0).abs() < 1e-12, "{what}");
                assert!(!particle.is_flat() || dimensions == 2, "{what}");
                let (mut inside, mut sum) = (0, 0.0);
                for r in grid(&particle, 16) {
                    let distance = particle.distance(r);
                    assert!(distance.is_finite(), "{what}");
                    // The box is right to 2 % of its largest half extent; beyond, everything is
                    // outside.
                    let beyond = (0..3).any(|axis| r[axis].abs() > half[axis] + 0.02 * largest.max(half[0]));
                    if distance < 0.0 {
                        assert!(!beyond, "{what}: {r:?}");
                        inside += 1;
                        let value = particle.value(r, -distance);
                        assert!(value.is_finite() && value.norm() < 20.0, "{what}: {value}");
                        assert!(!description.real || (value.im == 0.0 && value.re >= 0.0), "{what}: {value}");
                        sum += value.norm();
                    }
                }
                assert!(inside > 0 && sum > 0.0, "{what}");
            }
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_particle() {
    let recipe = ObjectRecipe::default();
    let draw = |seed| recipe.draw(3, &mut Rng::seed_from_u64(seed)).0;
    for seed in 0..5 {
        assert_eq!(draw(seed), draw(seed));
        assert_ne!(draw(seed), draw(seed + 1));
    }
}

#[test]
fn phases_wind_once_around_a_dislocation() {
    for edge in [0.0, 1.0] {
        let mut recipe = bare(Family::Crystal);
        recipe.dislocation = DislocationRecipe { probability: 1.0, number: ParameterRange::new(1.0, 1.0), edge };
        for seed in 0..10 {
            let (particle, description) = recipe.draw(3, &mut Rng::seed_from_u64(seed));
            assert_eq!(description.dislocation, if edge == 1.0 { "edge" } else { "screw" });
            let line = particle.phase.dislocations[0];
            let on = |i: usize| {
                let (sin, cos) = (TAU * i as f64 / 64.0).sin_cos();
                let r = add(line.point, add(scaled(line.across[0], 0.1 * cos), scaled(line.across[1], 0.1 * sin)));
                particle.value(r, 0.1).arg()
            };
            let winding: f64 = (0..64).map(|i| wrapped(on(i + 1) - on(i))).sum::<f64>() / TAU;
            // A sum of 64 rounded differences that close up.
            assert!((winding - line.sign).abs() < 1e-9 && winding.abs() > 0.5, "{winding}");
        }
    }
}

#[test]
fn a_step_jumps_by_its_phase() {
    let mut recipe = bare(Family::Crystal);
    recipe.step = StepRecipe { probability: 1.0, phase: ParameterRange::new(1.2, 1.2) };
    let (particle, description) = recipe.draw(3, &mut Rng::seed_from_u64(1));
    let step = particle.phase.step.unwrap();
    let at = |t: f64| particle.value(add(step.point, scaled(step.normal, t)), 0.1).arg();
    // Nothing else is in the phase.
    assert!((wrapped(at(1e-6) - at(-1e-6)) - 1.2).abs() < 1e-9);
    assert_eq!(description.step_phase, 1.2);
}

#[test]
fn the_wavefront_of_a_beam_has_the_divergence_that_it_says() {
    let mut recipe = ObjectRecipe::only(Family::Illuminated);
    recipe.illumination.phase = ParameterRange::new(0.0, 0.0);
    let (particle, description) = recipe.draw(2, &mut Rng::seed_from_u64(2));
    let at = |x: f64| particle.value([0.0, 0.0, x], 0.2).arg();
    let h = 1e-4;
    let cycles = wrapped(at(0.9 + h) - at(0.9 - h)) / (2.0 * h) / TAU;
    // exp(i pi c r^2) has the local frequency c r. The box is only known to 2 %, and so is its
    // centre.
    assert!((cycles / (0.9 * description.divergence) - 1.0).abs() < 0.02, "{cycles} {}", description.divergence);
}

#[test]
fn recipes_are_checked_and_survive_toml() {
    let recipe = ObjectRecipe::default();
    recipe.check().unwrap();
    let text = toml::to_string(&recipe).unwrap();
    assert_eq!(toml::from_str::<ObjectRecipe>(&text).unwrap(), recipe);
    let fault_of = |text: &str| toml::from_str::<ObjectRecipe>(text).unwrap().check().unwrap_err().key;
    assert_eq!(fault_of("real = 1.5"), "object.real");
    assert_eq!(fault_of("families = { crystal = -1 }"), "object.families");
    assert_eq!(fault_of("families = { crystal = 0 }"), "object.families");
    assert_eq!(fault_of("density.kinds = {}"), "object.density.kinds");
    assert_eq!(fault_of("strain.rms = [0, 1]"), "object.strain.rms");
    assert_eq!(fault_of("surface.length = [0.3, 0.1]"), "object.surface.length");
    assert_eq!(fault_of("illumination.divergence = 1000"), "object.illumination.divergence");
    let message = toml::from_str::<ObjectRecipe>("families = { cristal = 1 }").unwrap_err().to_string();
    assert!(message.contains("crystal"), "{message}");
    let named: ObjectRecipe = toml::from_str("families = { cube = 1 }\n[strain]\nprobability = 0.0").unwrap();
    assert_eq!(named.families, ObjectRecipe::only(Family::Cube).families);
    assert_eq!(named.strain.rms, StrainRecipe::default().rms);
}

#[test]
fn a_volume_has_no_beam() {
    let mut recipe = ObjectRecipe::only(Family::Illuminated);
    assert_eq!(recipe.draw(3, &mut Rng::seed_from_u64(1)).1.family, "cell");
    recipe.families.insert(Family::Cube, 0.001);
    assert_eq!(recipe.draw(3, &mut Rng::seed_from_u64(1)).1.family, "cube");
}

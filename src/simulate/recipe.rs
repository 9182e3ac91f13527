//! The recipe of a simulated data set: the ranges that everything is drawn from. A TOML file; see
//! `datasets/`.

use super::beamstop::BeamstopRecipe;
use super::draw::{Fault, ParameterRange, fault};
use super::gaps::GapRecipe;
use super::measure::MeasurementRecipe;
use super::object::{Family, ObjectRecipe};
use crate::error::{Error, Result, shape_text};
use crate::limits;
use crate::volume::Shape;
use serde::{Deserialize, Serialize};
use std::path::Path;
use toml::de::{DeTable, DeValue};

/// Built-in recipes: name and text.
pub const RECIPES: [(&str, &str); 12] = [
    ("forward2d", include_str!("../../datasets/forward2d.toml")),
    ("bragg3d", include_str!("../../datasets/bragg3d.toml")),
    ("particles2d", include_str!("../../datasets/particles2d.toml")),
    ("particles3d", include_str!("../../datasets/particles3d.toml")),
    ("near-peak2d", include_str!("../../datasets/near-peak2d.toml")),
    ("near-peak3d", include_str!("../../datasets/near-peak3d.toml")),
    ("tight2d", include_str!("../../datasets/tight2d.toml")),
    ("tight3d", include_str!("../../datasets/tight3d.toml")),
    ("phased2d", include_str!("../../datasets/phased2d.toml")),
    ("phased3d", include_str!("../../datasets/phased3d.toml")),
    ("forward2d-smoke", include_str!("../../datasets/forward2d-smoke.toml")),
    ("bragg3d-smoke", include_str!("../../datasets/bragg3d-smoke.toml")),
];

/// Longest axis of a simulated pattern: sampled twice as fine, a cube of it would fill the memory
/// of a large machine.
const LONGEST: usize = 1024;

/// Largest number of patterns of a set.
const MOST: usize = 1_000_000;

/// Recipe of a simulated set. Every property of a pattern is drawn from these ranges and stored
/// with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Name of the set.
    pub name: String,
    /// Purpose of the set, in a sentence.
    #[serde(default)]
    pub description: String,
    /// Number of patterns in the set.
    #[serde(default = "hundred")]
    pub count: usize,
    /// Seed of everything that is drawn.
    #[serde(default)]
    pub seed: u64,
    /// Pixels of each pattern: `[y, x]` or `[z, y, x]`, z being the frames of a rocking curve.
    pub shape: Vec<usize>,
    /// Patterns of each particle, each with its own measurement and gaps.
    #[serde(default = "one")]
    pub patterns_per_particle: usize,
    /// Fractions of the particles in each split.
    #[serde(default)]
    pub split: SplitRecipe,
    /// Linear oversampling, drawn once for the frame and once for the rocking curve. Pixels are
    /// square: it is that of the axis of the frame along which the particle is largest for its
    /// number of pixels, and that of the other axis follows.
    #[serde(default = "oversampling")]
    pub oversampling: ParameterRange,
    /// Recipe of the particles.
    #[serde(default)]
    pub object: ObjectRecipe,
    /// Recipe of the measurement: photons, blur, background, frames, defects.
    #[serde(default)]
    pub measurement: MeasurementRecipe,
    /// Recipe of the detector's gaps.
    #[serde(default)]
    pub gaps: GapRecipe,
    /// Recipe of the beamstop.
    #[serde(default)]
    pub beamstop: BeamstopRecipe,
    /// Phasing of each pattern, whose outcome is stored with it; none by default.
    #[serde(default)]
    pub phasing: Option<PhasingRecipe>,
}

/// Phasing of the patterns of a set: for networks that look at what phasing calculates in gaps.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhasingRecipe {
    /// Runs of each pattern.
    pub runs: usize,
}

/// Fractions of the particles in each split; they sum up to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitRecipe {
    /// Fraction of the particles for training.
    pub train: f64,
    /// Fraction of the particles for validation.
    pub validation: f64,
    /// Fraction of the particles for the final test.
    pub test: f64,
}

impl Default for SplitRecipe {
    fn default() -> Self {
        SplitRecipe { train: 0.8, validation: 0.1, test: 0.1 }
    }
}

fn hundred() -> usize {
    100
}

fn one() -> usize {
    1
}

fn oversampling() -> ParameterRange {
    ParameterRange::new(2.0, 5.0)
}

impl Recipe {
    /// Reads the recipe `name`: one of [`RECIPES`], or a file. Returns its text as well, to be kept
    /// with the set.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be read or is no recipe, with line and key.
    pub fn read(name: &str) -> Result<(Recipe, String)> {
        if let Some((_, text)) = RECIPES.iter().find(|(known, _)| *known == name) {
            return Ok((Recipe::parse(text, Path::new(name))?, (*text).to_string()));
        }
        let text = std::fs::read_to_string(name).map_err(|error| {
            let known: Vec<&str> = RECIPES.iter().map(|(name, _)| *name).collect();
            Error::file(name, format!("{error}; give a recipe's file, or one of {}", known.join(", ")))
        })?;
        Ok((Recipe::parse(&text, Path::new(name))?, text))
    }

    /// Parses a recipe; `path` is named in errors.
    ///
    /// # Errors
    /// [`Error::File`] if it is no recipe, with line and key.
    pub fn parse(text: &str, path: &Path) -> Result<Recipe> {
        let recipe: Recipe = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(String::new(), |span| format!("line {}: ", line_of(text, span.start)));
            Error::file(path, format!("{line}{}", error.message().replace('\n', " ")))
        })?;
        recipe.check().map_err(|Fault { key, problem }| {
            let line = key_line(text, &key).map_or(String::new(), |line| format!("line {line}: "));
            Error::file(path, format!("{line}{key}: {problem}"))
        })?;
        Ok(recipe)
    }

    /// Checks that patterns can be drawn.
    ///
    /// # Errors
    /// [`Fault`] for the first key whose value cannot be used.
    pub fn check(&self) -> Result<(), Fault> {
        if let Some(PhasingRecipe { runs: 0 }) = self.phasing {
            return fault("phasing.runs", "0 is no number of runs: at least 1");
        }
        let axes = &self.shape[..];
        if !(2..=3).contains(&axes.len()) || axes.iter().any(|n| !(16..=LONGEST).contains(n) || n % 2 != 0) {
            let problem = format!("{axes:?} is not two or three even numbers of pixels from 16 to {LONGEST}");
            return fault("shape", problem);
        }
        if !(1..=MOST).contains(&self.count) {
            return fault("count", format!("{} is not from 1 to {MOST} patterns", self.count));
        }
        if self.patterns_per_particle == 0 {
            return fault("patterns_per_particle", "a particle has at least one pattern");
        }
        let SplitRecipe { train, validation, test } = self.split;
        let sum = train + validation + test;
        if [train, validation, test].iter().any(|fraction| !(0.0..=1.0).contains(fraction)) || (sum - 1.0).abs() > 1e-6
        {
            return fault(
                "split",
                format!("{train}, {validation} and {test} are not three fractions that sum up to 1"),
            );
        }
        // Below 2 the pattern does not determine its particle; above 20 the particle is a few
        // pixels.
        self.oversampling.check("oversampling", 1.5..=20.0)?;
        let smallest = *axes.iter().min().unwrap_or(&0) as f64 / self.oversampling.hi;
        if smallest < 3.0 {
            let problem =
                format!("{} leaves the particle {smallest:.1} pixels on {}", self.oversampling, shape_text(axes));
            return fault("oversampling", problem);
        }
        self.object.check()?;
        if axes.len() == 3 && self.object.families.get(&Family::Illuminated).is_some_and(|&weight| weight > 0.0) {
            return fault("object.families", "illuminated samples are flat: they need a shape of two axes");
        }
        self.measurement.check()?;
        self.gaps.check(self.extents())?;
        self.beamstop.check(self.extents())
    }

    /// Refuses patterns that do not fit into memory, as many at once as there are threads.
    ///
    /// # Errors
    /// [`Error::Memory`].
    pub fn check_memory(&self, threads: usize) -> Result<()> {
        // Planes of the particle at twice the resolution, amplitude, object, and the arrays of the
        // result: at an oversampling of 2.
        const BYTES_A_VOXEL: u64 = 60;
        let voxels: u64 = self.extents().iter().map(|&n| n as u64).product();
        let needed = BYTES_A_VOXEL * voxels * threads.min(self.count) as u64;
        let available = limits::available();
        if needed > available {
            let remedy = "simulate a smaller shape, or with fewer --threads".into();
            return Err(Error::Memory { needed, available, remedy });
        }
        Ok(())
    }

    /// Shape `(z, y, x)`, with `z = 1` in 2D.
    pub fn extents(&self) -> Shape {
        match self.shape[..] {
            [z, y, x] => [z, y, x],
            [y, x] => [1, y, x],
            _ => [1, 1, 1],
        }
    }

    /// Number of the particle that a pattern shows.
    pub fn particle_of(&self, pattern: usize) -> u64 {
        (pattern / self.patterns_per_particle.max(1)) as u64
    }

    /// Position of a particle among the splits, from 0 to 1: below `train` it is for training, and
    /// so on. Multiples of the golden ratio fill the interval evenly, so every count of particles
    /// is split as the recipe says, and no particle moves when the count grows.
    pub fn split_position(particle: u64) -> f64 {
        // 2^64 over the golden ratio: exact arithmetic, however many particles.
        let turns = particle.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        turns as f64 / 2f64.powi(64)
    }
}

/// The line, from 1, of a position in a text.
fn line_of(text: &str, position: usize) -> usize {
    1 + text.as_bytes()[..position.min(text.len())].iter().filter(|byte| **byte == b'\n').count()
}

/// The line of a key such as `measurement.photons`, or of the innermost section of it that the text
/// has.
fn key_line(text: &str, key: &str) -> Option<usize> {
    let root = DeTable::parse(text).ok()?;
    let mut table = root.get_ref();
    let mut found = None;
    for part in key.split('.') {
        let Some((name, value)) = table.iter().find(|(name, _)| name.get_ref() == part) else { break };
        found = Some(name.span().start);
        match value.get_ref() {
            DeValue::Table(inner) => table = inner,
            _ => break,
        }
    }
    found.map(|position| line_of(text, position))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        Recipe::parse(text, Path::new("my.toml")).unwrap_err().to_string()
    }

    #[test]
    fn built_in_recipes_are_sound_and_named_as_their_files() {
        for (name, text) in RECIPES {
            let recipe = Recipe::parse(text, Path::new(name)).unwrap();
            assert_eq!(recipe.name, name);
            assert!(!recipe.description.is_empty());
        }
    }

    #[test]
    fn faults_name_the_file_the_line_and_the_key() {
        let start = "name = \"x\"\nshape = [64, 64]\n";
        let unknown = message(&format!("{start}\n[measurement]\nfotons = 3\n"));
        assert!(unknown.starts_with("my.toml: line 5: unknown field `fotons`, expected one of"), "{unknown}");
        let empty = message(&format!("{start}oversampling = [5, 2]\n"));
        assert_eq!(empty, "my.toml: line 3: oversampling: the range [5, 2] is empty: the smaller value comes first");
        let dark = message(&format!("{start}[measurement]\nphotons = 0\n"));
        assert!(dark.starts_with("my.toml: line 4: measurement.photons: 0 is out of bounds"), "{dark}");
        let wide = message(&format!("{start}[gaps]\nwidth = [2, 99]\n"));
        assert!(wide.starts_with("my.toml: line 4: gaps.width: ") && wide.contains("64"), "{wide}");
        let text = message("name = \"x\"\nshape = \"large\"\n");
        assert!(text.starts_with("my.toml: line 2: "), "{text}");
        assert!(message("name = \"x\"\n").contains("missing field `shape`"));
        assert!(message("name = \"x\"\nshape = [64, 63]\n").contains("even numbers"));
        assert!(message(&format!("{start}[split]\ntrain = 1\nvalidation = 1\ntest = 0\n")).contains("line 3: split: "));
        assert!(!unknown.contains('\n'));
    }

    #[test]
    fn particles_are_split_evenly_whatever_their_number() {
        for n in [10u64, 50, 1000] {
            let train = (0..n).filter(|&p| Recipe::split_position(p) < 0.8).count() as f64;
            // Multiples of the golden ratio: the discrepancy grows as the logarithm of the number
            // only.
            assert!((train - 0.8 * n as f64).abs() < 2.5, "{train} of {n}");
        }
    }
}

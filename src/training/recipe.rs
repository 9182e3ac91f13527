//! The recipe of a training, a TOML file.

use super::gaps::TrainingGapRecipe;
use crate::error::{Error, Result};
use crate::inpaint::unet::Architecture;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Built-in recipes: name and text.
pub const RECIPES: [(&str, &str); 6] = [
    ("unet2d", include_str!("../../training/unet2d.toml")),
    ("unet2d-smoke", include_str!("../../training/unet2d-smoke.toml")),
    ("unet3d", include_str!("../../training/unet3d.toml")),
    ("unet3d-smoke", include_str!("../../training/unet3d-smoke.toml")),
    ("finetune2d", include_str!("../../training/finetune2d.toml")),
    ("finetune3d", include_str!("../../training/finetune3d.toml")),
];

/// Recipe of a training, a TOML file. Keys without a default are required.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingRecipe {
    /// Name of the model.
    pub name: String,
    /// Purpose of the model, in a sentence.
    pub description: String,
    /// Built-in recipe of the data, such as `forward2d`, which is simulated if no set is given.
    pub data: String,
    /// Number of patterns of that set; by default as many as its recipe says.
    #[serde(default)]
    pub patterns: Option<usize>,
    /// Seed of weights, patches and gaps.
    pub seed: u64,
    /// Pixels of a patch along each axis.
    #[serde(default = "default_patch")]
    pub patch: usize,
    /// Number of steps of the optimiser.
    pub steps: u64,
    /// Patches of a step.
    pub batch: usize,
    /// Number of pieces of a batch that are computed side by side. They are summed one after the
    /// other, so it changes the last digits.
    #[serde(default = "default_shards")]
    pub shards: usize,
    /// Architecture of the network.
    pub network: Architecture,
    /// Optimiser, section `[optimizer]`.
    #[serde(default)]
    pub optimizer: OptimizerRecipe,
    /// Weights of the loss, section `[loss]`.
    #[serde(default)]
    pub loss: LossRecipe,
    /// Gaps that are cut into patches, section `[gaps]`.
    #[serde(default)]
    pub gaps: TrainingGapRecipe,
    /// Validation while training, section `[validation]`.
    #[serde(default)]
    pub validation: ValidationRecipe,
}

fn default_patch() -> usize {
    32
}

fn default_shards() -> usize {
    4
}

/// AdamW (Loshchilov and Hutter, 2019) with warm-up and a cosine decay of the learning rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptimizerRecipe {
    /// Largest learning rate, after the warm-up.
    pub rate: f64,
    /// Weight decay per step, as a fraction of the weights over the learning rate.
    pub weight_decay: f32,
    /// Fraction of all steps in which the learning rate rises.
    pub warm_up: f64,
    /// Learning rate at the end, as a fraction of the largest.
    pub end: f64,
    /// Norm to which the gradient of each tensor is clipped.
    pub clip: f32,
    /// Fraction of the averaged weights that is kept at each step; less in the first steps.
    pub average: f64,
}

impl Default for OptimizerRecipe {
    fn default() -> Self {
        Self { rate: 2e-3, weight_decay: 1e-4, warm_up: 0.02, end: 0.01, clip: 1.0, average: 0.999 }
    }
}

/// Weights of the terms that are added to the absolute error of `ln(1 + I)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LossRecipe {
    /// Weight of the negative log-likelihood, from which the network learns its spread.
    pub likelihood: f32,
    /// Weight of the absolute error of differences between neighbours.
    pub gradient: f32,
}

impl Default for LossRecipe {
    fn default() -> Self {
        Self { likelihood: 0.2, gradient: 0.2 }
    }
}

/// Validation during a training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ValidationRecipe {
    /// Steps between two validations, each followed by a checkpoint.
    pub every: u64,
    /// Number of patches, the same each time, of particles that are not trained on.
    pub patches: usize,
}

impl Default for ValidationRecipe {
    fn default() -> Self {
        Self { every: 500, patches: 512 }
    }
}

impl TrainingRecipe {
    /// Reads and checks a recipe: one that is built in, by its name, or a file.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be read or is no recipe, with line and key.
    pub fn read(name: &str) -> Result<Self> {
        let path = Path::new(name);
        let text = match RECIPES.iter().find(|(known, _)| *known == name) {
            Some((_, text)) => (*text).to_string(),
            None => std::fs::read_to_string(path).map_err(|error| {
                let names: Vec<&str> = RECIPES.iter().map(|(name, _)| *name).collect();
                Error::file(path, format!("{error}: give a file, or one of {}", names.join(", ")))
            })?,
        };
        let recipe: Self = toml::from_str(&text).map_err(|error| {
            let line = error.span().map_or(0, |span| text[..span.start].matches('\n').count() + 1);
            Error::file(path, format!("line {line}: {}", error.message().replace('\n', " ")))
        })?;
        recipe.check().map_err(|error| Error::file(path, error.to_string()))?;
        Ok(recipe)
    }

    /// Checks that the recipe's network can learn from patterns of so many dimensions, which were
    /// phased or not.
    ///
    /// # Errors
    /// [`Error::Setting`] for what does not fit them.
    pub fn check_data(&self, dimensions: usize, phased: bool) -> Result<()> {
        if dimensions != self.network.dimensions {
            let problem = format!("the patterns of the set have {dimensions}: give a recipe or a set that fits");
            return Err(Error::setting("network.dimensions", self.network.dimensions, problem));
        }
        let problem = match (phased, self.network.phased) {
            (true, false) => "the patterns of the set were phased: give a recipe with phased = true, or another set",
            (false, true) => {
                "what is learned from was not phased: give a set of a recipe with [phasing], as phased2d or phased3d"
            }
            _ => return Ok(()),
        };
        Err(Error::setting("network.phased", self.network.phased, problem))
    }

    /// Checks that the recipe can be trained.
    ///
    /// # Errors
    /// [`Error::Setting`] for the first key whose value cannot be used.
    pub fn check(&self) -> Result<()> {
        if !(8..=128).contains(&self.patch) {
            return Err(Error::setting("patch", self.patch, "8 to 128 pixels"));
        }
        self.network.check(self.patch)?;
        self.gaps.check(self.patch)?;
        for (name, value) in [
            ("steps", self.steps),
            ("batch", self.batch as u64),
            ("validation.every", self.validation.every),
            ("validation.patches", self.validation.patches as u64),
        ] {
            if value == 0 {
                return Err(Error::setting(name, value, "at least 1"));
            }
        }
        if self.shards == 0 || !self.batch.is_multiple_of(self.shards) {
            return Err(Error::setting("shards", self.shards, format!("must divide the batch of {}", self.batch)));
        }
        let OptimizerRecipe { rate, warm_up, end, average, clip, weight_decay } = self.optimizer;
        if !(rate > 0.0 && rate <= 1.0) {
            return Err(Error::setting("optimizer.rate", rate, "above 0, up to 1"));
        }
        for (name, value) in [("warm_up", warm_up), ("end", end), ("average", average)] {
            if !(0.0..=1.0).contains(&value) {
                return Err(Error::setting(&format!("optimizer.{name}"), value, "0 to 1"));
            }
        }
        for (name, value, least) in [
            ("optimizer.clip", clip, f32::MIN_POSITIVE),
            ("optimizer.weight_decay", weight_decay, 0.0),
            ("loss.likelihood", self.loss.likelihood, 0.0),
            ("loss.gradient", self.loss.gradient, 0.0),
        ] {
            if !(value >= least && value.is_finite()) {
                return Err(Error::setting(name, value, if least > 0.0 { "above 0" } else { "0 or more" }));
            }
        }
        Ok(())
    }

    /// The learning rate of a step, counted from 0.
    pub fn rate(&self, step: u64) -> f64 {
        let OptimizerRecipe { rate, warm_up, end, .. } = self.optimizer;
        let rising = warm_up * self.steps as f64;
        let at = step as f64 + 1.0;
        if at < rising {
            return rate * at / rising;
        }
        let done = ((at - rising) / (self.steps as f64 - rising).max(1.0)).min(1.0);
        rate * (end + (1.0 - end) * 0.5 * (1.0 + (std::f64::consts::PI * done).cos()))
    }
}

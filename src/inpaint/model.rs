//! A trained network: weights, and a card that says what they are, how they were made, and how far
//! they can be trusted.

use super::calibration::Calibration;
use super::patch::NormalisedPatch;
use super::unet::{Architecture, Unet};
use super::weights;
use crate::checksum::checksum;
use crate::error::{Error, Result};
use crate::network::is_processor;
use burn::module::Module as _;
use burn::store::{ModuleSnapshot, SafetensorsStore};
use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// File of the weights in a model's folder.
pub const WEIGHTS: &str = "weights.safetensors";
/// File of the card in a model's folder.
pub const CARD: &str = "card.toml";

/// Batches of a core of the processor that a graphics card takes at once.
const CARD_BATCHES: usize = 32;

/// Limits of the logarithm of the spread that the network may state, relative to the patch's.
pub(crate) const LOG_SPREAD: [f32; 2] = [-6.0, 3.0];

/// Card of a model: what the weights are, how they were made, and how far they can be trusted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelCard {
    /// Name of the model, with its version.
    pub name: String,
    /// Purpose of the model.
    pub description: String,
    /// Data and gaps for which the model should not be trusted.
    pub limits: String,
    /// Pixels of a patch along each axis.
    pub patch: usize,
    /// SHA-256 checksum of the weights file, hexadecimal.
    pub sha256: String,
    /// Architecture of the network.
    pub network: Architecture,
    /// Calibration that turns the stated spread into an interval.
    pub calibration: Calibration,
    /// Training that the weights come from.
    pub training: Provenance,
    /// Scores inside the gaps of test patterns, as `lacuna evaluate` printed them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scores: Vec<toml::Table>,
}

/// Origin of weights: recipes, seeds and data of the training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// Name of the training recipe.
    pub recipe: String,
    /// Seed of the training.
    pub seed: u64,
    /// Name of the recipe of the data, or the file that the model was adapted to.
    pub data: String,
    /// Number of patterns of the data.
    pub patterns: usize,
    /// Seed of the data.
    pub data_seed: u64,
    /// Rule by which training, validation and test patterns are separated.
    pub split: String,
    /// Model that the weights were initialised from; empty for random weights.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub start: String,
    /// Number of steps of the optimiser.
    pub steps: u64,
    /// Number of patches learned from.
    pub patches: u64,
    /// Duration of the training, hours.
    pub hours: f64,
    /// Version of the program that trained.
    pub version: String,
}

/// A network for two or for three dimensions.
#[derive(Debug, Clone)]
pub enum Network {
    /// Network for patches of single frames.
    Planar(Unet<4>),
    /// Network for patches of volumes.
    Volumetric(Unet<5>),
}

/// Prediction of a network for the pixels of a patch, in `ln(1 + I)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// Most likely value of each pixel.
    pub mean: Vec<f32>,
    /// Spread of each pixel: the half width of the 90 % interval divided by the calibration's
    /// factor.
    pub spread: Vec<f32>,
}

impl Network {
    /// The network moved to a device, where it computes from then on.
    pub fn on(self, device: &Device) -> Self {
        match self {
            Self::Planar(net) => Self::Planar(net.to_device(device)),
            Self::Volumetric(net) => Self::Volumetric(net.to_device(device)),
        }
    }

    /// The network, which from now on is given all that the architecture says, see [`Unet::given`].
    pub fn given(self, architecture: &Architecture) -> Self {
        match self {
            Self::Planar(net) => Self::Planar(net.given(architecture)),
            Self::Volumetric(net) => Self::Volumetric(net.given(architecture)),
        }
    }

    /// Predicts patches of `size` pixels along each axis. A core of the processor takes `batch` of
    /// them at a time, a graphics card 32 times as many.
    pub fn predict(&self, patches: &[NormalisedPatch], size: usize, batch: usize) -> Vec<Prediction> {
        match self {
            Self::Planar(net) => predict_all(net, patches, size, batch),
            Self::Volumetric(net) => predict_all(net, patches, size, batch),
        }
    }

    fn load(&mut self, store: &mut SafetensorsStore) -> std::result::Result<(), String> {
        let result = match self {
            Self::Planar(net) => net.load_from(store),
            Self::Volumetric(net) => net.load_from(store),
        };
        // The checksum was right, so the file is whole: what is wrong is names or shapes.
        let fits = result
            .is_ok_and(|applied| applied.errors.is_empty() && applied.missing.is_empty() && applied.unused.is_empty());
        if fits { Ok(()) } else { Err("names or shapes of the weights do not fit the architecture on the card".into()) }
    }

    fn bytes(&self) -> std::result::Result<Vec<u8>, String> {
        // burn's metadata come in another order each time, and the checksum would change with them.
        let mut store = SafetensorsStore::from_bytes(None).clear_metadata();
        let saved = match self {
            Self::Planar(net) => net.save_into(&mut store),
            Self::Volumetric(net) => net.save_into(&mut store),
        };
        saved.and_then(|()| store.get_bytes()).map_err(|error| error.to_string())
    }
}

fn predict_all<const D: usize>(
    net: &Unet<D>,
    patches: &[NormalisedPatch],
    size: usize,
    batch: usize,
) -> Vec<Prediction> {
    if !is_processor(&net.device()) {
        return patches
            .chunks(CARD_BATCHES * batch.max(1))
            .flat_map(|patches| predict_batch(net, patches, size))
            .collect();
    }
    let batches = patches.par_chunks(batch.max(1)).with_max_len(1);
    batches.flat_map_iter(|patches| predict_batch(net, patches, size)).collect()
}

fn predict_batch<const D: usize>(net: &Unet<D>, patches: &[NormalisedPatch], size: usize) -> Vec<Prediction> {
    let Some(first) = patches.first() else { return Vec::new() };
    let mut shape = [size; D];
    [shape[0], shape[1]] = [patches.len(), first.channels];
    let values: Vec<f32> = patches.iter().flat_map(|patch| patch.inputs.iter().copied()).collect();
    let out = net.forward(Tensor::from_data(TensorData::new(values, shape), &net.device()));
    let out = out.into_data().try_to_vec::<f32>().expect("outputs are floats");
    patches
        .iter()
        .zip(out.chunks_exact(out.len() / patches.len().max(1)))
        .map(|(patch, out)| {
            let (offset, log_spread) = out.split_at(patch.len());
            let mean =
                patch.filled().iter().zip(offset).map(|(filled, offset)| patch.mean + patch.spread * (filled + offset));
            let spread = log_spread.iter().map(|log| patch.spread * log.clamp(LOG_SPREAD[0], LOG_SPREAD[1]).exp());
            Prediction { mean: mean.collect(), spread: spread.collect() }
        })
        .collect()
}

/// A network with its card.
#[derive(Debug, Clone)]
pub struct Model {
    /// Card of the model.
    pub card: ModelCard,
    /// Network with its weights.
    pub network: Network,
}

/// Built-in models, for two and for three dimensions: weights and card.
const SHIPPED: [(&[u8], &str); 2] = [
    (
        include_bytes!("../../models/kriged2d-v1/weights.safetensors"),
        include_str!("../../models/kriged2d-v1/card.toml"),
    ),
    (
        include_bytes!("../../models/kriged3d-v1/weights.safetensors"),
        include_str!("../../models/kriged3d-v1/card.toml"),
    ),
];

/// Built-in models that look at what phasing calculates, for two and for three dimensions.
const SHIPPED_PHASED: [(&[u8], &str); 2] = [
    (
        include_bytes!("../../models/phased2d-v1/weights.safetensors"),
        include_str!("../../models/phased2d-v1/card.toml"),
    ),
    (
        include_bytes!("../../models/phased3d-v1/weights.safetensors"),
        include_str!("../../models/phased3d-v1/card.toml"),
    ),
];

impl Model {
    /// Returns the built-in model for 2 or 3 dimensions.
    ///
    /// # Errors
    /// [`Error::File`] if the weights do not fit their card, which a test excludes.
    ///
    /// # Panics
    /// For any other number of dimensions.
    pub fn shipped(dimensions: usize) -> Result<Self> {
        let (weights, card) = SHIPPED[dimensions - 2];
        Self::from_files(weights.to_vec(), card, Path::new("the model in the program"))
    }

    /// Returns the built-in model that looks at what phasing calculates, for 2 or 3 dimensions.
    ///
    /// # Errors
    /// As for [`Model::shipped`].
    ///
    /// # Panics
    /// For any other number of dimensions.
    pub fn shipped_phased(dimensions: usize) -> Result<Self> {
        let (weights, card) = SHIPPED_PHASED[dimensions - 2];
        Self::from_files(weights.to_vec(), card, Path::new("the model in the program"))
    }

    /// Loads the model in a folder.
    ///
    /// # Errors
    /// [`Error::File`] if a file is missing or damaged, or weights and card do not belong together.
    pub fn load(folder: &Path) -> Result<Self> {
        let read = |name: &str| {
            let path = folder.join(name);
            std::fs::read(&path)
                .map_err(|error| Error::file(&path, format!("{error}: a model is a folder with {WEIGHTS} and {CARD}")))
        };
        let card = String::from_utf8_lossy(&read(CARD)?).into_owned();
        Self::from_files(read(WEIGHTS)?, &card, folder)
    }

    /// Makes a model of the contents of its two files; `place` is named in errors.
    ///
    /// # Errors
    /// [`Error::File`] if the card cannot be read, the checksum on it is not that of the weights,
    /// or their names or shapes do not fit its architecture.
    pub fn from_files(weights: Vec<u8>, card: &str, place: &Path) -> Result<Self> {
        let card: ModelCard = toml::from_str(card)
            .map_err(|error| Error::file(place.join(CARD), format!("is no card of a model: {}", error.message())))?;
        card.network.check(card.patch).map_err(|error| Error::file(place.join(CARD), error.to_string()))?;
        let path = place.join(WEIGHTS);
        card.calibration.check().map_err(|problem| Error::file(place.join(CARD), problem))?;
        if checksum(&weights) != card.sha256 {
            let problem =
                "does not have the checksum on the card: the file is damaged or of another model, get it again";
            return Err(Error::file(path, problem));
        }
        weights::check(&weights, &card.network).map_err(|problem| Error::file(&path, problem))?;
        let device = Device::flex();
        let mut network = match card.network.dimensions {
            2 => Network::Planar(Unet::new(&card.network, 0, &device)),
            _ => Network::Volumetric(Unet::new(&card.network, 0, &device)),
        };
        network.load(&mut SafetensorsStore::from_bytes(Some(weights))).map_err(|problem| Error::file(path, problem))?;
        Ok(Self { card, network })
    }

    /// Returns the contents of the two files, weights and card, and sets the checksum on the card.
    ///
    /// # Errors
    /// [`Error::Encode`] if weights or card cannot be expressed in their formats.
    pub fn files(&mut self) -> Result<(Vec<u8>, String)> {
        let weights = self.network.bytes().map_err(|error| Error::encode("the weights of a model", error))?;
        self.card.sha256 = checksum(&weights);
        let card = toml::to_string(&self.card).map_err(|error| Error::encode("the card of a model", error))?;
        Ok((weights, card))
    }

    /// Number of dimensions of the patches, 2 or 3.
    pub fn dimensions(&self) -> usize {
        self.card.network.dimensions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> Model {
        let network = Architecture {
            dimensions: 2,
            channels: vec![8, 16],
            groups: 4,
            dilations: vec![1],
            phased: false,
            kriged: false,
        };
        let card = ModelCard {
            name: "test".into(),
            description: String::new(),
            limits: String::new(),
            patch: 16,
            sha256: String::new(),
            network: network.clone(),
            calibration: Calibration::nominal(),
            training: Provenance {
                recipe: "none".into(),
                seed: 0,
                data: "none".into(),
                patterns: 0,
                data_seed: 0,
                split: "none".into(),
                start: String::new(),
                steps: 0,
                patches: 0,
                hours: 0.0,
                version: "0".into(),
            },
            scores: Vec::new(),
        };
        Model { card, network: Network::Planar(Unet::new(&network, 3, &Device::flex())) }
    }

    #[test]
    fn files_give_the_same_model_and_damage_is_noticed() {
        let mut model = model();
        let (weights, card) = model.files().unwrap();
        let again = Model::from_files(weights.clone(), &card, Path::new("here")).unwrap();
        assert_eq!(again.card, model.card);
        assert_eq!(again.network.bytes().unwrap(), weights);
        let refused =
            |weights: Vec<u8>, card: &str| Model::from_files(weights, card, Path::new("here")).unwrap_err().to_string();
        let mut damaged = weights.clone();
        *damaged.last_mut().unwrap() ^= 1;
        assert!(refused(damaged, &card).contains("checksum"));
        assert!(refused(weights[..100].to_vec(), &card).contains("checksum"));
        for (from, to, problem) in [
            ("channels = [8, 16]", "channels = [8, 24]", "the architecture on the card has"),
            ("channels = [8, 16]", "channels = [1000000]", "the architecture on the card has"),
            ("channels = [8, 16]", "channels = [8, 9223372036854775804]", "more than any computer holds"),
            ("patch = 16", "patch = 1099511627776", "patch = 1099511627776"),
            ("dilations = [1]", "dilations = [1099511627776]", "network.dilations"),
            ("factors = [2.302585", "factors = [1.0, 2.302585", "factors"),
            ("levels = [0.0]", "levels = []", "factors"),
            ("levels = [0.0]", "levels = [nan]", "levels"),
            ("unknown = 4.0", "unknown = -1.0", "unknown"),
        ] {
            let other = card.replace(from, to);
            assert_ne!(other, card, "{from}");
            let refused = refused(weights.clone(), &other);
            assert!(refused.contains(problem), "{to}: {refused}");
        }
        assert!(refused(weights, "patch = 3").contains("no card"));
    }
}

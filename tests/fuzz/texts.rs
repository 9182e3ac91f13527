//! Settings, recipes and cards.

use super::{campaign, count, folder};
use lacuna::inpaint::model::{CARD, Model, WEIGHTS};
use lacuna::io;
use lacuna::phasing::Recipe;
use lacuna::settings::{Settings, TypedSettings};
use lacuna::{simulate, training};
use std::fs;
use std::path::{Path, PathBuf};

/// Texts of each kind for one file of each format.
const TEXTS: u64 = 5000;

#[test]
fn damaged_settings_are_read_or_refused() {
    let files = ["bragg", "particle", "forward"].map(|name| lacuna::settings::preset_text(name).unwrap());
    let more = [
        "gap = \"linear-soft\"\nroi = \"0:64,0:64\"\nmax-size = [64, 64]\n",
        "support = \"circle:12\"\ncentre = \"friedel\"\nalgorithm = \"ER**5,(Sup*HIO**20)**3\"\ngap-bounds = [0.5, 2.0]\n",
        "energy = 8000.0\ndistance = 1.2\npixel-size = 5.5e-5\nmask = \"a.npz\"\ndevice = \"cuda:0\"\n",
    ];
    let all = [&files[..], &more].concat();
    campaign("settings", count() * TEXTS, |damage| {
        let text = damage.text_of(&all);
        let typed = TypedSettings::from_toml(Path::new("settings.toml"), &text).map_err(|error| error.to_string())?;
        Settings::resolve("bragg", &typed).map(drop).map_err(|error| error.to_string())
    });
}

#[test]
fn damaged_layouts_are_read_or_refused() {
    let texts: Vec<&str> = io::layouts().iter().map(|(name, _)| io::layout_text(name).unwrap()).collect();
    let file = folder("layouts").join("layout.toml");
    campaign("layouts", count() * TEXTS / 10, |damage| {
        fs::write(&file, damage.text_of(&texts)).unwrap();
        io::Layout::find(file.to_str().unwrap()).map(drop).map_err(|error| error.to_string())
    });
}

#[test]
fn damaged_recipes_of_phasing_are_read_or_refused() {
    let all = [
        "ER**200,(Sup*HIO**50)**12",
        "(Sup*ER**5*HIO**20)**10,positivity=1,beta=0.7,RAAR**30,ML**5",
        "DetwinHIO**20*support_threshold=0.25*support_threshold_method=max,DM**10*ASR**3*SF**2*HPR**4",
        "(Sup*(ER**2*HIO**3)**4)**5,support_only_shrink=1,support_smooth_width=1.5,support_update_border_n=3",
        "GapBounds=0,gap_leak=0.9,CF**10",
    ];
    campaign("recipes of phasing", count() * TEXTS, |damage| {
        let text = damage.text_of(&all);
        let recipe: Recipe = text.parse().map_err(|error: lacuna::Error| error.to_string())?;
        let printed = recipe.to_string();
        assert_eq!(printed.parse::<Recipe>().expect("what was printed"), recipe, "{text}");
        lacuna::phasing::memory::estimate([1, 64, 64], &recipe, 1, 1);
        Ok(())
    });
}

#[test]
fn damaged_recipes_of_sets_are_read_or_refused() {
    let all = simulate::recipe::RECIPES.map(|(_, text)| text);
    campaign("recipes of sets", count() * TEXTS / 10, |damage| {
        let text = damage.text_of(&all);
        let recipe = simulate::recipe::Recipe::parse(&text, Path::new("set.toml"));
        recipe.map(drop).map_err(|error| error.to_string())
    });
}

#[test]
fn damaged_recipes_of_trainings_are_read_or_refused() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("training");
    let files: Vec<PathBuf> = fs::read_dir(home).unwrap().map(|entry| entry.unwrap().path()).collect();
    let texts: Vec<String> = files
        .iter()
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let file = folder("training").join("recipe.toml");
    campaign("recipes of trainings", count() * TEXTS / 10, |damage| {
        fs::write(&file, damage.text_of(&texts)).unwrap();
        training::TrainingRecipe::read(file.to_str().unwrap()).map(drop).map_err(|error| error.to_string())
    });
}

#[test]
fn damaged_models_are_read_or_refused() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/unet2d-v1");
    let card = fs::read_to_string(home.join(CARD)).unwrap();
    // A small network of random weights, so that an attempt costs little.
    let (weights, card) = super::files::small_model(&card);
    campaign("cards", count() * 10, |damage| {
        let card = damage.text(&card);
        let read = Model::from_files(weights.clone(), &card, Path::new("model"));
        read.map(drop).map_err(|error| error.to_string())
    });
    campaign(WEIGHTS, count(), |damage| {
        // With the checksum of what they are: otherwise that is all that is looked at.
        let mut weights = weights.clone();
        let header = 8 + u64::from_le_bytes(*weights.first_chunk().unwrap()) as usize;
        let mut head: Vec<u8> = weights.drain(..header).collect();
        damage.bytes(&mut head);
        let weights = [head, weights].concat();
        let card = super::files::with_checksum(&card, &weights);
        let read = Model::from_files(weights, &card, Path::new("model"));
        read.map(drop).map_err(|error| error.to_string())
    });
}

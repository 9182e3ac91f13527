//! Trains a network on a recipe, into a model that `--model` takes:
//! `cargo run --release --example train_on_a_recipe -- unet2d-smoke 20`.

use lacuna::io::set::Set;
use lacuna::network::NetworkDevice;
use lacuna::simulate::recipe::Recipe;
use lacuna::training::{SessionEvent, TrainingData, TrainingRecipe, TrainingSession, simulate_set};
use std::sync::Arc;

fn main() -> lacuna::Result<()> {
    let mut words = std::env::args().skip(1);
    let mut recipe = TrainingRecipe::read(&words.next().unwrap_or("unet2d-smoke".into()))?;
    recipe.steps = words.next().and_then(|steps| steps.parse().ok()).unwrap_or(4);
    recipe.validation.every = recipe.validation.every.min(recipe.steps);
    let folder = std::env::temp_dir().join("lacuna-train-on-a-recipe");

    // The data that the recipe names, a few patterns of them.
    let (mut data, text) = Recipe::read(&recipe.data)?;
    data.count = 32;
    let file = folder.join("patterns.h5");
    simulate_set(&file, true, &data, text, &|_| true)?;

    let data = TrainingData::Set(Arc::new(Set::open(&file)?));
    let device = NetworkDevice::Auto.open("device")?.device;
    let session = TrainingSession { recipe: &recipe, data, start: None, folder: &folder, resume: false, device };
    let trained = session.run(&mut |event| {
        if let SessionEvent::Validation(point) = event {
            println!("step {}: error of ln(1 + I) {:.4}", point.step, point.mean_absolute_log_error);
        }
        true
    })?;
    println!("{} patches seen; give --model {}", trained.patches, folder.display());
    Ok(())
}

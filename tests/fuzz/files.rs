//! Files of every format: those in `corpus`, and those that lacuna writes.

use super::{campaign, count, folder};
use crate::cli::write_good;
use lacuna::error::{Error, Result};
use lacuna::geometry::Geometry;
use lacuna::inpaint::model::{Model, ModelCard};
use lacuna::io::set::Set;
use lacuna::io::{self, Layout, Process, ReadOptions, Reconstruction};
use lacuna::pixels::{Estimate, Pattern, bit};
use lacuna::simulate::recipe::Recipe;
use lacuna::training::{
    PatchOptions, PatchStream, Patches, TrainingEvent, TrainingRecipe, TrainingRun, simulate_set, train,
};
use lacuna::volume::Centered;
use num_complex::Complex32;
use serde_json::json;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zip::{ZipArchive, ZipWriter, write::SimpleFileOptions};

fn corpus(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(name)
}

/// Damages a file, and reads it in every way: the whole file or what is inside, as a pattern, a
/// mask, a support and an array.
fn damaged(file: &Path, inside: &[&str]) {
    let name = file.file_name().unwrap().to_str().unwrap();
    let whole = fs::read(file).unwrap();
    for place in inside {
        io::read(&format!("{}{place}", file.display())).unwrap_or_else(|error| panic!("undamaged: {error}"));
    }
    let at = folder("files").join(name);
    campaign(name, count(), |damage| {
        let mut bytes = whole.clone();
        damage.bytes(&mut bytes);
        fs::write(&at, &bytes).unwrap();
        let location = format!("{}{}", at.display(), damage.one_of(inside));
        let words = |error: Error| error.to_string();
        let input = io::read(&location).map_err(words);
        for note in input.iter().flat_map(|input| &input.notes) {
            assert!(!note.to_string().is_empty());
        }
        // In all other ways too, which must end as well.
        let others = [
            io::read_mask(&location).map(drop),
            io::read_support(&location).map(drop),
            io::read_array(&location).map(drop),
        ];
        for error in others.into_iter().filter_map(Result::err) {
            let words = error.to_string();
            assert_eq!(words.lines().count(), 1, "{words:?}");
        }
        input.map(drop)
    });
}

#[test]
fn damaged_hdf5_files_are_read_or_refused() {
    damaged(&corpus("nexus.h5"), &["", ":/entry"]);
    damaged(&corpus("virtual.h5"), &[":/entry/data/data", ":/source"]);
    damaged(&corpus("filters.h5"), &[":/bitshuffle", ":/zstd", ":/lz4", ":/blosc", ":/blosc2"]);
}

#[test]
fn damaged_frames_and_archives_are_read_or_refused() {
    for name in ["plain.npz", "packed.npz", "frame.npy", "fortran.npy"] {
        damaged(&corpus(name), &[""]);
    }
    for name in ["stack.tif", "packed.tif", "frames.edf", "frame.edf.gz", "frame.cbf"] {
        damaged(&corpus(name), &[""]);
    }
}

/// The text of a scan is damaged, its frames are whole.
#[test]
fn damaged_texts_of_scans_are_read_or_refused() {
    let home = folder("scans");
    let copy = |from: &str, to: &str| fs::copy(corpus(from), home.join(to)).unwrap();
    for number in [100, 101] {
        copy("frame.edf.gz", &format!("mpx4_{number:05}.edf.gz"));
    }
    copy("nexus.h5", "scan_master.h5");
    for (text, layout, place) in [("scan.spec", "id01-spec", "scan.spec:54"), ("scan.fio", "p10", "scan_master.h5")] {
        let whole = fs::read(corpus(text)).unwrap();
        let monitor = Some("layout".into());
        let options = ReadOptions { layout: Some(Layout::find(layout).unwrap()), monitor, ..ReadOptions::default() };
        let read = || io::read_with(home.join(place).to_str().unwrap(), &options);
        copy(text, text);
        let undamaged = read().unwrap_or_else(|error| panic!("undamaged: {error}"));
        assert_eq!(undamaged.goniometer.unwrap().scanned().unwrap().positions, [20.0, 20.1]);
        campaign(text, count(), |damage| {
            let mut bytes = whole.clone();
            damage.bytes(&mut bytes);
            fs::write(home.join(text), &bytes).unwrap();
            let input = read().map_err(|error| error.to_string())?;
            assert!(input.notes.iter().all(|note| !note.to_string().is_empty()));
            Ok(())
        });
    }
}

#[test]
fn damaged_patterns_and_results_are_read_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    write_good(&path("prepared.cxi"), [1, 16, 16]);
    let shape = [1, 12, 10];
    let mut mask = Centered::filled(shape, 0u32);
    mask.0.slice_mut(ndarray::s![.., 4..6, ..]).fill(bit::MISSING);
    let mut pattern = Pattern::new(Centered::filled(shape, 3.0_f32), mask.clone(), Geometry::default()).unwrap();
    let filled = |value: f32| Centered::filled(shape, value);
    pattern.estimate =
        Some(Estimate { at: mask.map(|&bits| bits != 0), mean: filled(2.0), lower: filled(1.0), upper: filled(4.0) });
    let process = Process::new("test", &json!({}), &json!({})).unwrap();
    io::write_pattern(&path("completed.cxi"), false, &pattern, None, &process).unwrap();
    let (object, support) = (Centered::filled(shape, Complex32::from(1.0)), Centered::filled(shape, true));
    let result = Reconstruction {
        object: &object,
        support: &support,
        runs: std::slice::from_ref(&object),
        modes: &[],
        mode_weights: &[],
        psf: None,
        maps: &[],
        curves: &[],
        pattern: &pattern,
        process: &process,
    };
    io::write_result(&path("result.cxi"), false, &result).unwrap();
    io::write_result_npz(&path("result.npz"), false, &result).unwrap();
    for name in ["prepared.cxi", "completed.cxi", "result.cxi", "result.npz"] {
        damaged(&path(name), &[""]);
    }
}

/// A set of two small patterns.
fn write_set(path: &Path) {
    let recipe = "name = \"tiny\"\nshape = [32, 32]\ncount = 2\n\
                  [split]\ntrain = 1\nvalidation = 0\ntest = 0\n[gaps]\nwidth = 2\n";
    let parsed = Recipe::parse(recipe, Path::new("tiny.toml")).unwrap();
    simulate_set(path, false, &parsed, recipe.into(), &|_| true).unwrap();
}

#[test]
fn damaged_sets_are_read_or_refused() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("set.h5");
    write_set(&path);
    let whole = fs::read(&path).unwrap();
    let at = folder("files").join("set.h5");
    campaign("sets", count(), |damage| {
        let mut bytes = whole.clone();
        damage.bytes(&mut bytes);
        fs::write(&at, &bytes).unwrap();
        let read = Set::open(&at).and_then(|set| {
            // Some entries may be whole.
            let entries: Vec<Result<()>> = (0..set.len().min(3)).map(|index| set.entry(index).map(drop)).collect();
            entries.into_iter().collect()
        });
        read.map_err(|error| error.to_string())
    });
}

/// What a training of one step gives.
struct Trained {
    model: Model,
    checkpoint: Vec<u8>,
    recipe: TrainingRecipe,
}

fn trained(card: &str) -> Trained {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name);
    write_set(&path("set.h5"));
    let text = "name = \"tiny\"\ndescription = \"\"\ndata = \"tiny\"\nseed = 1\npatch = 8\nsteps = 2\nbatch = 1\nshards = 1\n\
                [network]\ndimensions = 2\nchannels = [2]\ngroups = 2\ndilations = []\n[validation]\nevery = 1\n\
                [gaps]\nwidth = [2, 4]\n";
    fs::write(path("tiny.toml"), text).unwrap();
    let recipe = TrainingRecipe::read(path("tiny.toml").to_str().unwrap()).unwrap();
    let set = Arc::new(Set::open(&path("set.h5")).unwrap());
    let patches = |first| -> Result<Patches> {
        let options = PatchOptions { size: recipe.patch, ..PatchOptions::default() };
        let mut stream = PatchStream::new(set.clone(), options)?;
        stream.start_at(first);
        Ok(Box::new(stream))
    };
    let checkpoint = path("checkpoint.zip");
    let mut network = None;
    let stopped = train(&run(&recipe, &patches, &checkpoint), &mut |event| {
        if let TrainingEvent::Validation { trained, .. } = event {
            network = Some(trained.network.clone());
            return Ok(false);
        }
        Ok(true)
    });
    assert!(matches!(stopped, Err(Error::Interrupted)));
    let mut card: ModelCard = toml::from_str(card).unwrap();
    (card.network, card.patch) = (recipe.network.clone(), recipe.patch);
    let model = Model { card, network: network.expect("a validation") };
    Trained { model, checkpoint: fs::read(checkpoint).unwrap(), recipe }
}

fn run<'a>(
    recipe: &'a TrainingRecipe,
    patches: &'a dyn Fn(u64) -> Result<Patches>,
    checkpoint: &'a Path,
) -> TrainingRun<'a> {
    let (identity, device) = ("test".into(), burn::tensor::Device::flex());
    TrainingRun { recipe, patches, validation: &[], identity, start: None, checkpoint, resume: true, device }
}

/// Weights and card of a small network; what else is on the card is given.
pub fn small_model(card: &str) -> (Vec<u8>, String) {
    trained(card).model.files().unwrap()
}

/// The card with the checksum of these weights.
pub fn with_checksum(card: &str, weights: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    let sum: String = Sha256::digest(weights).iter().map(|byte| format!("{byte:02x}")).collect();
    let line = card.lines().find(|line| line.starts_with("sha256")).unwrap();
    card.replace(line, &format!("sha256 = \"{sum}\""))
}

#[test]
fn damaged_checkpoints_are_read_or_refused() {
    let card = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("models/unet2d-v1/card.toml")).unwrap();
    let Trained { checkpoint, recipe, .. } = trained(&card);
    let at = folder("files").join("checkpoint.zip");
    let patches = |_| -> Result<Patches> { Ok(Box::new(std::iter::empty())) };
    let resume = |bytes: &[u8]| {
        fs::write(&at, bytes).unwrap();
        let stopped = train(&run(&recipe, &patches, &at), &mut |event| match event {
            TrainingEvent::Resumed(_) => Err(Error::Interrupted),
            _ => panic!("nothing was resumed"),
        });
        match stopped {
            Err(Error::Interrupted) => Ok(()),
            Err(error) => Err(error.to_string()),
            Ok(_) => panic!("nothing was trained"),
        }
    };
    assert_eq!(resume(&checkpoint), Ok(()));
    campaign("checkpoints", count(), |damage| {
        let mut bytes = checkpoint.clone();
        damage.bytes(&mut bytes);
        resume(&bytes)
    });
    campaign("checkpoints, damaged inside a valid archive", count(), |damage| {
        let mut archive = ZipArchive::new(std::io::Cursor::new(&checkpoint)).unwrap();
        let names: Vec<String> = archive.file_names().map(String::from).collect();
        let victim = damage.one_of(&names).clone();
        let mut zip = ZipWriter::new(File::create(&at).unwrap());
        for name in &names {
            let mut bytes = Vec::new();
            archive.by_name(name).unwrap().read_to_end(&mut bytes).unwrap();
            if *name == victim {
                damage.bytes(&mut bytes);
            }
            zip.start_file(name.as_str(), SimpleFileOptions::default()).unwrap();
            zip.write_all(&bytes).unwrap();
        }
        zip.finish().unwrap();
        resume(&fs::read(&at).unwrap())
    });
}

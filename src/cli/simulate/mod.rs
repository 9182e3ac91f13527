//! `lacuna simulate`: data sets with their truth, single patterns, contact sheets, and a comparison
//! with measured patterns.

mod beside;
mod crystal;
mod one;
mod preview;
mod quick;
mod set;

pub use set::write as write_set;

use super::console::Console;
use super::flags::OutputFlags;
use lacuna::error::{Error, Result};
use lacuna::io::Claim;
use lacuna::reconstruct::not_onto_itself;
use lacuna::simulate::object::{DensityKind, DensityRecipe};
use lacuna::simulate::recipe::Recipe;
use std::path::{Path, PathBuf};

/// Arguments of `lacuna simulate`.
#[derive(Debug, clap::Args)]
#[command(allow_negative_numbers = true)]
#[command(after_help = "Examples:\n  \
    lacuna simulate bragg3d --output set.h5 --count 200\n  \
    lacuna simulate my_recipe.toml --preview sheet.png\n  \
    lacuna simulate --shape 256,256 --object crystal --gap 6 --output one.cxi\n  \
    lacuna simulate --beamline id01 --hkl 1,1,1 --crystal wulff --size 250 --lattice-strain 5e-4 --output one.cxi")]
pub struct Command {
    /// Recipe of a set: a TOML file, or one that is built in (forward2d, bragg3d, particles2d,
    /// particles3d, near-peak2d, near-peak3d, tight2d, tight3d, phased2d, phased3d, forward2d-smoke,
    /// bragg3d-smoke). Without one, the flags under "One pattern" say what is simulated
    #[arg(value_name = "RECIPE", conflicts_with_all = ["shape", "object", "gap", "detector", "photons", "oversampling", "strain", "beamstop", "beamline"])]
    recipe: Option<String>,
    /// Where it goes: a set (.h5), or one pattern (.cxi) with its truth beside it (NAME-truth.cxi)
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Number of patterns [default: the recipe's, 1 without a recipe]
    #[arg(long, value_name = "N")]
    count: Option<usize>,
    /// Seed of everything that is drawn [default: the recipe's, 0 without a recipe]
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Draw a contact sheet (PNG): counts with their mask in red, noise-free intensity, and object
    /// of each of the first patterns
    #[arg(long, value_name = "SHEET.png")]
    preview: Option<PathBuf>,
    /// Compare the look of the simulated patterns (fall-off, zeros, speckle size, contrast) with
    /// that of measured ones
    #[arg(long, value_name = "FILE", num_args = 1..)]
    beside: Vec<String>,
    #[command(flatten)]
    flags: OutputFlags,
    /// Number of threads; the result does not depend on it [default: all cores]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    #[command(flatten)]
    quick: quick::QuickFlags,
    #[command(flatten)]
    crystal: crystal::CrystalFlags,
}

impl Command {
    pub fn execute(self) -> Result<()> {
        super::flags::MachineFlags { threads: self.threads, max_memory: None }.apply()?;
        let (mut recipe, text) = match &self.recipe {
            Some(name) => {
                let (recipe, text) = Recipe::read(name)?;
                (recipe, Some(text))
            }
            None if self.crystal.is_asked_for() => (self.quick.recipe_of(&crystal::SHAPE)?, None),
            None => (self.quick.recipe()?, None),
        };
        recipe.seed = self.seed.unwrap_or(recipe.seed);
        if let Some(count) = self.count {
            recipe.count = count;
            recipe.check().map_err(|fault| Error::setting("--count", count, fault.problem))?;
        }
        if self.output.is_none() && self.preview.is_none() && self.beside.is_empty() {
            let problem = "give where the patterns go, or --preview SHEET.png, or --beside FILE";
            return Err(Error::setting("--output", "none", problem));
        }
        for path in self.output.iter().chain(&self.preview) {
            if let Some(recipe) = &self.recipe {
                not_onto_itself(recipe, path)?;
            }
        }
        let scene = self.crystal.scene(&recipe, &self.quick)?;
        if scene.is_some()
            && (self.preview.is_some() || !self.beside.is_empty() || self.output.as_deref().is_some_and(is_set))
        {
            let problem = "is one pattern: give --output FILE.cxi, and neither --preview nor --beside";
            return Err(Error::setting("--beamline", self.crystal.beamline(), problem));
        }
        recipe.check_memory(rayon::current_num_threads())?;
        let (claim, force) = self.claim()?;
        let console = Console::new(&self.flags);
        if let Some(path) = &self.preview {
            preview::draw(path, force, &recipe, &console)?;
        }
        if !self.beside.is_empty() {
            beside::compare(&recipe, &self.beside, self.flags.json, &console)?;
        }
        match &self.output {
            None => {}
            Some(path) if is_set(path) => {
                // The recipe as it was written, comments and all; of one that was put together from
                // flags, all its values.
                let text = match text {
                    Some(text) => text,
                    None => toml::to_string(&recipe).map_err(|e| Error::encode("the recipe", e))?,
                };
                // A contact sheet of a killed call is no reason to discard finished patterns.
                let force = self.flags.force || (force && path.exists());
                set::write(path, force, &recipe, text, &console)?;
            }
            Some(path) => {
                if self.count.is_some_and(|count| count != 1) {
                    let problem = "a CXI file takes one pattern: give a set, --output SET.h5";
                    return Err(Error::setting("--count", recipe.count, problem));
                }
                one::write(path, force, &recipe, scene.as_ref(), &console)?;
            }
        }
        claim.into_iter().for_each(Claim::finish);
        Ok(())
    }

    /// Claims what is written, before anything is simulated, and says whether existing files may be
    /// replaced.
    fn claim(&self) -> Result<(Option<Claim>, bool)> {
        if let Some(preview) = &self.preview
            && !preview.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("png"))
        {
            let problem = "a contact sheet is a PNG: give a name that ends with .png";
            return Err(Error::setting("--preview", preview.display(), problem));
        }
        let mut outputs: Vec<PathBuf> = self.output.iter().chain(&self.preview).cloned().collect();
        let Some(first) = outputs.first() else { return Ok((None, self.flags.force)) };
        let mut claim = Claim::file(first)?;
        if let Some(output) = self.output.as_ref().filter(|output| !is_set(output)) {
            outputs.push(one::truth_path(output)?);
        }
        let outputs: Vec<&Path> = outputs.iter().map(PathBuf::as_path).collect();
        let force = claim.outputs(&outputs, self.flags.force)?;
        Ok((Some(claim), force))
    }
}

/// A strained crystal of this many pixels, the same density everywhere, cleanly measured.
pub fn crystal(shape: Vec<usize>) -> Result<Recipe> {
    let mut recipe = quick::QuickFlags::crystal(shape).recipe()?;
    recipe.object.density = DensityRecipe::only(DensityKind::Uniform);
    Ok(recipe)
}

/// Whether the name is that of a set; anything else is one pattern in CXI form.
fn is_set(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ["h5", "hdf5", "hdf"].iter().any(|known| ending.eq_ignore_ascii_case(known)))
}

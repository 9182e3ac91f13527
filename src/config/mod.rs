//! Settings: a preset, a file laid over it, flags over both; checked once, then echoed into every output.

mod flags;
mod gap;

pub use flags::{GapFlags, InputFlags, PhasingFlags};
pub use gap::GapMode;

use crate::error::{Error, Result};
use crate::phasing::recipe::{RELEASE, Recipe, Standard};
use crate::phasing::select::Device;
use crate::phasing::support::Reference;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The presets by name; the first is the default and complete, the others are laid over it.
pub const PRESETS: [(&str, &str); 3] = [
    ("bragg", include_str!("presets/bragg.toml")),
    ("particle", include_str!("presets/particle.toml")),
    ("forward", include_str!("presets/forward.toml")),
];

/// All settings, resolved. The meaning of each is in `presets/bragg.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[allow(missing_docs, reason = "every field is documented once, in the preset that users print and edit")]
pub struct Settings {
    pub mask: String,
    pub support: String,
    pub flat_field: String,
    pub energy: f64,
    pub distance: f64,
    pub pixel_size: f64,
    pub hot_pixels: f64,
    pub dead_pixels: bool,
    pub centre: String,
    pub roi: String,
    pub max_size: Vec<usize>,
    pub rebin: Vec<usize>,
    pub gap: String,
    pub gap_bounds: Vec<f32>,
    pub gap_interval: f32,
    pub gap_leak: f32,
    pub model: String,
    pub dims: usize,
    pub algorithm: String,
    pub nb_hio: usize,
    pub nb_raar: usize,
    pub nb_er: usize,
    pub nb_ml: usize,
    pub support_update_period: usize,
    pub detwin: bool,
    pub beta: f32,
    pub positivity: bool,
    pub real: bool,
    pub start: String,
    pub start_phase: f32,
    pub search_population: usize,
    pub search_generations: usize,
    pub search_size: usize,
    pub search_area: Vec<f32>,
    pub search_leak: f32,
    pub support_autocorrelation_threshold: Vec<f32>,
    pub support_threshold: Vec<f32>,
    pub support_threshold_end: f32,
    pub support_threshold_method: Reference,
    pub support_smooth_width_begin: f32,
    pub support_smooth_width_end: f32,
    pub support_only_shrink: bool,
    pub support_update_border_n: usize,
    pub support_post_expand: Vec<i32>,
    pub support_fraction_min: f64,
    pub support_fraction_max: f64,
    pub nb_run: usize,
    pub nb_run_keep: usize,
    pub seed: u64,
    pub free_fraction: f64,
    pub device: Device,
}

/// The text of a preset.
///
/// # Errors
/// If there is none of this name.
pub fn preset(name: &str) -> Result<&'static str> {
    let names = PRESETS.map(|(name, _)| name).join(", ");
    PRESETS
        .into_iter()
        .find(|(known, _)| *known == name)
        .map(|(_, text)| text)
        .ok_or_else(|| Error::setting("preset", name, format!("known are {names}, or give a .toml file")))
}

/// Resolves the settings: the complete preset, then `preset` (a name or a file), then the flags in order.
///
/// # Errors
/// For files that cannot be read, unknown keys, values of the wrong type or out of range.
pub fn resolve(preset_or_file: &str, flags: &[toml::Table]) -> Result<Settings> {
    let mut table = parse(Path::new("bragg.toml"), PRESETS[0].1)?;
    if preset_or_file.ends_with(".toml") {
        let path = Path::new(preset_or_file);
        let text = std::fs::read_to_string(path).map_err(|e| Error::read(path, e))?;
        let overlay = parse(path, &text)?;
        check_keys(path, &table, &overlay)?;
        table.extend(overlay);
        // The types are checked here already, where the file can be named.
        into_settings(table.clone()).map_err(|problem| Error::file(path, problem))?;
    } else {
        table.extend(parse(Path::new(preset_or_file), preset(preset_or_file)?)?);
    }
    for flags in flags {
        table.extend(flags.clone());
    }
    let given = |key: &str| flags.iter().any(|flags| flags.contains_key(key));
    if given("nb-run") && !given("nb-run-keep") {
        // A preset may keep more runs than are asked for now.
        let count = |key: &str| table.get(key).and_then(toml::Value::as_integer).unwrap_or(1);
        let keep = count("nb-run-keep").min(count("nb-run"));
        table.insert("nb-run-keep".into(), keep.into());
    }
    const STANDARD: [&str; 6] = ["nb-hio", "nb-raar", "nb-er", "nb-ml", "support-update-period", "detwin"];
    if STANDARD.iter().any(|key| given(key)) && !given("algorithm") {
        // Whoever types the standard form means it, and not the recipe of the preset.
        table.insert("algorithm".into(), "".into());
    }
    if given("support-threshold") && !given("support-threshold-end") {
        table.insert("support-threshold-end".into(), 0.0.into());
    }
    let settings = into_settings(table).map_err(|problem| Error::setting("settings", "flags", problem))?;
    settings.check()?;
    Ok(settings)
}

/// The flags that were given, as a table to lay over.
///
/// # Errors
/// Never for the flag structs of this module.
pub fn overlay(flags: &impl Serialize) -> Result<toml::Table> {
    toml::Table::try_from(flags).map_err(|e| Error::setting("settings", "flags", e.to_string()))
}

fn parse(path: &Path, text: &str) -> Result<toml::Table> {
    text.parse::<toml::Table>().map_err(|e| {
        let line = e.span().map_or(0, |span| text[..span.start.min(text.len())].lines().count().max(1));
        Error::file(path, format!("line {line}: {}", e.message().replace('\n', " ")))
    })
}

fn check_keys(path: &Path, known: &toml::Table, given: &toml::Table) -> Result<()> {
    let Some(key) = given.keys().find(|key| !known.contains_key(*key)) else { return Ok(()) };
    let nearest = known.keys().min_by_key(|name| distance(name, key)).map_or("", String::as_str);
    Err(Error::file(path, format!("unknown setting '{key}': did you mean '{nearest}'? 'lacuna presets' prints all")))
}

/// Letters to insert, remove or replace to turn one word into the other (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, other) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

fn into_settings(table: toml::Table) -> Result<Settings, String> {
    Settings::deserialize(table).map_err(|e| e.to_string().trim().replace('\n', " "))
}

impl Settings {
    /// How pixels without measurement are treated.
    ///
    /// # Errors
    /// For an unknown word.
    pub fn gap_mode(&self) -> Result<GapMode> {
        self.gap.parse()
    }

    /// The recipe: the text where given, else the standard form; with the bounds of gaps let go where the treatment of gaps says so.
    ///
    /// # Errors
    /// [`Error::Recipe`] where the text does not parse.
    pub fn recipe(&self) -> Result<Recipe> {
        let recipe = self.bound_recipe()?;
        Ok(if self.gap_mode()?.released() { recipe.released(RELEASE) } else { recipe })
    }

    fn bound_recipe(&self) -> Result<Recipe> {
        if !self.algorithm.is_empty() {
            return self.algorithm.parse();
        }
        let recipe = Recipe::standard(Standard {
            nb_hio: self.nb_hio,
            nb_raar: self.nb_raar,
            nb_er: self.nb_er,
            nb_ml: self.nb_ml,
            support_update_period: self.support_update_period,
            detwin: self.detwin,
        });
        // Printed and read back, so that what the outputs say is what was done, and the bounds of recipes hold here too.
        recipe.to_string().parse()
    }

    /// Three extents from one number for all axes, or one for each of 2D or 3D data.
    ///
    /// # Errors
    /// For another count of numbers than the data have axes.
    pub fn per_axis(name: &str, values: &[usize], flat: bool, along_z: usize) -> Result<Option<[usize; 3]>> {
        match (values, flat) {
            ([], _) => Ok(None),
            (&[n], true) => Ok(Some([along_z, n, n])),
            (&[n], false) => Ok(Some([n; 3])),
            (&[y, x], true) => Ok(Some([along_z, y, x])),
            (&[_, y, x], true) => Ok(Some([along_z, y, x])),
            (&[z, y, x], false) => Ok(Some([z, y, x])),
            _ => Err(Error::setting(
                name,
                format!("{values:?}"),
                if flat { "2D data take one or two numbers" } else { "3D data take one or three numbers" },
            )),
        }
    }

    fn check(&self) -> Result<()> {
        for (name, cycles) in [
            ("nb-hio", self.nb_hio),
            ("nb-raar", self.nb_raar),
            ("nb-er", self.nb_er),
            ("nb-ml", self.nb_ml),
            ("support-update-period", self.support_update_period),
        ] {
            if cycles > 1_000_000 {
                return Err(Error::setting(name, cycles, "must be at most 1000000"));
            }
        }
        self.recipe()?;
        if !(0.0..=10.0).contains(&self.gap_interval) {
            return Err(Error::setting("gap-interval", self.gap_interval, "must be from 0 (fixed) to 10"));
        }
        if self.real && self.rebin.iter().any(|bin| bin % 2 == 0) {
            let problem = "an even bin puts the centre half a pixel off, which a real object cannot follow: use odd \
                           numbers, or --real false --start random";
            return Err(Error::setting("rebin", format!("{:?}", self.rebin), problem));
        }
        let within = |name: &str, value: f64, low: f64, high: f64| {
            if (low..=high).contains(&value) {
                Ok(())
            } else {
                Err(Error::setting(name, value, format!("must be from {low} to {high}")))
            }
        };
        within("beta", self.beta.into(), 0.0, 1.0)?;
        within("gap-leak", self.gap_leak.into(), 0.0, 1.0)?;
        within("search-leak", self.search_leak.into(), 0.0, 1.0)?;
        within("search-population", self.search_population as f64, 1.0, 10_000.0)?;
        within("search-generations", self.search_generations as f64, 1.0, 1_000.0)?;
        match self.start.as_str() {
            "guided" if !(self.real && self.positivity) => {
                return Err(Error::setting("start", "guided", "needs --real and --positivity: or give --start random"));
            }
            "random" | "guided" => {}
            other => return Err(Error::setting("start", other, "takes random or guided")),
        }
        within("free-fraction", self.free_fraction, 0.0, 0.5)?;
        within("support-fraction-min", self.support_fraction_min, 0.0, 1.0)?;
        within("support-fraction-max", self.support_fraction_max, self.support_fraction_min, 1.0)?;
        within("support-smooth-width-begin", self.support_smooth_width_begin.into(), 0.0, 50.0)?;
        within("support-smooth-width-end", self.support_smooth_width_end.into(), 0.0, 50.0)?;
        within("nb-run", self.nb_run as f64, 1.0, 100_000.0)?;
        within("nb-run-keep", self.nb_run_keep as f64, 1.0, self.nb_run as f64)?;
        for (name, values) in [
            ("support-threshold", &self.support_threshold),
            ("search-area", &self.search_area),
            ("support-autocorrelation-threshold", &self.support_autocorrelation_threshold),
        ] {
            range(name, values)?;
        }
        let [low, high] = self.gap_bounds()?;
        if !(0.0..=1.0).contains(&low) || !(1.0..).contains(&high) {
            return Err(Error::setting("gap-bounds", format!("{low},{high}"), "needs 0 <= LO <= 1 <= HI"));
        }
        let fills = matches!(self.gap_mode()?, GapMode::Fill(_) | GapMode::LinearRelease);
        if !fills && [low, high] != [1.0, 1.0] {
            return Err(Error::setting(
                "gap-bounds",
                format!("{low},{high}"),
                "is for zero, linear, linear-release, idw and biharmonic: the network has its own, see gap-interval",
            ));
        }
        Ok(())
    }

    /// The threshold of the last support update: where none is given, that of the first.
    pub fn threshold_end(&self) -> Option<f32> {
        (self.support_threshold_end > 0.0).then_some(self.support_threshold_end)
    }

    /// The bounds of filled intensities, as multiples of the fill.
    ///
    /// # Errors
    /// If there are not two numbers.
    pub fn gap_bounds(&self) -> Result<[f32; 2]> {
        <[f32; 2]>::try_from(self.gap_bounds.as_slice())
            .map_err(|_| Error::setting("gap-bounds", format!("{:?}", self.gap_bounds), "takes two numbers: LO,HI"))
    }
}

/// One number twice, or two in order.
///
/// # Errors
/// For anything else, or numbers that are not positive.
pub fn range(name: &str, values: &[f32]) -> Result<[f32; 2]> {
    let pair = match *values {
        [one] => [one, one],
        [low, high] => [low, high],
        _ => return Err(Error::setting(name, format!("{values:?}"), "takes one or two numbers")),
    };
    if pair[0] > 0.0 && pair[0] <= pair[1] && pair[1].is_finite() {
        Ok(pair)
    } else {
        Err(Error::setting(name, format!("{values:?}"), "needs positive numbers, the smaller one first"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_resolve() {
        for (name, _) in PRESETS {
            let settings = resolve(name, &[]).unwrap();
            assert!(settings.recipe().unwrap().cycles() > 100, "{name}");
        }
    }

    #[test]
    fn every_flag_is_a_setting() {
        let known: toml::Table = PRESETS[0].1.parse().unwrap();
        let filled = toml::Table::try_from(resolve("bragg", &[]).unwrap()).unwrap();
        assert_eq!(known.keys().collect::<Vec<_>>(), filled.keys().collect::<Vec<_>>());
    }

    #[test]
    fn flags_override_even_with_the_default_value() {
        let flags = PhasingFlags { nb_raar: Some(600), seed: Some(5), ..Default::default() };
        let settings = resolve("forward", &[overlay(&flags).unwrap()]).unwrap();
        assert_eq!((settings.nb_raar, settings.seed), (600, 5));
        assert_eq!(settings.positivity, resolve("forward", &[]).unwrap().positivity);
        let recipe = |flags: &PhasingFlags| resolve("forward", &[overlay(flags).unwrap()]).unwrap().recipe().unwrap();
        let typed = PhasingFlags { nb_hio: Some(30), nb_raar: Some(0), nb_er: Some(5), ..Default::default() };
        assert_eq!(recipe(&typed).cycles(), 35 + 10);
        let one = PhasingFlags { nb_run: Some(1), ..Default::default() };
        assert_eq!(resolve("forward", &[overlay(&one).unwrap()]).unwrap().nb_run_keep, 1);
        let wrong = PhasingFlags { nb_run: Some(1), nb_run_keep: Some(2), ..Default::default() };
        assert!(resolve("forward", &[overlay(&wrong).unwrap()]).is_err());
    }

    #[test]
    fn mistakes_in_files_are_named() {
        let file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
        let path = file.path().to_str().unwrap();
        let problem = |text: &str| {
            std::fs::write(path, text).unwrap();
            resolve(path, &[]).unwrap_err().to_string()
        };
        assert!(problem("nb-raaar = 5").contains("unknown setting 'nb-raaar': did you mean 'nb-raar'?"));
        assert!(problem("nb-raar = 'x'").contains("nb-raar"), "{}", problem("nb-raar = 'x'"));
        assert!(problem("\nnb-raar =").contains("line 2"), "{}", problem("\nnb-raar ="));
        assert!(problem("beta = 1.5").contains("beta = 1.5: must be from 0 to 1"));
        assert!(problem("algorithm = 'HIA'").contains("column 1"));
        assert!(resolve("brag", &[]).unwrap_err().to_string().contains("known are bragg, particle, forward"));
    }
}

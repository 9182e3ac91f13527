//! `lacuna info`: what is understood of a file.

use lacuna::error::{Result, shape_text};
use lacuna::geometry::{Circle, EV, Goniometer};
use lacuna::phasing::memory;
use lacuna::pixels::trimmed;
use lacuna::prepare::inspect;
use lacuna::reconstruct;
use lacuna::settings::{InputKeys, Settings, TypedSettings, suggest_preset};
use serde_json::json;

/// Arguments of `lacuna info`.
#[derive(Debug, clap::Args)]
pub struct Command {
    /// The file
    file: String,
    /// One JSON object on standard output
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    input: InputKeys,
}

impl Command {
    pub fn execute(self) -> Result<()> {
        let typed = TypedSettings { input: self.input.clone(), ..TypedSettings::default() };
        let settings = Settings::resolve("bragg", &typed)?;
        let input = reconstruct::read(&self.file, &settings)?;
        let found = inspect(&input.intensity, input.mask.as_ref())?;
        let shape = input.intensity.shape();
        let needed = memory::estimate(shape, &settings.recipe.recipe, 1, 1);
        let geometry = input.geometry;
        let notes: Vec<String> = input.notes.iter().map(ToString::to_string).collect();
        let (preset, reason) = suggest_preset(&found);
        let bins = reconstruct::bins(&settings, shape[0] == 1)?;
        let binned = found.oversampling.map(|found| std::array::from_fn::<f64, 3, _>(|a| found[a] / bins[a] as f64));
        let scanned = input.goniometer.as_ref().and_then(Goniometer::scanned).map(|circle| circle.motor.clone());
        if self.json {
            let gaps: Vec<_> = found
                .gaps
                .iter()
                .map(|gap| json!({"axis": gap.axis, "start": gap.start, "width": gap.width}))
                .collect();
            return super::text::print(format!(
                "{}\n",
                json!({
                    "file": input.source.path, "dataset": input.source.dataset, "format": input.source.format,
                    "element": input.source.element, "shape": trimmed(shape), "photons": found.photons,
                    "max": found.max, "zeros_fraction": found.zeros, "masked_fraction": found.masked_fraction,
                    "masked": found.masked, "gaps": gaps, "isolated_bad_pixels": found.isolated,
                    "detector": found.detector, "oversampling": found.oversampling, "rebin": bins,
                    "binned_oversampling": binned, "ends": found.ends,
                    "support_pixels": found.support_pixels, "masked_values": found.masked_values(),
                    "suspicious": found.suspicious, "notes": notes, "energy_ev": geometry.energy.map(|e| e / EV),
                    "distance_m": geometry.distance, "pixel_size_m": geometry.pixel_size,
                    "goniometer": input.goniometer, "scanned_motor": scanned,
                    "has_support": input.support.is_some(), "has_estimate": input.estimate.is_some(),
                    "friedel_correlation": found.symmetry, "centre_hidden": found.centre_hidden,
                    "suggested_preset": preset, "phasing_memory_bytes": needed,
                })
            ));
        }
        let mut page = String::new();
        let mut line = |name: &str, text: String| page += &format!("{name:>14}  {text}\n");
        line("file", input.source.path.display().to_string());
        if let Some(dataset) = &input.source.dataset {
            line("data set", dataset.clone());
        }
        line("data", format!("{}, {}, {}", shape_text(&trimmed(shape)), input.source.element, input.source.format));
        line(
            "photons",
            format!("{:.4e} in all, at most {}, {:.1} % zeros", found.photons, found.max, 100.0 * found.zeros),
        );
        line("masked", format!("{:.2} %", 100.0 * found.masked_fraction));
        for (cause, count) in &found.masked {
            line("", format!("{count} {cause}"));
        }
        for gap in &found.gaps {
            let axis = ["frames", "rows", "columns"][gap.axis.min(2)];
            let end = gap.start + gap.width - 1;
            line("gap", format!("{axis} {} to {end}: {} pixels wide", gap.start, gap.width));
        }
        if found.isolated > 0 {
            line("bad pixels", format!("{} single ones", found.isolated));
        }
        line("detector", found.detector.clone().unwrap_or_else(|| "not recognised".into()));
        if let Some(oversampling) = found.oversampling {
            let along = |oversampling: [f64; 3]| {
                let axes = (0..3).filter(|&axis| shape[axis] > 1);
                axes.map(|axis| format!("{} {:.1}", ["z", "y", "x"][axis], oversampling[axis])).collect::<Vec<_>>()
            };
            let axes = along(oversampling);
            let caveat = if found.centre_hidden { ", too large where the centre is hidden" } else { "" };
            line("oversampling", format!("{} (linear, estimated from the autocorrelation{caveat})", axes.join(", ")));
            if let Some(binned) = binned.filter(|_| bins != [1; 3]) {
                line(
                    "binned",
                    format!(
                        "{} (oversampling after binning by {})",
                        along(binned).join(", "),
                        shape_text(&bins[3 - trimmed(shape).len()..])
                    ),
                );
            }
        }
        if let (Some(hidden), Some(support)) = (found.masked_values(), found.support_pixels) {
            line(
                "hidden",
                format!(
                    "masked pixels hold about {hidden:.0} of the {support} values of an object of the likely size; \
                     which of them are lost: lacuna gaps {}",
                    self.file
                ),
            );
        }
        line("preset", format!("--preset {preset} fits: {reason}"));
        let known = |value: Option<String>| value.unwrap_or_else(|| "not in the file".into());
        line("energy", known(geometry.energy.map(|e| format!("{:.1} eV", e / EV))));
        line("distance", known(geometry.distance.map(|d| format!("{d} m"))));
        line("pixel size", known(geometry.pixel_size.map(|[y, x]| format!("{:.2} x {:.2} um", y * 1e6, x * 1e6))));
        if let Some(goniometer) = &input.goniometer {
            if let Some(circle) = goniometer.scanned() {
                line("scanned", scan_text(circle));
            }
            let fixed = goniometer.circles().filter(|circle| Some(&circle.motor) != scanned.as_ref());
            let angles: Vec<String> = fixed.map(angle_text).collect();
            if !angles.is_empty() {
                line("angles", format!("{} degrees", angles.join(", ")));
            }
            if let Some([y, x]) = goniometer.direct_beam {
                line("direct beam", format!("at pixel {y:.1}, {x:.1} (y, x), with all angles at zero"));
            }
        }
        if input.support.is_some() {
            line("support", format!("in the file: use it with --support {}", self.file));
        }
        if input.estimate.is_some() {
            line("estimates", "in the file".into());
        }
        line("memory", format!("about {} to phase it unbinned", lacuna::error::bytes_text(needed)));
        for note in notes {
            line("note", note);
        }
        for warning in &found.suspicious {
            line("look at", warning.clone());
        }
        super::text::print(page)
    }
}

/// The scanned motor with its range and step.
fn scan_text(circle: &Circle) -> String {
    let (Some([low, high]), Some(step)) = (circle.range(), circle.step()) else { return circle.motor.clone() };
    let (first, last) = if step < 0.0 { (high, low) } else { (low, high) };
    let count = circle.positions.len();
    format!("{} from {first:.4} to {last:.4} degrees, {count} positions, mean step {step:.5}", circle.motor)
}

/// A motor with its mean position.
fn angle_text(circle: &Circle) -> String {
    match circle.positions.len() {
        0 => format!("{} unknown", circle.motor),
        n => format!("{} {:.4}", circle.motor, circle.positions.iter().sum::<f64>() / n as f64),
    }
}

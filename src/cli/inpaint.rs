//! `lacuna inpaint`: a pattern in, the completed pattern with its estimates and their bounds out.

use super::console::Console;
use super::figures::{FigureFolder, NEEDS_REPORT};
use super::flags::{FigureFlags, MachineFlags, NetworkDeviceFlag, OutputFlags};
use super::text::command_line;
use lacuna::error::{Error, Result};
use lacuna::evaluate::{SelfCheck, self_check};
use lacuna::inpaint::{GapSource, GapTreatment};
use lacuna::io;
use lacuna::network::NetworkDevice;
use lacuna::pixels::Pattern;
use lacuna::reconstruct::{estimate, load, load_frames, model, not_onto_itself, predict_options};
use lacuna::settings::{GapKeys, GapPolicy, InputKeys, Settings, TypedSettings};
use serde::Serialize;
use serde_json::json;
use std::path::PathBuf;

/// Arguments of `lacuna inpaint`.
#[derive(Debug, clap::Args)]
pub struct Command {
    /// The pattern, raw or prepared; it is prepared as `lacuna prepare` does, a prepared one stays
    /// as it is
    file: String,
    /// Where the completed pattern goes (CXI)
    #[arg(long, short, value_name = "FILE", required_unless_present = "self_check")]
    output: Option<PathBuf>,
    /// Treatment of the gap, one that estimates: network, zero, linear, idw, biharmonic, kriging;
    /// -hard fixes the values, -soft bounds them
    #[arg(long, visible_alias = "method", value_name = "TREATMENT", default_value = "network")]
    gap: String,
    /// Bounds of linear, idw, biharmonic and kriging, as multiples of the estimate [default: those
    /// of -hard or -soft]
    #[arg(long, value_name = "LO,HI", value_delimiter = ',')]
    gap_bounds: Option<Vec<f64>>,
    /// Half width of the network's bounds, in units of its 90 % intervals
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    gap_interval: f64,
    /// Folder of the network's model [default: the one in the program]
    #[arg(long, value_name = "DIR")]
    model: Option<String>,
    /// Dimensions in which the network works: 2 fills volumes frame by frame [default: those of the
    /// pattern]
    #[arg(long, value_name = "2|3")]
    dims: Option<usize>,
    /// Check the network on this pattern: fill copies of its gap cut into measured pixels, and
    /// compare
    #[arg(long)]
    self_check: bool,
    /// One HTML page that shows the self-check
    #[arg(long, value_name = "PAGE.html", requires = "self_check")]
    report: Option<PathBuf>,
    #[command(flatten)]
    input: InputKeys,
    #[command(flatten)]
    device: NetworkDeviceFlag,
    #[command(flatten)]
    machine: MachineFlags,
    #[command(flatten)]
    figures: FigureFlags,
    #[command(flatten)]
    flags: OutputFlags,
}

/// Treatments that estimate something.
const TAKES: &str = "takes network, zero, linear, idw, biharmonic or kriging, with -hard or -soft behind it";

/// What the output and the last JSON line say.
#[derive(Serialize)]
struct Results<'a> {
    method: GapTreatment,
    #[serde(skip_serializing_if = "Option::is_none")]
    self_check: Option<&'a SelfCheck>,
    #[serde(skip_serializing_if = "Option::is_none")]
    estimated_pixels: Option<usize>,
}

impl Command {
    pub fn execute(self) -> Result<()> {
        self.machine.apply()?;
        let settings = self.settings()?;
        let GapPolicy::Fixed(gap) = settings.gap.policy else { return Err(self.refused(TAKES)) };
        self.output.as_deref().map_or(Ok(()), io::check_hdf5_name)?;
        for path in self.output.iter().chain(&self.report) {
            io::check_output(path, self.flags.force)?;
            not_onto_itself(&self.file, path)?;
        }
        let figures =
            FigureFolder::of_page_if_any(self.report.as_deref(), NEEDS_REPORT, &self.figures, self.flags.force)?;
        if let Some(folder) = &settings.gap.model {
            // A wrong folder is better told before a large file is read.
            model(Some(folder), 2)?;
        }
        let console = Console::new(&self.flags);
        let load = if self.dims == Some(2) { load_frames } else { load };
        let prepared = load(&self.file, &settings, &console)?;
        let mut pattern = prepared.pattern;
        let check = if self.self_check { Some(self.check(&pattern, figures, &settings, &console)?) } else { None };
        let mut results = Results { method: gap, self_check: check.as_ref(), estimated_pixels: None };
        if let Some(output) = &self.output {
            let filled = estimate(&pattern, gap, &settings, &console)?;
            results.estimated_pixels =
                filled.as_ref().map(|filled| filled.at.as_slice().iter().filter(|&&at| at).count());
            pattern.estimate = filled;
            let process = io::Process::new(command_line(), &settings, &results)?;
            io::write_pattern(output, self.flags.force, &pattern, prepared.support.as_ref(), &process)?;
            console.note(format!("wrote {}", output.display()));
        }
        console.event("summary", &json!({"output": self.output, "results": results}));
        Ok(())
    }

    fn settings(&self) -> Result<Settings> {
        let gap: GapTreatment = self.gap.parse().map_err(|_| self.refused(TAKES))?;
        if !gap.source.fills() || gap.source == GapSource::File || gap.release {
            return Err(self.refused(TAKES));
        }
        if self.self_check && gap.source != GapSource::Network {
            return Err(self.refused("only the network is checked: leave it out"));
        }
        let gap = GapKeys {
            gap: Some(self.gap.clone()),
            gap_bounds: self.gap_bounds.clone(),
            gap_interval: Some(self.gap_interval),
            model: self.model.clone(),
            dims: self.dims,
            network_device: Some(self.device.device.parse::<NetworkDevice>()?.to_string()),
            ..GapKeys::default()
        };
        Settings::resolve("bragg", &TypedSettings { input: self.input.clone(), gap, ..TypedSettings::default() })
    }

    fn refused(&self, problem: &str) -> Error {
        Error::setting("gap", &self.gap, problem)
    }

    fn check(
        &self,
        pattern: &Pattern,
        figures: Option<FigureFolder>,
        settings: &Settings,
        console: &Console,
    ) -> Result<SelfCheck> {
        let options = predict_options(settings.gap.dimensions, pattern.shape())?;
        let mut model = model(settings.gap.model.as_deref(), if options.slices { 2 } else { 3 })?;
        model.network = model.network.on(&console.network_device(&self.device)?.device);
        let check = console.percent("checking", |progress| self_check(pattern, &model, options, progress))?;
        console.print(check.text())?;
        if let (Some(page), Some(figures)) = (&self.report, figures) {
            let report = check.page(pattern, &self.file, &model.card.name, &command_line());
            io::write_text(page, self.flags.force, &report.to_html())?;
            console.note(format!("wrote {}", page.display()));
            figures.write(&report, console)?;
        }
        Ok(check)
    }
}

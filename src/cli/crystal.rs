//! `lacuna crystal`: a Bragg reconstruction in, displacement and strain in the laboratory out.

use super::console::Console;
use super::figures::FigureFolder;
use super::flags::{FigureFlags, MachineFlags, OutputFlags};
use super::text::command_line;
use clap::ValueEnum;
use lacuna::crystal::{
    self, CrystalFiles, CrystalFormat, CrystalOptions, CrystalSummary, facets, read_stand, resample, surface,
};
use lacuna::error::{Error, Result};
use lacuna::geometry::{EV, Frame, Geometry, Goniometer, Missing, QGrid};
use lacuna::io;
use lacuna::reconstruct::not_onto_itself;
use std::path::{Path, PathBuf};

/// What helps where figures are asked for and no page.
const NEEDS_PAGE: &str = "figures are those of a page: give one too, --output NAME.html";

/// Arguments of `lacuna crystal`.
#[derive(Debug, clap::Args)]
pub struct Command {
    /// The result of a Bragg scan: energy, distance, pixel size and angles are those of its pattern
    result: String,
    /// Where the crystal goes, several times for several formats: .html (a page with a surface that
    /// turns), .cxi or .h5 (silx view), .npz, .vti (ParaView, cubes), .vts (ParaView, sheared
    /// voxels as they are), .stl
    #[arg(long, short, value_name = "FILE", required = true)]
    output: Vec<PathBuf>,
    /// Axes of the cubes: laboratory (z along the beam, y up), sample (all its circles at zero), or
    /// crystal (z along the momentum transfer)
    #[arg(long, value_enum, default_value_t = Axes::Laboratory)]
    frame: Axes,
    /// Edge of the cubes, nm [default: of the volume of the sheared voxels]
    #[arg(long, value_name = "NM")]
    voxel_size: Option<f64>,
    /// Modulus at the surface, as a part of that of the bulk, 0 to 1 [default: where the histogram
    /// of the bulk ends]
    #[arg(long, value_name = "PART")]
    isosurface: Option<f64>,
    /// Take the twin, the complex conjugate turned around, which has the same pattern
    #[arg(long)]
    twin: bool,
    /// Keep the linear part of the phase in displacement and strain, from the lattice of the
    /// array's middle pixel; else it becomes a part of the momentum transfer
    #[arg(long)]
    keep_ramp: bool,
    /// Miller indices of the reflection, for the lattice parameter of a cubic crystal
    #[arg(long, value_name = "H,K,L", value_delimiter = ',', allow_hyphen_values = true)]
    hkl: Option<Vec<i32>>,
    /// Circles of the diffractometer, a TOML file, where the result has no angles: see
    /// docs/crystal.md
    #[arg(long, value_name = "FILE.toml")]
    goniometer: Option<PathBuf>,
    /// Photon energy, eV [default: the result's]
    #[arg(long, value_name = "EV")]
    energy: Option<f64>,
    /// Sample to detector, metres [default: the result's]
    #[arg(long, value_name = "M")]
    distance: Option<f64>,
    /// Detector pixel, after binning, metres [default: the result's]
    #[arg(long, value_name = "M")]
    pixel_size: Option<f64>,
    #[command(flatten)]
    machine: MachineFlags,
    #[command(flatten)]
    figures: FigureFlags,
    #[command(flatten)]
    flags: OutputFlags,
}

/// Frames of reference by their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Axes {
    Laboratory,
    Sample,
    Crystal,
}

impl Command {
    pub fn execute(self) -> Result<()> {
        self.machine.apply()?;
        let options = self.options()?;
        let formats = self.output.iter().map(|path| CrystalFormat::of(path)).collect::<Result<Vec<_>>>()?;
        let page = formats.iter().position(|&format| format == CrystalFormat::Html).map(|at| &*self.output[at]);
        let outputs: Vec<&Path> = self.output.iter().map(PathBuf::as_path).collect();
        let mut claim = io::Claim::file(&self.output[0])?;
        let force = claim.outputs(&outputs, self.flags.force)?;
        let figures = FigureFolder::of_page_if_any(page, NEEDS_PAGE, &self.figures, force)?;
        outputs.iter().try_for_each(|path| not_onto_itself(&self.result, path))?;
        let console = Console::new(&self.flags);

        let (object, support) = io::read_object(&self.result)?;
        let of_file = |error| match error {
            Error::Object(problem) => Error::file(Path::new(&self.result), problem),
            other => other,
        };
        crystal::needs_volume(object.shape()).map_err(of_file)?;
        let ramp = io::read_removed_ramp(&self.result)?.unwrap_or([0.0; 3]);
        let (geometry, goniometer) = self.geometry(object.shape()[0])?;
        let grid = QGrid::new(geometry, &goniometer, object.shape()).map_err(|missing| {
            let unknown = goniometer.circles().filter(|circle| circle.positions.is_empty());
            let motors: Vec<&str> = unknown.map(|circle| circle.motor.as_str()).collect();
            let what = match missing {
                Missing::Angles if !motors.is_empty() => format!("the angles of {}", motors.join(", ")),
                missing => missing.text().into(),
            };
            let problem = format!(
                "says nothing of {what}: phase it with --beamline, or give --goniometer FILE.toml, --energy, --distance \
                 and --pixel-size"
            );
            Error::file(Path::new(&self.result), problem)
        })?;
        let crystal = crystal::crystal(&object, &support, &grid, ramp, &options).map_err(of_file)?;
        let frame = match self.frame {
            Axes::Laboratory => Frame::Laboratory,
            Axes::Sample => Frame::Sample,
            Axes::Crystal => Frame::Crystal,
        };
        let cubes = resample(&crystal, &grid, frame, self.voxel_size.map(|edge| edge * 1e-9))?;
        let surface = surface(&cubes, crystal.isosurface.modulus);
        let summary = CrystalSummary::new(&crystal, &grid, facets(&surface, cubes.g), &options);
        let command = command_line();
        let files = CrystalFiles {
            crystal: &crystal,
            cubes: &cubes,
            grid: &grid,
            surface: &surface,
            summary: &summary,
            command: &command,
        };
        for path in outputs {
            files.write(path, force)?;
            console.note(format!("wrote {}", path.display()));
        }
        if let Some(figures) = figures {
            figures.write(&files.page(), &console)?;
        }
        claim.finish();
        console.print(summary.text(cubes.voxel))?;
        console.event("summary", &summary);
        Ok(())
    }

    fn options(&self) -> Result<CrystalOptions> {
        if let Some(part) = self.isosurface.filter(|part| !(*part > 0.0 && *part < 1.0)) {
            return Err(Error::setting("--isosurface", part, "a part of the bulk's modulus, above 0 and below 1"));
        }
        if let Some(edge) = self.voxel_size.filter(|edge| !(edge.is_finite() && *edge > 0.0)) {
            return Err(Error::setting("--voxel-size", edge, "an edge in nm, above 0"));
        }
        let hkl = match self.hkl.as_deref() {
            None => None,
            Some(&[h, k, l]) if [h, k, l] != [0; 3] => Some([h, k, l]),
            Some(other) => {
                let text = other.iter().map(i32::to_string).collect::<Vec<_>>().join(",");
                return Err(Error::setting("--hkl", text, "three Miller indices, not all zero, as 1,1,1"));
            }
        };
        Ok(CrystalOptions { twin: self.twin, isosurface: self.isosurface, keep_ramp: self.keep_ramp, hkl })
    }

    /// Geometry and circles: what was typed before what the result says.
    fn geometry(&self, frames: usize) -> Result<(Geometry, Goniometer)> {
        for (name, value) in
            [("--energy", self.energy), ("--distance", self.distance), ("--pixel-size", self.pixel_size)]
        {
            if let Some(value) = value.filter(|value| !(value.is_finite() && *value > 0.0)) {
                return Err(Error::setting(name, value, "must be above 0"));
            }
        }
        let typed = Geometry {
            energy: self.energy.map(|energy| energy * EV),
            distance: self.distance,
            pixel_size: self.pixel_size.map(|size| [size; 2]),
        };
        let input = io::read(&self.result)?;
        let goniometer = match &self.goniometer {
            Some(path) => read_stand(path, frames)?,
            None => input.goniometer.unwrap_or_default(),
        };
        Ok((typed.or(input.geometry), goniometer))
    }
}

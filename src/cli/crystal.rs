//! `lacuna crystal`: a Bragg reconstruction in, displacement and strain in the laboratory out.

use super::console::Console;
use super::figures::FigureFolder;
use super::flags::{FigureFlags, MachineFlags, OutputFlags};
use super::text::command_line;
use clap::ValueEnum;
use lacuna::crystal::{self, CrystalFiles, CrystalFormat, CrystalOptions, CrystalRequest, Found, Origin, read_stand};
use lacuna::error::{Error, Result, shape_text};
use lacuna::geometry::{EV, Frame, Geometry, Goniometer, Missing, QGrid, believed};
use lacuna::io;
use lacuna::metrics::{RegistrationOptions, register};
use lacuna::reconstruct::not_onto_itself;
use lacuna::volume::{Centered, Shape};
use num_complex::Complex32;
use std::path::{Path, PathBuf};

/// What helps where figures are asked for and no page.
const NEEDS_PAGE: &str = "figures are those of a page: give one too, --output NAME.html";

/// Arguments of `lacuna crystal`.
#[derive(Debug, clap::Args)]
pub struct Command {
    /// The result of a Bragg scan: energy, distance, pixel size and angles are those of its pattern
    result: String,
    /// Where the crystal goes, several times for several formats: .html (a page with a surface that
    /// turns), .cxi or .h5 (silx view), .npz, .mat, .vti (ParaView, cubes), .vts (ParaView, sheared
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
    /// Take whichever of the two is more like the object of another result at the same reflection,
    /// with the same number of pixels: of one crystal at several temperatures or potentials
    #[arg(long, value_name = "RESULT", conflicts_with = "twin")]
    like: Option<String>,
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
        let mut request = self.request()?;
        let formats = self.output.iter().map(|path| CrystalFormat::of(path)).collect::<Result<Vec<_>>>()?;
        let page = formats.iter().position(|&format| format == CrystalFormat::Html).map(|at| &*self.output[at]);
        let outputs: Vec<&Path> = self.output.iter().map(PathBuf::as_path).collect();
        if let Some((_, twice)) = outputs.iter().enumerate().find(|(i, path)| outputs[..*i].contains(path)) {
            return Err(Error::setting(
                "--output",
                twice.display(),
                "is given twice: give each format a name of its own",
            ));
        }
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
        let remedy = "phase it with --beamline, or give --goniometer FILE.toml, --energy, --distance and --pixel-size";
        let grid = momentum(&self.result, geometry, &goniometer, object.shape(), remedy)?;
        if let Some(other) = &self.like {
            same_reflection(&grid, other)?;
            request.options.twin = is_twin(&object, &support, other)?;
            let which = if request.options.twin { "the twin" } else { "the object as it is" };
            console.note(format!("{which} is more like {other}"));
        }
        if let (Some(hkl), Some(typed)) = (grid.indices(grid.centre), request.options.hkl)
            && (0..3).any(|i| (hkl[i] - f64::from(typed[i])).abs() > 0.1)
        {
            let [typed, known] =
                [typed.map(|i| i.to_string()), hkl.map(|index| format!("{index:.2}"))].map(|words| words.join(","));
            return Err(Error::setting("--hkl", typed, format!("by the crystal's orientation (ub) it is {known}")));
        }
        let found = io::read_grade(&self.result)?.map(|(grade, probability)| Found { grade, probability });
        let command = command_line();
        let origin = Origin { ramp, found, goniometer, geometry, command: &command };
        let files = CrystalFiles::new(&object, &support, grid, origin, &request).map_err(of_file)?;
        for path in outputs {
            files.write(path, force)?;
            console.note(format!("wrote {}", path.display()));
        }
        if let Some(figures) = figures {
            figures.write(&files.page(), &console)?;
        }
        claim.finish();
        console.print(files.summary.text(files.cubes.voxel))?;
        console.event("summary", &files.summary);
        Ok(())
    }

    fn request(&self) -> Result<CrystalRequest> {
        if let Some(part) = self.isosurface.filter(|part| !(*part > 0.0 && *part < 1.0)) {
            return Err(Error::setting("--isosurface", part, "a part of the bulk's modulus, above 0 and below 1"));
        }
        if let Some(edge) = self.voxel_size.filter(|edge| !(edge.is_finite() && *edge > 0.0)) {
            return Err(Error::setting("--voxel-size", edge, "an edge in nm, above 0"));
        }
        let hkl = self.hkl.as_deref().map(miller).transpose()?;
        let frame = match self.frame {
            Axes::Laboratory => Frame::Laboratory,
            Axes::Sample => Frame::Sample,
            Axes::Crystal => Frame::Crystal,
        };
        let options = CrystalOptions { twin: self.twin, isosurface: self.isosurface, keep_ramp: self.keep_ramp, hkl };
        Ok(CrystalRequest { options, frame, voxel: self.voxel_size.map(|edge| edge * 1e-9) })
    }

    /// Geometry and circles: what was typed before what the result says.
    fn geometry(&self, frames: usize) -> Result<(Geometry, Goniometer)> {
        believed(("--energy", self.energy), ("--distance", self.distance), ("--pixel-size", self.pixel_size))?;
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

/// Miller indices, as they are typed with `--hkl`.
pub fn miller(typed: &[i32]) -> Result<[i32; 3]> {
    typed.try_into().ok().filter(|hkl| *hkl != [0; 3]).ok_or_else(|| {
        let text = typed.iter().map(i32::to_string).collect::<Vec<_>>().join(",");
        Error::setting("--hkl", text, "three Miller indices, not all zero, as 1,1,1")
    })
}

/// Refuses another result that was measured at another reflection, or another way round: voxel by voxel its
/// object is no more like this one than like its twin. One that says nothing of its circles is believed.
fn same_reflection(grid: &QGrid, other: &str) -> Result<()> {
    let input = io::read(other)?;
    let Some(goniometer) = input.goniometer else { return Ok(()) };
    let Ok(there) = QGrid::new(input.geometry, &goniometer, input.intensity.shape()) else { return Ok(()) };
    let (turned, farther, larger) = grid.apart(&there);
    let how = if turned > MOST_TURNED || farther > MOST_FARTHER {
        format!("at another reflection or setting ({turned:.0} degrees from this one)")
    } else if larger > MOST_LARGER {
        format!("with steps or pixels that differ by a factor of {larger:.2} from this one's")
    } else {
        return Ok(());
    };
    let problem = format!("was measured {how}: its voxels are no measure of which twin this is");
    Err(Error::file(Path::new(other), problem))
}

/// Degrees between two settings whose voxels may be compared, and factors between their momentum transfers and
/// between their steps.
const MOST_TURNED: f64 = 5.0;
const MOST_FARTHER: f64 = 1.05;
const MOST_LARGER: f64 = 1.2;

/// Whether the twin of an object is more like another result's than the object itself.
fn is_twin(object: &Centered<Complex32>, support: &Centered<bool>, other: &str) -> Result<bool> {
    let (reference, inside) = io::read_object(other)?;
    if reference.shape() != object.shape() {
        let [reference, own] = [reference.shape(), object.shape()].map(|shape| shape_text(&shape));
        let problem = format!("its object has {reference} pixels, this one {own}: phase both with the same --max-size");
        return Err(Error::file(Path::new(other), problem));
    }
    let cut = |object: &Centered<Complex32>, inside: &Centered<bool>| {
        let mut object = object.clone();
        object.0.zip_mut_with(&inside.0, |value, &inside| *value = if inside { *value } else { Complex32::ZERO });
        object
    };
    let options = RegistrationOptions::default();
    Ok(register(&cut(object, support), &cut(&reference, &inside), options)?.twin)
}

/// Momentum transfer of a file's pattern, or what the file lacks for it.
pub fn momentum(file: &str, geometry: Geometry, goniometer: &Goniometer, shape: Shape, remedy: &str) -> Result<QGrid> {
    QGrid::new(geometry, goniometer, shape).map_err(|missing| {
        let unknown = goniometer.circles().filter(|circle| circle.positions.is_empty());
        let motors: Vec<&str> = unknown.map(|circle| circle.motor.as_str()).collect();
        let what = match missing {
            Missing::Angles if !motors.is_empty() => format!("the angles of {}", motors.join(", ")),
            missing => missing.text().into(),
        };
        let problem = match missing {
            Missing::Volume => format!("is of {}", missing.text().replacen("a volume", "no volume", 1)),
            _ => format!("says nothing of {what}: {remedy}"),
        };
        Error::file(Path::new(file), problem)
    })
}

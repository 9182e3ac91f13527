//! A crystal that stands at a beamline.

use super::quick::QuickFlags;
use crate::cli::crystal::miller;
use clap::ValueEnum;
use lacuna::error::{Error, Result};
use lacuna::geometry::{EV, Geometry, Goniometer, HC, Missing, QGrid, QMap, ScanOf, believed};
use lacuna::io::Layout;
use lacuna::phasing::memory;
use lacuna::simulate::laboratory::{Habit, LaboratoryCrystal};
use lacuna::simulate::pattern::{Simulated, crystal_pattern};
use lacuna::simulate::recipe::Recipe;

/// Pixels where none are asked for.
pub const SHAPE: [usize; 3] = [64, 96, 96];

/// What stands where.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "A crystal at a beamline")]
pub struct CrystalFlags {
    /// Simulate a crystal that stands at this beamline (id01, p10, 34idc, ..., or a layout, a TOML
    /// file), in the coordinates of its detector
    #[arg(long, value_name = "NAME|FILE", conflicts_with_all = ["object", "strain"])]
    beamline: Option<String>,
    /// Shape: a box or an ellipsoid along the axes of the laboratory, an octahedron, or Wulff's shape
    /// of gold
    #[arg(long, value_enum, default_value_t = Shape::Wulff, requires = "beamline")]
    crystal: Shape,
    /// Size, nm: one number, or three along x, y and z of the laboratory; of crystals with {111}
    /// faces the distance of opposite ones
    #[arg(long, value_name = "NM", value_delimiter = ',', default_value = "250", requires = "beamline")]
    size: Vec<f64>,
    /// Miller indices of the reflection
    #[arg(
        long,
        value_name = "H,K,L",
        value_delimiter = ',',
        allow_hyphen_values = true,
        default_value = "1,1,1",
        requires = "beamline"
    )]
    hkl: Vec<i32>,
    /// Edge of the cubic cell, angstroms; platinum's if not given
    #[arg(long, value_name = "A", default_value_t = 3.9242, requires = "beamline")]
    lattice_parameter: f64,
    /// Turn of the crystal about the momentum transfer, degrees
    #[arg(long, value_name = "DEGREES", default_value_t = 0.0, allow_hyphen_values = true, requires = "beamline")]
    azimuth: f64,
    /// Strain at the end of the crystal that the momentum transfer points to; it goes linearly to
    /// minus that at the other end
    #[arg(long, value_name = "STRAIN", default_value_t = 0.0, allow_hyphen_values = true, requires = "beamline")]
    lattice_strain: f64,
    /// A screw dislocation through the middle, along the momentum transfer
    #[arg(long, requires = "beamline")]
    dislocation: bool,
    /// Position of a circle, degrees, several times for several; others stand at zero, but for the
    /// two that the reflection needs
    #[arg(long, value_name = "CIRCLE=DEGREES", value_parser = position, requires = "beamline")]
    angle: Vec<(String, f64)>,
    /// Circle that is scanned [default: the one about the axis of the detector's]
    #[arg(long, value_name = "CIRCLE", requires = "beamline")]
    scan: Option<String>,
    /// Degrees from one frame to the next [default: as far as from pixel to pixel]
    #[arg(long, value_name = "DEGREES", requires = "beamline")]
    step: Option<f64>,
    /// Photon energy, eV
    #[arg(long, value_name = "EV", default_value_t = 9000.0, requires = "beamline")]
    energy: f64,
    /// Sample to detector, metres [default: where the crystal is sampled as --oversampling says]
    #[arg(long, value_name = "M", conflicts_with = "oversampling", requires = "beamline")]
    distance: Option<f64>,
    /// Detector pixel, metres
    #[arg(long, value_name = "M", default_value_t = 55e-6, requires = "beamline")]
    pixel_size: f64,
}

/// Shapes by their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Shape {
    Box,
    Ellipsoid,
    Octahedron,
    Wulff,
}

/// A crystal at a beamline, ready to be measured.
pub struct Scene {
    pub crystal: LaboratoryCrystal,
    pub geometry: Geometry,
    pub goniometer: Goniometer,
}

impl Scene {
    /// Its pattern.
    pub fn pattern(&self, recipe: &Recipe) -> Simulated {
        let shape = recipe.extents();
        let known = "the scan was put together with all that it needs";
        let map = QMap::new(self.geometry, &self.goniometer, shape).expect(known);
        let grid = QGrid::new(self.geometry, &self.goniometer, shape).expect(known);
        crystal_pattern(recipe, &self.crystal, &map, &grid)
    }
}

impl CrystalFlags {
    /// Whether one is asked for.
    pub fn is_asked_for(&self) -> bool {
        self.beamline.is_some()
    }

    /// The beamline, as it was typed.
    pub fn beamline(&self) -> &str {
        self.beamline.as_deref().unwrap_or_default()
    }

    /// What is asked for.
    pub fn scene(&self, recipe: &Recipe, quick: &QuickFlags) -> Result<Option<Scene>> {
        let Some(beamline) = &self.beamline else { return Ok(None) };
        let shape = recipe.extents();
        if shape[0] < 2 {
            let typed = recipe.shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
            return Err(Error::setting("--shape", typed, "a scan has frames: give Z,Y,X"));
        }
        if !(0.5..=100.0).contains(&self.lattice_parameter) {
            return Err(Error::setting("--lattice-parameter", self.lattice_parameter, "in angstroms, from 0.5 to 100"));
        }
        believed(
            ("--energy", Some(self.energy)),
            ("--distance", self.distance),
            ("--pixel-size", Some(self.pixel_size)),
        )?;
        let twice = |i: usize| self.angle[..i].iter().any(|(other, _)| *other == self.angle[i].0);
        if let Some(name) = (0..self.angle.len()).find(|&i| twice(i)).map(|i| &self.angle[i].0) {
            return Err(Error::setting("--angle", name, "is given twice"));
        }
        if !self.azimuth.is_finite() {
            return Err(Error::setting("--azimuth", self.azimuth, "must be finite"));
        }
        if let Some(step) = self.step.filter(|step| !step.is_finite() || *step == 0.0) {
            return Err(Error::setting("--step", step, "must be finite and not 0"));
        }
        if self.lattice_strain.is_nan() || self.lattice_strain.abs() >= 0.1 {
            return Err(Error::setting("--lattice-strain", self.lattice_strain, "must be between -0.1 and 0.1"));
        }
        let crystal = LaboratoryCrystal {
            habit: match self.crystal {
                Shape::Box => Habit::Box,
                Shape::Ellipsoid => Habit::Ellipsoid,
                Shape::Octahedron => Habit::Octahedron,
                Shape::Wulff => Habit::Wulff,
            },
            size: self.size()?.map(|edge| edge * 1e-9),
            hkl: miller(&self.hkl)?,
            lattice_parameter: self.lattice_parameter * 1e-10,
            azimuth: self.azimuth,
            strain: self.lattice_strain,
            dislocation: self.dislocation,
            photons: quick.photons,
        };
        let largest = crystal.size.iter().copied().fold(0.0, f64::max);
        let sampled = quick.oversampling * largest * self.pixel_size * self.energy * EV / HC;
        let geometry = Geometry {
            energy: Some(self.energy * EV),
            distance: Some(self.distance.unwrap_or(sampled)),
            pixel_size: Some([self.pixel_size; 2]),
        };
        let scan = ScanOf {
            circles: &Layout::find(beamline)?.circles(),
            positions: &self.angle,
            scanned: self.scan.as_deref(),
            step: self.step,
        };
        let through = scan.through(crystal.q(), geometry, shape);
        let mut goniometer = through.map_err(|problem| Error::setting("--beamline", beamline, problem.to_string()))?;
        let scanned = goniometer.scanned().map_or(String::new(), |circle| circle.motor.clone());
        let grid = QGrid::new(geometry, &goniometer, shape).map_err(|missing| match missing {
            Missing::Volume => {
                let problem = "moves the momentum transfer within the plane of the frames: scan another circle, or move one, \
                               --angle CIRCLE=DEGREES";
                Error::setting("--scan", scanned, problem)
            }
            missing => Error::setting("--beamline", beamline, format!("says nothing of {}", missing.text())),
        })?;
        let map = QMap::new(geometry, &goniometer, shape)
            .map_err(|missing| Error::setting("--beamline", beamline, format!("says nothing of {}", missing.text())))?;
        let (needed, available) = (crystal.memory(&map, &grid), memory::available());
        if needed > available {
            let remedy =
                "a crystal of fewer voxels: a larger --distance, smaller steps (--step), a smaller --size".into();
            return Err(Error::Memory { needed, available, remedy });
        }
        goniometer.ub = Some(crystal.ub(&grid));
        Ok(Some(Scene { crystal, geometry, goniometer }))
    }

    fn size(&self) -> Result<[f64; 3]> {
        let size = match self.size[..] {
            [edge] => Some([edge; 3]),
            [x, y, z] if matches!(self.crystal, Shape::Box | Shape::Ellipsoid) => Some([x, y, z]),
            _ => None,
        };
        size.filter(|size| size.iter().all(|edge| edge.is_finite() && *edge > 0.0)).ok_or_else(|| {
            let typed = self.size.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
            Error::setting("--size", typed, "one number above 0, or three for a box or an ellipsoid, nm")
        })
    }
}

/// `nu=5`.
fn position(text: &str) -> Result<(String, f64), String> {
    let problem = || format!("'{text}' is no position: write a circle and degrees, as delta=33.5");
    let (name, number) = text.split_once('=').ok_or_else(problem)?;
    let degrees = number.parse().ok().filter(|degrees: &f64| degrees.is_finite()).ok_or_else(problem)?;
    Ok((name.into(), degrees))
}

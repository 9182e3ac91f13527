//! Numbers of a crystal.

use super::dislocation::DislocationLine;
use super::facets::Facet;
use super::spread::Spread;
use super::{Crystal, CrystalOptions, Orthogonal, Surface};
use crate::geometry::{QGrid, Vector, dot, norm};
use serde::Serialize;

/// Miller indices that are farther from whole numbers are those of another lattice.
const WHOLE: f64 = 0.1;

/// What a pattern leaves open.
pub(super) const TWIN: &str = "the same pattern has its twin, turned around, with the displacement of the other sign: \
                               --twin takes it, --like RESULT that which is more like another result";

/// Whether an object was found, as its result says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Found {
    /// Grade: `found`, `doubtful` or `not-found`.
    pub grade: String,
    /// Probability that it was found, 0 to 1.
    pub probability: f64,
}

impl Found {
    /// The grade in a sentence.
    pub fn sentence(&self) -> String {
        let chance = format!("{:.0} %", 100.0 * self.probability);
        match self.grade.as_str() {
            "found" => format!("the object was found (probability {chance})"),
            "doubtful" => format!("it is doubtful whether the object was found (probability {chance})"),
            _ => format!("the object was not found (probability that it was: {chance})"),
        }
    }
}

/// Numbers for pages, files and machines; lengths in nanometres.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CrystalSummary {
    /// Whether the object was found that all the rest is about; `None` where its file does not say.
    pub found: Option<Found>,
    /// Momentum transfer in the laboratory `(x, y, z)`, inverse angstroms.
    pub q_per_angstrom: Vector,
    /// Distance of the lattice planes, angstroms.
    pub d_spacing_angstrom: f64,
    /// Miller indices of the momentum transfer, where the crystal's orientation is known; not whole
    /// numbers where its lattice is not that of the orientation.
    pub hkl: Option<Vector>,
    /// Lattice parameter of a cubic crystal with the given Miller indices, or with those that the
    /// orientation says, angstroms.
    pub lattice_parameter_angstrom: Option<f64>,
    /// Whether the direct beam is known; where not, the detector's angles were taken for the middle
    /// of the array, and spacings are as good as that.
    pub direct_beam_known: bool,
    /// Largest distance of the true momentum transfer from the linear one, pixels.
    pub q_residual_pixels: f64,
    /// Lengths of the sheared voxels along `(z, y, x)`.
    pub sheared_voxel_nm: [f64; 3],
    /// Angles between them, degrees: `yx`, `zx`, `zy`.
    pub sheared_voxel_degrees: [f64; 3],
    /// Modulus at the surface over that of the bulk.
    pub isosurface: f64,
    /// Voxels inside the surface.
    pub voxels: usize,
    /// Volume within the surface, cubic nanometres.
    pub volume_nm3: f64,
    /// Extents of the surface along `(x, y, z)` of the frame of the cubes.
    pub size_nm: Vector,
    /// Extent of the surface along the momentum transfer.
    pub size_along_q_nm: f64,
    /// Displacement along the momentum transfer, nanometres.
    pub displacement_nm: Option<Spread>,
    /// Strain of the lattice planes.
    pub strain: Option<Spread>,
    /// Squares of four voxels around which the phase turns by 2 pi.
    pub phase_vortices: usize,
    /// The straight line through them, where they are many: those of one dislocation lie on it.
    pub dislocation: Option<DislocationLine>,
    /// Facets of the surface in the frame of the cubes, the largest first.
    pub facets: Vec<Facet>,
}

impl CrystalSummary {
    /// What people want to read, a line each; `cube` is the edge of the cubes, metres.
    pub fn text(&self, cube: f64) -> String {
        let [qx, qy, qz] = self.q_per_angstrom;
        let [sx, sy, sz] = self.size_nm;
        let [vz, vy, vx] = self.sheared_voxel_nm;
        let caution =
            if self.direct_beam_known { "" } else { " (the detector's angles taken for the middle of the pattern)" };
        let lattice = self.lattice_parameter_angstrom.map_or(String::new(), |a| format!(", cubic lattice {a:.4}"));
        let spread = |spread: Option<Spread>, scale: f64, unit: &str| match spread {
            Some(Spread { mean, std, min, max }) => {
                let [mean, std, min, max] = [mean, std, min, max].map(|value| value * scale);
                format!("mean {mean:.3}, standard deviation {std:.3}, {min:.3} to {max:.3}{unit}")
            }
            None => "nowhere known".into(),
        };
        let indices = self.hkl.map_or(String::new(), |[h, k, l]| format!("; h, k, l = {h:.3}, {k:.3}, {l:.3}"));
        let foreign =
            if self.indices_are_whole() { "" } else { ", no whole numbers: wrong energy, angles or orientation?" };
        let found = self.found.as_ref().map(|found| ("object", found.sentence()));
        let lines = [
            ("q", format!("{qx:.4}, {qy:.4}, {qz:.4} (x, y, z) per angstrom{caution}{indices}{foreign}")),
            ("spacing", format!("{:.5} angstroms{lattice}", self.d_spacing_angstrom)),
            (
                "voxels",
                format!(
                    "{vz:.2}, {vy:.2}, {vx:.2} nm (z, y, x), sheared; cubes of {:.2} nm; q is off a lattice by {:.2} pixels \
                     at most",
                    1e9 * cube,
                    self.q_residual_pixels
                ),
            ),
            ("surface", format!("at {:.2} of the modulus of the bulk: {} voxels", self.isosurface, self.voxels)),
            (
                "size",
                format!(
                    "{sx:.0}, {sy:.0}, {sz:.0} nm (x, y, z), {:.0} nm along q, {:.4} cubic micrometres",
                    self.size_along_q_nm,
                    self.volume_nm3 * 1e-9
                ),
            ),
            ("displacement", spread(self.displacement_nm, 1e3, " pm")),
            ("strain", spread(self.strain, 1e4, " (1e-4)")),
            ("vortices", self.vortices_text()),
            ("facets", self.facets_text()),
            ("twin", TWIN.into()),
        ];
        let lines: Vec<_> = found.into_iter().chain(lines).collect();
        let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        lines.iter().map(|(name, text)| format!("{name:>width$}  {text}\n")).collect()
    }

    /// Whether the Miller indices, where the orientation tells them, are near whole numbers.
    pub fn indices_are_whole(&self) -> bool {
        self.hkl.is_none_or(|hkl| hkl.iter().all(|index| (index - index.round()).abs() < WHOLE))
    }

    fn vortices_text(&self) -> String {
        let line = self.dislocation.as_ref().map_or(String::new(), |line| {
            let [[x, y, z], [dx, dy, dz]] = [line.middle_nm, line.direction];
            format!(
                ", about a line through {x:.0}, {y:.0}, {z:.0} nm along {dx:.2}, {dy:.2}, {dz:.2}, {:.0} degrees to q, {:.0} nm \
                 off it in the mean",
                line.degrees_to_q, line.off_nm
            )
        });
        format!("{} of the phase{line}", self.phase_vortices)
    }

    fn facets_text(&self) -> String {
        let angle = |facet: &Facet| match facet.hkl {
            Some(_) => format!("{:.0} {}", facet.degrees_to_q, facet.face()),
            None => format!("{:.0}", facet.degrees_to_q),
        };
        match self.facets[..] {
            [] => "none found".into(),
            ref all => {
                let part: f64 = all.iter().map(|facet| facet.part).sum();
                let angles = all.iter().map(angle).collect::<Vec<_>>().join(", ");
                format!("{}, {:.0} % of the surface, at {angles} degrees to q", all.len(), 100.0 * part)
            }
        }
    }

    /// The numbers of a crystal, its surface and its facets.
    pub fn new(
        crystal: &Crystal,
        grid: &QGrid,
        cubes: &Orthogonal,
        surface: &Surface,
        facets: Vec<Facet>,
        options: &CrystalOptions,
    ) -> Self {
        let voxels = grid.voxels();
        let angle = |a: Vector, b: Vector| (dot(a, b) / (norm(a) * norm(b))).clamp(-1.0, 1.0).acos().to_degrees();
        let d = crystal.spacing() * 1e10;
        let nm = |spread: Spread| Spread {
            mean: spread.mean * 1e9,
            std: spread.std * 1e9,
            min: spread.min * 1e9,
            max: spread.max * 1e9,
        };
        let hkl = grid.indices(crystal.g);
        // Of another lattice than that of the orientation the indices are no whole numbers.
        let whole = hkl.filter(|hkl| hkl.iter().all(|index| (index - index.round()).abs() < WHOLE));
        let indices = options.hkl.map(|hkl| hkl.map(f64::from)).or(whole.map(|hkl| hkl.map(f64::round)));
        CrystalSummary {
            found: None,
            q_per_angstrom: crystal.g.map(|value| value * 1e-10),
            d_spacing_angstrom: d,
            hkl,
            lattice_parameter_angstrom: indices.map(|hkl| d * norm(hkl)),
            direct_beam_known: grid.direct_beam_known,
            q_residual_pixels: grid.residual,
            sheared_voxel_nm: voxels.map(|vector| norm(vector) * 1e9),
            sheared_voxel_degrees: [
                angle(voxels[1], voxels[2]),
                angle(voxels[0], voxels[2]),
                angle(voxels[0], voxels[1]),
            ],
            isosurface: f64::from(crystal.isosurface.modulus / crystal.isosurface.bulk),
            voxels: crystal.inside.as_slice().iter().filter(|inside| **inside).count(),
            volume_nm3: surface.volume(),
            size_nm: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]].map(|axis| surface.extent(axis)),
            size_along_q_nm: surface.extent(cubes.g.map(|value| value / norm(cubes.g))),
            displacement_nm: Spread::of(crystal.displacement.as_slice().iter().copied()).map(nm),
            strain: Spread::of(crystal.strain.as_slice().iter().copied()),
            phase_vortices: crystal.vortices.len(),
            dislocation: DislocationLine::new(crystal, grid, cubes),
            facets,
        }
    }
}

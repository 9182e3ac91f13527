//! Blind parts of the detector: gaps between modules, dead regions, lost frames of a rocking curve.
//!
//! Slabs and crosses are gaps reduced to their essence, of any width; detectors are windows of real
//! layouts; holes are dead regions of one module. A gap is the same in every frame.

use crate::pixels::bit;
use crate::simulate::detector::{LAYOUTS, Layout};
use crate::simulate::draw::{Fault, ParameterRange, Rng, check_probability, fault, happens};
use crate::simulate::shapes;
use crate::simulate::weights::{check_weights, choose};
use crate::volume::{Centered, Shape};
use ndarray::{Array2, Array3, s};
use serde::{Deserialize, Serialize};

/// Recipe of the gaps, section `[gaps]`; lengths are in pixels unless stated otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GapRecipe {
    /// Weights of the kinds.
    pub kinds: GapKinds,
    /// Width of slabs and crosses.
    pub width: ParameterRange,
    /// Distance of the middle of a slab, or of each bar of a cross, from the pattern's centre, as a
    /// fraction of half the frame. 0 goes through the centre.
    pub offset: ParameterRange,
    /// Number of parallel slabs.
    pub number: ParameterRange,
    /// Distance between parallel slabs, as a fraction of the frame. Slabs that do not fit into the
    /// frame are left out.
    pub spacing: ParameterRange,
    /// Number of holes in the frame.
    pub holes: ParameterRange,
    /// Radius of holes: half the mean edge of rectangles, half the length of lines.
    pub hole_radius: ParameterRange,
    /// Names of the detectors that may be drawn; all if empty.
    pub detectors: Vec<String>,
    /// Probability that a detector is turned by 90 degrees.
    pub rotated: f64,
    /// Probability that the window is placed without regard to the centre of the pattern, which a
    /// gap may then hide.
    pub careless: f64,
    /// Probability that a detector's larger pixels, along gaps and between chips, are masked too.
    pub chip_lines: f64,
    /// Probability that frames of a rocking curve are missing.
    pub frames: f64,
    /// Number of neighbouring frames that are missing.
    pub frame_width: ParameterRange,
}

/// Weights of the kinds of gaps, table `[gaps.kinds]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GapKinds {
    /// Weight of no gap at all.
    pub none: f64,
    /// Weight of parallel slabs: rows or columns.
    pub slab: f64,
    /// Weight of rows and columns that cross.
    pub cross: f64,
    /// Weight of dead regions.
    pub hole: f64,
    /// Weight of a window of a detector.
    pub detector: f64,
}

impl Default for GapKinds {
    fn default() -> Self {
        GapKinds { none: 0.5, slab: 1.0, cross: 1.0, hole: 0.5, detector: 2.0 }
    }
}

impl GapKinds {
    const NAMES: [&'static str; 5] = ["none", "slab", "cross", "hole", "detector"];

    fn weights(&self) -> [f64; 5] {
        [self.none, self.slab, self.cross, self.hole, self.detector]
    }
}

impl Default for GapRecipe {
    fn default() -> Self {
        GapRecipe {
            kinds: GapKinds::default(),
            width: ParameterRange::new(2.0, 16.0),
            offset: ParameterRange::new(0.0, 0.8),
            number: ParameterRange::new(1.0, 3.0),
            spacing: ParameterRange::new(0.2, 0.6),
            holes: ParameterRange::new(1.0, 8.0),
            hole_radius: ParameterRange::new(0.5, 5.0),
            detectors: Vec::new(),
            rotated: 0.5,
            careless: 0.1,
            chip_lines: 0.5,
            frames: 0.0,
            frame_width: ParameterRange::new(1.0, 3.0),
        }
    }
}

/// Gaps of one simulated detector.
#[derive(Debug, Clone, PartialEq)]
pub struct DetectorGaps {
    /// Mask of every frame, CXI bits.
    pub frame: Array2<u32>,
    /// Frames that are missing.
    pub missing: std::ops::Range<usize>,
    /// Description of the gaps.
    pub description: GapDescription,
}

/// Gaps in numbers: flat, a row of a table. NaN, 0 or `none` where something does not apply.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GapDescription {
    /// Kind of gaps: `none`, `slab`, `cross`, `hole` or `detector`.
    pub kind: &'static str,
    /// Width of a slab or cross, pixels; for a detector, of its gap nearest to the centre.
    pub width: f64,
    /// Distance from the centre of the frame to the nearest blind pixel; 0 where the centre is
    /// blind.
    pub distance: f64,
    /// Number of slabs or holes.
    pub number: usize,
    /// Name of the detector, or `none`.
    pub detector: &'static str,
    /// Whether the detector is turned by 90 degrees.
    pub rotated: bool,
    /// First row of the window, in the detector's own frame.
    pub first_row: f64,
    /// First column of the window, in the detector's own frame.
    pub first_column: f64,
    /// Whether the detector's larger pixels are masked.
    pub chip_lines: bool,
    /// Number of missing frames.
    pub missing_frames: usize,
    /// Fraction of blind pixels in a frame that is not missing.
    pub masked_fraction: f64,
}

impl DetectorGaps {
    /// Mask of all frames of a pattern with this number of frames.
    pub fn mask(&self, frames: usize) -> Centered<u32> {
        let (rows, columns) = self.frame.dim();
        let mut mask = Array3::zeros([frames, rows, columns]);
        mask.assign(&self.frame);
        mask.slice_mut(s![self.missing.start.min(frames)..self.missing.end.min(frames), .., ..]).fill(bit::MISSING);
        Centered(mask)
    }
}

impl GapRecipe {
    /// Recipe of a cross of this width, off the centre as in experiments, and nothing else.
    pub fn cross(width: usize) -> Self {
        GapRecipe {
            kinds: GapKinds { none: 0.0, slab: 0.0, cross: 1.0, hole: 0.0, detector: 0.0 },
            width: ParameterRange::new(width as f64, width as f64),
            offset: ParameterRange::new(0.1, 0.35),
            ..GapRecipe::default()
        }
    }

    /// Checks that gaps can be drawn for patterns of this shape.
    ///
    /// # Errors
    /// [`Fault`] for the first key whose value cannot be used.
    pub fn check(&self, shape: Shape) -> Result<(), Fault> {
        check_weights("gaps.kinds", &self.kinds.weights())?;
        self.width.check("gaps.width", 1.0..=1e4)?;
        self.offset.check("gaps.offset", 0.0..=1.0)?;
        self.number.check("gaps.number", 1.0..=100.0)?;
        self.spacing.check("gaps.spacing", 0.01..=1.0)?;
        self.holes.check("gaps.holes", 1.0..=1e4)?;
        self.hole_radius.check("gaps.hole_radius", 0.0..=1e4)?;
        check_probability("gaps.rotated", self.rotated)?;
        check_probability("gaps.careless", self.careless)?;
        check_probability("gaps.chip_lines", self.chip_lines)?;
        check_probability("gaps.frames", self.frames)?;
        self.frame_width.check("gaps.frame_width", 1.0..=1e4)?;
        let (widest, narrow) = (self.width.hi, shape[1].min(shape[2]));
        if self.kinds.slab + self.kinds.cross > 0.0 && widest > narrow as f64 / 2.0 {
            let problem =
                format!("a gap of {widest} pixels is more than half of a pattern of {}x{}", shape[1], shape[2]);
            return fault("gaps.width", problem);
        }
        if self.frames > 0.0 && shape[0] > 1 && self.frame_width.hi >= shape[0] as f64 {
            let problem = format!("{} missing frames leave nothing of {}", self.frame_width.hi, shape[0]);
            return fault("gaps.frame_width", problem);
        }
        self.check_detectors(shape)
    }

    fn check_detectors(&self, shape: Shape) -> Result<(), Fault> {
        if let Some(name) = self.detectors.iter().find(|name| Layout::named(name).is_none()) {
            let names: Vec<&str> = LAYOUTS.iter().map(|layout| layout.name).collect();
            return fault("gaps.detectors", format!("'{name}' is no detector: {} can be used", names.join(", ")));
        }
        if self.kinds.detector > 0.0 && self.fitting(shape).is_empty() {
            let problem = format!("none of them has a frame as large as {}x{} pixels", shape[1], shape[2]);
            return fault("gaps.detectors", problem);
        }
        Ok(())
    }

    /// Draws gaps for a pattern of this shape. The recipe must have passed [`GapRecipe::check`].
    pub fn draw(&self, shape: Shape, rng: &mut Rng) -> DetectorGaps {
        let mut gaps = DetectorGaps {
            frame: Array2::zeros([shape[1], shape[2]]),
            missing: 0..0,
            description: GapDescription {
                kind: GapKinds::NAMES[choose(&self.kinds.weights(), rng)],
                width: f64::NAN,
                distance: f64::NAN,
                number: 0,
                detector: "none",
                rotated: false,
                first_row: f64::NAN,
                first_column: f64::NAN,
                chip_lines: false,
                missing_frames: 0,
                masked_fraction: 0.0,
            },
        };
        match gaps.description.kind {
            "slab" => self.draw_slabs(&mut gaps, rng),
            "cross" => self.draw_cross(&mut gaps, rng),
            "hole" => self.draw_holes(&mut gaps, rng),
            "detector" => self.draw_detector(&mut gaps, rng),
            _ => {}
        }
        if shape[0] > 1 && happens(self.frames, rng) {
            let width = self.frame_width.integer(rng).min(shape[0]);
            let first = ParameterRange::new(0.0, (shape[0] - width) as f64).integer(rng);
            gaps.missing = first..first + width;
        }
        gaps.description.missing_frames = gaps.missing.len();
        (gaps.description.distance, gaps.description.masked_fraction) = blind(&gaps.frame);
        gaps
    }

    fn draw_slabs(&self, gaps: &mut DetectorGaps, rng: &mut Rng) {
        let axis = usize::from(happens(0.5, rng));
        let extent = gaps.frame.shape()[axis];
        let width = self.width.integer(rng);
        let first = self.first(extent, width, rng) as isize;
        // Neighbours must not touch: then they would be one wide gap.
        let pitch = ((self.spacing.uniform(rng) * extent as f64).round() as isize).max(width as isize + 2);
        let number = self.number.integer(rng) as isize;
        for step in 0..number {
            // On alternating sides of the first one: 0, 1, -1, 2, -2.
            let place = first + pitch * if step % 2 == 1 { (step + 1) / 2 } else { -step / 2 };
            if place >= 0 && place + width as isize <= extent as isize {
                shapes::slab(&mut gaps.frame.view_mut(), axis, place, width, bit::MISSING);
                gaps.description.number += 1;
            }
        }
        gaps.description.width = width as f64;
    }

    fn draw_cross(&self, gaps: &mut DetectorGaps, rng: &mut Rng) {
        let width = self.width.integer(rng);
        let (rows, columns) = gaps.frame.dim();
        let first = [rows, columns].map(|extent| self.first(extent, width, rng) as isize);
        shapes::cross(&mut gaps.frame.view_mut(), first, width, bit::MISSING);
        gaps.description.width = width as f64;
    }

    /// First row or column of a gap whose middle is at the drawn distance on either side of the
    /// centre.
    fn first(&self, extent: usize, width: usize, rng: &mut Rng) -> usize {
        let offset = self.offset.uniform(rng) * (extent / 2) as f64;
        let side = if happens(0.5, rng) { 1.0 } else { -1.0 };
        let first = (extent / 2) as f64 + side * offset - (width as f64 - 1.0) / 2.0;
        (first.round().max(0.0) as usize).min(extent.saturating_sub(width))
    }

    fn draw_holes(&self, gaps: &mut DetectorGaps, rng: &mut Rng) {
        let (rows, columns) = gaps.frame.dim();
        let frame = &mut gaps.frame.view_mut();
        gaps.description.number = self.holes.integer(rng);
        for _ in 0..gaps.description.number {
            let middle = [rows, columns].map(|extent| ParameterRange::new(0.0, extent as f64 - 1.0).uniform(rng));
            let radius = self.hole_radius.uniform(rng);
            let corner = |half: [f64; 2]| [0, 1].map(|axis| (middle[axis] - half[axis]).round() as isize);
            let edges = |half: [f64; 2]| half.map(|half| (2.0 * half).round().max(1.0) as usize);
            // A hole is never smaller than one pixel: the radius of a disc reaches from any point
            // to the next pixel.
            match choose(&[2.0, 2.0, 1.0], rng) {
                0 => shapes::disc(frame, middle, radius.max(std::f64::consts::FRAC_1_SQRT_2), bit::DEAD),
                1 => {
                    let ratio = ParameterRange::new(0.5, 2.0).log_uniform(rng).sqrt();
                    let half = [radius * ratio, radius / ratio];
                    shapes::rectangle(frame, corner(half), edges(half), bit::DEAD);
                }
                _ => {
                    let half = if happens(0.5, rng) { [radius, 0.5] } else { [0.5, radius] };
                    shapes::rectangle(frame, corner(half), edges(half), bit::DEAD);
                }
            }
        }
    }

    fn draw_detector(&self, gaps: &mut DetectorGaps, rng: &mut Rng) {
        let (rows, columns) = gaps.frame.dim();
        let fitting = self.fitting([1, rows, columns]);
        let Some(layout) = fitting.get(choose(&vec![1.0; fitting.len()], rng)) else { return };
        let rotated = happens(self.rotated, rng);
        let rotated = if fits(layout, oriented([rows, columns], rotated)) { rotated } else { !rotated };
        let shape = oriented([rows, columns], rotated);
        // A detector of one module has no gap but between its chips.
        let chip_lines = happens(self.chip_lines, rng) || layout.modules == [1, 1];
        let bits = [0, 1].map(|axis| layout.bits_along(axis, chip_lines));
        let hidden = |first: [usize; 2]| [0, 1].iter().any(|&a| bits[a][first[a] + shape[a] / 2] & bit::MISSING != 0);
        let careless = happens(self.careless, rng);
        let mut first = place(&bits, shape, rng);
        // Few windows are as narrow as a gap; those have no better place than any.
        for _ in 0..20 {
            if careless || !hidden(first) {
                break;
            }
            first = place(&bits, shape, rng);
        }

        let window = layout.window(first.map(|i| i as isize), shape, chip_lines);
        gaps.frame = if rotated { window.reversed_axes().as_standard_layout().into_owned() } else { window };
        let nearest = (0..2).min_by_key(|&axis| {
            let centre = first[axis] + shape[axis] / 2;
            let missing = (0..bits[axis].len()).filter(|&i| bits[axis][i] == bit::MISSING);
            missing.map(|i| i.abs_diff(centre)).min().unwrap_or(usize::MAX)
        });
        let description = &mut gaps.description;
        if let Some(axis) = nearest.filter(|_| layout.modules != [1, 1]) {
            description.width = layout.gap[axis] as f64;
        }
        description.detector = layout.name;
        [description.first_row, description.first_column] = first.map(|i| i as f64);
        (description.rotated, description.chip_lines) = (rotated, chip_lines);
    }

    /// The detectors that may be drawn and are as large as the pattern, turned or not.
    fn fitting(&self, shape: Shape) -> Vec<&'static Layout> {
        let frame = [shape[1], shape[2]];
        let named =
            |layout: &Layout| self.detectors.is_empty() || self.detectors.iter().any(|name| name == layout.name);
        let fitting = |layout: &&Layout| fits(layout, frame) || fits(layout, oriented(frame, true));
        LAYOUTS.iter().filter(|layout| named(layout)).filter(fitting).collect()
    }
}

fn fits(layout: &Layout, shape: [usize; 2]) -> bool {
    layout.frame()[0] >= shape[0] && layout.frame()[1] >= shape[1]
}

fn oriented([rows, columns]: [usize; 2], rotated: bool) -> [usize; 2] {
    if rotated { [columns, rows] } else { [rows, columns] }
}

/// First row and column of a window that a gap crosses, given the bits of the frame's rows and
/// columns. The gap may be anywhere in the window.
fn place(bits: &[Vec<u32>; 2], shape: [usize; 2], rng: &mut Rng) -> [usize; 2] {
    let lines = |axis: usize, kind: u32| -> Vec<usize> {
        (0..bits[axis].len()).filter(|&i| bits[axis][i] & kind != 0).collect()
    };
    // Gaps if there are any, else lines between chips.
    let crossing = [bit::MISSING, bit::BAD].into_iter().find_map(|kind| {
        let candidates: Vec<usize> = (0..2).filter(|&axis| !lines(axis, kind).is_empty()).collect();
        let axis = *candidates.get(choose(&vec![1.0; candidates.len()], rng))?;
        Some((axis, lines(axis, kind)))
    });
    let mut first = [0, 1].map(|axis| ParameterRange::new(0.0, (bits[axis].len() - shape[axis]) as f64).integer(rng));
    if let Some((axis, lines)) = crossing {
        let line = lines[ParameterRange::new(0.0, lines.len() as f64 - 1.0).integer(rng)];
        let place = ParameterRange::new(0.0, shape[axis] as f64 - 1.0).integer(rng);
        first[axis] = line.saturating_sub(place).min(bits[axis].len() - shape[axis]);
    }
    first
}

/// Distance from the centre to the nearest blind pixel (NaN if none is), and the share of blind
/// pixels.
fn blind(frame: &Array2<u32>) -> (f64, f64) {
    let (rows, columns) = frame.dim();
    let squared = frame.indexed_iter().filter(|(_, bits)| **bits != 0).map(|((y, x), _)| {
        let (dy, dx) = (y.abs_diff(rows / 2), x.abs_diff(columns / 2));
        dy * dy + dx * dx
    });
    let (nearest, number) =
        squared.fold((None, 0), |(nearest, number), d| (Some(nearest.map_or(d, |n: usize| n.min(d))), number + 1));
    (nearest.map_or(f64::NAN, |d| (d as f64).sqrt()), f64::from(number) / frame.len() as f64)
}

#[cfg(test)]
mod tests;

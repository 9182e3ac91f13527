//! Layouts of pixel detectors: their modules and the gaps between them.
//!
//! Frame sizes are those that the makers publish. Pixels along a gap or between two readout chips
//! may be larger than the others: they count more photons, and many beamlines mask them.

use crate::pixels::bit;
use ndarray::Array2;

/// Layout of a detector. Pairs are (rows, columns).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Layout {
    /// Name in recipes: lower case, `eiger-4m`.
    pub name: &'static str,
    /// Edge of a pixel, metres.
    pub pixel: f64,
    /// Number of modules along each axis.
    pub modules: [usize; 2],
    /// Pixels of a module.
    pub module: [usize; 2],
    /// Pixels without a sensor between neighbouring modules.
    pub gap: [usize; 2],
    /// Larger pixels of a module on each side of a gap.
    pub wide: usize,
    /// Pixels of a readout chip, without those of the lines between chips.
    pub chip: [usize; 2],
    /// Pixels that lie between two chips of a module.
    pub chip_line: usize,
    /// Larger pixels of a chip on each side of a border between two chips.
    pub chip_wide: usize,
}

/// The detectors that recipes can name.
pub const LAYOUTS: &[Layout] = &[
    medipix("maxipix", [2, 2], 4, 1),
    medipix("timepix", [2, 2], 4, 1),
    medipix("lambda-250k", [2, 2], 4, 0),
    medipix("lambda-750k", [2, 6], 4, 0),
    medipix("lambda-2m", [6, 6], 4, 0),
    medipix("merlin", [2, 2], 3, 1),
    eiger("eiger-500k", [1, 1]),
    eiger("eiger-1m", [2, 1]),
    eiger("eiger-4m", [4, 2]),
    eiger("eiger-9m", [6, 3]),
    eiger("eiger-16m", [8, 4]),
    eiger2("eiger2-500k", [1, 1]),
    eiger2("eiger2-1m", [2, 1]),
    eiger2("eiger2-4m", [4, 2]),
    eiger2("eiger2-9m", [6, 3]),
    eiger2("eiger2-16m", [8, 4]),
    pilatus("pilatus-300k", [3, 1]),
    pilatus("pilatus-1m", [5, 2]),
    pilatus("pilatus-2m", [8, 3]),
    pilatus("pilatus-6m", [12, 5]),
    Layout { pixel: 150e-6, ..plain("pilatus4-4m", [8, 4], [255, 513], [20, 7]) },
    Layout { gap: [36, 8], ..eiger("jungfrau-1m", [2, 1]) },
    Layout { gap: [36, 8], ..eiger("jungfrau-4m", [4, 2]) },
];

/// Modules of a single chip, with pixels of 75 µm.
const fn plain(name: &'static str, modules: [usize; 2], module: [usize; 2], gap: [usize; 2]) -> Layout {
    Layout { name, pixel: 75e-6, modules, module, gap, wide: 0, chip: module, chip_line: 0, chip_wide: 0 }
}

const fn medipix(name: &'static str, modules: [usize; 2], gap: usize, wide: usize) -> Layout {
    Layout { pixel: 55e-6, wide, ..plain(name, modules, [256, 256], [gap, gap]) }
}

const fn eiger(name: &'static str, modules: [usize; 2]) -> Layout {
    Layout { chip: [256, 256], chip_line: 2, ..plain(name, modules, [514, 1030], [37, 10]) }
}

const fn eiger2(name: &'static str, modules: [usize; 2]) -> Layout {
    Layout { chip: [256, 257], chip_wide: 1, ..plain(name, modules, [512, 1028], [38, 12]) }
}

const fn pilatus(name: &'static str, modules: [usize; 2]) -> Layout {
    Layout { pixel: 172e-6, chip: [97, 60], chip_line: 1, ..plain(name, modules, [195, 487], [17, 7]) }
}

impl Layout {
    /// Finds the detector of a name.
    pub fn named(name: &str) -> Option<&'static Layout> {
        LAYOUTS.iter().find(|layout| layout.name == name)
    }

    /// Pixels of the whole frame.
    pub fn frame(&self) -> [usize; 2] {
        [0, 1]
            .map(|axis| self.modules[axis] * self.module[axis] + self.modules[axis].saturating_sub(1) * self.gap[axis])
    }

    /// Bits of each row (axis 0) or column (axis 1): MISSING in gaps and, with `chip_lines`, BAD
    /// for the larger pixels along gaps and between chips.
    pub fn bits_along(&self, axis: usize, chip_lines: bool) -> Vec<u32> {
        let (modules, module) = (self.modules[axis], self.module[axis]);
        let mut bits = vec![bit::MISSING; self.frame()[axis]];
        for m in 0..modules {
            let own = &mut bits[m * (module + self.gap[axis])..][..module];
            own.fill(0);
            if !chip_lines {
                continue;
            }
            if m > 0 {
                own[..self.wide].fill(bit::BAD);
            }
            if m + 1 < modules {
                own[module - self.wide..].fill(bit::BAD);
            }
            let pitch = self.chip[axis] + self.chip_line;
            for border in (pitch..module).step_by(pitch) {
                own[border - self.chip_line - self.chip_wide..border + self.chip_wide].fill(bit::BAD);
            }
        }
        bits
    }

    /// Mask of the whole frame.
    pub fn mask(&self, chip_lines: bool) -> Array2<u32> {
        self.window([0, 0], self.frame(), chip_lines)
    }

    /// Mask of a window whose first pixel is `first` of the frame. Pixels outside the frame are
    /// MISSING.
    pub fn window(&self, first: [isize; 2], shape: [usize; 2], chip_lines: bool) -> Array2<u32> {
        let [rows, columns] = [0, 1].map(|axis| {
            let bits = self.bits_along(axis, chip_lines);
            let at = |i: usize| usize::try_from(first[axis] + i as isize).ok().and_then(|i| bits.get(i).copied());
            (0..shape[axis]).map(|i| at(i).unwrap_or(bit::MISSING)).collect::<Vec<u32>>()
        });
        Array2::from_shape_fn(shape, |(y, x)| {
            let bits = rows[y] | columns[x];
            // A chip line ends where its module does.
            if bits & bit::MISSING != 0 { bit::MISSING } else { bits }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(mask: &Array2<u32>, bits: u32) -> usize {
        mask.iter().filter(|found| **found == bits).count()
    }

    fn layout(name: &str) -> &'static Layout {
        Layout::named(name).unwrap_or_else(|| panic!("no {name}"))
    }

    #[test]
    fn frames_have_the_published_size() {
        let published = [
            ("maxipix", [516, 516]),
            ("timepix", [516, 516]),
            ("lambda-250k", [516, 516]),
            ("lambda-750k", [516, 1556]),
            ("lambda-2m", [1556, 1556]),
            ("merlin", [515, 515]),
            ("eiger-500k", [514, 1030]),
            ("eiger-1m", [1065, 1030]),
            ("eiger-4m", [2167, 2070]),
            ("eiger-9m", [3269, 3110]),
            ("eiger-16m", [4371, 4150]),
            ("eiger2-500k", [512, 1028]),
            ("eiger2-1m", [1062, 1028]),
            ("eiger2-4m", [2162, 2068]),
            ("eiger2-9m", [3262, 3108]),
            ("eiger2-16m", [4362, 4148]),
            ("pilatus-300k", [619, 487]),
            ("pilatus-1m", [1043, 981]),
            ("pilatus-2m", [1679, 1475]),
            ("pilatus-6m", [2527, 2463]),
            ("pilatus4-4m", [2180, 2073]),
            ("jungfrau-1m", [1064, 1030]),
            ("jungfrau-4m", [2164, 2068]),
        ];
        assert_eq!(LAYOUTS.len(), published.len());
        for (layout, (name, frame)) in LAYOUTS.iter().zip(published) {
            assert_eq!((layout.name, layout.frame()), (name, frame));
        }
    }

    #[test]
    fn what_is_no_module_is_missing() {
        // The largest frames only repeat what the smaller ones show.
        for layout in LAYOUTS.iter().filter(|layout| layout.frame()[0] < 1700) {
            let [sensors, frame] = [
                layout.modules.iter().product::<usize>() * layout.module.iter().product::<usize>(),
                layout.frame().iter().product::<usize>(),
            ];
            for chip_lines in [false, true] {
                let mask = layout.mask(chip_lines);
                assert_eq!(count(&mask, bit::MISSING), frame - sensors, "{}", layout.name);
                assert_eq!(count(&mask, 0) < sensors, chip_lines && count(&mask, bit::BAD) > 0);
            }
        }
    }

    #[test]
    fn chip_lines_are_between_the_chips() {
        let lines = |name: &str, axis: usize| -> Vec<usize> {
            let bits = layout(name).bits_along(axis, true);
            bits.iter().enumerate().filter(|(_, bits)| **bits == bit::BAD).map(|(i, _)| i).collect()
        };
        assert_eq!(lines("eiger-500k", 0), [256, 257]);
        assert_eq!(lines("eiger-500k", 1), [256, 257, 514, 515, 772, 773]);
        assert_eq!(lines("eiger2-500k", 0), [255, 256]);
        assert_eq!(lines("eiger2-500k", 1), [256, 257, 513, 514, 770, 771]);
        assert_eq!(lines("pilatus-300k", 0), [97, 97 + 212, 97 + 2 * 212]);
        assert_eq!(lines("pilatus-300k", 1), [60, 121, 182, 243, 304, 365, 426]);
        assert_eq!(lines("jungfrau-1m", 0), [256, 257, 550 + 256, 550 + 257]);
    }

    #[test]
    fn a_maxipix_loses_six_lines_with_its_wide_pixels() {
        let mask = layout("maxipix").mask(true);
        assert_eq!(count(&mask, bit::MISSING), 2 * 4 * 516 - 4 * 4);
        assert_eq!(count(&mask, 0), 4 * 255 * 255);
        assert_eq!(mask[[255, 10]], bit::BAD);
        assert_eq!(mask[[256, 10]], bit::MISSING);
        assert_eq!(mask[[260, 10]], bit::BAD);
        assert_eq!(mask[[255, 257]], bit::MISSING);
    }

    #[test]
    fn windows_are_cut_from_the_frame_and_miss_what_is_outside() {
        let layout = layout("merlin");
        let (frame, window) = (layout.mask(true), layout.window([250, -3], [20, 30], true));
        for ((y, x), bits) in window.indexed_iter() {
            assert_eq!(*bits, if x < 3 { bit::MISSING } else { frame[[y + 250, x - 3]] });
        }
    }
}

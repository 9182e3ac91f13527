//! Built-in layouts of detectors: modules with gaps between them, told apart by the size of their
//! frames.

use crate::error::shape_text;
use std::fmt;

/// A family of detectors that are assembled from equal modules or chips.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detector {
    /// Word for the detector in a mask setting.
    pub word: &'static str,
    name: &'static str,
    /// Full frames `(rows, columns)`.
    frames: &'static [[usize; 2]],
    /// Rows and columns of a module.
    module: [usize; 2],
    /// Rows and columns between two modules.
    gap: [usize; 2],
}

/// Sizes and gaps from the makers' data sheets; of the chips where a module has gaps inside.
#[rustfmt::skip]
const DETECTORS: [Detector; 8] = [
    Detector { word: "maxipix", name: "Maxipix or Timepix (seam of 6)", frames: &[[516, 516], [258, 1290], [516, 1290]], module: [258, 258], gap: [6, 6] },
    Detector { word: "lambda", name: "Lambda", frames: &[[516, 516], [516, 1556], [1556, 1556]], module: [256, 256], gap: [4, 4] },
    Detector { word: "merlin", name: "Merlin quad", frames: &[[515, 515]], module: [256, 256], gap: [3, 3] },
    Detector { word: "eiger", name: "Eiger", frames: &[[514, 1030], [1065, 1030], [2167, 2070], [3269, 3110], [4371, 4150]], module: [514, 1030], gap: [37, 10] },
    Detector { word: "eiger2", name: "Eiger2", frames: &[[512, 1028], [1062, 1028], [2162, 2068], [3262, 3108], [4362, 4148]], module: [512, 1028], gap: [38, 12] },
    Detector { word: "pilatus", name: "Pilatus", frames: &[[195, 487], [619, 487], [1043, 981], [1679, 1475], [2527, 2463]], module: [195, 487], gap: [17, 7] },
    Detector { word: "pilatus4", name: "Pilatus4", frames: &[[2180, 2073]], module: [255, 513], gap: [20, 7] },
    Detector { word: "jungfrau", name: "Jungfrau", frames: &[[514, 1030], [1064, 1030], [2164, 2068]], module: [514, 1030], gap: [36, 8] },
];

impl fmt::Display for Detector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word)
    }
}

impl Detector {
    /// The detector of a word, in any case. Maxipix has seams with pixels of their own, see
    /// [`super::MaskItem::Maxipix`].
    pub(super) fn of_word(word: &str) -> Option<Self> {
        DETECTORS.into_iter().skip(1).find(|detector| detector.word.eq_ignore_ascii_case(word))
    }

    /// The words of all layouts, for messages.
    pub(super) fn words() -> String {
        DETECTORS.iter().map(|detector| detector.word).collect::<Vec<_>>().join(", ")
    }

    /// Which rows and columns of a frame are gaps: of a full frame, upright or turned by a quarter,
    /// or of a part of one that begins at `offset`. What fits otherwise.
    pub(super) fn gaps(&self, frame: [usize; 2], offset: Option<[usize; 2]>) -> Result<[Vec<bool>; 2], String> {
        let turned = |[rows, columns]: [usize; 2]| [columns, rows];
        let (module, gap, start) = match offset {
            Some(offset) => (self.module, self.gap, offset),
            None if self.frames.contains(&frame) => (self.module, self.gap, [0; 2]),
            None if self.frames.contains(&turned(frame)) => (turned(self.module), turned(self.gap), [0; 2]),
            None => {
                let frames: Vec<String> = self.frames.iter().map(|frame| shape_text(frame)).collect();
                return Err(format!(
                    "frames are {}, not {}: give the first row and column of the data in the frame of the detector as \
                     mask-offset, or a mask file",
                    shape_text(&frame),
                    frames.join(" or ")
                ));
            }
        };
        Ok([0, 1].map(|axis| {
            let period = module[axis] + gap[axis];
            (0..frame[axis]).map(|i| (i + start[axis]) % period >= module[axis]).collect()
        }))
    }

    /// The detectors whose frame size and gaps `(axis, width)` fit; else those whose gaps alone do,
    /// as in a cropped frame.
    pub(super) fn guess(frame: [usize; 2], gaps: &[(usize, usize)]) -> Option<String> {
        let has = |axis: usize, width: usize| gaps.contains(&(axis, width));
        let crossed = gaps.iter().any(|(axis, _)| *axis > 0);
        let turned = |[rows, columns]: [usize; 2]| [columns, rows];
        let (mut by_frame, mut by_gaps) = (Vec::new(), Vec::new());
        for Detector { name, frames, gap: [rows, columns], .. } in DETECTORS {
            let upright = has(1, rows) || has(2, columns);
            let lying = has(1, columns) || has(2, rows);
            if frames.contains(&frame) && (upright || !crossed)
                || frames.contains(&turned(frame)) && (lying || !crossed)
            {
                by_frame.push(name);
            }
            if has(1, rows) && has(2, columns) || has(1, columns) && has(2, rows) {
                by_gaps.push(name);
            }
        }
        let text = |names: &[&str]| names.join(" or ");
        match (by_frame.is_empty(), by_gaps.is_empty()) {
            (false, _) => Some(text(&by_frame)),
            (true, false) => Some(format!("{}, from its gaps", text(&by_gaps))),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_modules_and_gaps() {
        for detector in DETECTORS.iter().skip(1) {
            for frame in detector.frames {
                let gaps = detector.gaps(*frame, None).unwrap();
                for axis in 0..2 {
                    // The last pixel of a frame is that of a module, and the gaps are as many as
                    // their width says.
                    assert_eq!(gaps[axis].last(), Some(&false), "{detector} {frame:?}");
                    let found = gaps[axis].iter().filter(|gap| **gap).count();
                    let modules = (frame[axis] + detector.gap[axis]) / (detector.module[axis] + detector.gap[axis]);
                    assert_eq!(found, (modules - 1) * detector.gap[axis], "{detector} {frame:?}");
                }
            }
        }
    }

    #[test]
    fn parts_of_frames_need_their_place() {
        let eiger = Detector::of_word("EIGER").unwrap();
        let error = eiger.gaps([200, 300], None).unwrap_err();
        assert!(error.contains("mask-offset") && error.contains("2167x2070"), "{error}");
        let [rows, columns] = eiger.gaps([200, 300], Some([500, 1000])).unwrap();
        assert_eq!(rows.iter().position(|gap| *gap), Some(14));
        assert_eq!(columns.iter().filter(|gap| **gap).count(), 10);
        let [rows, _] = eiger.gaps([2070, 2167], None).unwrap();
        assert_eq!(rows.iter().filter(|gap| **gap).count(), 10);
    }
}

//! What a reader should tell the person who gave the file.

use super::view::Region;
use crate::pixels::MaskDoubt;
use std::fmt;
use std::path::PathBuf;

/// Something about an input that the person who gave it should know. The text is one line.
#[derive(Debug, Clone, PartialEq)]
pub enum Note {
    /// Data are lost, and masked as not measured.
    Missing {
        /// Box of the whole stack, pixels.
        at: Region,
        /// Extents `(z, y, x)` of the whole stack.
        stack: [usize; 3],
        /// Reason of the loss.
        reason: String,
    },
    /// The scan has fewer frames than were planned.
    Incomplete {
        /// Frames that can be read.
        found: usize,
        /// Frames that should be there.
        planned: usize,
        /// Evidence for it.
        reason: String,
    },
    /// A file does not belong to the series that is read.
    LeftOut {
        /// Path of the file.
        file: PathBuf,
        /// Pattern of the names of the series.
        series: String,
    },
    /// The numbers in the names of a series are no count of its frames: whether one is missing is
    /// not known.
    Uneven {
        /// Pattern of the names of the series.
        series: String,
    },
    /// One of several arrays was read.
    Chosen {
        /// Path of the one that was read.
        dataset: String,
        /// Others that might be meant, with their shapes.
        others: Vec<String>,
    },
    /// A quantity of the geometry cannot be understood, and is left out.
    Quantity {
        /// Path of the quantity in the file.
        at: String,
        /// Number and unit as the file has them.
        text: String,
        /// Reason why it is not believed.
        problem: String,
    },
    /// The file's mask may be the wrong way round, or not belong to the data.
    Mask {
        /// Path of the mask.
        name: String,
        /// Share of pixels and photons that it masks.
        doubt: MaskDoubt,
    },
    /// The file's mask does not fit, and is left out.
    MaskLeftOut {
        /// Path of the mask.
        name: String,
        /// Shape of the mask.
        shape: String,
    },
    /// Something that the file should say is there but cannot be read, and counts as absent.
    Unreadable {
        /// Path in the file.
        at: String,
    },
    /// The file says that its numbers are to be scaled, which is not done.
    Scaled {
        /// Path of the data set.
        at: String,
        /// Name of the attribute and its value.
        text: String,
    },
    /// The intensities are true and false.
    Flags {
        /// File, with the path inside.
        at: String,
    },
    /// Frames of a series have another geometry than the first one, which counts.
    Changing {
        /// The first such frame.
        file: PathBuf,
    },
    /// The file comes from a program that stores axes in reverse order.
    Reversed {
        /// Path of the data set.
        dataset: String,
    },
    /// A mask that was added to the file's own may be the wrong way round.
    AddedMask {
        /// What is strange about it, and what to give instead.
        doubt: String,
    },
    /// What the layout of a beamline names is not in the file.
    NotInFile {
        /// Name of the layout.
        layout: String,
        /// Names of the values, with the place where each was looked for.
        what: Vec<String>,
    },
    /// A place of a layout fits several data sets, and none of them is read.
    Ambiguous {
        /// Pattern of the layout.
        pattern: String,
        /// Paths that fit it.
        paths: Vec<String>,
    },
    /// The file looks like one of a beamline whose layout was not asked for.
    Beamline {
        /// Name of the layout.
        layout: String,
    },
    /// Another program still has the file open for writing.
    BeingWritten {
        /// Path of the file.
        file: PathBuf,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::Missing { at, stack, reason } => {
                write!(f, "{} without data ({reason}): masked as not measured", place(at, stack))
            }
            Note::Incomplete { found, planned, reason } => {
                write!(f, "{found} of {planned} planned frames are there ({reason}): those are read")
            }
            Note::LeftOut { file, series } => {
                write!(f, "{} does not belong to the series {series} and is left out", file.display())
            }
            Note::Uneven { series } => {
                write!(f, "the numbers of {series} do not count its frames: none can be known to be missing")
            }
            Note::Chosen { dataset, others } => {
                write!(f, "{dataset} is read; append :/path for another: {}", others.join(", "))
            }
            Note::Quantity { at, text, problem } => write!(f, "{at} is {text}: {problem}"),
            Note::Mask { name, doubt } => {
                write!(f, "{name} {doubt}: if 1 means good in it give file-mask = good, or file-mask = ignore")
            }
            Note::MaskLeftOut { name, shape } => write!(f, "{name} is {shape}, which does not fit the data: left out"),
            Note::Unreadable { at } => write!(f, "{at} is there but cannot be read: what it says is left out"),
            Note::Scaled { at, text } => {
                write!(f, "{at} has {text}, which is not applied: the numbers are read as they are stored")
            }
            Note::Flags { at } => write!(f, "{at} holds true and false, as a mask does: is it the pattern?"),
            Note::Changing { file } => {
                write!(
                    f,
                    "{} has another geometry than the first frame, which counts: give it as settings",
                    file.display()
                )
            }
            Note::Reversed { dataset } => write!(
                f,
                "{dataset} was written by MATLAB, which stores axes in reverse order: if the pattern comes out turned, give \
                 axes = xyz or zxy"
            ),
            Note::NotInFile { layout, what } => {
                write!(
                    f,
                    "not found where the layout {layout} has it: {}: give it as a setting or in a layout of your own",
                    what.join(", ")
                )
            }
            Note::Ambiguous { pattern, paths } => {
                write!(
                    f,
                    "{pattern} of the layout fits {}: none is read, name one in a layout of your own",
                    paths.join(", ")
                )
            }
            Note::Beamline { layout } => {
                write!(
                    f,
                    "is laid out like files of {layout}: give beamline = {layout} for the angles and what else it says"
                )
            }
            Note::AddedMask { doubt } => f.write_str(doubt),
            Note::BeingWritten { file } => {
                write!(f, "{} is still open for writing elsewhere: what was there so far is read", file.display())
            }
        }
    }
}

/// `frames 12 to 23`, `rows 0 to 511 and columns 0 to 1023 of frames 0 to 9`.
pub(super) fn place(at: &Region, stack: &[usize; 3]) -> String {
    let range = |name: &str, a: usize| match at[a].len() {
        1 => format!("{name} {}", at[a].start),
        _ => format!("{name}s {} to {}", at[a].start, at[a].end - 1),
    };
    let whole = |a: usize| at[a] == (0..stack[a]);
    let frames = if stack[0] == 1 { "the frame".into() } else { range("frame", 0) };
    if whole(1) && whole(2) {
        return frames;
    }
    let lines: Vec<String> =
        [("row", 1), ("column", 2)].iter().filter(|(_, a)| !whole(*a)).map(|(name, a)| range(name, *a)).collect();
    format!("{} of {frames}", lines.join(" and "))
}

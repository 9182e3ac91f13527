//! The report: one self-contained HTML page from plain structs.
//!
//! No fonts, no network, no scripts but its own: inline SVG and embedded PNG, so that the page opens anywhere,
//! can be sent by mail, and prints in black and white (lines differ by dash, categories by
//! lightness). Row 0 of an image is drawn at the top. Values that are not finite are drawn as "no
//! data", and nothing here fails on empty or constant input. Each figure can also be a file of its
//! own.

mod colour;
mod content;
mod drawing;
mod figures;
mod fragment;
mod html;
mod image;
mod page;
mod plot;
mod raster;
mod scene;
pub mod sheet;
mod ticks;

pub use colour::ColourMap;
pub use content::{ComplexImage, Figure, Image, Live, Plot, Report, Scale, Scene, SceneField, Section, Series, Table};
pub use figures::{FigureFile, FigureFormat};

#[cfg(test)]
mod tests;

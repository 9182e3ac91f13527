//! Coherent diffraction imaging with detector gaps.
//!
//! A coherent diffraction pattern holds intensities only; iterative algorithms find the phases and
//! so the object. Detectors have gaps. Lacuna knows for every pixel which moduli it allows (an
//! interval: [`pixels`]), estimates what the gaps hide ([`inpaint`]), phases with what is known and
//! nothing more ([`phasing`]), and says how far to trust the result ([`metrics`], [`report`]).
//!
//! A pattern is read, its gap filled, phased, and the result written:
//!
//! ```
//! use lacuna::reconstruct::{Format, load, reconstruct};
//! use lacuna::settings::{Settings, TypedSettings};
//! # fn main() -> lacuna::Result<()> {
//! # let folder = tempfile::tempdir().unwrap();
//! # std::env::set_current_dir(&folder).unwrap();
//! # let example = lacuna::simulate::example(0).pattern;
//! # lacuna::io::write_pattern("scan.cxi".as_ref(), false, &example, None, &Default::default())?;
//! let mut typed = TypedSettings::default();
//! typed.gap.gap = Some("linear-soft".into());
//! typed.phasing.algorithm = Some("ER**20,(Sup*HIO**20)**4".into());
//!
//! let settings = Settings::resolve("bragg", &typed)?;
//! let prepared = load("scan.cxi", &settings, &())?;
//! let result = reconstruct(prepared, &settings, &())?;
//!
//! println!("R = {:.3}", result.summary.r_factor);
//! result.write("result.cxi".as_ref(), Format::Cxi, false, "my script", &settings)?;
//! # Ok(())
//! # }
//! ```
//!
//! The walk of a pattern through the modules: `docs/architecture.md`; how to add to them:
//! `docs/developers.md`.
//!
//! # Conventions
//! - Arrays are C-ordered `(z, y, x)`; a 2D pattern has `z = 1`. Zero frequency is at index `n / 2`
//!   in files and in the public API ([`volume::Centered`]), at 0 inside the phasing engine
//!   ([`volume::Cornered`]).
//! - Transforms are unitary, so the squared norm of the object is the number of photons.
//! - SI units: metres, joules; intensities in photons.
//! - A *cycle* is one pair of transforms, a *run* one random start. The same seed gives the same
//!   result on the CPU whatever the number of threads.

pub mod batch;
mod checksum;
pub mod compare;
pub mod crystal;
pub mod error;
pub mod evaluate;
pub mod fft;
pub mod geometry;
pub mod hidden;
pub mod inpaint;
pub mod io;
mod limits;
pub mod metrics;
pub mod network;
pub mod parameters;
pub mod phasing;
pub mod pixels;
pub mod prepare;
pub mod psf;
pub mod reconstruct;
pub mod report;
pub mod settings;
pub mod simulate;
pub mod training;
pub mod volume;

pub use error::{Error, Result};
pub use reconstruct::reconstruct;
pub use settings::Settings;

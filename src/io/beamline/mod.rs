//! Files as beamlines write them. A layout, a small TOML file, says where data, mask, energy,
//! distance, motors and monitor are, in which units, and how the circles turn; a few are shipped,
//! others are files of their own.
//!
//! [`layout`] is the form of the file, [`read`] applies it to a location; [`lookup`] finds values
//! in HDF5 trees and in the text files that lie beside the frames ([`log_file`], [`spec`], [`fio`]);
//! [`monitor`] reads the flux.

mod fio;
pub(super) mod layout;
mod log;
mod log_file;
mod lookup;
pub(super) mod monitor;
pub(super) mod read;
mod spec;
pub(super) mod suggest;

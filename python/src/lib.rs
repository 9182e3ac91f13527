//! The compiled part of the Python package `lacuna_cdi`: the library's pipeline on NumPy arrays.
//!
//! A call goes one way: arguments of Python become settings (`keywords`) and an input
//! (`given`), the library works on a thread of its own without the interpreter's lock (`work`),
//! and what it hands out is an object of Python (`pattern`, `reconstruction`, ...) whose arrays
//! are views of its memory (`arrays`). Errors become exceptions in `errors`. Nothing of the
//! method itself is here.

mod arrays;
mod comparison;
mod errors;
mod given;
mod hidden;
mod keywords;
mod pattern;
mod preparation;
mod progress;
mod reconstruction;
mod save;
mod simulated;
mod words;
mod work;

use pyo3::prelude::*;

/// The module `lacuna_cdi._lacuna`.
#[pymodule]
fn _lacuna(module: &Bound<'_, PyModule>) -> PyResult<()> {
    work::remember_process();
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<pattern::Pattern>()?;
    module.add_class::<reconstruction::Reconstruction>()?;
    module.add_class::<reconstruction::Verdict>()?;
    module.add_class::<comparison::Comparison>()?;
    module.add_class::<hidden::HiddenModes>()?;
    module.add_class::<simulated::Simulated>()?;
    module.add_function(wrap_pyfunction!(preparation::read, module)?)?;
    module.add_function(wrap_pyfunction!(preparation::prepare, module)?)?;
    module.add_function(wrap_pyfunction!(preparation::inpaint, module)?)?;
    module.add_function(wrap_pyfunction!(reconstruction::phase, module)?)?;
    module.add_function(wrap_pyfunction!(comparison::compare, module)?)?;
    module.add_function(wrap_pyfunction!(hidden::hidden_modes, module)?)?;
    module.add_function(wrap_pyfunction!(simulated::simulate, module)?)?;
    module.add_function(wrap_pyfunction!(keywords::settings, module)?)?;
    module.add_function(wrap_pyfunction!(keywords::presets, module)?)?;
    Ok(())
}

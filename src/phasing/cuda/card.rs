//! A graphics card that can phase: whether there is one, its kernels, and the queue of what it has to do.

use crate::error::Error;
use cudarc::driver::sys::CUdevice_attribute as Attribute;
use cudarc::driver::sys::CUfunction_attribute_enum::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
use cudarc::driver::{CudaContext, CudaFunction, CudaStream, DriverError, LaunchArgs, LaunchConfig};
use cudarc::nvrtc::Ptx;
use std::collections::HashMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

/// Threads of a block, as in `kernels/device.cuh`.
pub const THREADS: u32 = 256;

/// The kernels for compute capability 7.0, which the driver translates for the card that is there. `tools/kernels.py` writes them.
const SOURCES: [(&str, &[&str]); 4] = [
    (include_str!("../../../kernels/ptx/passes.ptx"), &["rows", "columns"]),
    (
        include_str!("../../../kernels/ptx/points.ptx"),
        &["object_points", "fourier_points", "add_up", "free_likelihood"],
    ),
    (
        include_str!("../../../kernels/ptx/support.ptx"),
        &[
            "blur",
            "reference_sums",
            "set_cut",
            "count_kept",
            "check_limits",
            "histogram",
            "pick_bits",
            "above_cut",
            "grow",
            "keep_border",
            "count_mask",
            "clear_kept",
            "take_mask",
            "take_count",
            "half_sums",
            "halve",
        ],
    ),
    (
        include_str!("../../../kernels/ptx/gradient.ptx"),
        &[
            "gradient",
            "turn_sums",
            "set_turn",
            "turn",
            "slope_sums",
            "set_length",
            "likelihoods",
            "choose_length",
            "advance",
        ],
    ),
];

/// What is known of a card before it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its number.
    pub ordinal: usize,
    /// Its name.
    pub name: String,
    /// Compute capability.
    pub capability: (i32, i32),
    /// Bytes of its memory.
    pub memory: u64,
    /// Bytes that are free now.
    pub free: u64,
}

/// Why a card cannot be used, in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusable(String);

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<String> for Unusable {
    fn from(why: String) -> Self {
        Unusable(why)
    }
}

impl From<&str> for Unusable {
    fn from(why: &str) -> Self {
        Unusable(why.into())
    }
}

impl From<DriverError> for Unusable {
    fn from(error: DriverError) -> Self {
        Unusable(plain(&error))
    }
}

/// The cards of this machine, or why there are none: one line, no stop.
pub fn cards() -> Result<Vec<Found>, Unusable> {
    quietly(|| {
        let count = CudaContext::device_count()?;
        if count == 0 {
            return Err("the NVIDIA driver sees no card".into());
        }
        (0..count as usize)
            .map(|ordinal| {
                let context = CudaContext::new(ordinal)?;
                let (free, memory) = context.mem_get_info()?;
                Ok(Found {
                    ordinal,
                    name: context.name()?,
                    capability: context.compute_capability()?,
                    memory: memory as u64,
                    free: free as u64,
                })
            })
            .collect()
    })
}

/// The version of CUDA that the driver knows, for example 12.8.
pub fn driver_version() -> Option<String> {
    // The driver tells it without a card.
    quietly(|| {
        let mut version = 0;
        // SAFETY: writes one integer.
        unsafe { cudarc::driver::sys::cuDriverGetVersion(&raw mut version) }.result()?;
        Ok(format!("{}.{}", version / 1000, version % 1000 / 10))
    })
    .ok()
}

/// Whether the library of transforms is there.
pub fn has_cufft() -> bool {
    // SAFETY: loads a library and lets it go.
    catch_unwind(|| unsafe { cudarc::cufft::sys::is_culib_present() }).unwrap_or(false)
}

/// Does something with the driver. Where its library or one of its functions is missing cudarc panics: here that is a reason like
/// any other.
fn quietly<T>(work: impl FnOnce() -> Result<T, Unusable>) -> Result<T, Unusable> {
    static HOOK: Mutex<()> = Mutex::new(());
    // SAFETY: loads a library and lets it go.
    if !unsafe { cudarc::driver::sys::is_culib_present() } {
        return Err("no NVIDIA driver (libcuda) was found".into());
    }
    let lock = HOOK.lock().unwrap_or_else(PoisonError::into_inner);
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let done = catch_unwind(AssertUnwindSafe(work));
    std::panic::set_hook(hook);
    drop(lock);
    done.unwrap_or_else(|_| Err("the NVIDIA driver is too old: a function of CUDA 12 is missing".to_string().into()))
}

/// A driver's error without its code's name.
pub fn plain(error: &DriverError) -> String {
    let text = match error.error_string() {
        Ok(text) => text.to_string_lossy().into_owned(),
        Err(_) => format!("{error:?}"),
    };
    format!("CUDA: {text}")
}

/// The error of a card.
pub fn failed(error: &DriverError) -> Error {
    Error::Device { device: "the GPU".into(), source: plain(error).into() }
}

/// A card with its kernels loaded, and a queue.
pub struct Card {
    pub stream: Arc<CudaStream>,
    pub ordinal: usize,
    /// Bytes of shared memory that a block may have.
    pub shared: u32,
    /// Bytes of memory that were free before anything was made on it.
    pub free: u64,
    functions: HashMap<&'static str, CudaFunction>,
}

impl Card {
    /// Opens a card, or says why it cannot be used.
    pub fn open(ordinal: usize) -> Result<Card, Unusable> {
        quietly(|| {
            let count = CudaContext::device_count()?;
            if ordinal >= count as usize {
                return Err(format!("there is no GPU {ordinal}: the driver sees {count}").into());
            }
            let context = CudaContext::new(ordinal)?;
            // SAFETY: one queue does everything, so arrays need no events of their own; and a graph could not hold them.
            unsafe { context.disable_event_tracking() };
            let stream = context.new_stream()?;
            let shared = context
                .attribute(Attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)?
                .max(48 << 10) as u32;
            let mut functions = HashMap::new();
            for (source, names) in SOURCES {
                let module = context.load_module(Ptx::from_src(source))?;
                for name in names {
                    functions.insert(*name, module.load_function(name)?);
                }
            }
            for name in ["rows", "columns"] {
                functions[name].set_attribute(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, shared as i32)?;
            }
            // What an earlier backend let go is given back only now.
            context.synchronize()?;
            let (free, _) = context.mem_get_info()?;
            Ok(Card { stream, ordinal, shared, free: free as u64, functions })
        })
    }

    /// Bytes of memory that were taken since, by this program and others.
    pub fn taken(&self) -> Result<u64, DriverError> {
        self.stream.context().mem_get_info().map(|(free, _)| self.free.saturating_sub(free as u64))
    }

    /// A launch of this kernel, to which arguments are added.
    pub fn call(&self, name: &'static str) -> LaunchArgs<'_> {
        self.stream.launch_builder(&self.functions[name])
    }
}

/// Blocks of [`THREADS`] threads: `x` of them, for each of `y` runs.
pub fn blocks(x: usize, y: usize, shared: usize) -> LaunchConfig {
    LaunchConfig { grid_dim: (x as u32, y as u32, 1), block_dim: (THREADS, 1, 1), shared_mem_bytes: shared as u32 }
}

/// One thread for each of so many runs.
pub fn single(runs: usize) -> LaunchConfig {
    LaunchConfig { grid_dim: (runs as u32, 1, 1), block_dim: (1, 1, 1), shared_mem_bytes: 0 }
}

/// Queues a kernel: its name, its blocks, its arguments in order. Arguments are numbers, structures of the kernels, or addresses.
macro_rules! launch {
    ($card:expr, $name:literal, $blocks:expr, $($argument:expr),+ $(,)?) => {{
        use cudarc::driver::PushKernelArg;
        let mut call = $card.call($name);
        launch!(@hold call, $blocks, $($argument,)+)
    }};
    (@hold $call:ident, $blocks:expr, $first:expr, $($rest:expr,)*) => {{
        let argument = $first;
        $call.arg(&argument);
        launch!(@hold $call, $blocks, $($rest,)*)
    }};
    (@hold $call:ident, $blocks:expr,) => {{
        // SAFETY: number and types of the arguments are those of the kernel: tests/cuda.rs runs every one of them.
        let queued = unsafe { $call.launch($blocks) };
        queued.map(|_| ())
    }};
}
pub(super) use launch;

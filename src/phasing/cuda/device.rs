//! A GPU that can phase: whether there is one, its kernels, and the queue of its work.

use super::kernels::{Arguments, COLUMNS, Kernel, ROWS, SOURCES};
use super::layout::Pointer;
use crate::error::Error;
use cudarc::driver::sys::CUdevice_attribute as Attribute;
use cudarc::driver::sys::CUfunction_attribute_enum::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
use cudarc::driver::{CudaContext, CudaFunction, CudaSlice, CudaStream, DevicePtr, DriverError, LaunchConfig};
use cudarc::nvrtc::Ptx;
use std::collections::HashMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

/// Threads of a block, as in `kernels/device.cuh`.
pub const THREADS: u32 = 256;

/// A GPU of this machine, before it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpuInfo {
    /// Number by which the driver counts it, from 0.
    pub ordinal: usize,
    /// Name of the model.
    pub name: String,
    /// Compute capability, major and minor.
    pub capability: (i32, i32),
    /// Total memory, bytes.
    pub memory: u64,
    /// Free memory, bytes.
    pub free: u64,
}

/// Reason why a GPU cannot be used, in one line.
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

/// Lists the GPUs of this machine.
///
/// # Errors
/// If there is no NVIDIA driver, or it is too old or sees no GPU.
pub fn gpus() -> Result<Vec<GpuInfo>, Unusable> {
    quietly(|| {
        let count = CudaContext::device_count()?;
        if count == 0 {
            return Err("the NVIDIA driver sees no GPU".into());
        }
        (0..count as usize)
            .map(|ordinal| {
                let context = CudaContext::new(ordinal)?;
                let (free, memory) = context.mem_get_info()?;
                Ok(GpuInfo {
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

/// Returns the version of CUDA that the driver supports, for example 12.8.
pub fn driver_version() -> Option<String> {
    // The driver tells it without a device.
    quietly(|| {
        let mut version = 0;
        // SAFETY: writes one integer.
        unsafe { cudarc::driver::sys::cuDriverGetVersion(&raw mut version) }.result()?;
        Ok(format!("{}.{}", version / 1000, version % 1000 / 10))
    })
    .ok()
}

/// Returns whether the library cuFFT can be loaded.
pub fn has_cufft() -> bool {
    // SAFETY: only loads and unloads a library.
    catch_unwind(|| unsafe { cudarc::cufft::sys::is_culib_present() }).unwrap_or(false)
}

/// Does something with the driver. Where its library or one of its functions is missing cudarc
/// panics: here that is a reason like any other.
fn quietly<T>(work: impl FnOnce() -> Result<T, Unusable>) -> Result<T, Unusable> {
    static HOOK: Mutex<()> = Mutex::new(());
    // SAFETY: only loads and unloads a library.
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

/// The driver's description of an error.
fn plain(error: &DriverError) -> String {
    let text = match error.error_string() {
        Ok(text) => text.to_string_lossy().into_owned(),
        Err(_) => format!("{error:?}"),
    };
    format!("CUDA: {text}")
}

/// The error of a GPU that failed.
pub fn failed(error: &DriverError) -> Error {
    Error::Device { device: "the GPU".into(), source: plain(error).into() }
}

/// A GPU with its kernels loaded, and a queue of work.
pub struct GpuDevice {
    pub stream: Arc<CudaStream>,
    pub ordinal: usize,
    /// Shared memory that a block may have, bytes.
    pub shared: u32,
    /// Memory that was free before anything was allocated, bytes.
    pub free: u64,
    functions: HashMap<&'static str, CudaFunction>,
}

impl GpuDevice {
    /// Opens a GPU by its number.
    pub fn open(ordinal: usize) -> Result<GpuDevice, Unusable> {
        quietly(|| {
            let count = CudaContext::device_count()?;
            if ordinal >= count as usize {
                return Err(format!("there is no GPU {ordinal}: the driver sees {count}").into());
            }
            let context = CudaContext::new(ordinal)?;
            // SAFETY: one queue does everything, so arrays need no events of their own; and a
            // graph could not hold them.
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
            for name in [ROWS.name, COLUMNS.name] {
                functions[name].set_attribute(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, shared as i32)?;
            }
            // What an earlier backend freed is given back only now.
            context.synchronize()?;
            let (free, _) = context.mem_get_info()?;
            Ok(GpuDevice { stream, ordinal, shared, free: free as u64, functions })
        })
    }

    /// Memory that was taken since it was opened, by this program and others, bytes.
    pub fn taken(&self) -> Result<u64, DriverError> {
        self.stream.context().mem_get_info().map(|(free, _)| self.free.saturating_sub(free as u64))
    }

    /// Queues a kernel.
    pub fn launch<A: Arguments>(
        &self,
        kernel: Kernel<A>,
        blocks: LaunchConfig,
        arguments: A,
    ) -> Result<(), DriverError> {
        let mut call = self.stream.launch_builder(&self.functions[kernel.name]);
        arguments.push(&mut call);
        // SAFETY: number and types of the arguments are those that the kernel declares; arrays have
        // the lengths that it expects: tests/cuda.rs runs every kernel and checks its accesses.
        unsafe { call.launch(blocks) }.map(|_| ())
    }

    /// The address of an array.
    pub fn at<T>(&self, array: &CudaSlice<T>) -> Pointer<T> {
        Pointer::new(array.device_ptr(&self.stream).0)
    }
}

/// Blocks of [`THREADS`] threads: `x` of them, for each of `y` runs.
pub fn blocks(x: usize, y: usize, shared: usize) -> LaunchConfig {
    LaunchConfig { grid_dim: (x as u32, y as u32, 1), block_dim: (THREADS, 1, 1), shared_mem_bytes: shared as u32 }
}

/// One thread for each of `runs` runs.
pub fn single(runs: usize) -> LaunchConfig {
    LaunchConfig { grid_dim: (runs as u32, 1, 1), block_dim: (1, 1, 1), shared_mem_bytes: 0 }
}

/// Blocks that go over the pixels of every run: equally many on any GPU, because each of them
/// leaves one partial sum.
pub fn pixel_blocks(pixels: usize, runs: usize) -> LaunchConfig {
    blocks(partial_sums(pixels), runs, 0)
}

/// Number of partial sums that [`pixel_blocks`] leave for a run.
pub fn partial_sums(pixels: usize) -> usize {
    pixels.div_ceil(THREADS as usize).min(1024)
}

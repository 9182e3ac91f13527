//! `lacuna doctor`: what this machine has, in plain words.

use lacuna::error::{Result, bytes_text};
use lacuna::phasing::memory;
use serde_json::{Value, json};

/// Arguments of `lacuna doctor`.
#[derive(Debug, clap::Args)]
pub struct Command {
    /// One JSON object
    #[arg(long)]
    json: bool,
}

impl Command {
    pub fn execute(self) -> Result<()> {
        let cpu = Cpu::found();
        let gpu = Gpu::found();
        if self.json {
            return super::text::print(format!(
                "{}\n",
                json!({"version": env!("CARGO_PKG_VERSION"), "cpu": cpu.json(), "gpu": gpu.json(), "device": gpu.device()})
            ));
        }
        let mut page = String::new();
        let mut line = |name: &str, text: &str| page += &format!("{name:>10}  {text}\n");
        line("lacuna", env!("CARGO_PKG_VERSION"));
        line("CPU", &cpu.text());
        gpu.lines(&mut line);
        line("phasing", &format!("--device auto runs on {}", gpu.runs_on()));
        line("network", "trains and fills on the CPU");
        super::text::print(page)
    }
}

struct Cpu {
    threads: usize,
    vectors: &'static str,
    memory: u64,
}

impl Cpu {
    fn found() -> Cpu {
        Cpu { threads: rayon::current_num_threads(), vectors: vectors(), memory: memory::available() }
    }

    fn text(&self) -> String {
        format!("{} threads, {}, {} of memory available", self.threads, self.vectors, bytes_text(self.memory))
    }

    fn json(&self) -> Value {
        json!({"threads": self.threads, "vectors": self.vectors, "memory_bytes": self.memory})
    }
}

/// The widest vectors that the kernels will use here.
fn vectors() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
        {
            return "AVX-512";
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            return "AVX2";
        }
        "SSE2 (no AVX2: several times slower than it could be)"
    }
    #[cfg(target_arch = "aarch64")]
    {
        "NEON"
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        "plain instructions"
    }
}

#[cfg(feature = "cuda")]
struct Gpu {
    cards: Result<Vec<lacuna::phasing::cuda::GpuInfo>, String>,
    driver: Option<String>,
    cufft: bool,
}

#[cfg(feature = "cuda")]
impl Gpu {
    fn found() -> Gpu {
        use lacuna::phasing::cuda::{driver_version, gpus, has_cufft};
        let cards = gpus().map_err(|why| why.to_string());
        Gpu { cards, driver: driver_version(), cufft: has_cufft() }
    }

    fn device(&self) -> &'static str {
        if self.cards.is_ok() { "cuda:0" } else { "cpu" }
    }

    fn runs_on(&self) -> String {
        match &self.cards {
            Ok(cards) if cards.len() > 1 => {
                let all: Vec<String> = cards.iter().map(|card| card.ordinal.to_string()).collect();
                format!("GPU 0; --device cuda:{} deals runs out to all of them", all.join(","))
            }
            Ok(_) => "GPU 0".into(),
            Err(_) => "the CPU".into(),
        }
    }

    fn lines(&self, line: &mut dyn FnMut(&str, &str)) {
        if let Some(driver) = &self.driver {
            line("driver", &format!("NVIDIA, knows CUDA {driver}"));
        }
        match &self.cards {
            Err(why) => line("GPU", &format!("none: {why}")),
            Ok(cards) => {
                for card in cards {
                    let (major, minor) = card.capability;
                    let memory = format!("{} of {} free", bytes_text(card.free), bytes_text(card.memory));
                    line(
                        &format!("GPU {}", card.ordinal),
                        &format!("{}, compute {major}.{minor}, {memory}", card.name),
                    );
                }
                let cufft = match self.cufft {
                    true => "found: takes over where extents have prime factors above 13",
                    false => {
                        "not found: extents with prime factors above 13 are phased on the CPU, all others need no library"
                    }
                };
                line("cuFFT", cufft);
            }
        }
    }

    fn json(&self) -> Value {
        let cards: Vec<Value> = self.cards.iter().flatten().map(|card| {
            json!({"ordinal": card.ordinal, "name": card.name, "compute_capability": [card.capability.0, card.capability.1],
                   "memory_bytes": card.memory, "free_bytes": card.free})
        }).collect();
        json!({"cards": cards, "why_none": self.cards.as_ref().err(), "driver_cuda": self.driver, "cufft": self.cufft})
    }
}

#[cfg(not(feature = "cuda"))]
struct Gpu;

#[cfg(not(feature = "cuda"))]
impl Gpu {
    fn found() -> Gpu {
        Gpu
    }

    fn device(&self) -> &'static str {
        "cpu"
    }

    fn runs_on(&self) -> String {
        "the CPU".into()
    }

    fn lines(&self, line: &mut dyn FnMut(&str, &str)) {
        line("GPU", "this program was built without the feature cuda");
    }

    fn json(&self) -> Value {
        json!({"cards": [], "why_none": "built without the feature cuda"})
    }
}

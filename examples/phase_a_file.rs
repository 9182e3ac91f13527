//! Phases a pattern from a file and writes the result: `cargo run --release --example phase_a_file -- scan.cxi`.
//!
//! Without a file it takes the built-in example, and a shorter recipe.

use lacuna::reconstruct::{Event, Format, Observer, load, reconstruct};
use lacuna::settings::{PhasingKeys, Settings, TypedSettings};
use lacuna::{io, simulate};
use std::path::Path;

/// Prints what is for people, and ignores the rest.
struct Printer;

impl Observer for Printer {
    fn observe(&self, event: Event<'_>) {
        if let Event::Note(text) = event {
            println!("{text}");
        }
    }
}

fn main() -> lacuna::Result<()> {
    let folder = std::env::temp_dir().join("lacuna-phase-a-file");
    let mut typed = TypedSettings::default();
    let (file, preset) = match std::env::args().nth(1) {
        Some(file) => (file, "bragg"),
        None => {
            let file = folder.join("example.cxi");
            let pattern = simulate::example(0).pattern;
            io::write_pattern(&file, true, &pattern, None, &io::Process::default())?;
            typed.phasing = PhasingKeys { nb_run: Some(1), search_generations: Some(2), ..PhasingKeys::default() };
            (file.to_string_lossy().into_owned(), "forward")
        }
    };
    let settings = Settings::resolve(preset, &typed)?;
    let prepared = load(&file, &settings, &Printer)?;
    let result = reconstruct(prepared, &settings, &Printer)?;
    let command = std::env::args().collect::<Vec<_>>().join(" ");
    let [cxi, page] = ["result.cxi", "report.html"].map(|name| folder.join(name));
    result.write(Path::new(&cxi), Format::Cxi, true, &command, &settings)?;
    result.write_page(Path::new(&page), true, &file, &command, &settings)?;
    println!("R = {:.4}: {} and {}", result.summary.r_factor, cxi.display(), page.display());
    Ok(())
}

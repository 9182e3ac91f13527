//! Figures of pages as files: what they hold, where they go, and what they replace.

use crate::cli::{SHORT, done, refused, write_good};
use std::fs;
use std::path::Path;

/// Names in a folder, in order.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Checks that all files of a folder are figures that can be drawn, and returns how many there are.
fn figures(folder: &Path, ending: &str) -> usize {
    let names = names(folder);
    for (name, number) in names.iter().zip(1..) {
        assert!(name.starts_with(&format!("{number:02}-")) && name.ends_with(ending), "{names:?}");
        let bytes = fs::read(folder.join(name)).unwrap();
        if ending == ".png" {
            let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
            let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
            reader.next_frame(&mut pixels).unwrap();
            let ink = pixels.iter().filter(|&&value| value < 90).count();
            assert!(pixels[..3] == [255; 3] && ink > 1000, "{name}: {ink}");
        } else {
            let options = resvg::usvg::Options::default();
            let tree = resvg::usvg::Tree::from_data(&bytes, &options).unwrap();
            assert!(tree.size().width() > 300.0 && tree.root().has_children(), "{name}");
        }
    }
    names.len()
}

#[test]
fn figures_of_a_run_are_files_and_stale_ones_go() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    write_good(&here.join("scan.cxi"), [1, 64, 64]);
    let run = ["run", "scan.cxi", "--algorithm", SHORT, "-o", "out", "-q"];
    let with = |more: &[&'static str]| [&run[..], more].concat();
    done(here, &with(&["--figures", "png"]));
    let page = fs::read_to_string(here.join("out/report.html")).unwrap();
    let count = figures(&here.join("out/figures"), ".png");
    assert_eq!(count, page.matches("<figure").count());

    // What is in the folder keeps a call from its work, whatever it is.
    fs::create_dir(here.join("other")).unwrap();
    fs::create_dir(here.join("other/figures")).unwrap();
    fs::write(here.join("other/figures/notes.txt"), "mine").unwrap();
    let other =
        |more: &[&'static str]| [&["run", "scan.cxi", "--algorithm", SHORT, "-o", "other", "-q"], more].concat();
    refused(here, &other(&["--figures", "png"]), &["other/figures exists already", "--force"]);
    done(here, &other(&["--figures", "png", "--force"]));
    assert_eq!(names(&here.join("other/figures")).len(), count + 1);
    assert_eq!(fs::read_to_string(here.join("other/figures/notes.txt")).unwrap(), "mine");

    fs::write(here.join("out/figures/77-of-long-ago.png"), "").unwrap();
    done(here, &with(&["--figures", "svg", "--force"]));
    assert_eq!(figures(&here.join("out/figures"), ".svg"), count);
    // Those of a page that was replaced go with it.
    done(here, &with(&["--force"]));
    assert!(!here.join("out/figures").exists());
}

#[test]
fn figures_lie_beside_their_page_and_need_one() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    write_good(&here.join("scan.cxi"), [1, 64, 64]);
    done(here, &["gaps", "scan.cxi", "--report", "look.html", "--figures", "svg", "-q"]);
    let page = fs::read_to_string(here.join("look.html")).unwrap();
    assert_eq!(figures(&here.join("look-figures"), ".svg"), page.matches("<figure").count());
    assert_eq!(names(here), ["look-figures", "look.html", "scan.cxi"]);
    refused(here, &["gaps", "scan.cxi", "--figures", "svg"], &["--figures", "--report"]);
    refused(here, &["crystal", "scan.cxi", "-o", "a.h5", "--figures", "png"], &["--figures", "--output NAME.html"]);
    refused(here, &["compare", "--set", "a.h5", "-o", "b", "--figures", "png"], &["--figures", "compare merge"]);
    fs::write(here.join("a-figures"), "a file").unwrap();
    refused(here, &["gaps", "scan.cxi", "--report", "a.html", "--figures", "svg"], &["a-figures"]);
}

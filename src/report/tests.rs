use super::*;
use ndarray::Array2;
use num_complex::Complex32;

fn object(n: usize) -> Array2<Complex32> {
    Array2::from_shape_fn((n, n), |(y, x)| {
        let (v, u) = (y as f32 / n as f32 - 0.5, x as f32 / n as f32 - 0.5);
        let inside = (u + 0.5 * v).abs() < 0.28 && (v - 0.2 * u).abs() < 0.22;
        Complex32::from_polar(if inside { 80.0 + 30.0 * u } else { 0.0 }, 14.0 * (u * u + v) + 6.0 * u * v)
    })
}

fn pattern(n: usize) -> Array2<f32> {
    Array2::from_shape_fn((n, n), |(y, x)| {
        if (n / 2 + 9..n / 2 + 15).contains(&x) || (n / 3..n / 3 + 4).contains(&y) {
            return f32::NAN;
        }
        let (v, u) = (y as f32 - n as f32 / 2.0, x as f32 - n as f32 / 2.0);
        let wave = |t: f32| if t == 0.0 { 1.0 } else { (t / 3.0).sin() / (t / 3.0) };
        (1e6 * (wave(u + 0.3 * v) * wave(v - 0.2 * u)).powi(2)).floor()
    })
}

fn runs(count: usize) -> Vec<Series> {
    (0..count)
        .map(|run| Series {
            name: format!("run {run}"),
            points: (0..800)
                .map(|cycle| {
                    let t = f64::from(cycle);
                    let wobble = 1.0 + 0.1 * (t / (7.0 + run as f64)).sin() * (-t / 300.0).exp();
                    (t, wobble * (3.0 + 0.3 * run as f64 + 900.0 * (-t / 40.0).exp()))
                })
                .collect(),
            emphasis: run == 3,
        })
        .collect()
}

/// A page with everything in it.
fn demo() -> Report {
    let curve = |name: &str, width: f64, emphasis| Series {
        name: name.into(),
        points: (0..60).map(|i| f64::from(i) / 120.0).map(|f| (f, (-(f / width).powi(2)).exp())).collect(),
        emphasis,
    };
    let mut mask = pattern(256).map(|v| if v.is_finite() { 0.0 } else { 1.0 });
    mask.slice_mut(ndarray::s![40..90, 133..139]).fill(2.0);
    mask.slice_mut(ndarray::s![120..136, 120..136]).fill(3.0);
    let number = |rows: &[&[&str]]| rows.iter().map(|row| row.iter().map(|s| (*s).into()).collect()).collect();
    Report {
        title: "Pt particle, scan 42".into(),
        verdict: "Filling the gap with bounds helps: free log-likelihood 3.21 instead of 4.87, resolution 11 nm instead of 16 nm.".into(),
        facts: [
            ("Input", "scan_0042/pattern.cxi"),
            ("Shape", "1x256x256"),
            ("Photons", "4.2 × 10⁷"),
            ("Measured pixels", "93.4 %"),
            ("Gap over oversampling", "2.6 (wide)"),
            ("Runs", "20, kept 5"),
            ("Seed", "1234"),
        ]
        .map(|(a, b)| (a.into(), b.into()))
        .to_vec(),
        sections: vec![
            Section {
                title: "Data".into(),
                text: "What was measured, and what is wrong with which pixel.\n\nThe gap hides 6.6 % of the pixels.".into(),
                figures: vec![
                    Figure::Image(Image {
                        title: "Measured intensity".into(),
                        caption: "Logarithmic; the detector's gaps are hatched.".into(),
                        data: pattern(256),
                        scale: Scale::Log,
                        unit: "photons".into(),
                        ..Image::default()
                    }),
                    Figure::Image(Image {
                        title: "Classes of pixels".into(),
                        caption: "What each pixel tells the reconstruction.".into(),
                        data: mask,
                        scale: Scale::Categories(["measured", "gap", "estimated", "saturated"].map(Into::into).to_vec()),
                        ..Image::default()
                    }),
                ],
                ..Section::default()
            },
            Section {
                title: "Reconstruction".into(),
                figures: vec![
                    Figure::Complex(ComplexImage {
                        title: "Best run".into(),
                        caption: "Central slice of the average of five runs.".into(),
                        data: object(96),
                        pixel: Some([4.2e-9, 4.2e-9]),
                        unit: "√photons".into(),
                    }),
                    Figure::Image(Image {
                        title: "Support".into(),
                        caption: "Voxels that belong to the object.".into(),
                        data: object(96).map(|v| f32::from(v.norm() > 0.0)),
                        scale: Scale::Binary,
                        pixel: Some([4.2e-9, 4.2e-9]),
                        unit: "support".into(),
                        ..Image::default()
                    }),
                    Figure::Image(Image {
                        title: "Rocking direction".into(),
                        caption: "A flat slice with pixels that are not square.".into(),
                        data: pattern(256).slice(ndarray::s![100..132, ..]).to_owned().map(|v| v.max(0.0).sqrt()),
                        colour_map: ColourMap::Inferno,
                        pixel: Some([9e-9, 4.2e-9]),
                        unit: "√photons".into(),
                        ..Image::default()
                    }),
                    Figure::Plot(Plot {
                        title: "Log-likelihood".into(),
                        caption: "Free Poisson log-likelihood of 20 runs; the kept one is bold.".into(),
                        x_label: "cycle".into(),
                        y_label: "free LLK per pixel".into(),
                        log_y: true,
                        series: runs(20),
                        marks: vec![(600.0, "ER".into())],
                        ..Plot::default()
                    }),
                    Figure::Plot(Plot {
                        title: "Phase retrieval transfer function".into(),
                        caption: "Shell averages over measured pixels.".into(),
                        x_label: "cycles per pixel".into(),
                        y_label: "PRTF".into(),
                        series: vec![curve("bounds", 0.34, true), curve("hard fill", 0.26, false), curve("free", 0.22, false)],
                        levels: vec![(1.0 / std::f64::consts::E, "1/e".into())],
                        marks: vec![(0.34, "6.2 nm".into())],
                        ..Plot::default()
                    }),
                    Figure::Plot(Plot {
                        title: "Arms".into(),
                        caption: "None emphasised.".into(),
                        x_label: "cycles per pixel".into(),
                        y_label: "FSC".into(),
                        series: (0..8).map(|i| curve(&format!("arm {i}"), 0.1 + 0.04 * f64::from(i), false)).collect(),
                        ..Plot::default()
                    }),
                ],
                tables: vec![Table {
                    title: "Arms compared".into(),
                    header: ["arm", "free LLK", "R", "support", "time"].map(Into::into).to_vec(),
                    rows: number(&[
                        &["free pixels", "4.87", "0.121", "1 204", "12 s"],
                        &["hard fill", "3.90", "0.098", "1 187", "12 s"],
                        &["bounds", "3.21", "0.084", "1 166", "13 s"],
                        &["no estimate", "–", "–", "–", "–"],
                    ]),
                }],
                ..Section::default()
            },
        ],
        command: "lacuna compare scan_0042/pattern.cxi --nb-run 20 --seed 1234 --recipe \"ER**200,(Sup*HIO**50)**12\"".into(),
        version: "lacuna 0.1.0".into(),
        ..Report::default()
    }
}

/// Open target/tmp/report.html after this test to see what users see.
#[test]
fn the_demo_page_is_self_contained() {
    let html = demo().to_html();
    let target = concat!(env!("CARGO_MANIFEST_DIR"), "/target");
    let folder = std::env::var_os("CARGO_TARGET_DIR").map_or(target.into(), std::path::PathBuf::from).join("tmp");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("report.html"), &html).unwrap();
    assert!(!html.contains("http:") && !html.contains("https:") && !html.contains("<script "));
    assert_eq!(html.matches("<figure").count(), 8);
    assert_eq!(html.matches("<svg").count(), html.matches("</svg>").count());
    assert!(html.len() < 600_000, "{}", html.len());
}

#[test]
fn text_is_escaped_everywhere() {
    let evil = "<b onload=\"x\">&'\u{1}".to_string();
    let table = Table { title: evil.clone(), header: vec![evil.clone()], rows: vec![vec![evil.clone()]] };
    let plot = Plot {
        title: evil.clone(),
        caption: evil.clone(),
        x_label: evil.clone(),
        y_label: evil.clone(),
        series: vec![Series { name: evil.clone(), points: vec![(0.0, 1.0)], emphasis: true }],
        marks: vec![(0.0, evil.clone())],
        levels: vec![(0.0, evil.clone())],
        ..Plot::default()
    };
    let image = |scale| Image {
        title: evil.clone(),
        caption: evil.clone(),
        data: Array2::zeros((2, 2)),
        scale,
        unit: evil.clone(),
        ..Image::default()
    };
    let complex =
        ComplexImage { title: evil.clone(), caption: evil.clone(), unit: evil.clone(), ..ComplexImage::default() };
    let figures = vec![
        Figure::Plot(plot),
        Figure::Image(image(Scale::Log)),
        Figure::Image(image(Scale::Binary)),
        Figure::Image(image(Scale::Categories(vec![evil.clone()]))),
        Figure::Complex(complex),
    ];
    let report = Report {
        title: evil.clone(),
        verdict: evil.clone(),
        facts: vec![(evil.clone(), evil.clone())],
        sections: vec![Section {
            title: evil.clone(),
            text: evil.clone(),
            figures,
            tables: vec![table],
            ..Section::default()
        }],
        command: evil.clone(),
        version: evil.clone(),
        ..Report::default()
    };
    let html = report.to_html();
    assert!(!html.contains("<b onload") && !html.contains('\u{1}'));
    assert!(html.contains("&lt;b onload=&quot;x&quot;&gt;&amp;&#39;"));
}

#[test]
fn a_page_that_is_written_again_says_when_it_is_stale() {
    let sum = |script: &str| {
        use base64::Engine;
        use sha2::Digest;
        let sum = base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(script));
        format!("'sha256-{sum}'")
    };
    let links = vec![("report.html".to_string(), "The report".to_string())];
    let live = Some(Live { written: 1_700_000_000, refresh: 7, stale: 90 });
    let page = Report { live, links, ..Report::default() }.to_html();
    let script = include_str!("live.js");
    assert!(page.contains("<meta http-equiv=\"refresh\" content=\"7\">"), "{page}");
    assert!(page.contains("data-written=\"1700000000\" data-stale=\"90\"") && page.contains(script), "{page}");
    assert!(page.contains(&sum(script)), "the policy lets the script run");
    assert!(page.contains("<a href=\"report.html\">The report</a>"));
    let ended = Report::default().to_html();
    assert!(!ended.contains("http-equiv=\"refresh\"") && !ended.contains(&sum(script)) && !ended.contains(script));
}

/// Figures of nothing, of one thing, and of what is not a number.
fn degenerate() -> Vec<Figure> {
    let mut figures = Vec::new();
    for shape in [(0, 0), (0, 5), (1, 1), (1, 700), (700, 1)] {
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -1.0, 1e-42, f32::MAX] {
            for scale in [Scale::Linear, Scale::Log, Scale::Binary, Scale::Categories(vec![])] {
                let data = Array2::from_elem(shape, value);
                for pixel in [None, Some([0.0, f64::NAN]), Some([1e-9, 1e-9])] {
                    let image = Image { data: data.clone(), scale: scale.clone(), pixel, ..Image::default() };
                    figures.push(Figure::Image(image));
                }
            }
            let data = Array2::from_elem(shape, Complex32::new(value, 0.0));
            figures.push(Figure::Complex(ComplexImage { data, ..ComplexImage::default() }));
        }
    }
    let range = Some((f32::NAN, -1.0));
    figures.push(Figure::Image(Image { data: Array2::ones((3, 3)), range, scale: Scale::Log, ..Image::default() }));
    let nothing = (f64::NAN, f64::INFINITY);
    for points in [vec![], vec![nothing], vec![(1.0, 2.0)], vec![(-1.0, 0.0), (1e300, -1e300)], vec![(2.0, 2.0); 3]] {
        for (log_x, log_y) in [(false, false), (true, true)] {
            let series = vec![Series { points: points.clone(), ..Series::default() }, Series::default()];
            let marks = vec![(f64::NAN, "a".into()), (-1.0, "b".into())];
            let levels = vec![(0.0, "c".into())];
            figures.push(Figure::Plot(Plot { log_x, log_y, series, marks, levels, ..Plot::default() }));
        }
    }
    let values = [f32::NAN, f32::INFINITY, 0.0];
    let field = |limit| SceneField { values: values.to_vec(), limit, ..SceneField::default() };
    for fields in [vec![], vec![field(1.0)], vec![field(0.0)], vec![field(f32::NAN)]] {
        figures.push(Figure::Scene(Scene { fields: fields.clone(), ..Scene::default() }));
        let vertices = vec![[0.0; 3], [f32::NAN; 3], [1.0; 3]];
        figures.push(Figure::Scene(Scene { vertices, triangles: vec![[0, 1, 2], [0; 3]], fields, ..Scene::default() }));
    }
    figures
}

/// A page with these figures alone.
fn page_of(figures: Vec<Figure>) -> Report {
    Report { sections: vec![Section { figures, ..Section::default() }], ..Report::default() }
}

#[test]
fn degenerate_input_gives_a_page() {
    assert!(Report::default().to_html().ends_with("</html>\n"));
    let figures = degenerate().into_iter().filter(|figure| !matches!(figure, Figure::Scene(_))).collect();
    let sections = vec![Section { figures, tables: vec![Table::default()], ..Section::default() }];
    let html = Report { sections, ..Report::default() }.to_html();
    assert!(!html.contains("NaN") && !html.contains("inf"), "no drawing may hold what is not a number");
}

#[test]
fn one_bold_curve_among_twenty_stands_out() {
    let html = plot::plot(&Plot { series: runs(20), ..Plot::default() }).to_html();
    assert_eq!(html.matches("stroke-width=\"2.6\"").count(), 2, "the curve and its entry in the legend");
    assert!(html.contains("19 others"));
    let paths: Vec<&str> = html.split("<path").collect();
    assert!(paths[20].contains("2.6"), "drawn last, on top");
}

#[test]
fn logarithmic_plots_leave_out_what_they_cannot_show() {
    let points = vec![(1.0, 1.0), (2.0, 10.0), (3.0, 0.0), (4.0, 100.0), (5.0, -3.0), (6.0, 5.0), (7.0, 50.0)];
    let series = vec![Series { points, ..Series::default() }];
    let html = plot::plot(&Plot { series, log_y: true, ..Plot::default() }).to_html();
    assert_eq!(html.matches("<path").count(), 2, "two unbroken stretches");
    assert_eq!(html.matches("<circle").count(), 1, "a point alone");
}

/// A sphere with a field of both signs.
fn sphere() -> Figure {
    let at = |i: u32, j: u32| {
        let (theta, phi) = (std::f32::consts::PI * i as f32 / 16.0, std::f32::consts::TAU * j as f32 / 16.0);
        [40.0 * theta.sin() * phi.cos(), 40.0 * theta.sin() * phi.sin(), 40.0 * theta.cos()]
    };
    let vertices: Vec<[f32; 3]> = (0..=16).flat_map(|i| (0..16).map(move |j| at(i, j))).collect();
    let corner = |i: u32, j: u32| 16 * i + j % 16;
    let triangles = (0..16).flat_map(|i| (0..16).map(move |j| (i, j))).flat_map(|(i, j)| {
        let [a, b, c, d] = [corner(i, j), corner(i, j + 1), corner(i + 1, j), corner(i + 1, j + 1)];
        [[a, c, b], [b, c, d]]
    });
    let values = vertices.iter().map(|[x, ..]| x * 1e-5).collect();
    Figure::Scene(Scene {
        title: "Surface".into(),
        triangles: triangles.collect(),
        vertices,
        fields: vec![SceneField { label: "strain".into(), values, limit: 4e-4 }],
        ..Scene::default()
    })
}

/// Width, height and samples of a PNG file.
fn decoded(bytes: &[u8]) -> (usize, usize, Vec<u8>) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let frame = reader.next_frame(&mut pixels).unwrap();
    assert_eq!(frame.color_type, png::ColorType::Rgb);
    (frame.width as usize, frame.height as usize, pixels)
}

/// Pixels in rows of an image that are nearly black, as text is and no white paper.
fn ink((width, _, pixels): &(usize, usize, Vec<u8>), rows: std::ops::Range<usize>) -> usize {
    let rows = &pixels[3 * width * rows.start..3 * width * rows.end];
    rows.chunks_exact(3).filter(|rgb| rgb.iter().all(|&value| value < 90)).count()
}

/// Look into target/tmp/figures after this test to see what users see.
#[test]
fn every_figure_is_a_file_of_its_own() {
    let mut report = demo();
    report.sections[1].figures.push(sphere());
    let target = concat!(env!("CARGO_MANIFEST_DIR"), "/target");
    let folder =
        std::env::var_os("CARGO_TARGET_DIR").map_or(target.into(), std::path::PathBuf::from).join("tmp/figures");
    std::fs::create_dir_all(&folder).unwrap();
    let [drawings, pictures] = [FigureFormat::Svg, FigureFormat::Png].map(|format| report.figures(format).unwrap());
    assert_eq!((drawings.len(), pictures.len()), (9, 9));
    assert_eq!(drawings[1].name, "02-classes-of-pixels.svg");
    assert_eq!(pictures[8].name, "09-surface.png");
    for file in drawings.iter().chain(&pictures) {
        std::fs::write(folder.join(&file.name), &file.bytes).unwrap();
        assert!(FigureFile::is_name(&file.name), "{}", file.name);
    }
    let text = |index: usize| String::from_utf8(drawings[index].bytes.clone()).unwrap();
    for index in 0..9 {
        let svg = text(index);
        assert!(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" width="));
        // Nothing is loaded from elsewhere.
        assert_eq!(svg.matches("href=").count(), svg.matches("href=\"data:image/png;base64,").count());
        assert_eq!(svg.matches("http").count(), 1);
    }
    assert!(["measured", "gap", "saturated"].iter().all(|name| text(1).contains(&format!(">{name}</text>"))));
    assert!(text(0).contains(">no data</text>") && text(0).contains(">photons</text>"));
    assert_eq!(text(2).matches("class=\"pixels\"").count(), 2, "modulus and phase");
    assert!(text(5).contains(">19 others</text>"));
    assert!(text(8).contains(">strain</text>") && text(8).contains(">−0.0004</text>"));
    for file in &pictures {
        let image = decoded(&file.bytes);
        let per_metre = png::Decoder::new(std::io::Cursor::new(&file.bytes)).read_info().unwrap().info().pixel_dims;
        assert_eq!(per_metre.unwrap().xppu, 11811, "300 to the inch");
        assert!(image.0 > 900 && image.0 < 3200 && image.1 > 400, "{}: {} x {}", file.name, image.0, image.1);
        assert!(
            image.2[image.2.len() - 3 * image.0..].iter().all(|&value| value == 255),
            "{}: its last row",
            file.name
        );
        // The title is within the first 30 units, below the margin.
        assert_eq!(ink(&image, 0..30), 0, "{}", file.name);
        assert!(ink(&image, 38..94) > 200, "{}: {}", file.name, ink(&image, 38..94));
    }
    // Names below the frame.
    let categories = decoded(&pictures[1].bytes);
    assert!(ink(&categories, categories.1 - 100..categories.1) > 200);
}

#[test]
fn signs_of_the_field_are_in_the_fonts() {
    let titles = ["\u{4e00}", "π", "Å", "µ", "−", "°", "√", "²", "×", "⁻", "⁷", "±", "é", "σ", "≤", "₀", "–"];
    let figures = titles.map(|title| Figure::Plot(Plot { title: title.into(), ..Plot::default() }));
    let files = page_of(figures.to_vec()).figures(FigureFormat::Png).unwrap();
    let drawn: Vec<Vec<u8>> = files.iter().map(|file| decoded(&file.bytes).2).collect();
    for (index, title) in titles.iter().enumerate() {
        assert!(!drawn[..index].contains(&drawn[index]), "{title} looks as one before it");
    }
}

#[test]
fn degenerate_input_gives_files() {
    let files = page_of(degenerate()).figures(FigureFormat::Svg).unwrap();
    for file in &files {
        let svg = String::from_utf8_lossy(&file.bytes);
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }
    assert!(files.last().unwrap().name.ends_with("-figure.svg"));
    // One of each kind is enough of pixels.
    let few = degenerate().into_iter().step_by(41).collect();
    for file in page_of(few).figures(FigureFormat::Png).unwrap() {
        let (width, height, pixels) = decoded(&file.bytes);
        assert!(width > 100 && height > 100 && pixels[..3] == [255; 3], "{}: {width} x {height}", file.name);
    }
    assert_eq!(Report::default().figures(FigureFormat::Png).unwrap(), []);
}

#[test]
fn texts_of_any_kind_and_length_stay_inside() {
    let evil = "<b onload=\"x\">&'\u{1}\u{ffff}]]>";
    let long = "averages over shells of the pixels that were measured ".repeat(4);
    let plot = |title: &str, name: String| {
        let series = vec![Series { name, points: vec![(0.0, 1.0)], emphasis: true }];
        Figure::Plot(Plot { title: title.into(), caption: evil.into(), series, ..Plot::default() })
    };
    let figures = vec![plot(evil, evil.into()), plot(&long, "short".into()), plot("", "x".repeat(120))];
    let report = page_of(figures);
    let names: Vec<String> = report.figures(FigureFormat::Svg).unwrap().into_iter().map(|file| file.name).collect();
    assert_eq!(names[0], "01-b-onload-x.svg");
    assert!(names[1].len() < 70 && names[1].starts_with("02-averages-over-shells"), "{}", names[1]);
    assert!(names.iter().all(|name| FigureFile::is_name(name)));
    let sizes: Vec<(usize, usize)> = report
        .figures(FigureFormat::Png)
        .unwrap()
        .iter()
        .map(|file| decoded(&file.bytes))
        .map(|(width, height, _)| (width, height))
        .collect();
    assert!(sizes[1].0 == sizes[0].0 && sizes[1].1 > sizes[0].1 + 100, "lines of a title: {sizes:?}");
    assert!(sizes[2].0 > sizes[0].0 + 300, "a long name makes the file wider: {sizes:?}");
}

#[test]
fn names_of_other_files_are_none_of_figures() {
    for name in ["01-a.png", "12-a-b.svg", "123-phase.png"] {
        assert!(FigureFile::is_name(name), "{name}");
    }
    for name in ["1-a.png", "01.png", "01-.png", "01-a.pdf", "01-A.png", "scan-01.png", "01-a.png.bak", "notes", ""] {
        assert!(!FigureFile::is_name(name), "{name}");
    }
}

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
                tables: vec![],
            },
            Section {
                title: "Reconstruction".into(),
                text: String::new(),
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
        sections: vec![Section { title: evil.clone(), text: evil.clone(), figures, tables: vec![table] }],
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

#[test]
fn degenerate_input_gives_a_page() {
    assert!(Report::default().to_html().ends_with("</html>\n"));
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
    let sections = vec![Section { figures, tables: vec![Table::default()], ..Section::default() }];
    let html = Report { sections, ..Report::default() }.to_html();
    assert!(!html.contains("NaN") && !html.contains("inf"), "no drawing may hold what is not a number");
}

#[test]
fn one_bold_curve_among_twenty_stands_out() {
    let html = plot::plot(&Plot { series: runs(20), ..Plot::default() });
    assert_eq!(html.matches("stroke-width=\"2.6\"").count(), 2, "the curve and its entry in the legend");
    assert!(html.contains("19 others"));
    let paths: Vec<&str> = html.split("<path").collect();
    assert!(paths[20].contains("2.6"), "drawn last, on top");
}

#[test]
fn logarithmic_plots_leave_out_what_they_cannot_show() {
    let points = vec![(1.0, 1.0), (2.0, 10.0), (3.0, 0.0), (4.0, 100.0), (5.0, -3.0), (6.0, 5.0), (7.0, 50.0)];
    let series = vec![Series { points, ..Series::default() }];
    let html = plot::plot(&Plot { series, log_y: true, ..Plot::default() });
    assert_eq!(html.matches("<path").count(), 2, "two unbroken stretches");
    assert_eq!(html.matches("<circle").count(), 1, "a point alone");
}

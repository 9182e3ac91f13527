//! A surface that turns with the mouse, and its still picture for browsers without WebGL, for paper
//! and for files.

use super::content::Scene;
use super::drawing::Drawing;
use super::html::escape;
use super::image::{self, Bar, Picture};
use super::{raster, ticks};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ndarray::Array2;
use std::fmt::Write;

/// Pixels along each side of the still picture, on a page and in a file, where it is printed.
const STILL: usize = 480;
const PRINTED: usize = 1024;

/// Colours below zero, at zero, above zero; those of the script.
const COLOURS: [[f32; 3]; 3] = [[0.13, 0.40, 0.67], [0.95; 3], [0.70, 0.09, 0.17]];

/// Where the light comes from; as in the script.
const LIGHT: [f32; 3] = [0.3, 0.4, 1.0];

/// The surface with its fields, as the script expects them.
pub fn scene(scene: &Scene) -> String {
    let floats =
        |values: &mut dyn Iterator<Item = f32>| STANDARD.encode(values.flat_map(f32::to_le_bytes).collect::<Vec<u8>>());
    let mut html = format!(
        "<div class=\"scene\"><img alt=\"{}\" src=\"{}\">",
        escape(&scene.title),
        raster::data_url(&still(scene, STILL))
    );
    let vertices = floats(&mut scene.vertices.iter().flatten().copied());
    let corners: Vec<u8> = scene.triangles.iter().flatten().flat_map(|corner| corner.to_le_bytes()).collect();
    let _ = write!(html, "<data data-name=\"vertices\">{vertices}</data>");
    let _ = write!(html, "<data data-name=\"triangles\">{}</data>", STANDARD.encode(corners));
    for (number, field) in scene.fields.iter().enumerate() {
        let values = floats(&mut field.values.iter().copied());
        let _ = write!(
            html,
            "<data data-name=\"field-{number}\" data-field=\"{}\" data-limit=\"{:e}\">{values}</data>",
            escape(&field.label),
            field.limit
        );
    }
    html + "</div>"
}

/// The still picture with the colour bar of its field.
pub fn drawing(scene: &Scene) -> Drawing {
    let bar = scene.fields.first().map(|field| {
        let limit = f64::from(field.limit);
        let place =
            |(value, label): (f64, String)| Some(((value / limit + 1.0) / 2.0, label)).filter(|at| at.0.is_finite());
        Bar {
            pixels: raster::colour_bar(|t| colour(2.0 * t as f32 - 1.0).map(|value| (255.0 * value) as u8)),
            ticks: ticks::linear(-limit, limit, 6).into_iter().filter_map(place).collect(),
            label: &field.label,
        }
    });
    let pixels = still(scene, PRINTED);
    let picture = Picture { shape: pixels.dim(), pixels, pixel: None, no_data: "#fff", light: true, crisp: false };
    image::panel(picture, bar, image::alt_text(&scene.title, &scene.caption))
}

/// Drawn from above, x to the right, y up, in the colours of the first field; `size` pixels along
/// each side.
fn still(scene: &Scene, size: usize) -> raster::Pixels {
    let all = || scene.vertices.iter();
    let [low, high] = [f32::min, f32::max]
        .map(|pick| -> [f32; 3] { std::array::from_fn(|i| all().map(|at| at[i]).reduce(pick).unwrap_or(0.0)) });
    let middle: [f32; 3] = std::array::from_fn(|i| (low[i] + high[i]) / 2.0);
    let radius = high.iter().zip(middle).map(|(high, middle)| (high - middle).powi(2)).sum::<f32>().sqrt().max(1e-30);
    let half = size as f32 / 2.0;
    let place = |corner: u32| -> [f32; 3] {
        let at = scene.vertices[corner as usize];
        let [x, y, z] = std::array::from_fn(|i| (at[i] - middle[i]) / radius);
        [half * (1.0 + x), half * (1.0 - y), z]
    };
    let light = LIGHT.map(|value| value / LIGHT.iter().map(|value| value * value).sum::<f32>().sqrt());
    let mut depth = Array2::from_elem((size, size), f32::NEG_INFINITY);
    let mut pixels = raster::Pixels::from_elem((size, size), [255; 4]);
    for &corners in &scene.triangles {
        let [a, b, c] = corners.map(place);
        let [u, v]: [[f32; 3]; 2] = [b, c].map(|to| std::array::from_fn(|i| to[i] - a[i]));
        // In pixels along x and y: the depth in pixels too. y points down.
        let normal = [
            u[1] * v[2] * half - u[2] * half * v[1],
            u[2] * half * v[0] - u[0] * v[2] * half,
            u[0] * v[1] - u[1] * v[0],
        ];
        let length = normal.iter().map(|value| value * value).sum::<f32>().sqrt();
        if normal[2] == 0.0 || length == 0.0 {
            continue;
        }
        let shade = (normal[0] * light[0] - normal[1] * light[1] + normal[2] * light[2]).abs() / length;
        let value = scene.fields.first().map_or(f32::NAN, |field| {
            corners.iter().map(|&corner| field.values[corner as usize]).sum::<f32>() / 3.0 / field.limit
        });
        let rgb = colour(value).map(|value| (255.0 * value * (0.35 + 0.65 * shade)).clamp(0.0, 255.0) as u8);
        let span = |axis: usize| {
            let [low, high] = [f32::min, f32::max].map(|pick| pick(pick(a[axis], b[axis]), c[axis]));
            low.floor().max(0.0) as usize..(high.ceil().max(0.0) as usize).min(size)
        };
        for row in span(1) {
            for column in span(0) {
                let [y, x] = [row, column].map(|i| i as f32 + 0.5);
                // Weights of the corners.
                let part = |p: [f32; 3], q: [f32; 3]| (q[0] - p[0]) * (y - p[1]) - (q[1] - p[1]) * (x - p[0]);
                let weights = [part(b, c), part(c, a), part(a, b)].map(|value| value / normal[2]);
                let z = weights[0] * a[2] + weights[1] * b[2] + weights[2] * c[2];
                if weights.iter().all(|&weight| weight >= 0.0) && z > depth[[row, column]] {
                    depth[[row, column]] = z;
                    pixels[[row, column]] = [rgb[0], rgb[1], rgb[2], 255];
                }
            }
        }
    }
    pixels
}

/// The colour of a value in units of the limit.
fn colour(value: f32) -> [f32; 3] {
    if !value.is_finite() {
        return [0.6; 3];
    }
    let [below, zero, above] = COLOURS;
    let end = if value < 0.0 { below } else { above };
    std::array::from_fn(|i| zero[i] + (end[i] - zero[i]) * value.abs().min(1.0))
}

//! A crystal on a page: its surface, planes through its middle, and its numbers.

use super::facets::Facet;
use super::files::CrystalFiles;
use super::spread::Spread;
use super::summary::TWIN;
use crate::geometry::Frame;
use crate::report::{ColourMap, Figure, Image, Report, Scene, SceneField, Section, Table};
use crate::volume::Centered;
use ndarray::{Array2, Axis, s};

/// Part of the values that the colours reach; the rest, at the surface mostly, is as dark as they
/// are.
const SHOWN: f64 = 0.98;

pub(super) fn page(files: &CrystalFiles) -> Report {
    let CrystalFiles { cubes, summary, surface, .. } = files;
    let [x, y, z] = summary.size_nm;
    let facts = vec![
        ("Distance of planes".to_string(), format!("{:.5} Å", summary.d_spacing_angstrom)),
        ("Size (x, y, z)".into(), format!("{x:.0}, {y:.0}, {z:.0} nm")),
        ("Size along q".into(), format!("{:.0} nm", summary.size_along_q_nm)),
        ("Volume".into(), format!("{:.4} µm³", summary.volume_nm3 * 1e-9)),
        ("Surface".into(), format!("{:.0} nm²", surface.area())),
        ("Cubes".into(), format!("{:.2} nm", cubes.voxel * 1e9)),
        ("Phase vortices".into(), summary.phase_vortices.to_string()),
    ];
    let limits = [&cubes.strain, &cubes.displacement.map(|value| value * 1e9), &cubes.phase]
        .map(|field| limit(field.as_slice().iter().copied()));
    let frame = match cubes.frame {
        Frame::Laboratory => "the laboratory (z along the beam, y up)",
        Frame::Sample => "the sample, all its circles at zero",
        Frame::Crystal => "the crystal (z along the momentum transfer)",
    };
    let field =
        |label: &str, values: &[f32], limit: f32| SceneField { label: label.into(), values: values.to_vec(), limit };
    let scene = Scene {
        title: "Surface".into(),
        caption: format!(
            "At {:.2} of the modulus of the bulk, in the axes of {frame}: at first x to the right, y up, z towards you. Drag, or use \
             the arrow keys, to turn it; the wheel zooms.",
            summary.isosurface
        ),
        vertices: surface.vertices.clone(),
        triangles: surface.triangles.clone(),
        fields: vec![
            field("strain", &surface.strain, limits[0]),
            field("displacement, nm", &surface.displacement, limits[1]),
            field("phase, rad", &surface.phase, limits[2]),
        ],
    };
    let caution = match summary.direct_beam_known {
        true => "The direct beam is known.",
        false => {
            "The direct beam is not known: the detector's angles were taken for the middle of the pattern, and distances \
                  of planes are as good as that."
        }
    };
    let text = format!(
        "Displacement and strain are those along the momentum transfer, minus the phase over its length and the derivative of \
         that. {caution} Of twins: {TWIN}. At the surface derivatives are one-sided, and the modulus is low: the outermost two voxels are the \
         least to be believed."
    );
    let mut figures = vec![Figure::Scene(scene)];
    figures.extend(planes("Strain", &cubes.strain, "strain", Some(limits[0]), cubes.voxel));
    figures.extend(planes(
        "Displacement",
        &cubes.displacement.map(|value| value * 1e9),
        "nm",
        Some(limits[1]),
        cubes.voxel,
    ));
    figures.extend(planes("Modulus", &cubes.modulus, "sqrt(photons)", None, cubes.voxel));
    let found = summary.found.as_ref().map_or(String::new(), |found| {
        let sentence = found.sentence();
        format!("{}{}. ", sentence[..1].to_uppercase(), &sentence[1..])
    });
    let indices = match summary.indices_are_whole() {
        true => "",
        false => " The Miller indices are no whole numbers: energy, angles or orientation may be wrong.",
    };
    let mean = summary.strain.map_or(f64::NAN, |strain| strain.std);
    Report {
        title: "Crystal in the laboratory".into(),
        verdict: format!(
            "{found}Planes {:.4} Å apart, strain of {mean:.1e} (standard deviation, the surface included) along q.{indices}",
            summary.d_spacing_angstrom
        ),
        facts,
        sections: vec![Section { text, figures, tables: vec![table(files), facet_table(files)], ..Section::default() }],
        command: files.command.clone(),
        version: format!("lacuna {}", env!("CARGO_PKG_VERSION")),
        ..Report::default()
    }
}

/// The three planes through the middle of a field, y or z up.
fn planes(title: &str, field: &Centered<f32>, unit: &str, limit: Option<f32>, voxel: f64) -> Vec<Figure> {
    let names = [["x", "y"], ["x", "z"], ["y", "z"]];
    let plane = |axis: usize| {
        let plane = field.0.index_axis(Axis(axis), field.shape()[axis] / 2);
        let data: Array2<f32> = plane.slice(s![..;-1, ..]).to_owned();
        Figure::Image(Image {
            title: format!("{title}, plane of {}", names[axis].join(", ")),
            caption: format!("Through the middle; {} to the right, {} up.", names[axis][0], names[axis][1]),
            data,
            colour_map: if limit.is_some() { ColourMap::Balance } else { ColourMap::Viridis },
            range: limit.map(|limit| (-limit, limit)),
            pixel: Some([voxel; 2]),
            unit: unit.into(),
            ..Image::default()
        })
    };
    (0..3).map(plane).collect()
}

/// What all but a few of the moduli of the values do not exceed.
fn limit(values: impl Iterator<Item = f32>) -> f32 {
    let mut moduli: Vec<f32> = values.filter(|value| value.is_finite()).map(f32::abs).collect();
    moduli.sort_by(f32::total_cmp);
    let place = (SHOWN * moduli.len() as f64) as usize;
    moduli.get(place.min(moduli.len().saturating_sub(1))).copied().filter(|&limit| limit > 0.0).unwrap_or(1.0)
}

fn table(files: &CrystalFiles) -> Table {
    let summary = &files.summary;
    let [qx, qy, qz] = summary.q_per_angstrom;
    let [z, y, x] = summary.sheared_voxel_nm;
    let [yx, zx, zy] = summary.sheared_voxel_degrees;
    let spread = |spread: Option<Spread>, scale: f64| match spread {
        Some(Spread { mean, std, min, max }) => {
            let [mean, std, min, max] = [mean, std, min, max].map(|value| value * scale);
            format!("mean {mean:.3}, standard deviation {std:.3}, {min:.3} to {max:.3}")
        }
        None => "-".into(),
    };
    let mut rows = vec![
        vec!["Momentum transfer (x, y, z), 1/Å".to_string(), format!("{qx:.5}, {qy:.5}, {qz:.5}")],
        vec!["Sheared voxels (z, y, x), nm".into(), format!("{z:.2}, {y:.2}, {x:.2}")],
        vec!["Angles between them (yx, zx, zy), degrees".into(), format!("{yx:.1}, {zx:.1}, {zy:.1}")],
        vec!["Momentum transfer off a lattice, at most".into(), format!("{:.2} pixels", summary.q_residual_pixels)],
        vec!["Voxels inside the surface".into(), summary.voxels.to_string()],
        vec!["Displacement, pm".into(), spread(summary.displacement_nm, 1e3)],
        vec!["Strain, 1e-4".into(), spread(summary.strain, 1e4)],
    ];
    if let Some(line) = &summary.dislocation {
        let [[x, y, z], [dx, dy, dz]] = [line.middle_nm, line.direction];
        let text = format!(
            "through {x:.0}, {y:.0}, {z:.0} nm along {dx:.2}, {dy:.2}, {dz:.2}; {:.0} degrees to q, vortices {:.0} nm off it in the mean",
            line.degrees_to_q, line.off_nm
        );
        rows.push(vec!["Line through the vortices".into(), text]);
    }
    if let Some([h, k, l]) = summary.hkl {
        rows.insert(1, vec!["Miller indices of the peak".into(), format!("{h:.3}, {k:.3}, {l:.3}")]);
    }
    if let Some(a) = summary.lattice_parameter_angstrom {
        rows.insert(1, vec!["Lattice parameter, cubic, Å".into(), format!("{a:.5}")]);
    }
    Table { title: "Numbers".into(), header: vec![], rows }
}

fn facet_table(files: &CrystalFiles) -> Table {
    let row = |facet: &Facet| {
        let [x, y, z] = facet.normal;
        vec![
            format!("{:.0}", facet.area_nm2),
            format!("{:.1} %", 100.0 * facet.part),
            format!("{x:.3}, {y:.3}, {z:.3}"),
            format!("{:.1}", facet.degrees_to_q),
            facet.face(),
            facet.strain.map_or("-".into(), |strain| format!("{:.2} ± {:.2}", 1e4 * strain.mean, 1e4 * strain.std)),
        ]
    };
    Table {
        title: "Facets".into(),
        header: ["Area, nm²", "Of the surface", "Normal (x, y, z)", "Degrees to q", "Face", "Strain, 1e-4"]
            .map(String::from)
            .to_vec(),
        rows: files.summary.facets.iter().map(row).collect(),
    }
    .without_empty_columns()
}

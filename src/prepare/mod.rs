//! From raw detector counts to a pattern that can be phased: masks, bad pixels, centring, cropping
//! and binning.

mod alien;
mod binning;
mod centre;
mod counts;
mod defects;
mod detector;
mod doubts;
mod inspect;
mod lines;
mod mask;
mod options;
mod symmetry;
mod text;
mod window;

pub use crate::fft::fft_friendly;
pub use centre::Centring;
pub use counts::uncounted;
pub use detector::Detector;
pub use doubts::doubts;
pub use inspect::{Inspection, inspect, likely_support, oversampling};
pub use lines::Gap;
pub use mask::{DoubtfulMask, MaskItem, apply_mask, parse_mask};
pub use options::Options;

use crate::error::{Error, Result, shape_text};
use crate::geometry::{Geometry, Placement};
use crate::pixels::{Estimate, Pattern, bit, trimmed};
use crate::volume::{Centered, Shape};
use std::ops::Range;
use text::{counted, trimmed_text, window_text};
use window::cut;

/// A pattern ready for phasing, with the steps that led to it.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The pattern, zero frequency at `n / 2`.
    pub pattern: Pattern,
    /// The support that was given, for the object of this pattern.
    pub support: Option<Centered<bool>>,
    /// Descriptions of the steps, one line each.
    pub steps: Vec<String>,
    /// What a person should know: doubts about the centre, aliens, how much a crop costs; and, of a
    /// pattern that was read from a file, what its reader noted.
    pub notes: Vec<String>,
    /// Zero frequency in the input, pixels `(z, y, x)`.
    pub centre: [usize; 3],
    /// The part of the input that was used.
    pub window: [Range<usize>; 3],
    /// Input pixels in one of the pattern.
    pub rebin: [usize; 3],
}

/// Prepares raw data for phasing: detector units to photons, flux, flat field, hot and dead pixels,
/// region of interest, centre, crop or padding, binning, in this order.
///
/// `support` is in the object space of the whole stack, and is carried along. Intensities of masked
/// pixels become zero. [`apply_mask`] comes before this.
///
/// # Errors
///
/// [`Error::Shape`] where arrays do not fit together, [`Error::Setting`] for options that cannot be
/// met, [`Error::Pattern`] where unmasked pixels are no photon counts or too little is left.
pub fn prepare(
    mut intensity: Centered<f32>,
    mask: Option<Centered<u32>>,
    estimate: Option<Estimate>,
    support: Option<Centered<bool>>,
    geometry: Geometry,
    options: &Options,
) -> Result<Prepared> {
    let shape = intensity.shape();
    let data_shape = shape;
    let mut mask = mask.unwrap_or_else(|| intensity.map(|_| 0));
    mask::check_shape("mask", &mask, &intensity)?;
    let placement = options.placement.unwrap_or(Placement::whole(shape));
    let fits = (0..3).all(|a| placement.start[a] + shape[a] <= placement.stack[a]);
    if !fits {
        let (part, stack) = (shape_text(&shape), shape_text(&placement.stack));
        return Err(Error::Pattern(format!("{part} pixels from {:?} on are outside of {stack}", placement.start)));
    }
    if let Some(support) = support.as_ref().filter(|support| support.shape() != placement.stack) {
        return Err(Error::Shape {
            what: "support".into(),
            found: trimmed(support.shape()),
            expected: trimmed(placement.stack),
            remedy: "give one of the same shape, cut as the data were".into(),
        });
    }
    if let Some(estimate) = &estimate {
        mask::check_shape("estimate", &estimate.at, &intensity)?;
        for part in [&estimate.mean, &estimate.lower, &estimate.upper] {
            mask::check_shape("estimate", part, &intensity)?;
        }
    }
    check(options, shape, placement)?;
    let mut steps = counts::photons(&mut intensity, &mask, options, placement)?;

    if let Some(flat) = &options.flat {
        let dead = defects::flat_field(&mut intensity, &mut mask, flat)?;
        steps.push("divided by the flat field".into());
        steps.extend((dead > 0).then(|| format!("masked {} without a flat field", counted(dead, "pixel"))));
    }
    // Refuses NaN and negative pixels that nobody masked, with their place in the file.
    let mut pattern = Pattern::new(intensity, mask, geometry)?;
    if let Some(factor) = options.hot {
        let hot = defects::hot_pixels(&pattern.intensity, &mut pattern.mask, factor as f32);
        steps.extend((hot > 0).then(|| format!("masked {}", counted(hot, "hot pixel"))));
    }
    if options.dead {
        let dead = defects::dead_pixels(&pattern.intensity, &mut pattern.mask);
        steps.extend((dead > 0).then(|| format!("masked {} in every frame", counted(dead, "dead pixel"))));
    }
    pattern.intensity.0.zip_mut_with(&pattern.mask.0, |value, &bits| {
        if bits != 0 {
            *value = 0.0;
        }
    });
    pattern.estimate = estimate;

    // A region counts in the whole stack, of which the data may be a part.
    let start = placement.start;
    let whole = || std::array::from_fn(|a| start[a]..start[a] + shape[a]);
    let roi = options.roi.clone().unwrap_or_else(whole);
    let part: [Range<usize>; 3] = std::array::from_fn(|a| roi[a].start - start[a]..roi[a].end - start[a]);
    if options.roi.is_some() {
        pattern.intensity = cut(&pattern.intensity, &part);
        pattern.mask = cut(&pattern.mask, &part);
        pattern.estimate = pattern.estimate.map(|estimate| Estimate {
            at: cut(&estimate.at, &part),
            mean: cut(&estimate.mean, &part),
            lower: cut(&estimate.lower, &part),
            upper: cut(&estimate.upper, &part),
        });
    }
    let shape = placement.stack;
    if options.roi.is_some() || placement.stack != data_shape {
        steps.push(format!("cut to the region of interest {}", window_text(&roi)));
    }

    let mut notes = Vec::new();
    let found = locate(&mut pattern, &roi, shape, options, &mut steps, &mut notes)?;
    let mut window = [0..1, 0..1, 0..1];
    for a in 0..3 {
        if a == 0 && options.frames {
            window[a] = 0..(roi[a].len() / options.rebin[a] * options.rebin[a]) as isize;
        } else if shape[a] > 1 {
            let axis = window::Axis {
                name: ['z', 'y', 'x'][a],
                length: roi[a].len(),
                centre: found[a],
                bin: options.rebin[a],
                most: options.max_size.map(|most| most[a]),
                friendly: options.fft_friendly,
            };
            window[a] = if options.pad { axis.padded() } else { axis.cropped()? };
            notes.extend(axis.loss(&window[a]));
        }
    }
    let washed_out = if options.rebin == [1; 3] || options.frames {
        None
    } else {
        let rank = if shape[0] == 1 { 2 } else { 3 };
        binning::washed_out(binning::sampled(&pattern, &window, options.rebin), options.rebin, rank)
    };
    let (intensity, mask, estimate) = window::cut_and_bin(&pattern, &window, options.rebin);
    let pixel_size = geometry.pixel_size.map(|[y, x]| [y * options.rebin[1] as f64, x * options.rebin[2] as f64]);
    let mut pattern = Pattern::new(intensity, mask, Geometry { pixel_size, ..geometry })?;
    pattern.estimate = estimate;
    pattern.goniometer = options.goniometer.as_ref().map(|goniometer| {
        let in_data = |a: usize| {
            let start = part[a].start as isize;
            start + window[a].start..start + window[a].end
        };
        goniometer.windowed(&std::array::from_fn(in_data), options.rebin)
    });
    let lengths: Shape = std::array::from_fn(|a| window[a].len());
    if (0..3).any(|a| lengths[a] > roi[a].len()) {
        let before = shape_text(&trimmed(roi.each_ref().map(Range::len)));
        steps.push(format!("padded with unmeasured pixels from {before} to {}", shape_text(&trimmed(lengths))));
    } else if lengths != shape {
        steps.push(format!("cropped from {} to {}", shape_text(&trimmed(shape)), shape_text(&trimmed(lengths))));
    }
    if options.rebin != [1; 3] {
        let bins = if shape[0] == 1 { &options.rebin[1..] } else { &options.rebin[..] };
        steps.push(format!("binned by {} to {}", shape_text(bins), shape_text(&trimmed(pattern.shape()))));
        notes.extend(washed_out);
    }
    let support = match support {
        Some(support) => Some(window::carry_support(&support, lengths, options.rebin)?),
        None => None,
    };
    let centre = std::array::from_fn(|a| found[a] + roi[a].start);
    let window = std::array::from_fn(|a| {
        let used = |end: isize| roi[a].start + end.clamp(0, roi[a].len() as isize) as usize;
        used(window[a].start)..used(window[a].end)
    });
    Ok(Prepared { pattern, support, steps, notes, centre, window, rebin: options.rebin })
}

/// Finds the centre in the region of interest, to which the pattern has been cut, and masks flashed
/// frames and aliens that are met on the way to it.
fn locate(
    pattern: &mut Pattern,
    roi: &[Range<usize>; 3],
    shape: Shape,
    options: &Options,
    steps: &mut Vec<String>,
    notes: &mut Vec<String>,
) -> Result<[usize; 3]> {
    let text = |pixel: [usize; 3]| trimmed_text(std::array::from_fn(|a| pixel[a] + roi[a].start), shape);
    let automatic = options.centring == Centring::Auto && !options.frames;
    if automatic {
        let flashed = defects::flashed_frames(&pattern.intensity, &mut pattern.mask);
        if !flashed.is_empty() {
            let frames: Vec<String> = flashed.iter().map(|z| (z + roi[0].start).to_string()).collect();
            steps.push(format!("masked {}", counted(flashed.len(), "flashed frame")));
            notes.push(format!(
                "frames several times as bright all over as those beside them are masked: {}",
                frames.join(", ")
            ));
        }
    }
    let found = centre::find(&pattern.intensity, &pattern.measured(), roi, shape, options.centring)?;
    for alien in &found.aliens {
        for &pixel in &alien.pixels {
            pattern.mask.0[pixel] |= bit::BAD;
        }
        let pixels = counted(alien.pixels.len(), "pixel");
        let at = text(alien.at);
        let treated = if alien.pixels.is_empty() {
            "not masked, as it cannot be told from the pattern: give mask = FILE with it".into()
        } else {
            steps.push(format!("masked {pixels} of an alien at {at}"));
            format!("{pixels} of it are masked")
        };
        notes.push(format!(
            "the spot at {at}, of {:.0} photons, is brighter than the centre but has little light around it, and is \
             taken for an alien: {treated}; if it is the centre, give centre = {}",
            alien.photons,
            at.trim_matches(['(', ')']).replace(", ", ",")
        ));
    }
    let centre = text(found.centre);
    steps.push(format!("centre at {centre}: {}", found.how));
    if !found.doubts.is_empty() {
        let doubts = found.doubts.join(", and ");
        notes.push(format!("the centre {centre}, {}, is in doubt: {doubts}: check it, or give the centre", found.how));
    }
    if automatic {
        let spot = alien::unmatched_spot(&pattern.intensity, &pattern.measured(), found.centre);
        notes.extend(spot.map(|spot| {
            format!(
                "{:.0} photons around {}, and {:.0} across the centre: perhaps an alien; mask it with mask = FILE",
                spot.photons,
                text(spot.at),
                spot.mate_photons
            )
        }));
    }
    Ok(found.centre)
}

/// Refuses options that make no sense for data of this shape.
fn check(options: &Options, shape: Shape, placement: Placement) -> Result<()> {
    if let Some(factor) = options.hot.filter(|factor| factor.is_nan() || *factor <= 1.0) {
        return Err(Error::setting("hot", factor, "must be above 1; 10 is safe"));
    }
    if options.rebin.contains(&0) || (shape[0] == 1 && options.rebin[0] != 1) {
        let problem = if shape[0] == 1 { "z must be 1 for a 2D pattern" } else { "must be 1 or more along every axis" };
        return Err(Error::setting("rebin", shape_text(&options.rebin), problem));
    }
    if let Some(roi) = &options.roi {
        let fits = (roi.iter().zip(shape).zip(placement.start))
            .all(|((range, n), start)| range.start >= start && range.start < range.end && range.end <= start + n);
        if !fits {
            let problem = format!("must be within the data, which are {}", shape_text(&shape));
            return Err(Error::setting("roi", window_text(roi), problem));
        }
    }
    Ok(())
}

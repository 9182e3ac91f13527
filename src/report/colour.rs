//! Colours of maps, phases, categories and lines.

use std::f64::consts::TAU;

/// A colour as red, green and blue.
pub type Rgb = [u8; 3];

/// Perceptually uniform maps: equal steps of the value look equal, also in black and white.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ColourMap {
    /// Dark blue over green to yellow.
    #[default]
    Viridis,
    /// Black over purple to pale yellow.
    Magma,
    /// Black over red to pale yellow.
    Inferno,
    /// Blue over white to red, for values around zero.
    Balance,
}

impl ColourMap {
    /// The colour at `t` in 0..=1.
    pub fn at(self, t: f64) -> Rgb {
        let map = match self {
            ColourMap::Viridis => colorous::VIRIDIS,
            ColourMap::Magma => colorous::MAGMA,
            ColourMap::Inferno => colorous::INFERNO,
            ColourMap::Balance => return colorous::RED_BLUE.eval_continuous(1.0 - t.clamp(0.0, 1.0)).as_array(),
        };
        map.eval_continuous(t.clamp(0.0, 1.0)).as_array()
    }
}

/// The colour of a phase, in turns. The hue names the phase; the lightness falls from 0 to half a
/// turn, which is what remains in black and white.
pub fn phase(turns: f64) -> Rgb {
    let angle = TAU * turns;
    // The chroma is what all hues can reach on the screen: nothing is clipped, so no hue stands
    // out.
    oklch(0.64 + 0.2 * angle.cos(), 0.1, angle + 1.8)
}

/// Lightness, chroma, hue to sRGB (B. Ottosson, "A perceptual color space for image processing",
/// 2020).
fn oklch(lightness: f64, chroma: f64, hue: f64) -> Rgb {
    let (a, b) = (chroma * hue.cos(), chroma * hue.sin());
    let l = (lightness + 0.396_337_777_4 * a + 0.215_803_757_3 * b).powi(3);
    let m = (lightness - 0.105_561_345_8 * a - 0.063_854_172_8 * b).powi(3);
    let s = (lightness - 0.089_484_177_5 * a - 1.291_485_548_0 * b).powi(3);
    [
        4.076_741_662_1 * l - 3.307_711_591_3 * m + 0.230_969_929_2 * s,
        -1.268_438_004_6 * l + 2.609_757_401_1 * m - 0.341_319_396_5 * s,
        -0.004_196_086_3 * l - 0.703_418_614_7 * m + 1.707_614_701_0 * s,
    ]
    .map(|linear| {
        let linear = linear.clamp(0.0, 1.0);
        let gamma = if linear <= 0.003_130_8 { 12.92 * linear } else { 1.055 * linear.powf(1.0 / 2.4) - 0.055 };
        (255.0 * gamma).round() as u8
    })
}

/// The colour of a category. Neighbours differ in lightness; the first, usually the common case, is
/// nearly white.
pub fn category(index: usize) -> Rgb {
    const COLOURS: [Rgb; 8] = [
        [240, 241, 238],
        [27, 58, 107],
        [240, 165, 45],
        [150, 45, 70],
        [105, 185, 225],
        [30, 30, 30],
        [120, 190, 120],
        [110, 90, 160],
    ];
    COLOURS[index % COLOURS.len()]
}

/// Colour (dark enough on white) and dash pattern of curve `index`.
pub fn line(index: usize) -> (&'static str, &'static str) {
    const COLOURS: [&str; 6] = ["#0b5394", "#c2410c", "#0f7b5f", "#9d2f77", "#8a6d00", "#3d3d3d"];
    const DASHES: [&str; 6] = ["", "7 3", "2 2.5", "9 3 2 3", "4 2", "12 3 2 2.5 2 3"];
    // Each time that the colours have all been used, they meet other dashes.
    (COLOURS[index % 6], DASHES[(index + index / 6) % 6])
}

/// The colour as `#rrggbb`.
pub fn hex([r, g, b]: Rgb) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn luma([r, g, b]: Rgb) -> f64 {
        0.2126 * f64::from(r) + 0.7152 * f64::from(g) + 0.0722 * f64::from(b)
    }

    #[test]
    fn phase_colours_close_and_keep_their_order_in_black_and_white() {
        assert_eq!(phase(0.5), phase(-0.5));
        for side in [-1.0, 1.0] {
            let lumas: Vec<f64> = (0..=8).map(|i| luma(phase(side * f64::from(i) / 16.0))).collect();
            assert!(lumas.windows(2).all(|pair| pair[0] > pair[1]), "{lumas:?}");
        }
    }

    #[test]
    fn categories_side_by_side_differ_in_lightness() {
        for index in 0..7 {
            assert!((luma(category(index)) - luma(category(index + 1))).abs() > 30.0, "{index}");
        }
    }

    #[test]
    fn no_two_of_thirty_lines_look_alike() {
        let mut lines: Vec<_> = (0..30).map(line).collect();
        lines.sort_unstable();
        lines.dedup();
        assert_eq!(lines.len(), 30);
    }
}

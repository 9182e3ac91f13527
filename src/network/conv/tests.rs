//! The kernels against plain loops in f64, on all instruction sets.

use super::*;

/// Values in [-1, 1] that repeat for no short period.
fn noise(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

fn window(input: Extent, kernel: Extent, stride: usize, dilation: usize, padding: usize) -> Window {
    // An axis with one tap is not padded, as for data in two dimensions.
    let padding = kernel.map(|taps| if taps == 1 { 0 } else { padding });
    let stride = std::array::from_fn(|a| if input[a] == 1 { 1 } else { stride });
    Window { input, kernel, stride, dilation: [dilation; 3], padding }
}

/// Odd shapes: window, images, source and target channels.
fn cases() -> Vec<(Window, usize, [usize; 2])> {
    vec![
        (window([9, 1, 7], [3, 1, 3], 1, 1, 1), 2, [5, 7]),
        (window([8, 1, 8], [3, 1, 3], 1, 1, 1), 2, [16, 32]),
        (window([11, 1, 21], [3, 1, 3], 2, 1, 1), 3, [2, 24]),
        (window([6, 1, 10], [3, 1, 3], 1, 2, 2), 1, [1, 16]),
        (window([5, 1, 5], [1, 1, 1], 1, 1, 0), 3, [16, 1]),
        (window([12, 1, 10], [2, 1, 2], 2, 1, 0), 2, [17, 50]),
        (window([7, 1, 9], [5, 1, 3], 3, 2, 2), 2, [4, 3]),
        (window([6, 7, 5], [3, 3, 3], 1, 1, 1), 2, [8, 8]),
        (window([7, 6, 9], [3, 3, 3], 2, 1, 1), 1, [3, 33]),
        (window([4, 4, 4], [2, 2, 2], 2, 1, 0), 2, [16, 8]),
        (window([9, 5, 6], [3, 3, 3], 1, 3, 3), 1, [6, 100]),
        (window([2, 3, 3], [3, 3, 3], 1, 1, 0), 1, [4, 4]),
        // Rows that are long enough for points side by side to share taps.
        (window([10, 1, 19], [3, 1, 3], 1, 1, 1), 2, [1, 8]),
        (window([10, 1, 16], [3, 1, 3], 1, 1, 1), 3, [3, 16]),
        (window([9, 1, 17], [3, 1, 3], 1, 1, 1), 1, [4, 8]),
        (window([5, 6, 8], [3, 3, 3], 1, 1, 1), 2, [16, 8]),
        (window([7, 8, 17], [3, 3, 3], 2, 1, 1), 1, [8, 16]),
        (window([4, 1, 33], [3, 1, 3], 1, 1, 1), 2, [32, 16]),
        (window([16, 1, 18], [2, 1, 2], 2, 1, 0), 2, [8, 16]),
        // More weights than are worked through at once, and blocks that are not full.
        (window([6, 1, 8], [3, 1, 3], 1, 1, 1), 2, [50, 60]),
        (window([4, 4, 4], [3, 3, 3], 1, 1, 1), 1, [32, 27]),
        // One target channel; taps of several lines side by side; more than three taps side by
        // side.
        (window([8, 1, 9], [3, 1, 3], 1, 1, 1), 2, [16, 1]),
        (window([8, 1, 9], [3, 1, 3], 1, 1, 1), 1, [1, 1]),
        (window([3, 3, 3], [3, 3, 3], 1, 1, 0), 5, [3, 5]),
        (window([6, 1, 12], [5, 1, 5], 1, 1, 2), 1, [8, 8]),
    ]
}

/// The input coordinate under tap `k` of output `o` along one axis, if it lies in the image.
fn input_at(w: &Window, axis: usize, o: usize, k: usize) -> Option<usize> {
    let i = (o * w.stride[axis] + k * w.dilation[axis]).checked_sub(w.padding[axis])?;
    (i < w.input[axis]).then_some(i)
}

/// Calls `each(source element, target element, weight element)` for all products of a convolution.
fn products(w: &Window, images: usize, [from, to]: [usize; 2], mut each: impl FnMut(usize, usize, usize)) {
    let (input, output, k) = (w.input, w.output(), w.kernel);
    let cells = |e: Extent| (0..e[0]).flat_map(move |a| (0..e[1]).flat_map(move |b| (0..e[2]).map(move |c| [a, b, c])));
    for n in 0..images {
        for o in cells(output) {
            for t in cells(k) {
                let at: Option<Vec<usize>> = (0..3).map(|a| input_at(w, a, o[a], t[a])).collect();
                let Some(i) = at else { continue };
                let source = ((n * input[0] + i[0]) * input[1] + i[1]) * input[2] + i[2];
                let target = ((n * output[0] + o[0]) * output[1] + o[1]) * output[2] + o[2];
                let tap = (t[0] * k[1] + t[1]) * k[2] + t[2];
                for f in 0..from {
                    for c in 0..to {
                        each(source * from + f, target * to + c, (c * from + f) * w.taps() + tap);
                    }
                }
            }
        }
    }
}

/// Sums of products of values below 1 in another order: a few times the rounding of f32, relative
/// to the largest.
fn close(ours: &[f32], exact: &[f64], what: &str) {
    assert_eq!(ours.len(), exact.len(), "{what}");
    let scale = exact.iter().fold(1.0, |m: f64, v| m.max(v.abs()));
    for (i, (a, b)) in ours.iter().zip(exact).enumerate() {
        assert!((f64::from(*a) - b).abs() < 3e-6 * scale, "{what} at {i}: {a} {b}");
    }
}

#[test]
fn convolution_and_its_gradients_agree_with_plain_sums_on_all_instruction_sets() {
    for (w, images, channels) in cases() {
        let [from, to] = channels;
        let (inside, outside) = (w.input.iter().product::<usize>(), w.output().iter().product::<usize>());
        let x = noise(images * inside * from, 1);
        let gradient = noise(images * outside * to, 2);
        let weights = noise(to * from * w.taps(), 3);
        let bias = noise(to, 4);
        let mut y: Vec<f64> = (0..gradient.len()).map(|i| f64::from(bias[i % to])).collect();
        let (mut dx, mut dw, mut db) = (vec![0.0; x.len()], vec![0.0; weights.len()], vec![0.0; to]);
        products(&w, images, channels, |s, t, k| {
            let [x, g, v] = [x[s], gradient[t], weights[k]].map(f64::from);
            y[t] += x * v;
            dx[s] += g * v;
            dw[k] += g * x;
        });
        gradient.iter().enumerate().for_each(|(i, g)| db[i % to] += f64::from(*g));
        for isa in Isa::available() {
            let what = format!("{w:?} {channels:?} {isa:?}");
            let shape = [to, from, w.taps()];
            let mut ours = vec![f32::NAN; y.len()];
            let packed = PackedWeights::new(isa, &weights, shape, SummedAxis::Second, false);
            gather(&x, &packed, Some(&bias), &GatherPlan::forward(&w, from), &mut ours);
            close(&ours, &y, &format!("output {what}"));
            let mut ours = vec![f32::NAN; x.len()];
            let packed = PackedWeights::new(isa, &weights, shape, SummedAxis::First, true);
            gather(&gradient, &packed, None, &GatherPlan::backward(&w, to), &mut ours);
            close(&ours, &dx, &format!("input gradient {what}"));
            close(&weight_gradient(isa, &w, &x, &gradient, channels), &dw, &format!("weight gradient {what}"));
            close(&bias_gradient(isa, &gradient, to), &db, &format!("bias gradient {what}"));
        }
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let results = [1, 3].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("starts threads");
        pool.install(|| {
            let w = window([24, 20, 17], [3, 3, 3], 1, 1, 1);
            let (x, g) = (noise(2 * 24 * 20 * 17 * 6, 1), noise(2 * 24 * 20 * 17 * 20, 2));
            let isa = Isa::best();
            let packed = PackedWeights::new(isa, &noise(20 * 6 * 27, 3), [20, 6, 27], SummedAxis::Second, false);
            let mut y = vec![0.0; g.len()];
            gather(&x, &packed, None, &GatherPlan::forward(&w, 6), &mut y);
            let dw = weight_gradient(isa, &w, &x, &g, [6, 20]);
            let norm = GroupNorm {
                isa,
                points: 24 * 20 * 17,
                channels: 20,
                groups: 4,
                epsilon: 1e-5,
                activation: Activation::Silu,
            };
            let (scale, shift) = (noise(20, 4), noise(20, 5));
            let (z, moments) = norm.forward(&y, &scale, &shift);
            (dw, bias_gradient(isa, &g, 20), z, norm.backward(&y, &scale, &shift, &moments, &g), y)
        })
    });
    assert!(results[0] == results[1]);
}

/// The same formulas in f64, straight from the definition.
fn norm_reference(x: &[f32], scale: &[f64], shift: &[f64], points: usize, groups: usize) -> Vec<f64> {
    let channels = scale.len();
    let per_group = channels / groups;
    let mut y = vec![0.0; x.len()];
    for (x, y) in x.chunks(points * channels).zip(y.chunks_mut(points * channels)) {
        for g in 0..groups {
            let members: Vec<usize> = (0..x.len()).filter(|i| i % channels / per_group == g).collect();
            let mean = members.iter().map(|&i| f64::from(x[i])).sum::<f64>() / members.len() as f64;
            let variance =
                members.iter().map(|&i| (f64::from(x[i]) - mean).powi(2)).sum::<f64>() / members.len() as f64;
            for i in members {
                let z = (f64::from(x[i]) - mean) / (variance + 1e-5).sqrt() * scale[i % channels] + shift[i % channels];
                y[i] = z / (1.0 + (-z).exp());
            }
        }
    }
    y
}

#[test]
fn normalisation_and_its_gradients_agree_with_differences_in_f64() {
    let (points, channels, groups) = (13, 6, 3);
    let x = noise(2 * points * channels, 1);
    let (scale, shift, gradient) = (noise(channels, 2), noise(channels, 3), noise(x.len(), 4));
    let wide = |v: &[f32]| v.iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
    let (scale64, shift64) = (wide(&scale), wide(&shift));
    let loss = |x: &[f32], scale: &[f64], shift: &[f64]| -> f64 {
        norm_reference(x, scale, shift, points, groups).iter().zip(&gradient).map(|(y, g)| y * f64::from(*g)).sum()
    };
    for isa in Isa::available() {
        let norm = GroupNorm { isa, points, channels, groups, epsilon: 1e-5, activation: Activation::Silu };
        let (y, moments) = norm.forward(&x, &scale, &shift);
        close(&y, &norm_reference(&x, &scale64, &shift64, points, groups), "output");
        let [dx, dscale, dshift] = norm.backward(&x, &scale, &shift, &moments, &gradient);
        // Steps of 2^-9 are exact in f32; the error of central differences goes with their square.
        let step = 1.0 / 512.0;
        for i in 0..x.len() {
            let moved = |by: f32| {
                let mut x = x.clone();
                x[i] += by;
                loss(&x, &scale64, &shift64)
            };
            let slope = (moved(step) - moved(-step)) / (2.0 * f64::from(step));
            assert!((slope - f64::from(dx[i])).abs() < 1e-3, "{i}: {slope} {}", dx[i]);
        }
        let step = 1e-4;
        for c in 0..channels {
            let moved = |by: f64, which: usize| {
                let mut parameters = [scale64.clone(), shift64.clone()];
                parameters[which][c] += by;
                loss(&x, &parameters[0], &parameters[1])
            };
            for (which, ours) in [dscale[c], dshift[c]].into_iter().enumerate() {
                let slope = (moved(step, which) - moved(-step, which)) / (2.0 * step);
                // What single precision leaves of sums of about a hundred terms.
                assert!((slope - f64::from(ours)).abs() < 1e-5, "{c}: {slope} {ours}");
            }
        }
    }
}

#[test]
fn moving_channels_there_and_back_changes_nothing() {
    let x = noise(3 * 5 * 35, 1);
    assert_eq!(to_channels_first(&to_channels_last(&x, 5, 35), 5, 35), x);
    assert_eq!(to_channels_last(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2, 3), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    let (a, b) = (noise(7 * 2, 1), noise(7 * 3, 2));
    let joined = join_channels(&a, &b, [2, 3]);
    assert_eq!(joined[5..10], [a[2], a[3], b[3], b[4], b[5]]);
    assert_eq!(split_channels(&joined, [2, 3]), [a, b]);
    for half in [8, 16, 32, 64] {
        let (a, b) = (noise(1500 * half, 3), noise(1500 * half, 4));
        let joined = join_channels(&a, &b, [half; 2]);
        assert_eq!(joined[2 * half..][..2 * half], [&a[half..2 * half], &b[half..2 * half]].concat());
        assert_eq!(split_channels(&joined, [half; 2]), [a, b]);
    }
}

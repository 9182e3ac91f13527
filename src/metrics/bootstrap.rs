//! Confidence of medians over patterns: intervals from resampling the patterns (Efron, Ann. Stat.
//! 7, 1, 1979).

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Resamplings. The ends of 95 % intervals are the 50th of 2000 from either side.
const RESAMPLINGS: usize = 2000;

/// Median of the finite values; NaN if there are none.
pub fn median(values: &[f64]) -> f64 {
    let mut finite: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    finite.sort_by(f64::total_cmp);
    match finite.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => finite[n / 2],
        n => 0.5 * (finite[n / 2 - 1] + finite[n / 2]),
    }
}

/// 95 % interval of a statistic of `count` patterns. `statistic` gets the indices of a resampling
/// of the patterns. Patterns stay whole, so that what is compared on each of them is compared in
/// pairs.
pub fn interval(count: usize, seed: u64, statistic: impl Fn(&[usize]) -> f64) -> [f64; 2] {
    if count == 0 {
        return [f64::NAN; 2];
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut drawn = vec![0; count];
    let mut values: Vec<f64> = (0..RESAMPLINGS)
        .map(|_| {
            drawn.iter_mut().for_each(|index| *index = rng.random_range(0..count));
            statistic(&drawn)
        })
        .filter(|value| value.is_finite())
        .collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => [f64::NAN; 2],
        n => [values[n / 40], values[n - 1 - n / 40]],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_odd_and_even_numbers() {
        assert_eq!(median(&[3.0, f64::NAN, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn intervals_of_a_mean_are_those_of_the_normal_distribution() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let values: Vec<f64> = (0..400).map(|_| rng.random::<f64>()).collect();
        let mean = |drawn: &[usize]| drawn.iter().map(|&i| values[i]).sum::<f64>() / drawn.len() as f64;
        let [low, high] = interval(values.len(), 2, mean);
        // 1.96 standard errors of sqrt(1/12/400) on either side; the ends of 2000 resamplings are
        // good to some 5 %.
        let width = 2.0 * 1.96 * (1.0_f64 / 12.0 / 400.0).sqrt();
        assert!(((high - low) / width - 1.0).abs() < 0.15, "{low} {high}");
        assert_eq!(interval(400, 2, mean), [low, high]);
    }
}

//! Support updates and halved supports on a card, without a word to the host: what [`crate::phasing::support`] does, step by step.

use super::Cuda;
use super::card::{blocks, launch, single};
use super::transform::{Address, pieces, rows_of_sums};
use crate::phasing::support::{Reference, SupportRule};
use cudarc::driver::DriverError;

/// Sums for halving a support, as in `kernels/support.cu`.
pub const HALF_SUMS: usize = 7;

impl Cuda {
    pub(super) fn update(&mut self, rule: &SupportRule, thresholds: &[f32]) -> Result<(), DriverError> {
        let mut thresholds = thresholds.to_vec();
        thresholds.resize(self.lanes, 0.0);
        let stream = self.card.stream.clone();
        stream.memcpy_htod(&thresholds, &mut self.thresholds)?;
        self.find_density(rule.positivity)?;
        let (card, n, runs) = (&self.card, self.len(), self.active);
        let (support, states) = (self.at(&self.support), self.at(&self.states));
        // The projection has been read: its array lends room, first for the blur, then for masks.
        let density = self.blurred(rule.sigma)?;
        let shrink = i32::from(rule.only_shrink);
        let each = pieces(n, runs);
        let size = n as u32;
        launch!(card, "reference_sums", each, density, support, self.at(&self.sums), size)?;
        let reference = match rule.reference {
            Reference::Rms => 0i32,
            Reference::Mean => 1,
            Reference::Max => 2,
        };
        let rows = rows_of_sums(n) as u32;
        launch!(
            card,
            "set_cut",
            blocks(runs, 1, 0),
            self.at(&self.sums),
            states,
            self.at(&self.thresholds),
            rows,
            reference
        )?;
        launch!(card, "count_kept", each, density, support, states, size, shrink)?;
        let [least, most] = rule.fraction.map(|part| ((part * n as f64) as usize).clamp(1, n) as u32);
        launch!(card, "check_limits", single(runs), states, least, most)?;
        let counts = self.at(&self.counts);
        for shift in [24, 16, 8, 0] {
            launch!(card, "histogram", each, density, support, states, counts, size, shrink, shift)?;
            launch!(card, "pick_bits", single(runs), states, counts, shift)?;
        }
        // Four masks behind the room of the blur.
        let behind = self.at(&self.values) + 4 * (n * self.lanes) as u64;
        let mask = |k: u64| behind + k * (n * self.lanes) as u64;
        let mut new = mask(0);
        launch!(card, "above_cut", each, density, support, states, new, size, shrink)?;
        let border = rule.border as i32;
        if border > 0 {
            let inner = self.grown(support, [mask(1), mask(3)], -border)?;
            let other = if inner == mask(1) { mask(3) } else { mask(1) };
            let outer = self.grown(support, [mask(2), other], border)?;
            launch!(card, "keep_border", each, new, inner, outer, size)?;
        }
        for &step in &rule.expand {
            let others: Vec<Address> = (0..4).map(mask).filter(|&other| other != new).collect();
            new = self.grown(new, [others[0], others[1]], step)?;
        }
        launch!(card, "clear_kept", single(runs), states)?;
        launch!(card, "count_mask", each, new, states, size)?;
        launch!(card, "take_mask", each, new, support, states, size)?;
        launch!(card, "take_count", single(runs), states, self.problem.photons)
    }

    /// Blurs `density` and says where it is afterwards.
    fn blurred(&self, sigma: f32) -> Result<Address, DriverError> {
        let [nz, ny, nx] = self.problem.shape();
        let mut from = self.at(&self.density);
        if sigma <= 0.0 {
            return Ok(from);
        }
        let mut to = self.at(&self.values);
        let reach = (4.0 * sigma).ceil() as i32;
        let total: f32 = (-reach..=reach).map(|k| (-0.5 * (k as f32 / sigma).powi(2)).exp()).sum();
        let n = self.len();
        let launched =
            cudarc::driver::LaunchConfig { shared_mem_bytes: 4 * (reach as u32 + 1), ..pieces(n, self.active) };
        for (length, stride) in [(nx, 1), (ny, nx), (nz, ny * nx)] {
            if length == 1 {
                continue;
            }
            launch!(
                self.card,
                "blur",
                launched,
                from,
                to,
                n as u32,
                length as u32,
                stride as u32,
                reach,
                sigma,
                total
            )?;
            (from, to) = (to, from);
        }
        Ok(from)
    }

    /// Grows a mask step by step, in two others by turns, and says where it is afterwards.
    fn grown(&self, mask: Address, room: [Address; 2], steps: i32) -> Result<Address, DriverError> {
        let [nz, ny, nx] = self.problem.shape().map(|n| n as u32);
        let mut from = mask;
        for step in 0..steps.unsigned_abs() as usize {
            let to = room[step % 2];
            launch!(self.card, "grow", pieces(self.len(), self.active), from, to, nz, ny, nx, i32::from(steps > 0))?;
            from = to;
        }
        Ok(from)
    }

    pub(super) fn halve(&mut self) -> Result<(), DriverError> {
        let stream = self.card.stream.clone();
        stream.memset_zeros(&mut self.halves)?;
        let [nz, ny, nx] = self.problem.shape().map(|n| n as u32);
        let (card, each) = (&self.card, pieces(self.len(), self.active));
        let (support, halves) = (self.at(&self.support), self.at(&self.halves));
        launch!(card, "half_sums", each, support, halves, nz, ny, nx)?;
        // Nothing needs the density while supports are halved: it keeps the whole ones.
        launch!(card, "halve", each, support, self.at(&self.density), halves, nz, ny, nx)?;
        self.counted()
    }

    pub(super) fn unhalve(&mut self) -> Result<(), DriverError> {
        let stream = self.card.stream.clone();
        let bytes = self.len() * self.active;
        // SAFETY: any byte is a byte.
        if let Some(whole) = unsafe { self.density.transmute::<u8>(bytes) } {
            stream.memcpy_dtod(&whole, &mut self.support.slice_mut(..bytes))?;
        }
        self.counted()
    }

    /// Counts the supports.
    fn counted(&self) -> Result<(), DriverError> {
        let (card, states) = (&self.card, self.at(&self.states));
        launch!(card, "clear_kept", single(self.active), states)?;
        launch!(
            card,
            "count_mask",
            pieces(self.len(), self.active),
            self.at(&self.support),
            states,
            self.len() as u32
        )?;
        launch!(card, "take_count", single(self.active), states, self.problem.photons)
    }
}

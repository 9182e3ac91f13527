//! Scans with their settings.

use super::scans::{Scan, expand};
use super::table::Table;
use crate::checksum::checksum;
use crate::error::{Error, Result};
use crate::phasing::select::Device;
use crate::settings::{Settings, TypedSettings};
use std::path::Path;

/// A scan and the settings with which it is reconstructed.
#[derive(Debug, Clone)]
pub struct Job {
    /// Scan and its name.
    pub scan: Scan,
    /// Preset, by name or file.
    pub preset: String,
    /// Settings over the preset.
    pub typed: TypedSettings,
    /// Device that the settings mean.
    pub device: Device,
    /// Flags of `lacuna run` for its further outputs.
    pub outputs: Vec<String>,
    /// Checksum of the scan's location, of all settings but for the device, and of the further outputs.
    pub identity: String,
}

impl Job {
    /// The scans that were typed, or else those of the table, with the settings that were typed and
    /// those of the table over them.
    ///
    /// # Errors
    /// For scans, tables and settings that make no sense, and a scan of the table that is not among
    /// those that were typed.
    pub fn list(scans: &[String], table: Option<&Path>, preset: &str, typed: &TypedSettings) -> Result<Vec<Self>> {
        let mut rows = table.map(Table::read).transpose()?.unwrap_or_default();
        let locations = if scans.is_empty() { rows.locations.clone() } else { expand(scans)? };
        if let (Some(other), Some(path)) = (rows.locations.iter().find(|one| !locations.contains(one)), table) {
            let problem = format!("{other} is not among the scans: leave it out, or add it to them");
            return Err(Error::file(path, problem));
        }
        let job = |scan: Scan| {
            let row = rows.rows.remove(&scan.location).unwrap_or_default();
            let preset = row.preset.unwrap_or_else(|| preset.into());
            let typed = row.typed.over(typed);
            let settings = Settings::resolve(&preset, &typed)?;
            let mut table = settings.typed().table();
            // Where it runs is no part of what it is.
            table.remove("device");
            let identity = checksum(format!("{}\n{table}", scan.location).as_bytes());
            Ok(Job { scan, preset, typed, device: settings.device.device.clone(), outputs: Vec::new(), identity })
        };
        Scan::named(&locations).into_iter().map(job).collect()
    }

    /// The scan with these flags of `lacuna run` for further outputs.
    pub fn with_outputs(self, outputs: &[String]) -> Self {
        if outputs.is_empty() {
            return self;
        }
        let identity = checksum(format!("{}\n{}", self.identity, outputs.join(" ")).as_bytes());
        Job { outputs: outputs.to_vec(), identity, ..self }
    }

    /// The settings and further outputs as flags of `lacuna run`, with the devices of one worker of
    /// several, which are dealt out in turn.
    pub(super) fn flags(&self, worker: usize, workers: usize) -> Vec<String> {
        let mut typed = self.typed.clone();
        if let Device::Cuda(all) = &self.device {
            let own: Vec<usize> = match all.len() > workers {
                true => all.iter().copied().skip(worker).step_by(workers).collect(),
                false => vec![all[worker % all.len()]],
            };
            typed.phasing.device = Some(Device::Cuda(own).to_string());
        }
        [vec![format!("--preset={}", self.preset)], typed.flags(), self.outputs.clone()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(device: &str, nb_run: usize) -> TypedSettings {
        let mut typed = TypedSettings::default();
        typed.phasing.device = Some(device.into());
        typed.phasing.nb_run = Some(nb_run);
        typed
    }

    #[test]
    fn devices_are_dealt_out_and_change_nothing() {
        let job = |device: &str, nb_run| {
            Job::list(&["/a/x.h5".into()], None, "particle", &typed(device, nb_run)).unwrap().remove(0)
        };
        let device = |device: &str, worker, workers| job(device, 4).flags(worker, workers)[1].clone();
        assert_eq!(device("cuda:0,1,2", 0, 2), "--device=cuda:0,2");
        assert_eq!(device("cuda:0,1,2", 1, 2), "--device=cuda:1");
        assert_eq!(device("cuda:0,1", 3, 4), "--device=cuda:1");
        assert_eq!(device("cpu", 1, 2), "--device=cpu");
        assert_eq!(job("cpu", 4).identity, job("cuda:1", 4).identity);
        assert_ne!(job("cpu", 4).identity, job("cpu", 5).identity);
        assert_eq!(job("cpu", 4).flags(0, 1), ["--preset=particle", "--device=cpu", "--nb-run=4"]);
        let more = job("cpu", 4).with_outputs(&["--crystal".into()]);
        assert_eq!(more.flags(0, 1).last().unwrap(), "--crystal");
        assert_ne!(more.identity, job("cpu", 4).identity);
        assert_eq!(job("cpu", 4).with_outputs(&[]).identity, job("cpu", 4).identity);
    }

    #[test]
    fn a_table_is_about_the_scans() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        std::fs::write(&path, "scan,nb-run\n/a/y.h5,9\n/a/z.h5,\n").unwrap();
        let list = |scans: &[String]| Job::list(scans, Some(&path), "bragg", &typed("cpu", 3));
        let runs: Vec<_> = list(&[]).unwrap().iter().map(|job| job.typed.phasing.nb_run).collect();
        assert_eq!(runs, [Some(9), Some(3)]);
        let error = list(&["/a/y.h5".into()]).unwrap_err().to_string();
        assert!(error.ends_with("t.csv: /a/z.h5 is not among the scans: leave it out, or add it to them"), "{error}");
    }
}

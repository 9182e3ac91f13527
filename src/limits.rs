//! Memory that this process may still use: a batch system or a shell often allows less than the
//! machine has.

use std::fs;
use std::path::Path;

/// Returns the bytes that this process may still use: the machine's available memory, or what its
/// control groups or its own limits leave, whichever is least.
pub fn available() -> u64 {
    let mut system = sysinfo::System::new();
    system.refresh_memory();
    let limits = [control_groups(Path::new("/")), own_limit(Path::new("/"))];
    // Where /proc is not mounted nothing is known, which is not the same as nothing left.
    let machine = if system.total_memory() == 0 { u64::MAX } else { system.available_memory() };
    limits.into_iter().flatten().fold(machine, u64::min)
}

/// What the control groups of this process leave,
/// <https://docs.kernel.org/admin-guide/cgroup-v2.html> and `cgroup-v1/memory.html`; nothing where
/// none of them has a limit.
fn control_groups(root: &Path) -> Option<u64> {
    let text = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let mounted = root.join("sys/fs/cgroup");
    let mut least = None;
    for line in text.lines() {
        // Hierarchy, controllers, path; version 2 has no controllers.
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        let (home, [limit, used], cache) = match controllers {
            "" => (mounted.clone(), ["memory.max", "memory.current"], "inactive_file "),
            all if all.split(',').any(|name| name == "memory") => {
                (mounted.join("memory"), ["memory.limit_in_bytes", "memory.usage_in_bytes"], "total_inactive_file ")
            }
            _ => continue,
        };
        // Limits of outer groups hold too. In a container the path may be that of the host, and
        // only the root is there.
        for group in Path::new(path.trim_start_matches('/')).ancestors() {
            let group = home.join(group);
            let number = |name: &str| fs::read_to_string(group.join(name)).ok()?.trim().parse::<u64>().ok();
            let Some((limit, used)) = number(limit).zip(number(used)) else { continue };
            // Files in the cache are given up when memory is short.
            let stat = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
            let cached = stat.lines().find_map(|line| line.strip_prefix(cache)?.trim().parse().ok()).unwrap_or(0u64);
            let free = limit.saturating_sub(used.saturating_sub(cached));
            least = Some(least.map_or(free, |least: u64| least.min(free)));
        }
    }
    least
}

/// What the limit on the address space or the data of this process (`ulimit -v`, `ulimit -d`)
/// leaves; nothing where there is none.
fn own_limit(root: &Path) -> Option<u64> {
    let read = |name: &str| fs::read_to_string(root.join("proc/self").join(name)).ok();
    let (limits, status) = (read("limits")?, read("status")?);
    let used = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
    };
    let left = |limit: &str, name: &str| {
        let line = limits.lines().find_map(|line| line.strip_prefix(limit))?;
        // The soft limit, or `unlimited`.
        let limit: u64 = line.split_whitespace().next()?.parse().ok()?;
        Some(limit.saturating_sub(used(name)?))
    };
    let both = [left("Max address space", "VmSize:"), left("Max data size", "VmData:")];
    both.into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn the_narrowest_control_group_counts() {
        let job = "sys/fs/cgroup/slurm/job";
        let root = machine(&[
            ("proc/self/cgroup", "0::/slurm/job/step\n"),
            (&format!("{job}/step/memory.max"), "max\n"),
            (&format!("{job}/step/memory.current"), "10\n"),
            (&format!("{job}/memory.max"), "1000\n"),
            (&format!("{job}/memory.current"), "700\n"),
            (&format!("{job}/memory.stat"), "anon 600\ninactive_file 100\n"),
            ("sys/fs/cgroup/slurm/memory.max", "5000\n"),
            ("sys/fs/cgroup/slurm/memory.current", "900\n"),
        ]);
        assert_eq!(control_groups(root.path()), Some(400));
        // Version 1, in a container: the path is that of the host.
        let root = machine(&[
            ("proc/self/cgroup", "5:cpu:/\n4:memory:/docker/abc\n0::/\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "1000"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "1001"),
        ]);
        assert_eq!(control_groups(root.path()), Some(0));
        assert_eq!(control_groups(machine(&[("proc/self/cgroup", "0::/\n")]).path()), None);
    }

    #[test]
    fn limits_of_the_shell_count() {
        let limits = |space: &str| {
            format!(
                "Limit                     Soft Limit           Hard Limit           Units\n\
                 Max data size             unlimited            unlimited            bytes\n\
                 Max address space         {space}           unlimited            bytes\n"
            )
        };
        let status = "Name:\tlacuna\nVmSize:\t     100 kB\nVmData:\t      50 kB\n";
        let left = |space: &str| {
            own_limit(machine(&[("proc/self/limits", &limits(space)), ("proc/self/status", status)]).path())
        };
        assert_eq!(left("1048576000"), Some(1_048_576_000 - 102_400));
        assert_eq!(left("unlimited"), None);
        assert!(available() > 0);
    }
}

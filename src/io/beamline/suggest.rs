//! Files that plainly are of a beamline whose layout was not asked for.

use super::layout::Layout;
use crate::io::glob;
use crate::io::note::Note;
use crate::io::tree::Tree;

/// A word on the layout that fits an entry of a file, if one does.
pub(in crate::io) fn layout(tree: &Tree, entry: &str) -> Option<Note> {
    let file = tree.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let folder = tree.path.parent()?;
    let fits = |layout: &Layout| {
        // The groups of some beamlines are no entries in the sense of NeXus.
        let named = |name: &&String| layout.entries.iter().any(|pattern| glob::scan_number(pattern, name).is_some());
        let groups = tree.members("/");
        let own = if entry.is_empty() { groups.iter().find(named).map(|name| format!("/{name}")) } else { None };
        let entry = own.as_deref().unwrap_or(entry);
        let there = |pattern: &String| !tree.paths(&format!("{entry}/{pattern}")).is_empty();
        let recognised = !layout.recognise.is_empty() && layout.recognise.iter().all(there);
        // A text file of the right name is as plain.
        let name = layout.files.iter().find_map(|pattern| glob::captured(pattern, &file));
        let beside = |pattern: &String, name: &str| {
            pattern.contains("{name}") && !glob::files(folder, &pattern.replace("{name}", name)).is_empty()
        };
        let log = layout.log.iter().flat_map(|log| &log.files);
        recognised || name.is_some_and(|name| log.into_iter().any(|pattern| beside(pattern, name)))
    };
    let layout = Layout::shipped().find(fits)?;
    Some(Note::Beamline { layout: layout.name })
}

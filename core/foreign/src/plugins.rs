//! From what a graph and the command line name to kinds in the registry.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use skyloom_engine::{Diagnostic, Plugin, Registry};

use crate::descriptor::Kind;
use crate::reader::{Read, read};
use crate::source::Descriptors;

/// End of the name of a descriptor.
const SUFFIX: &str = ".stage.ron";

/// Reads the descriptors that [`skyloom_engine::plugins`] found and adds their kinds. Of a folder all files `*.stage.ron` are read,
/// not those of folders inside.
///
/// # Errors
/// Everything that is wrong with them; nothing is added then.
pub fn add_plugins(registry: &mut Registry, plugins: &[Plugin]) -> Result<(), Vec<Diagnostic>> {
    let mut problems = Vec::new();
    let mut seen: Vec<PathBuf> = Vec::new();
    let mut kinds: Vec<Kind> = Vec::new();
    for plugin in plugins {
        for path in descriptors_of(plugin, &mut problems) {
            // Two names of one file are the same file.
            let path = std::fs::canonicalize(&path).unwrap_or(path);
            if seen.contains(&path) {
                continue;
            }
            match read_file(plugin, &path) {
                Ok(Read { kind, file }) => match already(&kind, registry, &kinds) {
                    Some(found) => {
                        problems.push(file.problem(
                            &["kind"],
                            "duplicate-kind",
                            found,
                            "a kind that nothing else brings",
                        ));
                    }
                    None => kinds.push(kind),
                },
                Err(list) => problems.extend(list),
            }
            seen.push(path);
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    if !kinds.is_empty()
        && let Err(error) = registry.add(Arc::new(Descriptors::new(kinds)))
        && let Some(plugin) = plugins.first()
    {
        return Err(vec![plugin.problem("duplicate-kind", error.to_string(), "kinds that nothing else brings")]);
    }
    Ok(())
}

/// Who brings a kind of this name already.
fn already(kind: &Kind, registry: &Registry, kinds: &[Kind]) -> Option<String> {
    let name = &kind.descriptor.kind;
    let of_registry = registry.find(name).map(|info| info.provider.clone());
    let of_plugins = || kinds.iter().find(|k| k.descriptor.kind == *name).map(|k| k.shown.display().to_string());
    of_registry.or_else(of_plugins).map(|by| format!("kind {name:?}, which {by} brings too"))
}

/// The descriptor that a plugin is, or those in the folder that it is, sorted by name.
fn descriptors_of(plugin: &Plugin, problems: &mut Vec<Diagnostic>) -> Vec<PathBuf> {
    let shown = plugin.path.display();
    let expected = "a descriptor (`*.stage.ron`), or a folder of descriptors";
    if plugin.path.is_file() {
        if is_descriptor(&plugin.path) {
            return vec![plugin.path.clone()];
        }
        problems.push(plugin.problem("not-a-descriptor", format!("another file ({shown})"), expected));
        return Vec::new();
    }
    match std::fs::read_dir(&plugin.path) {
        Ok(entries) => {
            let mut files: Vec<PathBuf> =
                entries.flatten().map(|e| e.path()).filter(|p| is_descriptor(p) && p.is_file()).collect();
            files.sort();
            if files.is_empty() {
                problems.push(plugin.problem("no-descriptor", format!("a folder without any ({shown})"), expected));
            }
            files
        }
        Err(error) => {
            let (code, found) = match error.kind() {
                std::io::ErrorKind::NotFound => ("missing-file", format!("no such file or folder ({shown})")),
                _ => ("unreadable-file", format!("{shown}: {error}")),
            };
            problems.push(plugin.problem(code, found, expected));
            Vec::new()
        }
    }
}

fn is_descriptor(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(SUFFIX))
}

fn read_file(plugin: &Plugin, path: &Path) -> Result<Read, Vec<Diagnostic>> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        let found = format!("{}: {error}", path.display());
        vec![plugin.problem("unreadable-file", found, "a descriptor (RON, UTF-8) that can be read")]
    })?;
    read(shown(path), path, &text)
}

/// The path as it looks from the working folder.
fn shown(path: &Path) -> PathBuf {
    let here = std::env::current_dir().and_then(std::fs::canonicalize);
    let inside = here.ok().and_then(|here| path.strip_prefix(here).ok().map(Path::to_path_buf));
    inside.unwrap_or_else(|| path.to_path_buf())
}

//! Programs by name.

use std::path::{Path, PathBuf};

/// The file that a name means: a path as it is, a plain name by the folders in `PATH`. Links are not followed, because some
/// programs (Python in a virtual environment) look at the path by which they were started.
pub(crate) fn find(name: &Path) -> Option<PathBuf> {
    if name.components().count() > 1 || name.is_absolute() {
        return is_program(name).then(|| name.to_path_buf());
    }
    let path = std::env::var_os("PATH")?;
    let here = std::env::current_dir().ok();
    // The program works in another folder than this process.
    let folders = std::env::split_paths(&path).map(|folder| match &here {
        Some(here) => here.join(folder),
        None => folder,
    });
    folders.map(|folder| folder.join(name)).find(|file| is_program(file))
}

#[cfg(unix)]
fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(file).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(file: &Path) -> bool {
    file.is_file()
}

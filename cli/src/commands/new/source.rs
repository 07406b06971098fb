//! Where the written crates find Skyloom: a checkout on this machine, or a Git repository.

use std::path::{Component, Path, PathBuf};

use crate::failure::CommandFailure;

/// Where Skyloom comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A checkout, as given or found.
    Checkout(PathBuf),
    /// Address of a Git repository.
    Git(String),
}

const HELP: &str = "name a checkout of Skyloom or the address of its Git repository with --skyloom PATH_OR_GIT_URL";

impl Source {
    /// What was given, or the checkout that this program was built from.
    pub fn find(given: Option<&str>) -> Result<Self, CommandFailure> {
        match given {
            Some(address) if address.contains("://") => Ok(Self::Git(address.to_owned())),
            Some(path) if is_checkout(Path::new(path)) => Ok(Self::Checkout(path.into())),
            Some(path) => {
                Err(CommandFailure::usage(format!("{path}: no checkout of Skyloom is there")).with_help(HELP))
            }
            None => built_from()
                .map(Self::Checkout)
                .ok_or_else(|| CommandFailure::usage("where Skyloom comes from is not known").with_help(HELP)),
        }
    }

    /// The lock file of a checkout: the versions of other crates that Skyloom is tested with.
    pub fn lock(&self) -> Option<Vec<u8>> {
        match self {
            Self::Checkout(path) => std::fs::read(path.join("Cargo.lock")).ok(),
            Self::Git(_) => None,
        }
    }

    /// The same from inside a folder that exists: Cargo counts paths from the file that holds them.
    pub fn seen_from(self, folder: &Path) -> Result<Self, CommandFailure> {
        match self {
            Self::Checkout(path) if path.is_relative() => {
                let whole = |path: &Path| {
                    path.canonicalize().map_err(|e| CommandFailure::io(format!("{}: {e}", path.display())))
                };
                Ok(Self::Checkout(relative(&whole(&path)?, &whole(folder)?)))
            }
            other => Ok(other),
        }
    }

    /// The dependency on the crate in a folder of the repository, as TOML.
    pub fn dependency(&self, crate_folder: &str) -> String {
        // A JSON string is a TOML string.
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        match self {
            Self::Checkout(path) => {
                let path = path.join(crate_folder).display().to_string();
                format!("{{ path = {} }}", quoted(&path.replace('\\', "/")))
            }
            Self::Git(address) => format!("{{ git = {} }}", quoted(address)),
        }
    }
}

fn is_checkout(folder: &Path) -> bool {
    folder.join("core/engine/Cargo.toml").is_file() && folder.join("cli/Cargo.toml").is_file()
}

/// The checkout that this program was built from, where it still is. Cargo's own copies of a repository (marked by
/// `.cargo-ok`) come and go.
fn built_from() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
    (is_checkout(folder) && !folder.join(".cargo-ok").exists()).then(|| folder.to_path_buf())
}

/// The way from one absolute folder to another.
fn relative(to: &Path, from: &Path) -> PathBuf {
    let (to, from): (Vec<Component<'_>>, Vec<Component<'_>>) = (to.components().collect(), from.components().collect());
    let shared = to.iter().zip(&from).take_while(|(a, b)| a == b).count();
    let up = from[shared..].iter().map(|_| Component::ParentDir);
    up.chain(to[shared..].iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_between_two_folders_goes_up_and_down() {
        let way = |to: &str, from: &str| relative(Path::new(to), Path::new(from)).display().to_string();
        assert_eq!(way("/a/sky", "/a/sky/examples/own"), "../..");
        assert_eq!(way("/a/sky", "/a/new"), "../sky");
        assert_eq!(way("/sky", "/a/b"), "../../sky");
    }

    #[test]
    fn a_git_address_and_a_path_become_dependencies() {
        let git = Source::find(Some("https://example.org/skyloom.git")).unwrap();
        assert_eq!(git.dependency("core/data"), r#"{ git = "https://example.org/skyloom.git" }"#);
        let path = Source::Checkout("/my \"sky\"".into());
        assert_eq!(path.dependency("core/data"), r#"{ path = "/my \"sky\"/core/data" }"#);
        assert!(Source::find(Some("no/such/folder")).is_err());
        assert!(matches!(Source::find(None), Ok(Source::Checkout(_))));
    }
}

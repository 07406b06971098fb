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

/// Where a checkout has the half of the Python package that is written in Python.
const PYTHON_HALF: &str = "python/lib";

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

    /// Fails when the half of the Python package that is written in Python is not there for wheels to take along.
    pub fn check_python(&self) -> Result<(), CommandFailure> {
        let (message, help) = match self {
            Self::Checkout(path) if path.join(PYTHON_HALF).join("skyloom/__init__.py").is_file() => return Ok(()),
            Self::Checkout(path) => (
                format!("{}: this checkout of Skyloom has no Python package", path.display()),
                "name a newer one with --skyloom PATH",
            ),
            // Cargo gets crates from a Git address, but the wheel is built from files beside them.
            Self::Git(address) => (
                format!("--python needs a checkout of Skyloom, and {address} is an address"),
                "clone it, and name the clone: --skyloom PATH",
            ),
        };
        Err(CommandFailure::usage(message).with_help(help))
    }

    /// The half of the Python package that is written in Python, as seen from a folder inside the new one, as a TOML string.
    pub fn python_half(&self) -> String {
        match self {
            Self::Checkout(path) if path.is_relative() => quoted(&Path::new("..").join(path).join(PYTHON_HALF)),
            Self::Checkout(path) => quoted(&path.join(PYTHON_HALF)),
            Self::Git(_) => String::new(),
        }
    }

    /// The dependency on the crate in a folder of the repository, as TOML.
    pub fn dependency(&self, crate_folder: &str) -> String {
        match self {
            Self::Checkout(path) => format!("{{ path = {} }}", quoted(&path.join(crate_folder))),
            Self::Git(address) => format!("{{ git = {} }}", serde_json::Value::from(address.as_str())),
        }
    }
}

/// A path as a TOML string: a JSON string is one.
fn quoted(path: &Path) -> String {
    serde_json::Value::from(path.display().to_string().replace('\\', "/")).to_string()
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
        assert_eq!(path.python_half(), r#""/my \"sky\"/python/lib""#);
        assert_eq!(Source::Checkout("../sky".into()).python_half(), r#""../../sky/python/lib""#);
        assert!(Source::find(Some("no/such/folder")).is_err());
        assert!(matches!(Source::find(None), Ok(Source::Checkout(_))));
    }
}

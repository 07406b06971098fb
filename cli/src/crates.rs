//! Whether the crates that a program names did bring their stages.

use skyloom_engine::StageCrate;

use crate::failure::{CommandFailure, exit};

/// Fails when a crate did not register a kind that it promises, and names all that are missing.
pub fn check(crates: &[StageCrate]) -> Result<(), CommandFailure> {
    let lost: Vec<String> = crates
        .iter()
        .map(|stages| (stages, stages.missing()))
        .filter(|(_, missing)| !missing.is_empty())
        .map(|(stages, missing)| format!("{stages} ({})", missing.join(", ")))
        .collect();
    if lost.is_empty() {
        return Ok(());
    }
    let message = format!("crates are linked whose stages did not register: {}", lost.join("; "));
    Err(CommandFailure::Other { code: exit::PANIC, message, help: Some(HELP.to_owned()) })
}

const HELP: &str = "in that crate, `register_stage!` must stand, with the same kind as in `stage_crate!`, in a module that its lib.rs \
                    names and that no `cfg` leaves out; then `cargo clean` and build again";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_that_did_not_register_is_named_with_its_crate() {
        let known =
            StageCrate { name: "skyloom-stages", version: env!("CARGO_PKG_VERSION"), kinds: &["background.mesh"] };
        assert!(check(&[known]).is_ok());
        let lost = StageCrate { kinds: &["background.mesh", "acme.halo", "acme.stream"], ..known };
        let other_version = StageCrate { version: "0.0.9", ..known };
        let Err(CommandFailure::Other { code, message, help }) = check(&[known, lost, other_version]) else {
            panic!("three kinds are missing");
        };
        assert_eq!(code, exit::PANIC);
        let version = env!("CARGO_PKG_VERSION");
        let expected =
            format!("skyloom-stages {version} (acme.halo, acme.stream); skyloom-stages 0.0.9 (background.mesh)");
        assert!(message.ends_with(&expected), "{message}");
        assert!(help.is_some_and(|help| help.contains("register_stage!")));
    }
}

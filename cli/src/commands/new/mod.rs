//! `skyloom new`

mod frame;
mod name;
mod source;
mod stage;

use std::io::ErrorKind;
use std::path::Path;

use super::output;
use crate::args::{NewArgs, NewCommand, NewStageArgs};
use crate::failure::CommandFailure;
use crate::setup;

use name::StageName;
use source::Source;

/// A file to write: path below the new folder, and content.
struct NewFile {
    path: String,
    content: Vec<u8>,
}

/// Writes what was asked for.
pub fn run(args: &NewArgs) -> Result<(), CommandFailure> {
    match &args.what {
        NewCommand::Stage(args) => stage_crate(args),
    }
}

fn stage_crate(args: &NewStageArgs) -> Result<(), CommandFailure> {
    let name = StageName::parse(&args.name)?;
    name.check_is_free(&setup::registry()?)?;
    let folder = args.into.clone().unwrap_or_else(|| args.name.clone().into());
    let source = Source::find(args.skyloom.as_deref())?;
    if args.python {
        source.check_python()?;
    }
    prepare(&folder)?;
    let lock = source.lock().map(|content| NewFile { path: "Cargo.lock".to_owned(), content });
    let mut files = stage::files(&name, &source.seen_from(&folder)?, args.python)?;
    files.extend(lock);
    for file in &files {
        write(&folder.join(&file.path), &file.content)?;
    }
    let (what, then) = match args.python {
        true => ("a graph, and a program and a Python package that hold it", "  pip install ./python\n"),
        false => ("a graph, and a program that holds it", ""),
    };
    output::text(&format!(
        "{}: the stage {} in a crate with its tests, {what}\n\n  cd {}\n  cargo test\n  cargo run -- run graphs/{}.ron\n\
         {then}\nThe work is in stage/src/algorithm.rs.\n",
        folder.display(),
        name.kind,
        folder.display(),
        name.name
    ))
}

/// Makes the folder; one that holds something is left alone.
fn prepare(folder: &Path) -> Result<(), CommandFailure> {
    let failed = |e: std::io::Error| CommandFailure::io(format!("{}: {e}", folder.display()));
    match std::fs::read_dir(folder).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => Err(CommandFailure::usage(format!("{} is there already and is not empty", folder.display()))
            .with_help("nothing is overwritten: choose another folder with --into FOLDER")),
        Err(e) if e.kind() == ErrorKind::NotFound => std::fs::create_dir_all(folder).map_err(failed),
        Err(e) => Err(failed(e)),
    }
}

fn write(path: &Path, content: &[u8]) -> Result<(), CommandFailure> {
    let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    folder
        .and_then(|()| std::fs::write(path, content))
        .map_err(|e| CommandFailure::io(format!("{}: {e}", path.display())))
}

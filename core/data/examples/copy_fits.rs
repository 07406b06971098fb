//! Reads an image or a table from a FITS file and writes it to another.
//!
//! ```text
//! cargo run --example copy_fits -- image frame.fits.gz 0 copy.fits OBJECT DATE-OBS
//! cargo run --example copy_fits -- table catalogue.fits.gz 1 copy.fits
//! ```
//!
//! The words after the file are header keywords to carry along. `tests/fixtures/fits/compare_astropy.py` compares what it copies with what astropy reads.
#![allow(clippy::print_stdout)] // an example talks to its user

use std::error::Error;
use std::path::Path;

use skyloom_data::fits::{
    FactOptions, HduChoice, ReadOptions, carried_elsewhere, image_to_fits_bytes, read_bintable, read_image,
    write_bintable,
};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [kind, input, hdu, output, keys @ ..] = &args[..] else {
        return Err("usage: copy_fits (image|table) IN HDU OUT [KEYWORD..]".into());
    };
    let hdu = hdu.parse().map_or_else(|_| HduChoice::Name(hdu.clone()), HduChoice::Index);
    let start = std::time::Instant::now();
    match kind.as_str() {
        "image" => {
            let keep_cards = keys.iter().filter(|key| carried_elsewhere(key).is_none()).cloned().collect();
            let facts = FactOptions { keep_cards, ..FactOptions::default() };
            let options = ReadOptions { hdu: Some(hdu), facts, ..ReadOptions::default() };
            let loaded = read_image(Path::new(input), &options)?;
            let seconds = start.elapsed().as_secs_f64();
            std::fs::write(output, image_to_fits_bytes(&loaded.image, true)?)?;
            println!("{} x {} pixels in {seconds:.3} s", loaded.header.width, loaded.header.height);
            for warning in loaded.warnings {
                println!("{warning}");
            }
        }
        "table" => {
            let read = read_bintable(Path::new(input), Some(&hdu))?;
            write_bintable(&read.table, Path::new(output))?;
            println!("{} rows; left out: {:?}", read.table.n_rows(), read.skipped);
        }
        _ => return Err("the first argument is image or table".into()),
    }
    Ok(())
}

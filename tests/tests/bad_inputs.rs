//! Bad inputs: each ends with a message that says where, what was found, what was expected and what to do, and with the
//! exit code that `skyloom --help` lists. Nothing panics, hangs or makes a wrong number.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ndarray::Array2;
use skyloom_tests::{Ended, Place, files, graph, repository, sky};

const DATA: i32 = 1;
const USAGE: i32 = 2;
const GRAPH: i32 = 3;
const IO: i32 = 4;
const RESOURCES: i32 = 5;
const PANIC: i32 = 70;

fn place() -> Place {
    Place::new(env!("CARGO_BIN_EXE_skyloom-under-test"))
}

/// Arguments that run the quicklook graph on a frame, with more arguments behind.
fn quicklook(frame: &Path, more: &[&str]) -> Vec<String> {
    let mut args = vec!["run".to_owned(), graph("quicklook.ron").display().to_string()];
    args.extend(["--set".to_owned(), format!("frame={}", frame.display())]);
    args.extend(more.iter().map(|&m| m.to_owned()));
    args
}

fn run(place: &Place, args: &[String]) -> Ended {
    place.run(&args.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Checks the exit code and that standard error has every fact.
#[track_caller]
fn ends(ended: &Ended, code: i32, facts: &[&str]) {
    assert_eq!(ended.code, Some(code), "{}", ended.stderr);
    for fact in facts {
        assert!(ended.stderr.contains(fact), "{fact:?} is not in\n{}", ended.stderr);
    }
    if code != PANIC {
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    }
}

/// A frame given as bytes, through the quicklook graph.
#[track_caller]
fn frame_ends(name: &str, bytes: &[u8], code: i32, facts: &[&str]) {
    let place = place();
    let path = place.path(name);
    std::fs::write(&path, bytes).expect("the frame can be written");
    let ended = run(&place, &quicklook(&path, &["--out", "out"]));
    ends(&ended, code, &[facts, &[name]].concat());
}

/// A frame given as pixels, through the quicklook graph.
#[track_caller]
fn pixels_end(pixels: Array2<f32>, code: i32, facts: &[&str]) {
    let place = place();
    let path = sky::write(&place.path("frame.fits"), pixels);
    ends(&run(&place, &quicklook(&path, &["--out", "out"])), code, facts);
}

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(repository().join("tests/fixtures/fits").join(name)).expect("the fixture is there")
}

#[test]
fn an_empty_file_is_named_before_anything_runs() {
    frame_ends("empty.fits", b"", GRAPH, &["quicklook.ron:", "found an empty file", "expected a FITS file"]);
}

#[test]
fn a_file_that_is_no_fits_file_shows_how_it_begins() {
    let facts = ["found a file that begins with \"hello", "expected a FITS file"];
    frame_ends("hello.fits", &b"hello world\n".repeat(300), GRAPH, &facts);
}

#[test]
fn a_truncated_fits_file_is_named_with_both_sizes() {
    let place = place();
    let whole = std::fs::read(sky::write(&place.path("whole.fits"), sky::noise(1))).expect("it was written");
    let half = &whole[..whole.len() / 2];
    let found = format!("ends early, after {} bytes", half.len());
    let facts = [&found, &format!("at least {} bytes", whole.len()), "fetch the file again"];
    frame_ends("half.fits", half, GRAPH, &facts);
    frame_ends("stub.fits", &whole[..1000], GRAPH, &["ends inside the header of HDU 0, after 1000 bytes"]);
}

#[test]
fn a_truncated_gz_or_fz_file_is_named() {
    for (name, code) in [("extensions.fits.gz", DATA), ("rice_float_dither1.fits.fz", GRAPH)] {
        let whole = fixture(name);
        let place = place();
        let path = place.path(name);
        for share in [2, 3, 10] {
            std::fs::write(&path, &whole[..whole.len() * (share - 1) / share]).expect("it can be written");
            let text =
                format!("(name: \"read\", nodes: {{\"a\": (kind: \"io.read_image\", params: (path: \"{name}\"))}})");
            let ended = place.run(&["run", &place.write("g.ron", &text).display().to_string(), "--out", "out"]);
            assert!(ended.code == Some(code) || ended.code == Some(GRAPH), "{}", ended.stderr);
            ends(&ended, ended.code.unwrap_or(-1), &[name, "that ends ", "fetch the file again"]);
        }
    }
}

#[test]
fn a_compressed_file_that_promises_an_absurd_image_is_refused() {
    let mut bytes = fixture("plio_int16.fits.fz");
    let card = bytes.windows(10).position(|w| w == b"ZNAXIS1 = ").expect("a card");
    for width in ["9223372036854775807", "1000000000000", "99999999999"] {
        bytes[card + 10..card + 30].copy_from_slice(format!("{width:>20}").as_bytes());
        let found = format!("found an image of {width} x 50 pixels");
        frame_ends("absurd.fits.fz", &bytes, GRAPH, &[&found, "at most 1099511627776 pixels", "fetch the file again"]);
    }
}

#[test]
fn a_compressed_file_with_tiles_of_nothing_is_refused() {
    for (name, card, value, fact) in [
        ("hcompress_int16.fits.fz", "ZTILE1  = ", "0", "found ZTILE1 = "),
        ("hcompress_int16.fits.fz", "ZTILE2  = ", "0", "found ZTILE2 = "),
        ("rice_float_dither1.fits.fz", "ZVAL1   = ", "0", "expected 16 or 32"),
        ("rice_float_dither1.fits.fz", "ZVAL2   = ", "3", "expected 1, 2, 4 or 8"),
    ] {
        let mut bytes = fixture(name);
        let at = bytes.windows(10).position(|w| w == card.as_bytes()).expect("a card") + 10;
        bytes[at..at + 20].copy_from_slice(format!("{value:>20}").as_bytes());
        frame_ends(name, &bytes, GRAPH, &[fact, "the header is damaged"]);
    }
}

#[test]
fn a_file_without_a_two_dimensional_image_is_named_with_what_it_has() {
    let facts = ["found no image among: HDU 0", "table of", "expected an HDU with a 2-D image"];
    frame_ends("table.fits", &fixture("table_only.fits"), GRAPH, &facts);
    let facts = ["found a 3-D image in HDU 0", "expected a 2-D image", "a file of its own"];
    frame_ends("cube.fits", &fixture("cube.fits"), GRAPH, &facts);
}

#[test]
fn an_image_without_any_value_stops_at_the_background() {
    let facts = [
        "none of the 78000 pixels has a value",
        "error: flat: image of 300 x 260 px: all 78000 pixels are masked or not finite",
        "check the confidence map",
        "finished: frame\n",
    ];
    pixels_end(Array2::from_elem(sky::SHAPE, f32::NAN), DATA, &facts);
}

#[test]
fn an_image_of_one_pixel_is_too_small_for_the_nebuliser_and_fine_for_the_reader() {
    let one = Array2::from_elem((1, 1), 1.0);
    let facts = ["nodes.flat.inputs.image", "found an image of 1 x 1 px", "give a smaller median_px"];
    pixels_end(one.clone(), GRAPH, &facts);
    let place = place();
    sky::write(&place.path("one.fits"), one);
    let text = r#"(name: "one", nodes: {
        "a": (kind: "io.read_image", params: (path: "one.fits")),
        "b": (kind: "io.write_image", params: (), inputs: {"image": "a.image"}),
    }, outputs: {"copy.fits": "b.file"})"#;
    let file = place.write("one.ron", text).display().to_string();
    let _ = place.run(&["run", &file, "--out", "out"]).ok();
    assert!(place.path("out/copy.fits").is_file());
}

#[test]
fn nan_and_infinite_pixels_are_masked_and_counted() {
    let mut pixels = sky::frame(1);
    pixels.slice_mut(ndarray::s![10..20, 10..20]).fill(f32::NAN);
    pixels[[100, 200]] = f32::INFINITY;
    pixels[[101, 200]] = f32::NEG_INFINITY;
    let facts = ["100 of 78000 pixels have no value", "2 of 78000 pixels are infinite", "done: 17 ran"];
    pixels_end(pixels, 0, &facts);
}

#[test]
fn an_image_without_noise_stops_at_the_noise_map() {
    let facts = ["error: sky: image of 300 x 260 px: the noise is zero in all", "the image is constant"];
    pixels_end(Array2::from_elem(sky::SHAPE, 5.0), DATA, &facts);
    pixels_end(Array2::zeros(sky::SHAPE), DATA, &facts);
}

#[test]
fn an_image_without_stars_says_that_the_star_list_is_empty() {
    let facts = ["error: psf: the star list is empty", "needs at least 5 stars", "lower the detection threshold"];
    pixels_end(sky::noise(1), DATA, &facts);
}

#[test]
fn a_path_that_cannot_be_read_is_named() {
    let place = place();
    let facts = ["nodes.frame.params.path", "found no such file", "missing.fits", "expected a FITS file"];
    ends(&run(&place, &quicklook(&place.path("missing.fits"), &[])), GRAPH, &facts);
    let facts = ["nodes.frame.params.path", "found a folder", "expected a FITS file"];
    ends(&run(&place, &quicklook(&place.path(""), &[])), GRAPH, &facts);
}

#[test]
fn a_folder_that_cannot_be_written_is_named_before_anything_runs() {
    let place = place();
    let frame = sky::write(&place.path("frame.fits"), sky::frame(1));
    place.write("plain", "x");
    for out in ["plain", "plain/below", "plain/far/below"] {
        let ended = run(&place, &quicklook(&frame, &["--out", out]));
        ends(&ended, IO, &["error: output folder plain", "plain is a plain file", "--out DIR"]);
        assert!(!ended.stderr.contains("ran "), "{}", ended.stderr);
        let ended = run(&place, &quicklook(&frame, &["--cache", out, "--out", "out"]));
        ends(&ended, IO, &["error: plain", "plain is a plain file", "--cache DIR"]);
    }
}

#[test]
fn a_folder_in_the_place_of_an_output_is_left_alone() {
    let place = place();
    let frame = sky::write(&place.path("frame.fits"), sky::frame(1));
    std::fs::create_dir_all(place.path("out/candidates.fits")).expect("a folder");
    let ended = run(&place, &quicklook(&frame, &["--out", "out"]));
    ends(&ended, IO, &["candidates.fits: is not a plain file and is not replaced", "move out/candidates.fits away"]);
    std::fs::remove_dir(place.path("out/candidates.fits")).expect("the folder is empty still");
    let ended = run(&place, &quicklook(&frame, &["--out", "out"])).ok();
    assert!(ended.stderr.contains("0 ran"), "{}", ended.stderr);
}

#[test]
fn a_stage_that_panics_is_caught_and_named() {
    let place = place();
    let text = r#"(name: "broken", nodes: {
        "before": (kind: "test.wait", params: (wait_ms: 1)),
        "bad": (kind: "test.panic", params: (message: "two and two are five"), inputs: {"table": "before.table"}),
        "after": (kind: "test.wait", params: (wait_ms: 1), inputs: {"table": "bad.table"}),
        "beside": (kind: "test.wait", params: (wait_ms: 2), inputs: {"table": "before.table"}),
    })"#;
    let file = place.write("broken.ron", text).display().to_string();
    let ended = place.run(&["run", &file, "--out", "out"]);
    let facts = [
        "error: bad: stage test.panic panicked: two and two are five",
        "this is a bug of the stage; report it to",
        "blocked: after",
        "to continue: skyloom run",
    ];
    ends(&ended, PANIC, &facts);
    assert_eq!(place.report("out")["failures"][0]["node"], "bad");
    let again = place.run(&["run", &file, "--out", "out"]);
    ends(&again, PANIC, &["reused: before, beside"]);
}

#[test]
fn parameters_that_are_no_sensible_numbers_are_refused_before_anything_runs() {
    let place = place();
    let frame = sky::write(&place.path("frame.fits"), sky::noise(1));
    for (set, facts) in [
        ("fwhm_px=NaN", ["nodes.stars.params.fwhm_px", "found NaN", "finite"]),
        ("fwhm_px=inf", ["nodes.stars.params.fwhm_px", "found inf", "finite"]),
        ("fwhm_px=-1", ["nodes.stars.params.fwhm_px", "found -1", "from 0.5 to 100"]),
        ("fwhm_px=1e300", ["nodes.stars.params.fwhm_px", "found 1e300", "from 0.5 to 100"]),
        ("level_sigma=NaN", ["nodes.trace.params.levels_sigma.0", "found NaN", "finite"]),
        ("zero_point=NaN", ["nodes.frame.params.zero_point", "found NaN", "finite"]),
        ("zero_point=1e308", ["nodes.frame.params.zero_point", "found 1e308", "from -100 to 100"]),
        ("exposure_s=-1", ["nodes.frame.params.exposure_s", "found -1", "greater than 0"]),
        ("sky.mask_sigma=NaN", ["nodes.sky.params.mask_sigma", "found NaN", "finite"]),
        ("flat.median_px=-5", ["nodes.flat.params.median_px", "found -5", "from 1 to"]),
        ("flat.median_px=100000000000000000000", ["nodes.flat.params.median_px", "found 1000", "from 1 to"]),
        ("sky.box_px=18446744073709551615", ["nodes.sky.params.box_px", "found 18446744073709551615", "from 1 to"]),
        ("psf.stamp_radius_px=4000000000", ["nodes.psf.params.stamp_radius_px", "found 4000000000", "from 3 to 100"]),
        ("mag_limit=NaN", ["nodes.cull.params.rules.4", "found \"NaN\"", "columns"]),
        ("no_such=1", ["--set", "found \"no_such\"", "expected a parameter of the graph"]),
    ] {
        ends(&run(&place, &quicklook(&frame, &["--set", set])), GRAPH, &facts);
    }
    ends(&run(&place, &quicklook(&frame, &["--memory", "1"])), GRAPH, &["needs", "the memory budget", "--memory"]);
    ends(&run(&place, &quicklook(&frame, &["--threads", "0"])), USAGE, &["--threads"]);
    assert!(!place.path("out").exists(), "nothing ran");
}

#[test]
fn a_graph_file_that_is_none_is_named() {
    let place = place();
    std::fs::create_dir(place.path("folder.ron")).expect("a folder");
    place.write("empty.ron", "");
    std::fs::write(place.path("bytes.ron"), b"\xff\xfe\x00(").expect("it can be written");
    place.write("text.ron", "hello");
    for (name, facts) in [
        ("folder.ron", ["found a folder", "expected a graph file"]),
        ("missing.ron", ["found no such file", "expected a graph file"]),
        ("empty.ron", ["found an empty file", "expected a graph: (name: .., nodes: {..})"]),
        ("bytes.ron", ["found bytes that are not UTF-8, from byte 0", "expected a graph file"]),
        ("text.ron", ["found", "expected"]),
    ] {
        for verb in ["check", "plan", "run", "test"] {
            ends(&place.run(&[verb, name]), GRAPH, &[&facts[..], &[name]].concat());
        }
    }
}

/// A small disk, where mounting is allowed; gone at the end.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mounted(at: PathBuf, kib: u32) -> Option<Self> {
        std::fs::create_dir_all(&at).ok()?;
        let size = format!("size={kib}k");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "none"]).arg(&at).stderr(Stdio::null());
        mount_succeeds(&mut mount).then_some(Self(at))
    }

    fn grow(&self) -> bool {
        mount_succeeds(Command::new("mount").args(["-o", "remount,size=64m"]).arg(&self.0))
    }
}

fn mount_succeeds(command: &mut Command) -> bool {
    command.status().is_ok_and(|s| s.success())
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        mount_succeeds(Command::new("umount").arg(&self.0));
    }
}

/// A frame and the files that it gives where there is room.
fn reference(place: &Place) -> (PathBuf, Vec<(String, Vec<u8>)>) {
    let frame = sky::write(&place.path("frame.fits"), sky::frame(1));
    let _ = run(place, &quicklook(&frame, &["--cache", "roomy", "--out", "reference"])).ok();
    (frame, files(&place.path("reference")))
}

/// Every file that has its final name is complete.
#[track_caller]
fn is_sound(place: &Place, cache: &str, out: &str, reference: &[(String, Vec<u8>)]) {
    let verified = place.run(&["cache", "verify", "--cache", cache]);
    assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
    let there = if place.path(out).exists() { files(&place.path(out)) } else { Vec::new() };
    for file in &there {
        assert!(reference.contains(file), "{} is not complete", file.0);
    }
}

#[test]
fn a_full_disk_leaves_nothing_half_written() {
    let place = place();
    let (frame, reference) = reference(&place);
    let facts = ["no room left while writing", "bytes are needed", "skyloom cache gc --max-size"];
    for (kib, cache, out) in [
        (1000, "disk/cache", "out"),
        (350, "disk/cache", "out"),
        (60, "disk/cache", "out"),
        (700, "roomy", "disk/out"),
        (30, "roomy", "disk/out"),
    ] {
        let Some(disk) = SmallDisk::mounted(place.path("disk"), kib) else { return };
        let args = quicklook(&frame, &["--cache", cache, "--out", out]);
        ends(&run(&place, &args), RESOURCES, &facts);
        assert!(disk.grow());
        is_sound(&place, cache, out, &reference);
        let _ = run(&place, &args).ok();
        assert_eq!(files(&place.path(out)), reference, "{kib} KiB for {cache} and {out}");
        drop(disk);
        let _ = std::fs::remove_dir_all(place.path("out"));
    }
}

#[cfg(unix)]
#[test]
fn a_limit_on_the_size_of_files_is_taken_as_a_full_disk() {
    let place = place();
    let (frame, reference) = reference(&place);
    let facts = ["no room left while writing", "bytes are needed", "skyloom cache gc --max-size"];
    for (cache, out) in [("tight", "out"), ("roomy", "out_roomy")] {
        let args = quicklook(&frame, &["--cache", cache, "--out", out]);
        // 300 kB: `sh` counts in blocks of 512 bytes, and the frame needs 317 kB.
        let output = Command::new("sh")
            .args(["-c", "ulimit -f 600; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_skyloom-under-test")])
            .args(&args)
            .current_dir(place.path(""))
            .output()
            .expect("a shell");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        ends(&Ended { code: output.status.code(), stdout: String::new(), stderr }, RESOURCES, &facts);
        is_sound(&place, cache, out, &reference);
        let _ = run(&place, &args).ok();
        assert_eq!(files(&place.path(out)), reference);
    }
}

//! The only unsafe code of this crate: unpacking tile-compressed images with cfitsio.
//!
//! cfitsio is built thread-safe, and files opened for reading are never shared between handles; each [`TileImage`] has
//! a handle of its own and is used by one thread at a time.
#![allow(unsafe_code)]

use std::ffi::{CString, c_char, c_int, c_void};
use std::path::Path;
use std::ptr;
use std::sync::{Arc, Mutex, PoisonError};

use fitsio::sys;

use super::error::{FitsError, FitsErrorKind};

/// cfitsio keeps a table of open files. It locks it when it opens a file, not always when it closes one.
static OPEN_FILES: Mutex<()> = Mutex::new(());

unsafe extern "C" {
    /// Fills cfitsio's table of random numbers for dithered images, once; 0 or a status. Declared in `fitsio2.h`, which
    /// the bindings leave out.
    fn fits_init_randoms() -> c_int;
}

/// Longest path that cfitsio takes (`FLEN_FILENAME` less its own prefixes).
const MAX_PATH: usize = 1000;

/// A tile-compressed image, open for reading.
#[derive(Debug)]
pub(super) struct TileImage {
    handle: *mut sys::fitsfile,
    label: String,
    // Null for a file on disk. cfitsio holds pointers into it for as long as the handle is open, so it is owned as a
    // raw pointer: moving a `Box` would promise that nobody else points there.
    memory: *mut Memory,
}

/// A file in memory, as cfitsio wants it: addresses of a pointer and of a length.
struct Memory {
    start: *mut c_void,
    len: usize,
    _bytes: Arc<Vec<u8>>,
}

// SAFETY: cfitsio's handles have no tie to the thread that opened them. `TileImage` owns its handle alone, every use
// needs `&mut self`, and the memory behind it is kept alive and never written (the file is opened read-only).
unsafe impl Send for TileImage {}

impl TileImage {
    /// Whether cfitsio can open this path itself; if not, give the bytes.
    pub(super) fn takes_path(path: &Path) -> bool {
        native_path(path).is_some()
    }

    /// Opens the image in HDU `index` (0 is the primary) of a file on disk, or of `memory` when given.
    pub(super) fn open(
        path: &Path,
        memory: Option<Arc<Vec<u8>>>,
        index: usize,
        label: &str,
    ) -> Result<Self, FitsError> {
        let mut image = Self { handle: ptr::null_mut(), label: label.to_owned(), memory: ptr::null_mut() };
        let mut status: c_int = 0;
        let lock = OPEN_FILES.lock().unwrap_or_else(PoisonError::into_inner);
        // The unpacking functions ask without a lock whether the table is there, and take it while another thread is
        // still filling it: one row then has wrong pixels, once in some dozen runs. So it is filled before anybody reads.
        // SAFETY: it takes nothing and locks for itself; after the first call it returns at once.
        let randoms = unsafe { fits_init_randoms() };
        image.check(path, randoms)?;
        match memory {
            None => {
                let name = native_path(path).ok_or_else(|| {
                    FitsError::new(FitsErrorKind::Unsupported, path, "this path", "one that cfitsio can open")
                })?;
                // SAFETY: `handle` is a valid place for a pointer, `name` is NUL-terminated and lives through the call.
                // ffdkopn takes the name literally, without cfitsio's bracket syntax.
                unsafe { sys::ffdkopn(&mut image.handle, name.as_ptr(), 0, &mut status) };
            }
            Some(bytes) => {
                image.memory = Box::into_raw(Box::new(Memory {
                    start: bytes.as_ptr().cast_mut().cast(),
                    len: bytes.len(),
                    _bytes: bytes,
                }));
                // SAFETY: `image.memory` was just made and is freed only by `drop`, after the handle is closed, so the
                // addresses of `start` and `len` stay valid. Mode 0 is read-only: nothing is written through the
                // pointer, and without a realloc function the buffer cannot be resized.
                unsafe {
                    sys::ffomem(
                        &mut image.handle,
                        c"memory".as_ptr(),
                        0,
                        &raw mut (*image.memory).start,
                        &raw mut (*image.memory).len,
                        0,
                        None,
                        &mut status,
                    );
                }
            }
        }
        drop(lock);
        image.check(path, status)?;
        let number = c_int::try_from(index + 1).map_err(|_| image.error(path, sys::BAD_HDU_NUM as c_int))?;
        // SAFETY: the handle is open; a null pointer for the HDU type is allowed.
        unsafe { sys::ffmahd(image.handle, number, ptr::null_mut(), &mut status) };
        // SAFETY: the handle is open.
        let is_compressed = unsafe { sys::fits_is_compressed_image(image.handle, &mut status) } != 0;
        image.check(path, status)?;
        if is_compressed { Ok(image) } else { Err(image.error(path, sys::NOT_IMAGE as c_int)) }
    }

    /// Unpacks `out.len()` pixels in reading order from pixel `first` (zero-based) on; NaN where there is no value.
    pub(super) fn read(&mut self, path: &Path, first: u64, out: &mut [f32]) -> Result<(), FitsError> {
        let (mut status, mut any_null): (c_int, c_int) = (0, 0);
        let (first, n) = (first as i64 + 1, out.len() as i64);
        // SAFETY: the handle is open on an image, and `out` has room for the `n` floats that are asked for; cfitsio
        // reports an error for pixels behind the image's end.
        unsafe { sys::ffgpve(self.handle, 1, first, n, f32::NAN, out.as_mut_ptr(), &mut any_null, &mut status) };
        self.check(path, status)
    }

    /// The same for integers of up to 32 bits, which are not rounded.
    pub(super) fn read_integers(&mut self, path: &Path, first: u64, out: &mut [i64]) -> Result<(), FitsError> {
        let (mut status, mut any_null): (c_int, c_int) = (0, 0);
        let (first, n) = (first as i64 + 1, out.len() as i64);
        // cfitsio unpacks no 64-bit integers; double precision holds all of 32 bits, signed or not.
        let mut values = vec![0.0_f64; out.len()];
        // SAFETY: as in `read`; 0 as null value means that no pixel is exchanged.
        unsafe { sys::ffgpvd(self.handle, 1, first, n, 0.0, values.as_mut_ptr(), &mut any_null, &mut status) };
        self.check(path, status)?;
        out.iter_mut().zip(values).for_each(|(to, v)| *to = v as i64);
        Ok(())
    }

    fn check(&self, path: &Path, status: c_int) -> Result<(), FitsError> {
        if status == 0 { Ok(()) } else { Err(self.error(path, status)) }
    }

    fn error(&self, path: &Path, status: c_int) -> FitsError {
        // The status texts of cfitsio have at most 30 characters and a NUL.
        let mut text: [c_char; 64] = [0; 64];
        // SAFETY: `text` is longer than the longest status text. The message stack is cleared because nobody reads it.
        unsafe {
            sys::ffgerr(status, text.as_mut_ptr());
            sys::ffcmsg();
        }
        let text: String = text.iter().take_while(|&&c| c != 0).map(|&c| char::from(c as u8)).collect();
        FitsError::new(
            FitsErrorKind::Malformed,
            path,
            format!("a compressed image in {} that cfitsio cannot unpack: {text} (status {status})", self.label),
            "an intact tile-compressed image",
        )
    }
}

impl Drop for TileImage {
    fn drop(&mut self) {
        if !self.handle.is_null() {
            let _lock = OPEN_FILES.lock().unwrap_or_else(PoisonError::into_inner);
            let mut status: c_int = 0;
            // SAFETY: the handle is open and is not used again. The status is of no interest: nothing was written.
            unsafe { sys::ffclos(self.handle, &mut status) };
        }
        if !self.memory.is_null() {
            // SAFETY: it came from `Box::into_raw` and is freed once; the handle that pointed into it is closed.
            drop(unsafe { Box::from_raw(self.memory) });
        }
    }
}

/// The path as a C string that cfitsio reads literally: `None` when it is too long or has no such form.
fn native_path(path: &Path) -> Option<CString> {
    // cfitsio drops leading blanks of a name; an absolute path has none.
    let path = std::path::absolute(path).ok()?;
    let bytes = path.as_os_str().as_encoded_bytes();
    if !cfg!(unix) && path.to_str().is_none_or(|p| !p.is_ascii()) {
        return None;
    }
    if bytes.len() > MAX_PATH { None } else { CString::new(bytes).ok() }
}

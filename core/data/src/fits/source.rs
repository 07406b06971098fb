//! The bytes of a FITS file: on disk, or in memory when they had to be unpacked.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::bufread::MultiGzDecoder;

use super::error::{FitsError, FitsErrorKind};

/// A readable file, opened once.
#[derive(Debug)]
pub(super) struct Source {
    path: PathBuf,
    bytes: Bytes,
}

#[derive(Debug)]
enum Bytes {
    Disk {
        file: File,
        len: u64,
    },
    /// A gzip file, unpacked as far as somebody wanted to read.
    Unpacking(Box<Unpacking>),
    Memory(Arc<Vec<u8>>),
}

#[derive(Debug)]
struct Unpacking {
    decoder: MultiGzDecoder<BufReader<File>>,
    bytes: Vec<u8>,
    is_complete: bool,
    /// Unpacked length as the file's last four bytes give it; not to be trusted.
    noted_len: u64,
}

impl Source {
    /// Opens a file that begins like FITS, gzipped or not.
    pub(super) fn open(path: &Path) -> Result<Self, FitsError> {
        let unreadable = |e: std::io::Error| FitsError::from_read(path, &e);
        let metadata = std::fs::metadata(path).map_err(unreadable)?;
        if !metadata.is_file() {
            let found = if metadata.is_dir() { "a folder" } else { "a device or pipe" };
            return Err(FitsError::new(FitsErrorKind::NotAFile, path, found, "a FITS file"));
        }
        let len = metadata.len();
        let mut file = File::open(path).map_err(unreadable)?;
        let mut start = Vec::new();
        file.by_ref().take(80).read_to_end(&mut start).map_err(unreadable)?;
        if start.is_empty() {
            return Err(FitsError::new(FitsErrorKind::Empty, path, "an empty file", "a FITS file"));
        }
        let bytes = if start.starts_with(&[0x1f, 0x8b]) {
            let noted_len = noted_length(&mut file, len).map_err(unreadable)?;
            file.seek(SeekFrom::Start(0)).map_err(unreadable)?;
            let decoder = MultiGzDecoder::new(BufReader::with_capacity(1 << 18, file));
            Bytes::Unpacking(Box::new(Unpacking { decoder, bytes: Vec::new(), is_complete: false, noted_len }))
        } else {
            Bytes::Disk { file, len }
        };
        let mut source = Self { path: path.to_path_buf(), bytes };
        if let Bytes::Unpacking(unpacking) = &mut source.bytes {
            unpacking.advance(path, 80)?;
            start = unpacking.bytes[..unpacking.bytes.len().min(80)].to_vec();
        }
        if start.starts_with(b"SIMPLE  =") { Ok(source) } else { Err(not_fits(path, &start)) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether looking at the file's end means to unpack all of it.
    pub(super) fn is_packed(&self) -> bool {
        matches!(self.bytes, Bytes::Unpacking(_))
    }

    /// Whether the (unpacked) file has at least `end` bytes.
    pub(super) fn reaches(&mut self, end: u64) -> Result<bool, FitsError> {
        match &mut self.bytes {
            Bytes::Disk { len, .. } => Ok(end <= *len),
            Bytes::Memory(bytes) => Ok(end <= bytes.len() as u64),
            Bytes::Unpacking(unpacking) => {
                unpacking.advance(&self.path, end)?;
                Ok(end <= unpacking.bytes.len() as u64)
            }
        }
    }

    /// Length of the (unpacked) file as far as it is known.
    pub(super) fn known_len(&self) -> u64 {
        match &self.bytes {
            Bytes::Disk { len, .. } => *len,
            Bytes::Memory(bytes) => bytes.len() as u64,
            Bytes::Unpacking(unpacking) => unpacking.bytes.len() as u64,
        }
    }

    /// Bytes that the source occupies in memory when all of it was read; for a gzip file that was not yet unpacked it
    /// is what the file says of itself.
    pub(super) fn memory_bytes(&self) -> u64 {
        match &self.bytes {
            Bytes::Disk { .. } => 0,
            Bytes::Memory(bytes) => bytes.len() as u64,
            Bytes::Unpacking(unpacking) => unpacking.noted_len.max(unpacking.bytes.len() as u64),
        }
    }

    /// Unpacks a gzip file to its end, checksum included. A file on disk stays there.
    pub(super) fn unpack(&mut self) -> Result<(), FitsError> {
        if let Bytes::Unpacking(unpacking) = &mut self.bytes {
            unpacking.advance(&self.path, u64::MAX)?;
            let mut bytes = std::mem::take(&mut unpacking.bytes);
            bytes.shrink_to_fit();
            self.bytes = Bytes::Memory(Arc::new(bytes));
        }
        Ok(())
    }

    /// The whole file when it is in memory.
    pub(super) fn memory(&self) -> Option<Arc<Vec<u8>>> {
        match &self.bytes {
            Bytes::Memory(bytes) => Some(Arc::clone(bytes)),
            _ => None,
        }
    }

    /// Brings the whole file into memory.
    pub(super) fn load(&mut self) -> Result<Arc<Vec<u8>>, FitsError> {
        self.unpack()?;
        if let Some(bytes) = self.memory() {
            return Ok(bytes);
        }
        let len = usize::try_from(self.known_len()).unwrap_or(usize::MAX);
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(len).map_err(|_| too_large(&self.path, len))?;
        bytes.resize(len, 0);
        self.read_at(0, &mut bytes)?;
        let bytes = Arc::new(bytes);
        self.bytes = Bytes::Memory(Arc::clone(&bytes));
        Ok(bytes)
    }

    /// `len` bytes from `offset` on; from disk they come through `room`, which is used again.
    pub(super) fn bytes_at<'a>(
        &'a mut self,
        offset: u64,
        len: usize,
        room: &'a mut Vec<u8>,
    ) -> Result<&'a [u8], FitsError> {
        if let Bytes::Memory(bytes) = &self.bytes
            && offset.saturating_add(len as u64) <= bytes.len() as u64
        {
            // Borrowed anew: the compiler takes a borrow that one path returns for one that lasts on the other.
            let Bytes::Memory(bytes) = &self.bytes else { return Ok(&[]) };
            return Ok(&bytes[offset as usize..][..len]);
        }
        if room.len() < len {
            room.resize(len, 0);
        }
        self.read_at(offset, &mut room[..len])?;
        Ok(&room[..len])
    }

    /// Fills `out` from byte `offset` on.
    pub(super) fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<(), FitsError> {
        let end = offset.saturating_add(out.len() as u64);
        if !self.reaches(end)? {
            let found = format!("a file that ends early, after {} bytes", self.known_len());
            return Err(FitsError::new(FitsErrorKind::Truncated, &self.path, found, format!("at least {end} bytes")));
        }
        let memory: &[u8] = match &mut self.bytes {
            Bytes::Disk { file, .. } => {
                return file
                    .seek(SeekFrom::Start(offset))
                    .and_then(|_| file.read_exact(out))
                    .map_err(|e| FitsError::from_read(&self.path, &e));
            }
            Bytes::Memory(bytes) => bytes,
            Bytes::Unpacking(unpacking) => &unpacking.bytes,
        };
        out.copy_from_slice(&memory[offset as usize..end as usize]);
        Ok(())
    }
}

impl Unpacking {
    /// Unpacks until `end` bytes are there or the file ends.
    fn advance(&mut self, path: &Path, end: u64) -> Result<(), FitsError> {
        const STEP: u64 = 1 << 20;
        while !self.is_complete && (self.bytes.len() as u64) < end {
            let step = STEP.min(end - self.bytes.len() as u64);
            // The vector doubles as it grows; asked for beforehand, a shortage of memory is an error and no abort.
            self.bytes.try_reserve(step as usize).map_err(|_| {
                too_large(path, self.bytes.len()).help("unpack it with gunzip: unpacked files are read in bands")
            })?;
            let n = (&mut self.decoder).take(step).read_to_end(&mut self.bytes).map_err(|e| self.damage(path, &e))?;
            self.is_complete = (n as u64) < step;
        }
        Ok(())
    }

    fn damage(&self, path: &Path, error: &std::io::Error) -> FitsError {
        match error.kind() {
            std::io::ErrorKind::UnexpectedEof => FitsError::new(
                FitsErrorKind::Truncated,
                path,
                format!("a gzip file that ends early, after {} unpacked bytes", self.bytes.len()),
                "a complete file",
            )
            .help("fetch the file again"),
            std::io::ErrorKind::InvalidInput | std::io::ErrorKind::InvalidData => {
                FitsError::new(FitsErrorKind::Malformed, path, format!("damaged gzip data ({error})"), "an intact file")
                    .help("fetch the file again; `gzip -t` checks it")
            }
            _ => FitsError::from_read(path, error),
        }
    }
}

/// The unpacked length modulo 2^32, which gzip writes at the end; an image does not grow when it is packed.
fn noted_length(file: &mut File, len: u64) -> std::io::Result<u64> {
    let mut last = [0; 4];
    file.seek(SeekFrom::Start(len.saturating_sub(4)))?;
    let n = file.read(&mut last)?;
    let noted = if n == 4 { u64::from(u32::from_le_bytes(last)) } else { 0 };
    Ok(if noted < len && len > 10_000 { noted + (1 << 32) } else { noted })
}

fn too_large(path: &Path, len: usize) -> FitsError {
    FitsError::new(FitsErrorKind::TooLarge, path, format!("a file of more than {len} bytes"), "one that fits in memory")
}

fn not_fits(path: &Path, start: &[u8]) -> FitsError {
    let shown: String = start.iter().take(24).flat_map(|&b| std::ascii::escape_default(b)).map(char::from).collect();
    let error = FitsError::new(
        FitsErrorKind::NotFits,
        path,
        format!("a file that begins with \"{shown}\""),
        "a FITS file, which begins with \"SIMPLE  =\"",
    );
    let text = String::from_utf8_lossy(start).to_ascii_lowercase();
    if text.trim_start().starts_with("<!doctype") || text.trim_start().starts_with("<html") {
        error.help("this is a web page, perhaps the answer to a failed download")
    } else if start.starts_with(b"BZh") {
        error.help("this is bzip2: unpack it with bunzip2 (gzip and tile compression are read directly)")
    } else if start.starts_with(b"PK\x03\x04") || start.starts_with(&[0x1f, 0x9d]) || start.starts_with(b"\xfd7zXZ") {
        error.help("this is an archive: unpack it (gzip and tile compression are read directly)")
    } else {
        error
    }
}

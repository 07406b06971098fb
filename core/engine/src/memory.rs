//! Memory: a counting allocator for the binary, and the size of the machine.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicI64, Ordering};

static CURRENT: AtomicI64 = AtomicI64::new(0);
static PEAK: AtomicI64 = AtomicI64::new(0);

/// The system allocator, counted, with large pages for large allocations where the system has them. A binary installs it with
/// `#[global_allocator]`; without it every peak reads zero.
///
/// Memory that C code takes for itself (cfitsio's buffers) is not counted.
#[derive(Debug, Default, Clone, Copy)]
pub struct CountingAllocator;

fn grew(bytes: usize) {
    let now = CURRENT.fetch_add(bytes as i64, Ordering::Relaxed) + bytes as i64;
    // The common case is below the peak: a load is cheaper than a read-modify-write.
    if now > PEAK.load(Ordering::Relaxed) {
        PEAK.fetch_max(now, Ordering::Relaxed);
    }
}

fn shrank(bytes: usize) {
    CURRENT.fetch_sub(bytes as i64, Ordering::Relaxed);
}

/// Size of a large page, and from twice this size on an allocation asks for them.
#[cfg(target_os = "linux")]
const LARGE_PAGE: usize = 2 << 20;

/// Asks for large pages in what lies whole in an allocation: an image of small pages costs more time to get than to fill.
fn prefer_large_pages(pointer: *mut u8, bytes: usize) {
    #[cfg(target_os = "linux")]
    if bytes >= 2 * LARGE_PAGE {
        let start = (pointer as usize).next_multiple_of(LARGE_PAGE);
        let len = (pointer as usize + bytes - start) / LARGE_PAGE * LARGE_PAGE;
        // SAFETY: the range is part of the allocation, and the advice changes no content. A refusal changes nothing.
        unsafe { libc::madvise(start as *mut libc::c_void, len, libc::MADV_HUGEPAGE) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (pointer, bytes);
}

// SAFETY: every call is passed on to the system allocator unchanged; counting touches only atomics, and advice no content.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `alloc`.
        let pointer = unsafe { System.alloc(layout) };
        if !pointer.is_null() {
            prefer_large_pages(pointer, layout.size());
            grew(layout.size());
        }
        pointer
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        let pointer = unsafe { System.alloc_zeroed(layout) };
        if !pointer.is_null() {
            prefer_large_pages(pointer, layout.size());
            grew(layout.size());
        }
        pointer
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) };
        shrank(layout.size());
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `realloc`.
        let moved = unsafe { System.realloc(pointer, layout, new_size) };
        if !moved.is_null() {
            if new_size > layout.size() {
                prefer_large_pages(moved, new_size);
                grew(new_size - layout.size());
            } else {
                shrank(layout.size() - new_size);
            }
        }
        moved
    }
}

/// Bytes that are allocated now.
#[must_use]
pub fn allocated_bytes() -> u64 {
    CURRENT.load(Ordering::Relaxed).max(0) as u64
}

/// Most bytes that were allocated at once since [`reset_peak`].
#[must_use]
pub fn peak_bytes() -> u64 {
    PEAK.load(Ordering::Relaxed).max(0) as u64
}

/// Starts a new peak at what is allocated now.
pub fn reset_peak() {
    PEAK.store(CURRENT.load(Ordering::Relaxed), Ordering::Relaxed);
}

/// Bytes of memory that this process may use: the machine's, or its control group's where that is smaller.
/// `None` where neither can be read.
#[must_use]
pub fn machine_bytes() -> Option<u64> {
    let meminfo = std::fs::read_to_string("/proc/meminfo").ok();
    let machine = meminfo.as_deref().and_then(|text| {
        let line = text.lines().find(|l| l.starts_with("MemTotal:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
    });
    let group = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
        .iter()
        .find_map(|path| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok());
    match (machine, group) {
        (Some(m), Some(g)) => Some(m.min(g)),
        (m, g) => m.or(g),
    }
}

/// The default memory budget: 70 % of [`machine_bytes`], or 4 GiB where that is unknown.
#[must_use]
pub fn default_budget() -> u64 {
    machine_bytes().map_or(4 << 30, |bytes| bytes / 10 * 7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_allocations_are_whole_and_counted() {
        for size in [1, (4 << 20) - 1, 4 << 20, (9 << 20) + 5] {
            let layout = Layout::from_size_align(size, 8).unwrap();
            // SAFETY: the layout is not empty; what is read was zeroed or written.
            unsafe {
                let zeroed = CountingAllocator.alloc_zeroed(layout);
                assert!(!zeroed.is_null() && (0..size).all(|i| *zeroed.add(i) == 0));
                *zeroed.add(size - 1) = 7;
                let grown = CountingAllocator.realloc(zeroed, layout, 2 * size);
                assert_eq!(*grown.add(size - 1), 7);
                CountingAllocator.dealloc(grown, Layout::from_size_align(2 * size, 8).unwrap());
            }
        }
    }
}

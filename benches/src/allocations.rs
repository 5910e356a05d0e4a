//! Counts the allocations of each thread.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ops::Sub;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
    static BYTES: Cell<u64> = const { Cell::new(0) };
    static FREED_BYTES: Cell<u64> = const { Cell::new(0) };
}

/// The system allocator with counters for each thread.
pub struct CountingAllocator;

/// The allocations of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allocations {
    /// Number of allocated and grown blocks.
    pub count: u64,
    /// Number of allocated bytes. A grown block counts with its whole new size.
    pub bytes: u64,
}

impl Sub for Allocations {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self { count: self.count - earlier.count, bytes: self.bytes - earlier.bytes }
    }
}

/// Returns the allocations of this thread since it started.
pub fn allocations() -> Allocations {
    Allocations { count: COUNT.get(), bytes: BYTES.get() }
}

/// Returns the number of bytes that this thread has allocated and not freed. Negative if it has freed
/// more, which other threads allocated.
pub fn allocated_bytes() -> i64 {
    BYTES.get().wrapping_sub(FREED_BYTES.get()) as i64
}

// The counters are no longer accessible when a thread ends.

fn count_allocated(size: usize) {
    let _ = COUNT.try_with(|count| count.set(count.get() + 1));
    let _ = BYTES.try_with(|bytes| bytes.set(bytes.get() + size as u64));
}

fn count_freed(size: usize) {
    let _ = FREED_BYTES.try_with(|bytes| bytes.set(bytes.get() + size as u64));
}

// SAFETY: every call is forwarded unchanged to the system allocator. Counting neither allocates nor
// unwinds: the counters need no initialization and no drop.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count_allocated(layout.size());
        // SAFETY: the caller upholds the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count_allocated(layout.size());
        // SAFETY: the caller upholds the contract.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count_allocated(size);
        count_freed(layout.size());
        // SAFETY: the caller upholds the contract.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count_freed(layout.size());
        // SAFETY: the caller upholds the contract.
        unsafe { System.dealloc(block, layout) }
    }
}

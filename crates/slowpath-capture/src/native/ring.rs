//! The memory that the kernel shares with us: one ring of records a CPU.

use perf_event_open_sys::bindings::perf_event_mmap_page;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::io;
use std::mem::offset_of;
use std::os::fd::BorrowedFd;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of a record's head: type (4), flags (2), size of the whole (2).
const HEAD: usize = 8;

/// A mapped ring. The kernel writes at the head, we read from the tail.
#[derive(Debug)]
pub(super) struct Ring {
    base: NonNull<u8>,
    page: usize,
    size: usize,
    record: Vec<u8>,
}

// SAFETY: the mapping belongs to this value alone, and the kernel is told of what was read by an atomic.
unsafe impl Send for Ring {}

impl Ring {
    /// Maps the ring of an event with `n_pages` of records, a power of two.
    pub(super) fn map(event: BorrowedFd<'_>, n_pages: usize) -> io::Result<Self> {
        debug_assert!(n_pages.is_power_of_two());
        let page = rustix::param::page_size();
        let size = n_pages * page;
        // SAFETY: a fresh mapping at an address of the kernel's choice.
        let base = unsafe {
            let access = ProtFlags::READ | ProtFlags::WRITE;
            mmap(ptr::null_mut(), page + size, access, MapFlags::SHARED, event, 0)?
        };
        let base = NonNull::new(base.cast()).ok_or_else(|| io::Error::other("mapped at address zero"))?;
        Ok(Self { base, page, size, record: Vec::new() })
    }

    /// Hands over every whole record that has come, oldest first, and makes room for new ones.
    pub(super) fn drain(&mut self, take: &mut dyn FnMut(&[u8])) {
        let head = self.counter(offset_of!(perf_event_mmap_page, data_head)).load(Ordering::Acquire);
        let tail_counter = offset_of!(perf_event_mmap_page, data_tail);
        let mut tail = self.counter(tail_counter).load(Ordering::Relaxed);
        while head.wrapping_sub(tail) >= HEAD as u64 {
            let mut record = std::mem::take(&mut self.record);
            record.clear();
            self.copy(tail, HEAD, &mut record);
            let length = u16::from_ne_bytes([record[6], record[7]]) as usize;
            // The kernel writes whole records; anything else means that we no longer understand each other.
            if length < HEAD || length as u64 > head.wrapping_sub(tail) {
                tail = head;
            } else {
                self.copy(tail.wrapping_add(HEAD as u64), length - HEAD, &mut record);
                take(&record);
                tail = tail.wrapping_add(length as u64);
            }
            self.record = record;
        }
        self.counter(tail_counter).store(tail, Ordering::Release);
    }

    /// Copies `length` bytes from position `from` of the stream, around the ring's end if need be.
    fn copy(&self, from: u64, length: usize, into: &mut Vec<u8>) {
        let at = from as usize & (self.size - 1);
        let first = length.min(self.size - at);
        for (start, length) in [(at, first), (0, length - first)] {
            // SAFETY: the range lies inside the mapping, and the kernel does not write between tail and head.
            let bytes =
                unsafe { std::slice::from_raw_parts(self.base.as_ptr().add(self.page + start), length) };
            into.extend_from_slice(bytes);
        }
    }

    fn counter(&self, offset: usize) -> &AtomicU64 {
        // SAFETY: the first page of the mapping is a `perf_event_mmap_page`, whose counters are aligned and are only
        // accessed atomically.
        unsafe { AtomicU64::from_ptr(self.base.as_ptr().add(offset).cast()) }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: nothing borrows from the mapping any more. A failure would leave it mapped until we end.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), self.page + self.size) };
    }
}

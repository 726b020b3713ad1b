//! Opens sampling events. The only place that talks to `perf_event_open`.

use perf_event_open_sys::bindings::{
    PERF_COUNT_SW_CPU_CLOCK, PERF_COUNT_SW_DUMMY, PERF_FLAG_FD_CLOEXEC, PERF_SAMPLE_CALLCHAIN,
    PERF_SAMPLE_TID, PERF_SAMPLE_TIME, PERF_TYPE_SOFTWARE, perf_event_attr,
};
use perf_event_open_sys::{ioctls, perf_event_open};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// How events are to sample.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sampling {
    /// CPU time between two samples of a thread.
    pub(super) period_ns: u64,
    /// Whether the kernel's part of the stack is taken as well.
    pub(super) kernel: bool,
}

/// Opens the event that samples `tid` while it runs on `cpu`, and all threads and processes that it starts. It begins at
/// once; its records go nowhere until [`redirect`].
///
/// The software CPU clock is used even where there are hardware counters: its samples are of equal CPU time in
/// nanoseconds on every machine, virtual ones among them, and it needs no counter that others may hold.
pub(super) fn open_sampler(tid: u32, cpu: u32, sampling: Sampling) -> io::Result<OwnedFd> {
    let mut attr = attributes(PERF_COUNT_SW_CPU_CLOCK.into());
    attr.__bindgen_anon_1.sample_period = sampling.period_ns;
    attr.set_inherit(1);
    attr.set_exclude_kernel(u64::from(!sampling.kernel));
    attr.set_exclude_callchain_kernel(u64::from(!sampling.kernel));
    attr.set_mmap(1);
    attr.set_mmap2(1);
    attr.set_comm(1);
    attr.set_comm_exec(1);
    attr.set_task(1);
    open(&mut attr, tid as i32, cpu)
}

/// Opens the event that owns the ring of `cpu`. It samples nothing itself, so that the ring outlives every thread of the
/// target.
pub(super) fn open_ring_owner(cpu: u32, watermark: u32) -> io::Result<OwnedFd> {
    let mut attr = attributes(PERF_COUNT_SW_DUMMY.into());
    attr.set_exclude_kernel(1);
    attr.set_watermark(1);
    attr.__bindgen_anon_2.wakeup_watermark = watermark;
    open(&mut attr, 0, cpu)
}

/// Sends the records of `event` to the ring of `owner`, which is of the same CPU.
pub(super) fn redirect(event: &OwnedFd, owner: &OwnedFd) -> io::Result<()> {
    // SAFETY: both are open events.
    check(unsafe { ioctls::SET_OUTPUT(event.as_raw_fd(), owner.as_raw_fd()) })
}

/// Ends the sampling of an event and of all that inherited it.
pub(super) fn disable(event: &OwnedFd) -> io::Result<()> {
    // SAFETY: an open event.
    check(unsafe { ioctls::DISABLE(event.as_raw_fd(), 0) })
}

fn attributes(config: u64) -> perf_event_attr {
    let mut attr = perf_event_attr::default();
    attr.type_ = PERF_TYPE_SOFTWARE;
    attr.size = size_of::<perf_event_attr>() as u32;
    attr.config = config;
    attr.sample_type = u64::from(PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_CALLCHAIN);
    attr.set_exclude_hv(1);
    attr.set_sample_id_all(1);
    attr.set_use_clockid(1);
    attr.clockid = rustix::time::ClockId::Monotonic as i32;
    attr
}

fn open(attr: &mut perf_event_attr, pid: i32, cpu: u32) -> io::Result<OwnedFd> {
    // SAFETY: the attributes are initialised and outlive the call; what they ask for only counts and samples.
    let fd = unsafe { perf_event_open(attr, pid, cpu as i32, -1, PERF_FLAG_FD_CLOEXEC.into()) };
    check(fd)?;
    // SAFETY: a fresh descriptor that nobody else knows.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn check(result: i32) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

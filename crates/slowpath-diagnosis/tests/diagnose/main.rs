//! Recordings drawn in memory, and what is concluded from them. No clock, no network, no disk.

mod blocking;
mod check;
mod counted;
mod cpu;
mod drawing;
mod event_loop;
mod exports;
mod gain;
mod lookups;
mod memory_and_machine;
mod processes;
mod recorded;
mod scaled;
mod stacks;
mod too_little;
mod waits;
mod well_or_waiting;

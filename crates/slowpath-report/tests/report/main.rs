//! Reports of recordings in memory: the same bytes each time, the shape that the page and scripts rely on, and text
//! of the target that stays text.

mod contract;
mod hostile_text;
mod many_places;
mod opened_files;
mod recordings;
mod shape;

//! Exporters: what is written and imported again is the same; the picture keeps names as text.

mod drawn;
mod picture;
mod round_trip;

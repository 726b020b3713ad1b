//! Importers on files of real tools, and on broken and hostile ones.

mod fixtures;
mod hostile;

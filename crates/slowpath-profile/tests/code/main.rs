//! From code and samples to functions: what V8 inlined, and what source maps say.

mod drawn;
mod inlined;
mod resumes;
mod source_maps;

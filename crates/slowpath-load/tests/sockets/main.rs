//! Tests over real loopback sockets, each on free ports of its own.

mod load;
mod server;
mod upstream;

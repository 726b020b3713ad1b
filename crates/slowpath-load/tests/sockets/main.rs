//! Tests over real loopback sockets, each on free ports of its own.

mod amounts;
mod http2;
mod http2_server;
mod load;
mod open_load;
mod server;
mod streams;
mod tls;
mod tls_server;
mod upstream;
mod upstream_tls;

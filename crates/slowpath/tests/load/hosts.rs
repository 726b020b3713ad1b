//! One load from two hosts: network namespaces with a link each to a third one, in which the server is.
//!
//! ```text
//! host a, 10.99.1.2 ───── 10.99.1.1 ┐
//!                                   ├ server, 10.99.0.1:8080
//! host b, 10.99.2.2 ───── 10.99.2.1 ┘
//! ```
//!
//! Needs root and iproute2; without them there is nothing to test with, which is said.

use crate::harness::{binary, clean, finish, scratch, wait_until};
use serde_json::Value;
use std::process::{Child, Command, Stdio};

/// Network namespaces of this test; dropping removes them.
struct Network {
    prefix: String,
}

impl Network {
    /// Returns `None` where namespaces cannot be made.
    fn create() -> Option<Self> {
        let network = Self { prefix: format!("slowpath{}", std::process::id()) };
        let server = network.name("server");
        // Whoever cannot do the first cannot do the rest.
        if !rustix::process::geteuid().is_root() || !try_ip(&["netns", "add", &server]) {
            return None;
        }
        ip(&["-n", &server, "link", "set", "lo", "up"]);
        ip(&["-n", &server, "addr", "add", "10.99.0.1/32", "dev", "lo"]);
        for (n, host) in [(1, "a"), (2, "b")] {
            let name = network.name(host);
            let (link, gateway, address) =
                (format!("to-{host}"), format!("10.99.{n}.1"), format!("10.99.{n}.2/24"));
            ip(&["netns", "add", &name]);
            ip(&[
                "-n", &server, "link", "add", &link, "type", "veth", "peer", "name", "uplink", "netns", &name,
            ]);
            ip(&["-n", &server, "addr", "add", &format!("{gateway}/24"), "dev", &link]);
            ip(&["-n", &server, "link", "set", &link, "up"]);
            ip(&["-n", &name, "addr", "add", &address, "dev", "uplink"]);
            ip(&["-n", &name, "link", "set", "uplink", "up"]);
            ip(&["-n", &name, "route", "add", "10.99.0.1", "via", &gateway]);
        }
        Some(network)
    }

    fn name(&self, host: &str) -> String {
        format!("{}{host}", self.prefix)
    }

    /// Begins `slowpath` on a host.
    fn slowpath(&self, host: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name(host)]).arg(binary());
        clean(&mut command);
        command
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for host in ["a", "b", "server"] {
            try_ip(&["netns", "del", &self.name(host)]);
        }
    }
}

/// A process that ends with the test.
struct Background(Child);

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn try_ip(args: &[&str]) -> bool {
    let status = Command::new("ip").args(args).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

fn ip(args: &[&str]) {
    assert!(try_ip(args), "ip {}", args.join(" "));
}

#[test]
fn two_hosts_drive_one_load_and_their_results_merge() {
    let Some(network) = Network::create() else {
        eprintln!("skipped: network namespaces need root and iproute2");
        return;
    };
    let mut server = network.slowpath("server");
    server.args(["mock", "--host", "0.0.0.0", "--port", "8080"]).stdout(Stdio::null()).stderr(Stdio::null());
    let server = Background(server.spawn().expect("ip netns exec runs"));
    let url = "http://10.99.0.1:8080/v1/models";
    wait_until("the server answers host a", || {
        let probe = network.slowpath("a").args(["load", "-a", "1", "-c", "1", "-j", url]).output();
        probe.is_ok_and(|output| output.status.success())
    });

    let dir = scratch();
    let start = |host: &str, shard: &str| {
        let mut command = network.slowpath(host);
        command.args(["load", "-R", "200", "-d", "1.5", "-c", "8", "--start-at", "+500ms", "--shard", shard]);
        command.arg("--out").arg(dir.path().join(host)).arg(url).spawn().expect("ip netns exec runs")
    };
    for child in [start("a", "0/2"), start("b", "1/2")] {
        let finished = finish(child);
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    }
    drop(server);
    let merged = finish(
        crate::harness::slowpath(["merge", "-j"])
            .args([dir.path().join("a"), dir.path().join("b")])
            .spawn()
            .expect("it starts"),
    );
    assert_eq!(merged.code, Some(0), "{}", merged.stderr);
    let json: Value = serde_json::from_str(&merged.stdout).unwrap();
    assert_eq!((&json["2xx"], &json["errors"]), (&300.into(), &0.into()), "{json}");
    assert_eq!(json["slowpath"]["shards"]["indexes"], serde_json::json!([0, 1]));
    assert_eq!(json["slowpath"]["notes"], serde_json::json!([]), "both started together");
}

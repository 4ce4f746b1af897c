//! The library's log in the crate `log`: a process has one logger, so this has a process of its own.
#[allow(dead_code)]
mod peer;

use log::{Level, LevelFilter, Log, Metadata, Record};
use std::sync::Mutex;
use std::time::Duration;

struct Kept(Mutex<Vec<(Level, String, String)>>);

impl Log for Kept {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let entry = (record.level(), record.target().to_string(), record.args().to_string());
        self.0.lock().unwrap().push(entry);
    }

    fn flush(&self) {}
}

static KEPT: Kept = Kept(Mutex::new(Vec::new()));

#[test]
fn records_go_on_to_the_crate_log_until_the_agent_is_stopped() {
    log::set_logger(&KEPT).unwrap();
    log::set_max_level(LevelFilter::Trace);
    let peer = peer::Peer::new();
    let agent = peer.agent_with(&[("log_file", "none"), ("log_level", "info")]);
    std::thread::scope(|scope| {
        scope.spawn(|| agent.forward_log());
        agent.wait_connected(Duration::from_secs(10)).unwrap();
        agent.stop();
    });
    let kept = KEPT.0.lock().unwrap();
    assert!(kept.iter().any(|(level, target, text)| {
        (*level, target.as_str()) == (Level::Info, "flare_agent") && !text.is_empty()
    }));
}

//! The waits as futures, in a runtime of one thread: whatever blocks it ends no test.
#[allow(dead_code)]
mod peer;

use flare_agent::{Agent, Level, Progress, Status, UploadState};
use peer::Peer;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(20);

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { timeout(2 * SOON, work).await.expect("it should not take that long") })
}

#[test]
fn a_job_runs_to_its_end() {
    let peer = Peer::new();
    let agent = peer.agent();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..3 {
                assert_eq!(peer.send(&[round as f32, 1.0], &[]).wait().w, [round as f32, 1.0]);
            }
            peer.end();
        });
        run(async {
            agent.wait_connected_async().await.unwrap();
            for _ in 0..3 {
                let task = agent.next_task_async().await.unwrap();
                let mut result = task.result().unwrap();
                result.copy_tensor(&task.tensor("w").unwrap()).unwrap();
                result.submit().unwrap().wait_async(Level::Delivered).await.unwrap();
            }
            assert_eq!(agent.next_task_async().await.unwrap_err().status(), Status::Ended);
        });
    });
}

#[test]
fn many_waits_share_a_thread_and_stop_ends_them() {
    let peer = Peer::new();
    let agent: Arc<Agent> = peer.agent().into();
    run(async {
        let waits: Vec<_> = (0..100)
            .map(|_| {
                let agent = agent.clone();
                tokio::spawn(async move { agent.next_task_async().await.map(drop) })
            })
            .collect();
        assert!(timeout(SHORT, agent.next_task_async()).await.is_err());
        agent.stop();
        for wait in waits {
            assert_eq!(wait.await.unwrap().unwrap_err().status(), Status::Stopped);
        }
    });
}

#[test]
fn a_wait_that_was_given_up_has_taken_nothing() {
    let peer = Peer::new();
    let agent = peer.agent();
    run(async {
        assert!(timeout(SHORT, agent.next_task_async()).await.is_err());
        let _request = peer.send(&[1.0], &[]);
        let task = agent.next_task_async().await.unwrap();
        assert_eq!(task.view::<f32>("w").unwrap(), [1.0]);
    });
}

#[test]
fn progress_and_the_log_are_waited_for() {
    let peer = Peer::new();
    let agent = peer.agent_with(&[("check_results", "false"), ("log_file", "none"), ("log_level", "info")]);
    run(async {
        assert!(!agent.next_log_record_async().await.unwrap().text.is_empty());
        let _request = peer.send(&[1.0], &["server", "slow"]);
        let task = agent.next_task_async().await.unwrap();
        let mut result = task.result().unwrap();
        result.give("w", vec![7.0_f32; 1 << 20], &[1 << 20]).unwrap();
        let upload = result.submit().unwrap();
        upload.wait_async(Level::Accepted).await.unwrap();
        let mut progress = Progress::default();
        while progress.bytes_done < 4 << 20 {
            progress = upload.wait_progress_async(&progress).await.unwrap();
        }
        assert!(timeout(SHORT, upload.wait_async(Level::Delivered)).await.is_err());
        upload.cancel();
        assert_eq!(upload.wait_async(Level::Delivered).await.unwrap_err().status(), Status::Aborted);
        assert_eq!(upload.progress().unwrap().state, UploadState::Failed);
    });
}

//! Whole jobs with a peer in the same process.
mod peer;

use flare_agent::{
    known_options, Agent, Error, Level, Options, Progress, Section, State, Status, Task, TaskKind, TaskResult, Tensor,
    Upload, UploadState, Value,
};
use peer::Peer;
use std::sync::Mutex;
use std::time::Duration;

// For results that do not look like their task.
const UNCHECKED: [(&str, &str); 1] = [("check_results", "false")];
const SOON: Duration = Duration::from_secs(10);

#[test]
fn a_job_runs_to_its_end() {
    let peer = Peer::new();
    let agent = peer.agent();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..3 {
                let reply = peer.send(&[round as f32, 1.0], &[]).wait();
                assert_eq!((reply.w, reply.steps), (vec![round as f32 + 1.0, 2.0], 7));
            }
            assert_eq!(peer.metric(), ("loss".to_string(), 0.5));
            peer.end();
        });
        let mut tasks = 0;
        for task in agent.tasks() {
            let task = task.unwrap();
            assert_eq!((task.kind(), task.round(), task.total_rounds()), (TaskKind::Train, Some(3), Some(10)));
            let w: Vec<f32> = task.view::<f32>("w").unwrap().iter().map(|x| x + 1.0).collect();
            agent.log_scalar("loss", 0.5, None).unwrap();
            let mut result = task.result().unwrap();
            result.copy("w", &w, &[2]).unwrap().set_steps(7).unwrap();
            result.finish().unwrap();
            tasks += 1;
        }
        assert_eq!(tasks, 3);
        assert_eq!(agent.state(), State::Ended);
        assert_eq!(agent.stats().unwrap().results_delivered, 3);
    });
}

#[test]
fn what_goes_wrong_in_a_turn_gives_the_task_back() {
    let peer = Peer::new();
    let agent = peer.agent();
    let mistakes: [fn(&Task); 3] = [
        |_| {},
        |task| drop(task.result().unwrap()),
        |task| {
            let _result = task.result().unwrap();
            panic!("a mistake of the user's own")
        },
    ];
    for mistake in mistakes {
        let request = peer.send(&[1.0], &[]);
        let task = agent.next_task(SOON).unwrap();
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || mistake(&task)));
        let reply = request.wait();
        assert!(reply.return_code != "OK" && !reply.reason.is_empty(), "{:?}", reply);
    }
}

#[test]
fn a_failure_tells_its_reason() {
    let peer = Peer::new();
    let agent = peer.agent();
    let request = peer.send(&[1.0], &[]);
    agent.next_task(SOON).unwrap().fail("BAD_TASK_DATA", "too small").unwrap();
    let reply = request.wait();
    assert_eq!(reply.return_code, "BAD_TASK_DATA");
    assert!(reply.reason.contains("too small"), "{:?}", reply);
}

#[test]
fn wrong_reads_say_what_is_there() {
    let peer = Peer::new();
    let agent = peer.agent();
    let _request = peer.send(&[1.0, 2.0], &[]);
    let task = agent.next_task(SOON).unwrap();
    let missing = task.view::<f32>("v").unwrap_err();
    assert_eq!(missing.status(), Status::NotFound);
    assert!(missing.message().contains("'w'"), "{}", missing);
    let other = task.view::<f64>("w").unwrap_err();
    assert_eq!(other.status(), Status::InvalidArgument);
    assert!(other.message().contains("float32"), "{}", other);
    assert_eq!(task.read("w", &mut [0.0_f32; 3]).unwrap_err().status(), Status::InvalidArgument);
    let headers = task.section(Section::Headers);
    let list = vec![Value::Int(1), Value::Text("b".into()), Value::None, Value::Bool(true), Value::Double(2.5)];
    assert_eq!(headers.get("extra").and_then(|extra| extra.get("a")), Some(&Value::List(list)));
}

#[test]
fn wrong_writes_say_what_is_wrong() {
    let peer = Peer::new();
    let agent = peer.agent();
    let _request = peer.send(&[1.0], &[]);
    let task = agent.next_task(SOON).unwrap();
    let mut result = task.result().unwrap();
    let short = result.copy("w", &[1.0_f32], &[2, 3]).unwrap_err();
    assert!(short.message().contains("24 bytes"), "{}", short);
    assert_eq!(result.copy("w", &[1.0_f32], &[-1]).unwrap_err().status(), Status::InvalidArgument);
    assert_eq!(result.give("w\0", vec![1.0_f32], &[1]).unwrap_err().status(), Status::InvalidArgument);
    assert_eq!(result.set_json(Section::Meta, "a", "{").unwrap_err().status(), Status::InvalidArgument);
    assert_eq!(task.result().unwrap_err().status(), Status::InvalidState);
}

#[test]
fn a_result_that_does_not_fit_comes_back() {
    let peer = Peer::new();
    let agent = peer.agent();
    let request = peer.send(&[1.0, 2.0], &[]);
    let task = agent.next_task(SOON).unwrap();
    let mut result = task.result().unwrap();
    result.copy("v", &[1.0_f32], &[1]).unwrap();
    let refused = result.submit().unwrap_err();
    assert_eq!(refused.error.status(), Status::InvalidArgument);
    assert!(refused.to_string().contains("'w' is missing"), "{}", refused);
    let mut result = refused.result;
    result.copy("w", &[5.0_f32, 6.0], &[2]).unwrap();
    result.finish().unwrap();
    assert_eq!(request.wait().w, [5.0, 6.0]);
}

// What nothing drops, as by `mem::forget`; it is no leak to the address sanitizer.
static FORGOTTEN: Mutex<Vec<Upload>> = Mutex::new(Vec::new());

#[test]
fn given_elements_live_as_long_as_they_are_read() {
    let peer = Peer::new();
    let agent = peer.agent_with(&UNCHECKED);
    let count = 1 << 20;
    for forget in [false, true] {
        let request = peer.send(&[1.0], &[]);
        let task = agent.next_task(SOON).unwrap();
        let mut result = task.result().unwrap();
        result.give("w", vec![7.0_f32; count], &[count as i64]).unwrap();
        let upload = result.submit().unwrap();
        if forget {
            FORGOTTEN.lock().unwrap().push(upload); // harms nobody
        } else {
            drop(upload); // waits until they are read
        }
        drop(vec![1.0_f32; count]); // would take their place if they were freed
        let reply = request.wait();
        assert!(reply.w.len() == count && reply.w.iter().all(|x| *x == 7.0));
    }
}

#[test]
fn borrowed_elements_are_read_until_it_returns() {
    let peer = Peer::new();
    let agent = peer.agent_with(&UNCHECKED);
    let w = vec![7.0_f32; 1 << 20];
    let shape = [1 << 10, 1 << 10];
    let request = peer.send(&[1.0], &[]);
    let task = agent.next_task(SOON).unwrap();
    task.result().unwrap().finish_with(&[Tensor::new("w", &w, &shape).unwrap()]).unwrap();
    assert_eq!(request.wait().w, w);
}

#[test]
fn an_upload_shows_how_far_it_is() {
    let peer = Peer::new();
    let agent = peer.agent_with(&UNCHECKED);
    let request = peer.send(&[1.0], &["server", "slow"]);
    let task = agent.next_task(SOON).unwrap();
    let mut result = task.result().unwrap();
    let count = 1 << 20;
    result.copy("w", &vec![7.0_f32; count], &[count as i64]).unwrap();
    let upload = result.submit().unwrap();
    upload.wait(Level::Accepted, SOON).unwrap();
    let _reply = request.wait();
    let mut progress = Progress::default();
    while progress.bytes_done < 4 * count as i64 {
        progress = upload.wait_progress(&progress, SOON).unwrap();
    }
    assert_eq!((progress.state, progress.bytes_total), (UploadState::Active, 8 * count as i64));
    assert_eq!(upload.wait(Level::Delivered, Duration::from_millis(1)).unwrap_err().status(), Status::Timeout);
    assert_eq!(upload.receivers().iter().map(|r| r.name.as_str()).collect::<Vec<_>>(), ["server", "slow"]);
    upload.cancel();
    assert_eq!(upload.wait(Level::Delivered, SOON).unwrap_err().status(), Status::Aborted);
    assert_eq!(upload.progress().unwrap().state, UploadState::Failed);
}

#[test]
fn stop_ends_every_wait() {
    let peer = Peer::new();
    let agent = peer.agent();
    agent.wait_connected(SOON).unwrap();
    std::thread::scope(|scope| {
        let waits: Vec<_> = (0..4).map(|_| scope.spawn(|| agent.next_task(None).map(drop))).collect();
        std::thread::sleep(Duration::from_millis(50));
        agent.stop();
        for wait in waits {
            assert_eq!(wait.join().unwrap().unwrap_err().status(), Status::Stopped);
        }
    });
    assert_eq!(agent.tasks().count(), 0, "a stopped loop ends without an error");
}

#[test]
fn an_abort_ends_the_loop_with_an_error() {
    let peer = Peer::new();
    let agent = peer.agent();
    agent.wait_connected(SOON).unwrap();
    peer.abort("no more money");
    let all: Vec<_> = agent.tasks().collect();
    assert_eq!(all.len(), 1);
    let error = all.into_iter().next().unwrap().unwrap_err();
    assert_eq!(error.status(), Status::Aborted);
    assert!(error.message().contains("no more money"), "{}", error);
}

#[test]
fn a_task_is_readable_after_its_agent() {
    let peer = Peer::new();
    let agent = peer.agent_with(&[("close_timeout", "1")]);
    let _request = peer.send(&[1.0, 2.0], &[]);
    let task = agent.next_task(SOON).unwrap();
    drop(agent);
    assert_eq!(task.view::<f32>("w").unwrap(), [1.0, 2.0]);
    assert!(task.is_aborted());
}

#[test]
fn options_and_logs_speak() {
    let unknown = Options::new().unwrap().set("heartbeat_intervall", "1").err().unwrap();
    assert_eq!(unknown.status(), Status::InvalidArgument);
    assert!(unknown.message().contains("heartbeat_interval"), "{}", unknown);
    assert!(known_options().iter().any(|option| option.name == "url" && !option.help.is_empty()));
    let peer = Peer::new();
    let agent = peer.agent_with(&[("log_level", "info"), ("log_file", "none")]);
    agent.wait_connected(SOON).unwrap();
    assert!(!agent.next_log_record(SOON).unwrap().text.is_empty());
    assert_eq!(agent.info("nothing").unwrap_err().status(), Status::NotFound);
    assert!(agent.info("url").unwrap().starts_with("memory://rust-"));
}

#[test]
fn threads_may_use_what_the_header_says() {
    fn shared<T: Send + Sync>() {}
    fn moved<T: Send>() {}
    shared::<Agent>();
    shared::<Task>();
    shared::<Upload>();
    shared::<Error>();
    moved::<TaskResult<'_>>();
    moved::<Options>();
}

// The rest of the program that the blocks of docs/rust.md make together.
use flare_agent::*;
use std::time::Duration;

fn exit(code: i32) {
    println!("exit {}", code);
}

fn main() {
    let peer = peer::Peer::new();
    let agent = peer.agent_with(&[("log_file", "none"), ("log_level", "info"), ("check_results", "false")]);
    let next = || {
        let request = peer.send(&[1.0, 2.0], &[]);
        (request, agent.next_task(Duration::from_secs(10)).unwrap())
    };

    let (request, task) = next();
    let mut result = task.result().unwrap();
    tensors(&task, &mut result).unwrap();
    submit_and_go_on(&agent, result).unwrap();
    assert_eq!(request.wait().w, [1.0, 2.0]);

    let (request, task) = next();
    assert!(submit_or_fail(&task, task.result().unwrap()).unwrap().is_some());
    assert_eq!(request.wait().return_code, "OK");

    let (request, task) = next();
    borrow(task.result().unwrap(), &[3.0, 4.0]).unwrap();
    assert_eq!(request.wait().w, [3.0, 4.0]);

    let request = peer.send(&[5.0, 6.0], &[]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    runtime.block_on(answer_next(&agent)).unwrap();
    assert_eq!(request.wait().w, [5.0, 6.0]);

    let (_request, task) = next();
    let mut steps = 0;
    assert!(train_until_aborted(&task, 3, || steps += 1) && steps == 3);
    drop(task);

    peer.end();
    let ended = agent.next_task(Duration::from_secs(10)).unwrap_err();
    assert_eq!(classify(&ended), "the job is over");
    assert_eq!(with_its_log(&agent, || 7), 7);
    print_log(&agent);
    leave(3);
}

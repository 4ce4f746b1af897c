//! Speaks the protocol of tests/conformance/README.md through the crate flare-agent.
mod answer;
mod elements;
mod json;
mod operations;
mod requests;

use answer::{failed, fields, ok};
use flare_agent::{Agent, Options, Task};
use json::{json, Json};
use operations::Left;
use requests::{Request, Requests};

fn main() {
    let mut requests = Requests::default();
    while let Some(request) = requests.next() {
        match request.op() {
            "open" => match open(&request) {
                Ok(agent) => {
                    requests.answer(ok());
                    serve(&agent, &mut requests);
                }
                Err(error) => requests.answer(failed(&error)),
            },
            _ => requests.answer(without_agent(&request)),
        }
    }
}

fn without_agent(request: &Request) -> Json {
    match request.op() {
        "version" => fields(json!({"version": flare_agent::version()})),
        // What was closed has no name any more.
        "after_close" => json!({"status": "CANNOT"}),
        op if operations::is_known(op) => {
            json!({"status": "INVALID_STATE", "message": "nothing is open that this is done with"})
        }
        _ => json!({"status": "UNKNOWN"}),
    }
}

fn open(request: &Request) -> flare_agent::Result<Agent> {
    let mut options = Options::new()?;
    for (name, value) in request.map("options") {
        options = options.set(&name, &value)?;
    }
    Agent::open(options)
}

/// Until the agent is closed.
fn serve(agent: &Agent, requests: &mut Requests) {
    while let Some(request) = requests.next() {
        match request.op() {
            "close" => {
                requests.answer_after(ok());
                return;
            }
            "open" => return requests.put_back(request),
            "next_task" => {
                if let Some(task) = take(agent, &request, requests) {
                    work(agent, task, requests);
                }
            }
            "cycles" => requests.answer(operations::cycles(agent, request.number("count"))),
            _ => {
                let answer = operations::on_agent(agent, &request)
                    .unwrap_or_else(|| without_agent(&request));
                requests.answer(answer);
            }
        }
    }
}

fn take(agent: &Agent, request: &Request, requests: &mut Requests) -> Option<Task> {
    match agent.next_task(request.timeout()) {
        Ok(task) => {
            requests.answer(fields(json!({"task": operations::describe(&task)})));
            Some(task)
        }
        Err(error) => {
            requests.answer(failed(&error));
            None
        }
    }
}

/// Until no task is in hand.
fn work(agent: &Agent, mut task: Task, requests: &mut Requests) {
    loop {
        match operations::on_task(agent, &task, requests) {
            Left::For(next) => task = next,
            Left::Dropped => break,
            Left::Panicked => {
                // An error of the user's own leaves what would be the body of a loop.
                let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
                    let _in_hand = task;
                    std::panic::panic_any("a mistake of the user's own");
                }));
                assert!(caught.is_err());
                break;
            }
            Left::Elsewhere => return,
        }
    }
    requests.answer(ok());
}

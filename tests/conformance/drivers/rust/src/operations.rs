use crate::answer::{failed, fields, ok, status_of, upper_snake};
use crate::elements::{self, Put};
use crate::json::{json, Json};
use crate::requests::{Request, Requests};
use flare_agent::{Agent, Level, Result, Section, Task, TaskResult, Upload, Value};
use std::time::{Duration, Instant};

const KNOWN: [&str; 37] = [
    "version",
    "close",
    "wait_connected",
    "info",
    "state",
    "next_task",
    "is_aborted",
    "data",
    "metric",
    "section",
    "tensors",
    "read",
    "result",
    "put",
    "echo",
    "put_bytes",
    "set",
    "set_metric",
    "set_steps",
    "set_kind",
    "set_return_code",
    "submit",
    "wait",
    "finish",
    "progress",
    "cancel",
    "fail",
    "drop_result",
    "drop_task",
    "log_scalar",
    "log_json",
    "log_burst",
    "stop",
    "interrupt_next_task",
    "cycles",
    "panic",
    "after_close",
];

pub fn is_known(op: &str) -> bool {
    KNOWN.contains(&op)
}

// ---- The agent

pub fn on_agent(agent: &Agent, request: &Request) -> Option<Json> {
    Some(match request.op() {
        "wait_connected" => status_of(agent.wait_connected(request.timeout())),
        "info" => value_of(agent.info(request.text("name"))),
        "state" => fields(json!({"state": upper_snake(&format!("{:?}", agent.state()))})),
        "stop" => {
            agent.stop();
            ok()
        }
        "log_scalar" => status_of(agent.log_scalar(
            request.text("name"),
            request.double("value"),
            request.step(),
        )),
        "log_json" => {
            let (kind, name) = (request.text("type"), request.text("name"));
            status_of(agent.log_json(
                kind,
                name,
                &request.get("value").to_string(),
                request.step(),
                None,
            ))
        }
        "log_burst" => {
            let mut numbers = 0..request.number("count");
            status_of(numbers.try_for_each(|n| agent.log_scalar(request.text("name"), n as f64, n)))
        }
        "interrupt_next_task" => std::thread::scope(|scope| {
            let after = Duration::from_millis(request.number("after_ms") as u64);
            scope.spawn(move || {
                std::thread::sleep(after);
                agent.stop();
            });
            status_of(agent.next_task(None).map(drop))
        }),
        _ => return None,
    })
}

fn value_of<T: Into<Json>>(value: Result<T>) -> Json {
    value.map_or_else(
        |error| failed(&error),
        |value| fields(json!({"value": value.into()})),
    )
}

pub fn cycles(agent: &Agent, count: i64) -> Json {
    for done in 0..count {
        if let Err(error) = cycle(agent) {
            return failed(&error).with("done", done);
        }
    }
    fields(json!({"done": count}))
}

fn cycle(agent: &Agent) -> Result<()> {
    let task = agent.next_task(None)?;
    let mut result = task.result()?;
    echo(&task, &mut result)?;
    result.finish()
}

// ---- The task

pub fn describe(task: &Task) -> Json {
    json!({
        "id": task.id(), "name": task.name(), "kind": upper_snake(&format!("{:?}", task.kind())).to_lowercase(),
        "round": task.round().unwrap_or(-1), "total_rounds": task.total_rounds().unwrap_or(-1),
        "attempt": task.attempt(), "site": task.site(), "job_id": task.job_id(),
    })
}

/// Why a task is not in hand any more.
pub enum Left {
    For(Task),
    Dropped,
    Panicked,
    /// What comes next is for whoever has the agent.
    Elsewhere,
}

enum Answering<'task> {
    Not,
    Filling(TaskResult<'task>),
    Submitted(Upload),
}

/// Until the task leaves the driver's hands, which takes its result along.
pub fn on_task(agent: &Agent, task: &Task, requests: &mut Requests) -> Left {
    let mut answering = Answering::Not;
    while let Some(request) = requests.next() {
        match request.op() {
            "next_task" => {
                if let Some(next) = crate::take(agent, &request, requests) {
                    return Left::For(next);
                }
            }
            "drop_task" => return Left::Dropped,
            "panic" => return Left::Panicked,
            "close" | "open" => {
                agent.stop(); // or elements that nobody fetches would hold the close up
                requests.put_back(request);
                return Left::Elsewhere;
            }
            "cycles" => {
                requests.put_back(request);
                return Left::Elsewhere;
            }
            "result" => match task.result() {
                Ok(result) => {
                    answering = Answering::Filling(result);
                    requests.answer(ok());
                }
                Err(error) => requests.answer(failed(&error)),
            },
            "drop_result" => {
                answering = Answering::Not;
                requests.answer(ok());
            }
            _ => {
                let (answer, next) = on_result(task, answering, &request);
                answering = next;
                let answer = answer
                    .or_else(|| about_task(task, &request))
                    .or_else(|| on_agent(agent, &request));
                requests.answer(answer.unwrap_or_else(|| crate::without_agent(&request)));
            }
        }
    }
    agent.stop();
    Left::Elsewhere
}

fn about_task(task: &Task, request: &Request) -> Option<Json> {
    let name = request.text("name");
    Some(match request.op() {
        "is_aborted" => {
            let end = request.timeout().map(|time| Instant::now() + time);
            while !task.is_aborted() && end.map_or(true, |end| Instant::now() < end) {
                std::thread::sleep(Duration::from_millis(5));
            }
            fields(json!({"aborted": task.is_aborted()}))
        }
        "data" => fields(json!({
            "kind": task.data_kind(), "params_type": upper_snake(&format!("{:?}", task.params_type())),
            "return_code": task.return_code(), "reason": task.reason(), "steps": task.steps(),
        })),
        "metric" => value_of(task.metric(name)),
        "section" => fields(json!({"value": plain(&task.section(section(request)))})),
        "tensors" => {
            let all: Vec<Json> = task
                .tensors()
                .map(|tensor| elements::describe(&tensor))
                .collect();
            fields(json!({"tensors": all}))
        }
        "read" => elements::read(task, name, request.text("dtype"))
            .map_or_else(|error| failed(&error), fields),
        "fail" => status_of(task.fail(request.text("return_code"), request.text("reason"))),
        _ => return None,
    })
}

fn section(request: &Request) -> Section {
    match request.text("section") {
        "headers" => Section::Headers,
        "meta" => Section::Meta,
        _ => Section::Body,
    }
}

fn plain(value: &Value) -> Json {
    match value {
        Value::None => Json::Null,
        Value::Bool(flag) => (*flag).into(),
        Value::Int(number) => (*number).into(),
        Value::Double(number) => (*number).into(),
        Value::Text(text) => text.clone().into(),
        Value::Bytes(bytes) => json!({"$bytes": hex(bytes)}),
        Value::List(entries) => Json::List(entries.iter().map(plain).collect()),
        Value::Map(entries) => Json::Map(
            entries
                .iter()
                .map(|(key, entry)| (key.clone(), plain(entry)))
                .collect(),
        ),
        Value::Tensor { dtype, .. } => json!({"$tensor": elements::dtype_name(*dtype)}),
        Value::Opaque { type_name, .. } => json!({"$opaque": type_name.clone()}),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{:02x}", byte)).collect()
}

fn from_hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .filter_map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok())
        .collect()
}

// ---- The result

fn echo(task: &Task, result: &mut TaskResult<'_>) -> Result<()> {
    task.tensors()
        .try_for_each(|tensor| result.copy_tensor(&tensor).map(drop))
}

/// The answer, when the request is one for a result, and the result after it.
fn on_result<'task>(
    task: &Task,
    answering: Answering<'task>,
    request: &Request,
) -> (Option<Json>, Answering<'task>) {
    match answering {
        Answering::Not => (None, Answering::Not),
        Answering::Filling(mut result) => match request.op() {
            "submit" => submit(result),
            "finish" => match submit(result) {
                (_, Answering::Submitted(upload)) => {
                    let outcome = status_of(upload.wait(Level::Delivered, request.timeout()));
                    (Some(outcome), Answering::Submitted(upload))
                }
                refused => refused,
            },
            "wait" | "progress" | "cancel" => cannot(Answering::Filling(result)),
            _ => (fill(task, &mut result, request), Answering::Filling(result)),
        },
        Answering::Submitted(upload) => match request.op() {
            "wait" => {
                let level = if request.text("level") == "accepted" {
                    Level::Accepted
                } else {
                    Level::Delivered
                };
                (
                    Some(status_of(upload.wait(level, request.timeout()))),
                    Answering::Submitted(upload),
                )
            }
            "progress" => (Some(progress(&upload)), Answering::Submitted(upload)),
            "cancel" => {
                upload.cancel();
                (Some(ok()), Answering::Submitted(upload))
            }
            "submit" | "finish" | "put" | "echo" | "put_bytes" => {
                cannot(Answering::Submitted(upload))
            }
            op if op.starts_with("set") => cannot(Answering::Submitted(upload)),
            _ => (None, Answering::Submitted(upload)),
        },
    }
}

/// Such a call cannot be written.
fn cannot(answering: Answering<'_>) -> (Option<Json>, Answering<'_>) {
    (Some(json!({"status": "CANNOT"})), answering)
}

fn submit(result: TaskResult<'_>) -> (Option<Json>, Answering<'_>) {
    match result.submit() {
        Ok(upload) => (Some(ok()), Answering::Submitted(upload)),
        Err(refused) => (
            Some(failed(&refused.error)),
            Answering::Filling(refused.result),
        ),
    }
}

fn progress(upload: &Upload) -> Json {
    upload.progress().map_or_else(
        |error| failed(&error),
        |progress| {
            let state = upper_snake(&format!("{:?}", progress.state));
            let (total, done) = (progress.bytes_total, progress.bytes_done);
            fields(json!({"state": state, "bytes_total": total, "bytes_done": done}))
        },
    )
}

fn fill(task: &Task, result: &mut TaskResult<'_>, request: &Request) -> Option<Json> {
    let name = request.text("name");
    Some(status_of(match request.op() {
        "put" => {
            let (dtype, copy) = (request.text("dtype"), request.text("how") == "copy");
            let start = request.number("start");
            elements::put(
                result,
                &Put {
                    name,
                    dtype,
                    shape: &request.shape(),
                    start,
                    copy,
                },
            )
        }
        "echo" => echo(task, result),
        "put_bytes" => result
            .copy_bytes(name, &from_hex(request.text("hex")))
            .map(drop),
        "set" => set(result, request).map(drop),
        "set_metric" => result.set_metric(name, request.double("value")).map(drop),
        "set_steps" => result.set_steps(request.number("value")).map(drop),
        "set_kind" => result.set_kind(request.text("value")).map(drop),
        "set_return_code" => result.set_return_code(request.text("value")).map(drop),
        _ => return None,
    }))
}

fn set<'a, 'task>(
    result: &'a mut TaskResult<'task>,
    request: &Request,
) -> Result<&'a mut TaskResult<'task>> {
    let (section, name) = (section(request), request.text("name"));
    match request.get("value") {
        Json::Text(text) => result.set_text(section, name, text),
        Json::Int(number) => result.set_int(section, name, *number),
        Json::Double(number) => result.set_double(section, name, *number),
        other => result.set_json(section, name, &other.to_string()),
    }
}

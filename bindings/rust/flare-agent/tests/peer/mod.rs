//! The peer of an agent, by the C interface.
use flare_agent::{Agent, Options};
use flare_agent_sys as sys;
use std::ffi::{CStr, CString};
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicU32, Ordering};

pub struct Peer {
    handle: *mut sys::flare_exchanger,
    url: String,
}

unsafe impl Send for Peer {}
unsafe impl Sync for Peer {}

#[track_caller]
fn ok(status: sys::flare_status) {
    assert_eq!(status, sys::FLARE_OK);
}

fn c(text: &str) -> CString {
    CString::new(text).unwrap()
}

impl Peer {
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let url = format!("memory://rust-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let (mut handle, name, value) = (null_mut(), c("url"), c(&url));
        unsafe {
            let options = sys::flare_options_new();
            ok(sys::flare_options_set(options, name.as_ptr(), value.as_ptr(), null_mut()));
            ok(sys::flare_exchanger_open(options, &mut handle, null_mut()));
            sys::flare_options_free(options);
        }
        Peer { handle, url }
    }

    pub fn agent(&self) -> Agent {
        self.agent_with(&[])
    }

    pub fn agent_with(&self, options: &[(&str, &str)]) -> Agent {
        let mut all = Options::new().unwrap().set("url", &self.url).unwrap().set("log_level", "error").unwrap();
        for (name, value) in options {
            all = all.set(name, value).unwrap();
        }
        Agent::open(all).unwrap()
    }

    /// A task "train" with the tensor "w", and more receivers than this one when they are named.
    pub fn send(&self, w: &[f32], receivers: &[&str]) -> Request {
        let mut handle = null_mut();
        let (task, name, extra, json) = (c("train"), c("w"), c("extra"), c(r#"{"a": [1, "b", null, true, 2.5]}"#));
        let shape = [w.len() as i64];
        let tensor = sys::flare_tensor {
            struct_size: std::mem::size_of::<sys::flare_tensor>() as u32,
            dtype: sys::FLARE_FLOAT32,
            ndim: 1,
            device_type: 0,
            data: w.as_ptr().cast(),
            shape: shape.as_ptr(),
            strides: null(),
        };
        unsafe {
            ok(sys::flare_request_new(self.handle, task.as_ptr(), &mut handle, null_mut()));
            ok(sys::flare_request_set_round(handle, 3, 10, null_mut()));
            let data = sys::flare_request_shareable(handle);
            ok(sys::flare_shareable_copy_tensor(data, name.as_ptr(), &tensor, null_mut()));
            ok(sys::flare_shareable_set_json(data, sys::FLARE_HEADERS, extra.as_ptr(), json.as_ptr(), null_mut()));
            for receiver in receivers {
                ok(sys::flare_request_add_receiver(handle, c(receiver).as_ptr(), null_mut()));
            }
            ok(sys::flare_request_send(handle, null_mut()));
        }
        Request { handle }
    }

    pub fn end(&self) {
        ok(unsafe { sys::flare_exchanger_end(self.handle, c("done").as_ptr(), null_mut()) });
    }

    pub fn abort(&self, reason: &str) {
        ok(unsafe { sys::flare_exchanger_abort(self.handle, c(reason).as_ptr(), null_mut()) });
    }

    /// The name and value of the next metric.
    pub fn metric(&self) -> (String, f64) {
        let (mut metric, mut value) = (null_mut(), 0.0);
        unsafe {
            ok(sys::flare_exchanger_next_metric(self.handle, 10_000, &mut metric, null_mut()));
            ok(sys::flare_value_get_double(sys::flare_metric_value(metric), &mut value));
            let name = CStr::from_ptr(sys::flare_metric_name(metric)).to_str().unwrap().to_string();
            sys::flare_metric_free(metric);
            (name, value)
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        unsafe { sys::flare_exchanger_close(self.handle) }
    }
}

pub struct Request {
    handle: *mut sys::flare_request,
}

unsafe impl Send for Request {}

#[derive(Debug)]
pub struct Reply {
    pub return_code: String,
    pub reason: String,
    pub w: Vec<f32>,
    pub steps: i64,
}

impl Request {
    pub fn wait(&self) -> Reply {
        let (mut reply, mut steps, name) = (null_mut(), -1, c("w"));
        unsafe {
            ok(sys::flare_request_wait(self.handle, 10_000, &mut reply, null_mut()));
            let data = sys::flare_reply_shareable(reply);
            sys::flare_shareable_steps(data, &mut steps);
            let mut view: sys::flare_tensor = std::mem::zeroed();
            view.struct_size = std::mem::size_of_val(&view) as u32;
            let mut w = Vec::new();
            if sys::flare_shareable_find_tensor(data, name.as_ptr(), &mut view) == sys::FLARE_OK {
                let count = std::slice::from_raw_parts(view.shape, view.ndim as usize).iter().product::<i64>();
                w = std::slice::from_raw_parts(view.data.cast::<f32>(), count as usize).to_vec();
            }
            let text = |text| CStr::from_ptr(text).to_str().unwrap().to_string();
            let all = Reply {
                return_code: text(sys::flare_shareable_return_code(data)),
                reason: text(sys::flare_shareable_reason(data)),
                w,
                steps,
            };
            sys::flare_reply_free(reply);
            all
        }
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        unsafe { sys::flare_request_free(self.handle) }
    }
}

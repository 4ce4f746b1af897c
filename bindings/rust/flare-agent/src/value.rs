use crate::call::{slice, text};
use crate::tensor::{empty, DType, Tensor};
use flare_agent_sys as sys;

/// A part of a task or result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    Headers,
    Body,
    Meta,
}

impl Section {
    pub(crate) fn raw(self) -> sys::flare_section {
        match self {
            Section::Headers => sys::FLARE_HEADERS,
            Section::Body => sys::FLARE_BODY,
            Section::Meta => sys::FLARE_META,
        }
    }
}

/// A nested value, copied from a section of a task.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    None,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Value>),
    /// In the order of the sender.
    Map(Vec<(String, Value)>),
    /// Without its elements: [`Task::tensor`](crate::Task::tensor) has them, by the keys joined with '/'.
    Tensor {
        dtype: DType,
        shape: Vec<i64>,
    },
    /// An object of a type that only Python knows.
    Opaque {
        type_name: String,
        content: Vec<u8>,
    },
}

impl Value {
    /// The entry of a map.
    pub fn get(&self, key: &str) -> Option<&Value> {
        match self {
            Value::Map(entries) => entries.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// # Safety
    /// C's value must be alive.
    pub(crate) unsafe fn from_raw(value: *const sys::flare_value) -> Value {
        match sys::flare_value_get_type(value) {
            sys::FLARE_VALUE_BOOL => Value::Bool(integer(value) != 0),
            sys::FLARE_VALUE_INT => Value::Int(integer(value)),
            sys::FLARE_VALUE_DOUBLE => {
                let mut number = 0.0;
                sys::flare_value_get_double(value, &mut number);
                Value::Double(number)
            }
            sys::FLARE_VALUE_TEXT => Value::Text(String::from_utf8_lossy(&content(value)).into_owned()),
            sys::FLARE_VALUE_BYTES => Value::Bytes(content(value)),
            sys::FLARE_VALUE_LIST => Value::List(entries(value).map(|(_, child)| child).collect()),
            sys::FLARE_VALUE_MAP => Value::Map(entries(value).collect()),
            sys::FLARE_VALUE_TENSOR => {
                let mut view = empty();
                sys::flare_value_get_tensor(value, &mut view);
                let tensor = Tensor::from_raw(std::ptr::null(), &view);
                Value::Tensor { dtype: tensor.dtype(), shape: tensor.shape().to_vec() }
            }
            sys::FLARE_VALUE_OPAQUE => {
                let mut name = std::ptr::null();
                sys::flare_value_get_text(value, &mut name);
                Value::Opaque { type_name: text(name), content: content(value) }
            }
            _ => Value::None,
        }
    }
}

unsafe fn entries(value: *const sys::flare_value) -> impl Iterator<Item = (String, Value)> {
    (0..sys::flare_value_count(value)).map(move |index| {
        let (mut key, mut child) = (std::ptr::null(), std::ptr::null());
        sys::flare_value_at(value, index, &mut key, &mut child);
        (text(key), Value::from_raw(child))
    })
}

unsafe fn integer(value: *const sys::flare_value) -> i64 {
    let mut number = 0;
    sys::flare_value_get_int(value, &mut number);
    number
}

unsafe fn content(value: *const sys::flare_value) -> Vec<u8> {
    let (mut data, mut size) = (std::ptr::null(), 0);
    sys::flare_value_get_bytes(value, &mut data, &mut size);
    slice(data.cast::<u8>(), size).to_vec()
}

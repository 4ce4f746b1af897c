//! What tensors are filled with, and their hashes.
use crate::json::{json, Json};
use flare_agent::{DType, Element, Result, Task, TaskResult, Tensor};

const NAMES: [(&str, DType); 18] = [
    ("int8", DType::Int8),
    ("int16", DType::Int16),
    ("int32", DType::Int32),
    ("int64", DType::Int64),
    ("uint8", DType::Uint8),
    ("uint16", DType::Uint16),
    ("uint32", DType::Uint32),
    ("uint64", DType::Uint64),
    ("float16", DType::Float16),
    ("float32", DType::Float32),
    ("float64", DType::Float64),
    ("opaque", DType::Opaque),
    ("bfloat16", DType::BFloat16),
    ("complex64", DType::Complex64),
    ("complex128", DType::Complex128),
    ("bool", DType::Bool),
    ("float8_e4m3fn", DType::Float8E4M3FN),
    ("float8_e5m2", DType::Float8E5M2),
];

pub fn dtype_name(dtype: DType) -> &'static str {
    NAMES
        .iter()
        .find(|(_, known)| *known == dtype)
        .map_or("", |(name, _)| name)
}

fn dtype_named(name: &str) -> DType {
    NAMES
        .iter()
        .find(|(known, _)| *known == name)
        .map_or(DType::Opaque, |(_, dtype)| *dtype)
}

/// FNV-1a.
fn hash(bytes: &[u8]) -> String {
    let sum = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    });
    format!("{:016x}", sum)
}

pub fn describe(tensor: &Tensor<'_>) -> Json {
    json!({
        "name": tensor.name(), "dtype": dtype_name(tensor.dtype()), "shape": tensor.shape(),
        "hash": hash(tensor.bytes()),
    })
}

/// The numbers that the elements are made of; none when the shape makes no sense.
fn numbers(start: i64, shape: &[i64]) -> Vec<i64> {
    let count = shape.iter().try_fold(1_i64, |count, extent| {
        count
            .checked_mul(*extent)
            .filter(|count| *extent >= 0 && *count <= 1 << 28)
    });
    (0..count.unwrap_or(0)).map(|i| (start + i) % 128).collect()
}

pub struct Put<'a> {
    pub name: &'a str,
    pub dtype: &'a str,
    pub shape: &'a [i64],
    pub start: i64,
    pub copy: bool, // else the elements are moved in
}

macro_rules! by_type {
    ($name:expr, $typed:ident, $other:expr) => {
        match $name {
            "int8" => $typed!(i8, |n| n as i8),
            "int16" => $typed!(i16, |n| n as i16),
            "int32" => $typed!(i32, |n| n as i32),
            "int64" => $typed!(i64, |n| n),
            "uint8" => $typed!(u8, |n| n as u8),
            "uint16" => $typed!(u16, |n| n as u16),
            "uint32" => $typed!(u32, |n| n as u32),
            "uint64" => $typed!(u64, |n| n as u64),
            "float32" => $typed!(f32, |n| n as f32),
            "float64" => $typed!(f64, |n| n as f64),
            "complex64" => $typed!([f32; 2], |n| [n as f32, 0.0]),
            "complex128" => $typed!([f64; 2], |n| [n as f64, 0.0]),
            "bool" => $typed!(bool, |n| n % 2 == 1),
            _ => $other,
        }
    };
}

pub fn put(result: &mut TaskResult<'_>, put: &Put<'_>) -> Result<()> {
    let numbers = numbers(put.start, put.shape);
    macro_rules! typed {
        ($rust:ty, $element:expr) => {
            put_typed::<$rust>(result, put, numbers.into_iter().map($element).collect())
        };
    }
    by_type!(put.dtype, typed, put_bits(result, put, &numbers))
}

fn put_typed<T: Element>(
    result: &mut TaskResult<'_>,
    put: &Put<'_>,
    elements: Vec<T>,
) -> Result<()> {
    if put.copy {
        result.copy(put.name, &elements, put.shape)?;
    } else {
        result.give(put.name, elements, put.shape)?;
    }
    Ok(())
}

/// The numbers are the bits of the elements.
fn put_bits(result: &mut TaskResult<'_>, put: &Put<'_>, numbers: &[i64]) -> Result<()> {
    let dtype = dtype_named(put.dtype);
    let bytes: Vec<u8> = numbers
        .iter()
        .flat_map(|n| n.to_le_bytes().into_iter().take(dtype.size()))
        .collect();
    if put.copy {
        result.copy_tensor(&Tensor::raw(put.name, dtype, &bytes, put.shape)?)?;
    } else {
        result.give_raw(put.name, dtype, bytes, put.shape)?;
    }
    Ok(())
}

/// Through the typed read of the binding.
pub fn read(task: &Task, name: &str, dtype: &str) -> Result<Json> {
    macro_rules! typed {
        ($rust:ty, $element:expr) => {{
            let _: fn(i64) -> $rust = $element;
            let elements = task.view::<$rust>(name)?;
            let shape = task.tensor(name)?.shape();
            let tensor = Tensor::new(name, elements, shape)?;
            describe(&tensor)
        }};
    }
    Ok(by_type!(dtype, typed, {
        let tensor = task.tensor(name)?;
        if tensor.dtype() != dtype_named(dtype) {
            return task.read::<u8>(name, &mut []).map(|()| Json::Null); // whose error says what it is
        }
        describe(&tensor)
    }))
}

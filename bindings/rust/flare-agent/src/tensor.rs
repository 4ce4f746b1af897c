use crate::call::{slice, text};
use crate::error::{Error, Result, Status};
use flare_agent_sys as sys;
use std::borrow::Cow;
use std::os::raw::c_char;

/// The type of the elements of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DType {
    Int8,
    Int16,
    Int32,
    Int64,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Float16,
    Float32,
    Float64,
    /// Bytes without a meaning to the library.
    Opaque,
    BFloat16,
    Complex64,
    Complex128,
    Bool,
    Float8E4M3FN,
    Float8E5M2,
}

const DTYPES: [(sys::flare_dtype, DType); 18] = [
    (sys::FLARE_INT8, DType::Int8),
    (sys::FLARE_INT16, DType::Int16),
    (sys::FLARE_INT32, DType::Int32),
    (sys::FLARE_INT64, DType::Int64),
    (sys::FLARE_UINT8, DType::Uint8),
    (sys::FLARE_UINT16, DType::Uint16),
    (sys::FLARE_UINT32, DType::Uint32),
    (sys::FLARE_UINT64, DType::Uint64),
    (sys::FLARE_FLOAT16, DType::Float16),
    (sys::FLARE_FLOAT32, DType::Float32),
    (sys::FLARE_FLOAT64, DType::Float64),
    (sys::FLARE_OPAQUE, DType::Opaque),
    (sys::FLARE_BFLOAT16, DType::BFloat16),
    (sys::FLARE_COMPLEX64, DType::Complex64),
    (sys::FLARE_COMPLEX128, DType::Complex128),
    (sys::FLARE_BOOL, DType::Bool),
    (sys::FLARE_FLOAT8_E4M3FN, DType::Float8E4M3FN),
    (sys::FLARE_FLOAT8_E5M2, DType::Float8E5M2),
];

impl DType {
    /// The bytes of one element.
    pub fn size(self) -> usize {
        unsafe { sys::flare_dtype_size(self.raw()) }
    }

    pub(crate) fn raw(self) -> sys::flare_dtype {
        DTYPES.iter().find(|(_, dtype)| *dtype == self).map_or(0, |(raw, _)| *raw)
    }

    fn from_raw(raw: sys::flare_dtype) -> Self {
        DTYPES.iter().find(|(number, _)| *number == raw).map_or(DType::Opaque, |(_, dtype)| *dtype)
    }
}

mod sealed {
    pub trait Sealed {}
}

/// What [`Task::view`](crate::Task::view), [`TaskResult::copy`](crate::TaskResult::copy) and the like take as elements:
/// the numbers of Rust, `bool`, and `[f32; 2]` and `[f64; 2]` for complex numbers. Elements of other types are bytes:
/// [`Tensor::bytes`] and [`Tensor::raw`].
///
/// # Safety
/// Of no concern: nobody else can implement it.
pub unsafe trait Element: Copy + Send + 'static + sealed::Sealed {
    const DTYPE: DType;
}

macro_rules! elements {
    ($($rust:ty => $dtype:ident),*) => {$(
        impl sealed::Sealed for $rust {}
        unsafe impl Element for $rust {
            const DTYPE: DType = DType::$dtype;
        }
    )*};
}
elements!(i8 => Int8, i16 => Int16, i32 => Int32, i64 => Int64, u8 => Uint8, u16 => Uint16, u32 => Uint32,
    u64 => Uint64, f32 => Float32, f64 => Float64, bool => Bool, [f32; 2] => Complex64, [f64; 2] => Complex128);

/// A view of a tensor: of one that a task brought, or of your own elements that a result shall carry.
#[derive(Clone, Debug)]
pub struct Tensor<'a> {
    name: Cow<'a, str>,
    dtype: DType,
    shape: &'a [i64],
    bytes: &'a [u8],
}

impl<'a> Tensor<'a> {
    /// Elements in row-major order. An empty shape is a scalar.
    pub fn new<T: Element>(name: &'a str, elements: &'a [T], shape: &'a [i64]) -> Result<Self> {
        let size = std::mem::size_of_val(elements);
        Self::raw(name, T::DTYPE, unsafe { slice(elements.as_ptr().cast(), size) }, shape)
    }

    /// Elements of any type as their bytes, little-endian.
    pub fn raw(name: &'a str, dtype: DType, bytes: &'a [u8], shape: &'a [i64]) -> Result<Self> {
        check_length(name, dtype, shape, bytes.len())?;
        Ok(Tensor { name: name.into(), dtype, shape, bytes })
    }

    /// # Safety
    /// What C says of the tensor must be true for `'a`.
    pub(crate) unsafe fn from_raw(name: *const c_char, view: &sys::flare_tensor) -> Self {
        let dtype = DType::from_raw(view.dtype);
        let shape: &[i64] = slice(view.shape, view.ndim as usize);
        let count = shape.iter().product::<i64>() as usize;
        let bytes = slice(view.data.cast(), count * dtype.size());
        Tensor { name: text(name).into(), dtype, shape, bytes }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Row-major: the last extent changes fastest.
    pub fn shape(&self) -> &'a [i64] {
        self.shape
    }

    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The elements without a copy, or `None` when they are of another type, or not aligned (what a task brought is).
    pub fn elements<T: Element>(&self) -> Option<&'a [T]> {
        if self.bytes.is_empty() && T::DTYPE == self.dtype {
            return Some(&[]);
        }
        let data = self.bytes.as_ptr().cast::<T>();
        let valid = T::DTYPE != DType::Bool || self.bytes.iter().all(|byte| *byte <= 1);
        if T::DTYPE != self.dtype || !valid || data as usize % std::mem::align_of::<T>() != 0 {
            return None;
        }
        Some(unsafe { slice(data, self.bytes.len() / std::mem::size_of::<T>()) })
    }

    pub(crate) fn to_raw(&self) -> sys::flare_tensor {
        sys::flare_tensor {
            dtype: self.dtype.raw(),
            ndim: self.shape.len() as i32,
            data: self.bytes.as_ptr().cast(),
            shape: self.shape.as_ptr(),
            ..empty()
        }
    }
}

pub(crate) fn empty() -> sys::flare_tensor {
    sys::flare_tensor {
        struct_size: std::mem::size_of::<sys::flare_tensor>() as u32,
        dtype: 0,
        ndim: 0,
        device_type: 0,
        data: std::ptr::null(),
        shape: std::ptr::null(),
        strides: std::ptr::null(),
    }
}

/// Keeps C from reading beyond the elements. What else is wrong with a tensor, C says.
fn check_length(name: &str, dtype: DType, shape: &[i64], length: usize) -> Result<()> {
    let mut need = Some(dtype.size());
    for extent in shape {
        match usize::try_from(*extent) {
            Err(_) => return Ok(()), // negative: C refuses it
            Ok(extent) => need = need.and_then(|need| need.checked_mul(extent)),
        }
    }
    match need {
        Some(need) if need != length => Err(Error::new(
            Status::InvalidArgument,
            format!("tensor {:?}: the shape {:?} needs {} bytes, but there are {}", name, shape, need, length),
        )),
        _ => Ok(()), // right, or so large that C refuses it
    }
}

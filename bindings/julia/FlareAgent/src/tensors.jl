const ELEMENTS = Dict(
    CAPI.FLARE_INT8 => Int8, CAPI.FLARE_INT16 => Int16, CAPI.FLARE_INT32 => Int32, CAPI.FLARE_INT64 => Int64,
    CAPI.FLARE_UINT8 => UInt8, CAPI.FLARE_UINT16 => UInt16, CAPI.FLARE_UINT32 => UInt32, CAPI.FLARE_UINT64 => UInt64,
    CAPI.FLARE_FLOAT16 => Float16, CAPI.FLARE_FLOAT32 => Float32, CAPI.FLARE_FLOAT64 => Float64,
    CAPI.FLARE_COMPLEX64 => ComplexF32, CAPI.FLARE_COMPLEX128 => ComplexF64, CAPI.FLARE_BOOL => Bool,
)
const DTYPE_OF = Dict(element => dtype for (dtype, element) in ELEMENTS)
const DTYPES = Dict(
    :int8 => CAPI.FLARE_INT8, :int16 => CAPI.FLARE_INT16, :int32 => CAPI.FLARE_INT32, :int64 => CAPI.FLARE_INT64,
    :uint8 => CAPI.FLARE_UINT8, :uint16 => CAPI.FLARE_UINT16, :uint32 => CAPI.FLARE_UINT32,
    :uint64 => CAPI.FLARE_UINT64, :float16 => CAPI.FLARE_FLOAT16, :float32 => CAPI.FLARE_FLOAT32,
    :float64 => CAPI.FLARE_FLOAT64, :opaque => CAPI.FLARE_OPAQUE, :bfloat16 => CAPI.FLARE_BFLOAT16,
    :complex64 => CAPI.FLARE_COMPLEX64, :complex128 => CAPI.FLARE_COMPLEX128, :bool => CAPI.FLARE_BOOL,
    :float8_e4m3fn => CAPI.FLARE_FLOAT8_E4M3FN, :float8_e5m2 => CAPI.FLARE_FLOAT8_E5M2,
)
const DTYPE_NAMES = Dict(dtype => name for (name, dtype) in DTYPES)
const Element = Union{values(ELEMENTS)...}

"""
What a tensor is, without its elements. `dims` are those of the Julia array: the wire is row-major and Julia column-major,
so they are the wire's shape in reverse. `dtype` is `:float32`, `:bfloat16` and so on.
"""
struct TensorInfo
    name::String
    dtype::Symbol
    dims::Vector{Int64}
end

empty_tensor() = CAPI.Tensor(sizeof(CAPI.Tensor), 0, 0, 0, C_NULL, C_NULL, C_NULL)

function describe(name, view::CAPI.Tensor)
    dims = Int64[unsafe_load(view.shape, i) for i in view.ndim:-1:1]
    return TensorInfo(name, get(DTYPE_NAMES, view.dtype, :opaque), dims)
end

element_size(dtype::Symbol) = Int(CAPI.flare_dtype_size(DTYPES[dtype]))
byte_count(info::TensorInfo) = reduce(*, info.dims; init = 1) * element_size(info.dtype)

# What tensors are filled with, and their hashes.

function fnv(bytes)
    sum = 0xcbf29ce484222325
    for byte in bytes
        sum = (sum ⊻ byte) * 0x00000100000001b3
    end
    return string(sum; base = 16, pad = 16)
end

bytes_of(array::Array) = reinterpret(UInt8, vec(array))

# The numbers that the elements are made of; none when the shape makes no sense.
function numbers(start, shape)
    any(<(0), shape) && return Int64[]
    return Int64[(start + i) % 128 for i in 0:reduce(*, shape; init = 1)-1]
end

const TYPED = Dict(
    "int8" => Int8, "int16" => Int16, "int32" => Int32, "int64" => Int64, "uint8" => UInt8, "uint16" => UInt16,
    "uint32" => UInt32, "uint64" => UInt64, "float32" => Float32, "float64" => Float64, "complex64" => ComplexF32,
    "complex128" => ComplexF64, "bool" => Bool,
)

element(::Type{T}, number) where {T} = T(number)
element(::Type{Bool}, number) = isodd(number)

function put_tensor(answer, request)
    name, dtype, shape = request["name"], request["dtype"], Vector{Int64}(request["shape"])
    dims = reverse(shape)
    all_numbers = numbers(request["start"], shape)
    if !haskey(TYPED, dtype) && dtype != "float16"
        raw = FlareAgent.element_size(Symbol(dtype)) == 2 ? reinterpret(UInt8, UInt16.(all_numbers)) : UInt8.(all_numbers)
        return put_raw(answer, name, Symbol(dtype), Vector{UInt8}(raw), dims)
    end
    any(<(0), shape) && return put_raw(answer, name, Symbol(dtype), UInt8[], dims)
    elements = dtype == "float16" ? Float16[reinterpret(Float16, UInt16(n)) for n in all_numbers] :
               TYPED[dtype][element(TYPED[dtype], n) for n in all_numbers]
    array = isempty(dims) ? fill(elements[1]) : reshape(elements, dims...)
    return request["how"] == "copy" ? put(answer, name, array) : borrow(answer, name, array)
end

# Through the typed read of the package.
function read_typed(task, name, dtype)
    if haskey(TYPED, dtype) || dtype == "float16"
        array = tensor(task, name, get(TYPED, dtype, Float16))
        return Dict("shape" => reverse(size(array)), "hash" => fnv(bytes_of(array)))
    end
    info, raw = raw_tensor(task, name)
    if info.dtype != Symbol(dtype)
        throw(FlareError(:INVALID_ARGUMENT, "the tensor is of $(info.dtype)"))
    end
    return Dict("shape" => reverse(info.dims), "hash" => fnv(raw))
end

function describe_tensor(task, info)
    _, raw = raw_tensor(task, info.name)
    return Dict("name" => info.name, "dtype" => info.dtype, "shape" => reverse(info.dims), "hash" => fnv(raw))
end

function echo(task, answer)
    for info in tensors(task)
        _, raw = raw_tensor(task, info.name)
        put_raw(answer, info.name, info.dtype, raw, info.dims)
    end
end

const SECTIONS = Dict(:headers => CAPI.FLARE_HEADERS, :body => CAPI.FLARE_BODY, :meta => CAPI.FLARE_META)

"An object of a type that only Python knows."
struct OpaqueValue
    type::String
    content::Vector{UInt8}
end

"""
    section(task, :headers)

A copy of the section `:headers`, `:body` or `:meta` as nested values: `nothing`, `Bool`, `Int64`, `Float64`, `String`,
`Vector{UInt8}`, `Vector{Any}`, `Dict{String,Any}`, [`OpaqueValue`](@ref), and [`TensorInfo`](@ref) without the elements.
"""
section(task::FlareTask, name::Symbol) = to_dict(CAPI.flare_shareable_section(data_of(task), SECTIONS[name]), "")

function entry(value, i)
    key, child = Ref{Cstring}(C_NULL), Ref{Ptr{Cvoid}}(C_NULL)
    CAPI.flare_value_at(value, i - 1, key, child)
    return text(key[]), child[]
end

function to_dict(value, path)
    dict = Dict{String,Any}()
    for i in 1:CAPI.flare_value_count(value)
        key, child = entry(value, i)
        dict[key] = to_julia(child, path * key)
    end
    return dict
end

function to_julia(value, path)
    kind = CAPI.flare_value_get_type(value)
    kind == CAPI.FLARE_VALUE_BOOL && return integer(value) != 0
    kind == CAPI.FLARE_VALUE_INT && return integer(value)
    kind == CAPI.FLARE_VALUE_TEXT && return String(content(value))
    kind == CAPI.FLARE_VALUE_BYTES && return content(value)
    kind == CAPI.FLARE_VALUE_MAP && return to_dict(value, path * "/")
    if kind == CAPI.FLARE_VALUE_LIST
        return Any[to_julia(entry(value, i)[2], "") for i in 1:CAPI.flare_value_count(value)]
    elseif kind == CAPI.FLARE_VALUE_DOUBLE
        number = Ref{Cdouble}(0)
        CAPI.flare_value_get_double(value, number)
        return number[]
    elseif kind == CAPI.FLARE_VALUE_TENSOR
        view = Ref(empty_tensor())
        CAPI.flare_value_get_tensor(value, view)
        return describe(path, view[])
    elseif kind == CAPI.FLARE_VALUE_OPAQUE
        name = Ref{Cstring}(C_NULL)
        CAPI.flare_value_get_text(value, name)
        return OpaqueValue(text(name[]), content(value))
    end
    return nothing
end

function integer(value)
    number = Ref{Int64}(0)
    CAPI.flare_value_get_int(value, number)
    return number[]
end

function content(value)
    data, size = Ref{Ptr{Cvoid}}(C_NULL), Ref{Csize_t}(0)
    CAPI.flare_value_get_bytes(value, data, size)
    return copy_bytes(data[], size[])
end

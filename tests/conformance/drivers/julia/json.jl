# JSON, as much as the protocol needs: integers keep 64 bits, and 1.0 is told apart from 1.
module Json

mutable struct Reader
    text::String
    at::Int
end

read(text::AbstractString) = value(Reader(String(text), 1))

peek(r::Reader) = r.text[r.at]
function next(r::Reader)
    c = r.text[r.at]
    r.at = nextind(r.text, r.at)
    return c
end
skip(r::Reader) = while isspace(peek(r)); r.at += 1; end

function value(r::Reader)
    skip(r)
    c = peek(r)
    c == '{' && return object(r)
    c == '[' && return list(r)
    c == '"' && return string(r)
    c == 't' && (r.at += 4; return true)
    c == 'f' && (r.at += 5; return false)
    c == 'n' && (r.at += 4; return nothing)
    return number(r)
end

function number(r::Reader)
    word = match(r"[-+0-9.eE]+", r.text, r.at).match
    r.at += length(word)
    return any(c -> c in ".eE", word) ? parse(Float64, word) : parse(Int64, word)
end

function string(r::Reader)
    out = IOBuffer()
    next(r)
    while (c = next(r)) != '"'
        print(out, c == '\\' ? escaped(r) : c)
    end
    return String(take!(out))
end

const ESCAPES = Dict('n' => '\n', 't' => '\t', 'r' => '\r', 'b' => '\b', 'f' => '\f')

function escaped(r::Reader)
    c = next(r)
    c == 'u' || return get(ESCAPES, c, c)
    code = hex4(r)
    if 0xd800 <= code < 0xdc00  # the first of a pair
        r.at += 2
        code = 0x10000 + ((code - 0xd800) << 10) + (hex4(r) - 0xdc00)
    end
    return Char(code)
end

function hex4(r::Reader)
    r.at += 4
    return parse(UInt32, r.text[r.at-4:r.at-1]; base = 16)
end

function list(r::Reader)
    out = Any[]
    next(r)
    while (skip(r); peek(r) != ']')
        push!(out, value(r))
        skip(r)
        peek(r) == ',' && next(r)
    end
    next(r)
    return out
end

function object(r::Reader)
    out = Dict{String,Any}()
    next(r)
    while (skip(r); peek(r) != '}')
        key = string(r)
        skip(r)
        next(r)
        out[key] = value(r)
        skip(r)
        peek(r) == ',' && next(r)
    end
    next(r)
    return out
end

write(io::IO, ::Nothing) = print(io, "null")
write(io::IO, value::Union{Bool,Integer}) = print(io, value)
write(io::IO, value::AbstractFloat) = isfinite(value) ? print(io, value) : write(io, Base.string(value))
write(io::IO, value::Symbol) = write(io, String(value))
function write(io::IO, value::AbstractString)
    print(io, '"')
    for c in value
        c == '"' || c == '\\' ? print(io, '\\', c) :
        c < ' ' ? print(io, "\\u", Base.string(UInt32(c); base = 16, pad = 4)) : print(io, c)
    end
    print(io, '"')
end
function write(io::IO, values::Union{AbstractVector,Tuple})
    print(io, '[')
    for (i, value) in enumerate(values)
        i > 1 && print(io, ',')
        write(io, value)
    end
    print(io, ']')
end
function write(io::IO, dict::AbstractDict)
    print(io, '{')
    for (i, (key, value)) in enumerate(dict)
        i > 1 && print(io, ',')
        write(io, Base.string(key))
        print(io, ':')
        write(io, value)
    end
    print(io, '}')
end

text(value) = sprint(write, value)

end

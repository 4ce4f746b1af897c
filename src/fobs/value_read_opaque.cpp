// How a ValueReader keeps objects that only Python knows.
#include <utility>

#include "base/failure.h"
#include "fobs/msgpack.h"
#include "fobs/npy.h"
#include "fobs/value_read.h"

namespace flare::fobs {

// With all that it refers to in it, as it may be sent back when that is gone.
Value ValueReader::opaque(std::string_view type, const Object &object) {
  const uint64_t left = opaque_bytes_left_;
  Pieces pieces;
  pack(inlined(object), &pieces);
  opaque_bytes_left_ = left;  // now that the whole size is known, with the arrays that were paid for already
  spend_opaque(pieces.size());
  return OpaqueObject{std::string(type), pieces.join()};
}

void ValueReader::spend_opaque(uint64_t bytes) {
  if (bytes > opaque_bytes_left_) too_large("what only Python can read is larger than max_envelope_bytes");
  opaque_bytes_left_ -= bytes;
}

Object ValueReader::inlined(const Object &object) {
  if (const Typed *typed = object.typed()) {
    if (datum_reference(object)) {
      const Datum &found = datum(object);
      if (found.kind == Datum::Kind::kText) return found.content.bytes.text();
      return found.content.bytes;
    }
    if (const auto place = array_place(object); place && place->native == nullptr) return inlined_array(object, *place);
    return Typed{typed->type, inlined(typed->content), typed->decomposer};
  }
  if (const Array *array = object.array()) {
    Array copy;
    copy.reserve(array->size());
    for (const Object &item : *array) copy.push_back(inlined(item));
    return copy;
  }
  if (const Dict *dict = object.dict()) {
    Dict copy;
    copy.reserve(dict->size());
    for (const Pair &pair : *dict) copy.push_back({pair.key, inlined(pair.value)});
    return copy;
  }
  return object;
}

// A message may name one item as often as it likes, so each time is paid for before there is another copy.
Object ValueReader::inlined_array(const Object &object, const ArrayPlace &place) {
  if (place.dot != dot::kArrays)
    refuse("is an object of " + object.typed()->type + " in one that only Python can read");
  const Value &array = downloaded(place);
  count(array);
  if (const auto *unknown = std::get_if<OpaqueObject>(&array.data())) {
    spend_opaque(unknown->content.size);
    return unpack(unknown->content, rules_.limits);
  }
  const Tensor *tensor = array.tensor();
  if (tensor == nullptr) refuse("is no array");
  std::string head = npy_head(*tensor);
  spend_opaque(head.size() + tensor->bytes.size);
  return array_of(Joined{std::move(head), tensor->bytes, ""});
}

}  // namespace flare::fobs

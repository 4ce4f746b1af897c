#include "fobs/classes.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/failure.h"

namespace flare::fobs {
namespace {

constexpr std::string_view kTuples = "nvflare.fuel.utils.fobs.decomposers.core_decomposers.TupleDecomposer";
constexpr std::string_view kEnums = "nvflare.fuel.utils.fobs.decomposer.EnumTypeDecomposer";
constexpr std::string_view kDicts = "nvflare.fuel.utils.fobs.decomposer.DictDecomposer";
constexpr std::string_view kDataClasses = "nvflare.fuel.utils.fobs.decomposer.DataClassDecomposer";
constexpr std::string_view kDxos = "nvflare.apis.utils.decomposers.flare_decomposers.DXODecomposer";
constexpr std::string_view kArrays = "nvflare.app_common.decomposers.numpy_decomposers.NumpyArrayDecomposer";
constexpr std::string_view kNumpy = "numpy.";
constexpr std::array<std::string_view, 4> kScalars = {"float64", "float32", "int64", "int32"};

[[noreturn]] void refuse_array() {
  throw Failure(FLARE_PROTOCOL, "NVFlare's encoding: an array is neither native nor a reference");
}

Object object_of(std::string_view type, Object content, std::string_view decomposer) {
  return Typed{std::string(type), std::move(content), std::string(decomposer)};
}

bool is_text(const Object *object, std::string_view text) {
  return object != nullptr && object->text() != nullptr && *object->text() == text;
}

std::optional<Entries> entries_of_pairs(const Object &object) {
  if (object.array() == nullptr) return std::nullopt;
  Entries entries;
  entries.reserve(object.array()->size());
  for (const Object &pair : *object.array()) {
    const Array *halves = items_of(pair);
    if (halves == nullptr || halves->size() != 2) return std::nullopt;
    entries.push_back({&halves->front(), &halves->back()});
  }
  return entries;
}

uint8_t lazy_dot(const Object &content) {
  const Object *found = content.find("lazy_dot");
  const auto *number = found == nullptr ? nullptr : std::get_if<int64_t>(&found->data());
  if (number == nullptr || *number <= 0 || *number > UINT8_MAX) refuse_array();
  return static_cast<uint8_t>(*number);
}

}  // namespace

Object tuple_of(Array items) { return object_of(type::kTuple, std::move(items), kTuples); }
Object enum_of(std::string_view type, std::string_view member) { return object_of(type, member, kEnums); }
Object shareable_of(Dict entries) { return object_of(type::kShareable, std::move(entries), kDicts); }
Object dxo_of(Object kind, Object meta, Object data) {
  return object_of(type::kDxo, tuple_of({std::move(kind), std::move(meta), std::move(data)}), kDxos);
}
Object array_of(Object npy) {
  return object_of(type::kArray, Dict{{"type", "native"}, {"data", std::move(npy)}}, kArrays);
}
Object array_reference_of(std::string_view item) {
  return object_of(type::kArray, Dict{{"type", "ref"}, {"data", item}}, kArrays);
}
Object datum_reference_of(std::string_view id) {
  return object_of(type::kDatumReference, Dict{{"data", Dict{{"datum_id", id}, {"unwrap", true}}}}, kDataClasses);
}

std::optional<std::string_view> enum_member(const Object &object) {
  const Typed *typed = object.typed();
  if (typed == nullptr || typed->decomposer != kEnums || typed->content.text() == nullptr) return std::nullopt;
  return *typed->content.text();
}

const Array *items_of(const Object &object) {
  const Typed *typed = object.typed();
  if (typed == nullptr) return object.array();
  return typed->type == type::kTuple || typed->type == type::kSet ? typed->content.array() : nullptr;
}

std::optional<Entries> entries_of(const Object &object) {
  const Typed *typed = object.typed();
  if (typed != nullptr && typed->type == type::kOrderedDict) return entries_of_pairs(typed->content);
  const Object &content = typed == nullptr ? object : typed->content;
  if (content.dict() == nullptr || (typed != nullptr && typed->decomposer != kDicts)) return std::nullopt;
  Entries entries;
  entries.reserve(content.dict()->size());
  for (const Pair &pair : *content.dict()) entries.push_back({&pair.key, &pair.value});
  return entries;
}

std::optional<NumpyScalar> numpy_scalar(const Object &object) {
  const Typed *typed = object.typed();
  if (typed == nullptr || !typed->type.starts_with(kNumpy)) return std::nullopt;
  const std::string_view name = std::string_view(typed->type).substr(kNumpy.size());
  if (std::find(kScalars.begin(), kScalars.end(), name) == kScalars.end()) return std::nullopt;
  return NumpyScalar{name, &typed->content};
}

std::optional<std::string_view> datum_reference(const Object &object) {
  const Typed *typed = object.typed();
  if (typed == nullptr || typed->type != type::kDatumReference) return std::nullopt;
  const Object *fields = typed->content.find("data");
  const Object *id = fields == nullptr ? nullptr : fields->find("datum_id");
  if (id == nullptr || id->text() == nullptr)
    throw Failure(FLARE_PROTOCOL, "NVFlare's encoding: a reference to a datum names none");
  return *id->text();
}

std::optional<ArrayPlace> array_place(const Object &object) {
  const Typed *typed = object.typed();
  if (typed == nullptr) return std::nullopt;
  const bool lazy = typed->type == type::kLazyReference;
  if (!lazy && typed->type != type::kArray && typed->type != type::kTorchTensor) return std::nullopt;
  ArrayPlace place{typed->type == type::kTorchTensor ? dot::kTorchTensors : dot::kArrays, nullptr, nullptr};
  if (lazy) place.dot = lazy_dot(typed->content);
  const Object *encoding = typed->content.find("type"), *data = typed->content.find("data");
  if (data == nullptr) refuse_array();
  if (is_text(encoding, "native") && !lazy) {
    place.native = data;
  } else if (is_text(encoding, "ref") && data->text() != nullptr) {
    place.item = data->text();
  } else {
    refuse_array();
  }
  return place;
}

}  // namespace flare::fobs

// The classes of Python and NVFlare that this library knows, as they look when they are taken apart.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fobs/object.h"

namespace flare::fobs {

// What the map has that an object of a class becomes.
namespace entry {
inline constexpr std::string_view kType = "__fobs_type__";
inline constexpr std::string_view kContent = "__fobs_data__";
inline constexpr std::string_view kDecomposer = "__fobs_dc__";
}  // namespace entry

namespace type {
inline constexpr std::string_view kTuple = "tuple";
inline constexpr std::string_view kSet = "set";
inline constexpr std::string_view kOrderedDict = "collections.OrderedDict";
inline constexpr std::string_view kDatetime = "datetime.datetime";
inline constexpr std::string_view kArray = "numpy.ndarray";
inline constexpr std::string_view kTorchTensor = "torch.Tensor";
inline constexpr std::string_view kLazyReference = "nvflare.fuel.utils.fobs.decomposers.via_downloader.LazyDownloadRef";
inline constexpr std::string_view kDatumReference = "nvflare.fuel.utils.fobs.datum.DatumRef";
inline constexpr std::string_view kShareable = "nvflare.apis.shareable.Shareable";
inline constexpr std::string_view kDxo = "nvflare.apis.dxo.DXO";
inline constexpr std::string_view kDataKind = "nvflare.apis.dxo.DataKind";
inline constexpr std::string_view kAnalyticsType = "nvflare.apis.analytix.AnalyticsDataType";
inline constexpr std::string_view kLogWriter = "nvflare.apis.analytix.LogWriterName";
}  // namespace type

// Arrays by reference lie in one datum for each kind, which has this as its number.
namespace dot {
inline constexpr uint8_t kNone = 0;
inline constexpr uint8_t kArrays = 3;
inline constexpr uint8_t kTorchTensors = 6;
}  // namespace dot

Object tuple_of(Array items);
Object enum_of(std::string_view type, std::string_view member);
Object shareable_of(Dict entries);
// The tuple of kind, meta and data that an object of DXO becomes. Inside a Shareable a DXO is a plain map.
Object dxo_of(Object kind, Object meta, Object data);
// An array as a whole file of NumPy's, or as an item that its receiver downloads.
Object array_of(Object npy);
Object array_reference_of(std::string_view item);
Object datum_reference_of(std::string_view id);

// The member of any enumeration.
std::optional<std::string_view> enum_member(const Object &object);
// The items of a list, tuple or set.
const Array *items_of(const Object &object);
// Where an entry's two halves lie in an object.
struct Entry {
  const Object *key;
  const Object *value;
};
using Entries = std::vector<Entry>;
// The entries of a dict, or of an object of a class that is one.
std::optional<Entries> entries_of(const Object &object);
// What a numpy.float64 and the like is.
struct NumpyScalar {
  std::string_view type;  // "float32"
  const Object *value;
};
std::optional<NumpyScalar> numpy_scalar(const Object &object);

// The id of the datum that is referred to. Python's applications can also send one as a Datum or as a file, which this
// library, that has neither, takes as what is in it: they get that back.
std::optional<std::string_view> datum_reference(const Object &object);

// An array, native or by reference.
struct ArrayPlace {
  uint8_t dot;              // of its kind
  const Object *native;     // the bytes, or a reference to a datum; NULL by reference
  const std::string *item;  // the name of what is downloaded
};
// Throws Failure(FLARE_PROTOCOL) for one that is not as it should be.
std::optional<ArrayPlace> array_place(const Object &object);

}  // namespace flare::fobs

#include "fobs/shareable.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <string_view>
#include <utility>

#include "base/failure.h"
#include "fobs/classes.h"
#include "fobs/value_write.h"

namespace flare::fobs {
namespace {

constexpr std::string_view kHeaders = "__headers__";
constexpr std::string_view kContentType = "__content_type__";
constexpr std::string_view kDxo = "DXO";
constexpr std::string_view kNvflaresOwn = "__";  // how names of NVFlare's own entries begin

constexpr std::array<std::string_view, 9> kKinds = {"FL_MODEL",   "WEIGHTS",    "WEIGHT_DIFF", "METRICS",    "ANALYTIC",
                                                    "COLLECTION", "STATISTICS", "PSI",         "APP_DEFINED"};

[[noreturn]] void refuse_shareable(const std::string &what) { throw Failure(FLARE_PROTOCOL, "the message " + what); }

void read_dxo(const Object *dxo, ValueReader *reader, Keys *keys, Shareable *shareable) {
  const Object *kind = dxo == nullptr ? nullptr : dxo->find("kind");
  if (kind == nullptr) refuse_shareable("says that it has a DXO, and has none");
  if (const auto member = enum_member(*kind)) {
    shareable->kind = *member;
  } else if (kind->text() != nullptr) {
    shareable->kind = *kind->text();
  } else {
    refuse_shareable("has a DXO of no kind");
  }
  const Object *data = dxo->find("data");
  reader->note_keys(keys);
  const bool is_model = shareable->kind == kind::kWeights || shareable->kind == kind::kWeightDiff;
  shareable->body = is_model ? reader->read_model(data, shareable->kind) : reader->read_map(data, shareable->kind);
  reader->note_keys(nullptr);
  shareable->meta = reader->read_map(dxo->find("meta"), "metadata");
}

// What stands beside the headers where there is no DXO.
Object without_nvflares_own(const Entries &entries) {
  Dict own;
  for (const Entry &entry : entries) {
    const std::string *name = entry.key->text();
    if (name == nullptr || !name->starts_with(kNvflaresOwn)) own.push_back({*entry.key, *entry.value});
  }
  return own;
}

Object kind_of(const std::string &kind) {
  const bool known = std::find(kKinds.begin(), kKinds.end(), kind) != kKinds.end();
  return known ? enum_of(type::kDataKind, kind) : Object(kind);
}

}  // namespace

Shareable read_shareable(const Message &message, const Downloads &downloads, const ReadRules &rules, Keys *keys) {
  const Typed *typed = message.root.typed();
  const auto entries = entries_of(message.root);
  if (typed == nullptr || typed->type != type::kShareable || !entries) refuse_shareable("is no Shareable");
  ValueReader reader(message, downloads, rules);
  Shareable shareable;
  shareable.headers = reader.read_map(typed->content.find(kHeaders), "headers");
  if (text_header(shareable, kContentType) == kDxo) {
    read_dxo(typed->content.find(kDxo), &reader, keys, &shareable);
  } else {
    const Object own = without_nvflares_own(*entries);
    reader.note_keys(keys);
    shareable.body = reader.read_map(&own, "entries");
  }
  return shareable;
}

Map read_headers(const Message &message, const ReadRules &rules) {
  const Typed *typed = message.root.typed();
  if (typed == nullptr || typed->type != type::kShareable) refuse_shareable("is no Shareable");
  const Object *found = typed->content.find(kHeaders);
  const Downloads none;
  ValueReader reader(message, none, rules);
  Map headers;
  for (const Entry &entry : found == nullptr ? Entries() : entries_of(*found).value_or(Entries())) {
    if (entry.key->text() == nullptr) continue;
    try {
      headers.set(*entry.key->text(), reader.read(*entry.value));
    } catch (const Failure &) {
      // An array that is still to come.
    }
  }
  return headers;
}

Written write_shareable(const Shareable &result, const std::optional<ByReference> &by_reference, const Limits &limits,
                        const Keys &keys) {
  ValueWriter writer(by_reference.has_value(), limits);
  Dict headers, entries;
  if (!result.kind.empty()) headers.push_back({kContentType, kDxo});
  for (const auto &[name, value] : result.headers)
    if (name != kContentType) headers.push_back({name, writer.write(value)});
  entries.push_back({kHeaders, std::move(headers)});
  Object body = writer.write_body(result.body, keys);
  if (result.kind.empty()) {
    Dict &own = std::get<Dict>(body.data());
    std::move(own.begin(), own.end(), std::back_inserter(entries));
  } else {
    entries.push_back(
        {kDxo, Dict{{"kind", kind_of(result.kind)}, {"data", std::move(body)}, {"meta", writer.write(result.meta)}}});
  }
  Written written{{shareable_of(std::move(entries)), {}}, std::move(writer).take_items()};
  externalize(&written.message);
  if (!written.items.empty())
    written.message.datums.push_back(
        source_datum({dot::kArrays, by_reference->fqcn, by_reference->ref_id}, new_uuid()));
  return written;
}

}  // namespace flare::fobs

#include <bit>
#include <limits>
#include <msgpack.hpp>

#include "base/failure.h"
#include "fobs/classes.h"
#include "fobs/msgpack.h"

namespace flare::fobs {
namespace {

class MsgpackWriter {
 public:
  explicit MsgpackWriter(Pieces *to) : to_(to), packer_(*to) {}

  void put(const Object &object) {
    std::visit([this](const auto &data) { put(data); }, object.data());
  }

 private:
  static uint32_t length(uint64_t size, const char *what) {
    if (size > std::numeric_limits<uint32_t>::max())
      throw Failure(FLARE_INVALID_ARGUMENT, std::string(what) + " of " + std::to_string(size) +
                                                " bytes: msgpack has no room for more than 4 GiB");
    return static_cast<uint32_t>(size);
  }

  void put(std::monostate) { packer_.pack_nil(); }
  void put(bool value) { value ? packer_.pack_true() : packer_.pack_false(); }
  void put(int64_t value) { packer_.pack_int64(value); }
  void put(uint64_t value) { packer_.pack_uint64(value); }
  // By hand, as msgpack's packer makes an integer of 2.0.
  void put(double value) {
    to_->big_endian(uint8_t{0xcb});
    to_->big_endian(std::bit_cast<uint64_t>(value));
  }
  void put(const std::string &text) { put_text(text); }
  void put_text(std::string_view text) {
    packer_.pack_str(length(text.size(), "a text"));
    to_->write(text);
  }
  void put(const Bytes &bytes) {
    packer_.pack_bin(length(bytes.size, "bytes"));
    to_->refer(bytes);
  }
  void put(const std::shared_ptr<const Joined> &joined) {
    packer_.pack_bin(length(joined->size(), "bytes"));
    to_->refer(*joined);
  }
  void put(const Array &array) {
    packer_.pack_array(length(array.size(), "a list"));
    for (const Object &item : array) put(item);
  }
  void put(const Dict &dict) {
    packer_.pack_map(length(dict.size(), "a map"));
    for (const Pair &pair : dict) {
      put(pair.key);
      put(pair.value);
    }
  }
  void put(const std::shared_ptr<const Typed> &typed) {
    if (typed->decomposer.empty())
      throw Failure(FLARE_INVALID_ARGUMENT,
                    "an object of " + typed->type + " cannot be sent: NVFlare has no decomposer for it");
    packer_.pack_map(3);
    put_text(entry::kType);
    put_text(typed->type);
    put_text(entry::kContent);
    put(typed->content);
    put_text(entry::kDecomposer);
    put_text(typed->decomposer);
  }

  Pieces *to_;
  msgpack::packer<Pieces> packer_;
};

}  // namespace

void pack(const Object &object, Pieces *to) { MsgpackWriter(to).put(object); }

}  // namespace flare::fobs

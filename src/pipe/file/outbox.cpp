#include "pipe/file/outbox.h"

#include <algorithm>
#include <new>
#include <utility>

namespace flare {

namespace {

constexpr Duration kAgain = std::chrono::seconds(1);
constexpr size_t kFileCosts = 64 << 10;  // of the room, at least: it is opened, and moved

uint64_t size_of(const Outbox::File &file) {
  uint64_t size = 0;
  for (const Bytes &piece : file.pieces) size += piece.size;
  return size;
}

}  // namespace

void Outbox::drop(const std::string &message) {
  if (files_.empty()) return;
  if (files_.front().message == message) {
    writer_.reset();
    again_at_.reset();
  }
  std::erase_if(files_, [&](const File &file) { return file.message == message; });
}

void Outbox::clear() {
  writer_.reset();
  files_.clear();
}

std::vector<Outbox::Outcome> Outbox::write(PipeFolder *folder, size_t *room, TimePoint now) {
  std::vector<Outcome> outcomes;
  if (again_at_) {
    if (now < *again_at_) return outcomes;
    again_at_ = now + kAgain;
    if (!files_.empty() && !folder->has_room(size_of(files_.front()))) return outcomes;  // rather than fill it again
    again_at_.reset();
  }
  while (!files_.empty() && *room > 0) {
    Outcome outcome{files_.front().message, files_.front().name, std::nullopt};
    try {
      if (!write_first(folder, room)) break;
      writer_.reset();
      files_.pop_front();
    } catch (const NotNow &failure) {
      writer_.reset();
      again_at_ = now + kAgain;
      outcome.failure = failure;
      outcome.again = true;
    } catch (const std::bad_alloc &) {
      writer_.reset();
      again_at_ = now + kAgain;
      outcome.failure = Failure(FLARE_OUT_OF_MEMORY, "not enough memory to write it");
      outcome.again = true;
    } catch (const Failure &failure) {
      drop(outcome.message);
      outcome.failure = failure;
    }
    outcomes.push_back(std::move(outcome));
    if (again_at_) break;
  }
  return outcomes;
}

// Whether it is complete.
bool Outbox::write_first(PipeFolder *folder, size_t *room) {
  const File &file = files_.front();
  if (!writer_) writer_ = folder->begin(file.name, file.pieces);
  const size_t bytes = folder->write(file.name, *room, writer_.get());
  bytes_written_ += bytes;
  *room -= std::min(*room, std::max(bytes, kFileCosts));
  if (!writer_->complete()) return false;
  folder->put(file.name, writer_.get());
  return true;
}

std::optional<TimePoint> Outbox::next(TimePoint now) const {
  if (files_.empty()) return std::nullopt;
  return again_at_ ? again_at_ : now;
}

}  // namespace flare

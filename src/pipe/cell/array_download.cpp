#include "pipe/cell/array_download.h"

#include <algorithm>
#include <new>
#include <utility>
#include <variant>

#include "base/failure.h"
#include "cellnet/names.h"
#include "fobs/classes.h"
#include "fobs/npz.h"

namespace flare {

namespace {

// The consumer carries the state as text; here it is an object of the owner's, kept beside it.
constexpr const char *kGoOn = "next";

// With the minute that each request has it is a quarter of an hour: NVFlare's own receivers wait ten minutes for each.
constexpr int kMaxRetries = 9;

constexpr double kAfterLoss = 0.5;

constexpr size_t kAtOnce = 2;  // more only wait for each other: NVFlare's cells work on one message at a time

// The item behind those of an answer with this state. Nothing for a state of another kind: such items come one answer
// after the other.
std::optional<size_t> end_of(const fobs::Object &state) {
  const auto range = fobs::range_of(state);
  if (!range || range->start > INT32_MAX || range->count > INT32_MAX) return std::nullopt;
  return range->end();
}

DownloadConsumer::Options consumer_options() {
  DownloadConsumer::Options options;
  options.confirm_capable = false;  // no such thing up to 2.8
  options.max_retries = kMaxRetries;
  return options;
}

}  // namespace

ArrayDownload::ArrayDownload(std::vector<fobs::Source> sources, const fobs::ReadRules &rules) : rules_(rules) {
  for (fobs::Source &source : sources) {
    downloads_[source.dot];  // none is an answer, too
    // Of PyTorch's whoever reads the message says so.
    if (source.dot == fobs::dot::kArrays) source_ = std::move(source);
  }
  if (source_) {
    cursors_.emplace_back(0, source_->items, true);
  } else {
    state_ = State::kComplete;
  }
  act();
}

ArrayDownload::Cursor::Cursor(size_t from, size_t to, bool is_last)
    : consumer(consumer_options()), next(from), end(to), last(is_last) {
  if (from > 0) state = fobs::state_of({from, 0});
  consumer.begin();
}

void ArrayDownload::on_answer(size_t index, std::string_view code, const Bytes &content, double now) {
  if (state_ != State::kRunning || index >= cursors_.size()) return;
  Cursor &cursor = cursors_[index];
  if (code == return_code::kTimeout || code == return_code::kCommError) {
    cursor.consumer.on_timeout(now);
  } else if (code != return_code::kOk) {
    cursor.consumer.on_refused("cell '" + source_->fqcn + "' answered " + std::string(code) +
                               ": the arrays are not there any more, or never were");
  } else {
    try {
      cursor.reply = fobs::read_reply(fobs::decode(content, rules_.limits), rules_.limits);
      cursor.reply_bytes = content.size;
    } catch (const Failure &failure) {
      return fail(failure.status(), failure.what());
    } catch (const std::bad_alloc &) {
      return fail(FLARE_OUT_OF_MEMORY, "not enough memory for its arrays");
    }
    using What = DownloadConsumer::Reply::What;
    using Status = fobs::DownloadReply::Status;
    const What what = cursor.reply.status == Status::kOk    ? What::kData
                      : cursor.reply.status == Status::kEof ? What::kEof
                                                            : What::kError;
    cursor.consumer.on_reply({what, kGoOn, std::nullopt});
  }
  act();
}

void ArrayDownload::on_not_sent(size_t index, double now) {
  if (state_ == State::kRunning && index < cursors_.size()) cursors_[index].again_at = now + kAfterLoss;
}

void ArrayDownload::fail(flare_status status, const std::string &reason) {
  if (state_ != State::kRunning) return;
  state_ = State::kFailed;
  status_ = status;
  reason_ = reason;
  requests_.clear();
  downloads_.clear();
}

void ArrayDownload::on_time(double now) {
  if (state_ != State::kRunning) return;
  for (size_t i = 0; i < cursors_.size(); ++i) {
    Cursor &cursor = cursors_[i];
    cursor.consumer.on_time(now);
    if (!cursor.again_at || now < *cursor.again_at) continue;
    cursor.again_at.reset();
    ask(i);
  }
  act();
}

void ArrayDownload::ask(size_t index) {
  requests_.push_back({index, source_->fqcn, fobs::write_request({source_->ref_id, cursors_[index].state})});
}

std::optional<double> ArrayDownload::deadline() const {
  std::optional<double> first;
  for (const Cursor &cursor : cursors_) {
    for (const auto one : {cursor.consumer.deadline(), cursor.again_at}) {
      if (one && (!first || *one < *first)) first = one;
    }
  }
  return state_ == State::kRunning ? first : std::nullopt;
}

void ArrayDownload::act() {
  for (bool busy = true; busy && state_ == State::kRunning;) {
    busy = false;
    for (size_t i = 0; i < cursors_.size(); ++i) {
      for (const DownloadConsumer::Action &action : cursors_[i].consumer.take_actions()) {
        busy = true;
        if (state_ == State::kRunning) act(i, action);
      }
    }
  }
  const bool complete =
      std::all_of(cursors_.begin(), cursors_.end(), [](const Cursor &cursor) { return cursor.complete; });
  if (state_ == State::kRunning && complete) state_ = State::kComplete;
}

void ArrayDownload::act(size_t index, const DownloadConsumer::Action &action) {
  Cursor &cursor = cursors_[index];
  if (std::holds_alternative<DownloadConsumer::Request>(action)) {
    ask(index);
  } else if (std::holds_alternative<DownloadConsumer::Consume>(action)) {
    try {
      keep(&cursor);
    } catch (const Failure &failure) {
      return fail(failure.status(), failure.what());
    } catch (const std::bad_alloc &) {
      return fail(FLARE_OUT_OF_MEMORY, "not enough memory for its arrays");
    }
    advance(index);
  } else if (std::holds_alternative<DownloadConsumer::Completed>(action)) {
    cursor.consumer.on_completed(true);
  } else if (const auto *failed = std::get_if<DownloadConsumer::Failed>(&action)) {
    fail(FLARE_IO, failed->reason);
  } else if (std::holds_alternative<DownloadConsumer::Done>(action)) {
    cursor.complete = true;
    share_out();
  }
}

// Each item is an archive of one array, which has the item's name.
void ArrayDownload::keep(Cursor *cursor) {
  for (const fobs::Object &item : cursor->reply.items) {
    for (const fobs::NpzMember &member : fobs::read_npz(*item.bytes(), rules_.limits)) {
      if (++items_ > rules_.limits.max_tensors) too_large("the message has more arrays than max_tensors allows");
      bytes_ += static_cast<int64_t>(member.npy.size);
      if (static_cast<uint64_t>(bytes_) > rules_.limits.max_message_bytes) {
        too_large("the arrays of the message have more bytes than max_message_bytes allows");
      }
      downloads_[source_->dot][member.name] = fobs::array_value(member.npy, cursor->reply_bytes, rules_);
    }
  }
  cursor->state = std::move(cursor->reply.state);
  cursor->reply = {};
}

// Behind what was just kept.
void ArrayDownload::advance(size_t index) {
  Cursor &cursor = cursors_[index];
  const auto end = end_of(cursor.state);
  if (end && *end > cursor.next) {
    cursor.step = *end - cursor.next;
    cursor.next = *end;
  } else if (cursor.last) {
    cursor.end = cursor.next;  // nobody else can share in this
  } else {
    return fail(FLARE_PROTOCOL, "cell '" + source_->fqcn + "' answered for other arrays than it was asked for");
  }
  const auto others = [&] {
    return std::count_if(cursors_.begin(), cursors_.end(), [](const Cursor &one) { return !one.complete; }) > 1;
  };
  if (!cursor.last && cursor.next >= cursor.end) {
    cursor.complete = true;
  } else if (cursor.last && cursor.next >= cursor.end && others()) {
    cursor.waiting = true;
  } else {
    cursor.consumer.on_consumed(kGoOn);
  }
  share_out();
}

// Whoever has nothing left to do takes half of what the slowest has; when nobody has, the end is asked for.
void ArrayDownload::share_out() {
  for (;;) {
    Cursor *longest = nullptr;
    size_t running = 0, left = 0;
    for (Cursor &cursor : cursors_) {
      if (cursor.complete || cursor.waiting) continue;
      ++running;
      const size_t asked = cursor.next + cursor.step;
      if (cursor.end <= asked || cursor.end - asked <= left) continue;
      left = cursor.end - asked;
      longest = &cursor;
    }
    if (running == 0) break;
    if (running >= kAtOnce || longest == nullptr || left < longest->step) return;
    const size_t middle = longest->end - (left + 1) / 2;
    const size_t end = std::exchange(longest->end, middle);
    const bool last = std::exchange(longest->last, false);
    cursors_.emplace_back(middle, end, last);
  }
  for (Cursor &cursor : cursors_) {
    if (std::exchange(cursor.waiting, false)) cursor.consumer.on_consumed(kGoOn);
  }
}

}  // namespace flare

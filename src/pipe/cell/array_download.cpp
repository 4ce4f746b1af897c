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

DownloadConsumer::Options consumer_options() {
  DownloadConsumer::Options options;
  options.confirm_capable = false;  // no such thing up to 2.8
  options.max_retries = kMaxRetries;
  return options;
}

}  // namespace

ArrayDownload::ArrayDownload(std::vector<fobs::Source> sources, const fobs::ReadRules &rules) : rules_(rules) {
  for (fobs::Source &source : sources) {
    downloads_[source.dot];                          // none is an answer, too
    if (source.dot != fobs::dot::kArrays) continue;  // PyTorch's: whoever reads the message says so
    parts_.push_back({std::move(source), DownloadConsumer(consumer_options()), {}, {}, 0, false, {}});
    parts_.back().consumer.begin();
  }
  if (parts_.empty()) state_ = State::kComplete;
  act();
}

void ArrayDownload::on_answer(size_t source, std::string_view code, const Bytes &content, double now) {
  if (state_ != State::kRunning || source >= parts_.size()) return;
  Part &part = parts_[source];
  if (code == return_code::kTimeout || code == return_code::kCommError) {
    part.consumer.on_timeout(now);
  } else if (code != return_code::kOk) {
    part.consumer.on_refused("cell '" + part.source.fqcn + "' answered " + std::string(code) +
                             ": the arrays are not there any more, or never were");
  } else {
    try {
      part.reply = fobs::read_reply(fobs::decode(content, rules_.limits), rules_.limits);
      part.reply_bytes = content.size;
    } catch (const Failure &failure) {
      return fail(failure.status(), failure.what());
    } catch (const std::bad_alloc &) {
      return fail(FLARE_OUT_OF_MEMORY, "not enough memory for its arrays");
    }
    using What = DownloadConsumer::Reply::What;
    using Status = fobs::DownloadReply::Status;
    const What what = part.reply.status == Status::kOk    ? What::kData
                      : part.reply.status == Status::kEof ? What::kEof
                                                          : What::kError;
    part.consumer.on_reply({what, kGoOn, std::nullopt});
  }
  act();
}

void ArrayDownload::on_not_sent(size_t source, double now) {
  if (state_ == State::kRunning && source < parts_.size()) parts_[source].again_at = now + kAfterLoss;
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
  for (size_t i = 0; i < parts_.size(); ++i) {
    Part &part = parts_[i];
    part.consumer.on_time(now);
    if (!part.again_at || now < *part.again_at) continue;
    part.again_at.reset();
    ask(i);
  }
  act();
}

void ArrayDownload::ask(size_t index) {
  const Part &part = parts_[index];
  requests_.push_back({index, part.source.fqcn, fobs::write_request({part.source.ref_id, part.state})});
}

std::optional<double> ArrayDownload::deadline() const {
  std::optional<double> first;
  for (const Part &part : parts_) {
    for (const auto one : {part.consumer.deadline(), part.again_at}) {
      if (one && (!first || *one < *first)) first = one;
    }
  }
  return state_ == State::kRunning ? first : std::nullopt;
}

void ArrayDownload::act() {
  for (bool busy = true; busy && state_ == State::kRunning;) {
    busy = false;
    for (size_t i = 0; i < parts_.size(); ++i) {
      for (const DownloadConsumer::Action &action : parts_[i].consumer.take_actions()) {
        busy = true;
        if (state_ == State::kRunning) act(i, action);
      }
    }
  }
  const bool complete = std::all_of(parts_.begin(), parts_.end(), [](const Part &part) { return part.complete; });
  if (state_ == State::kRunning && complete) state_ = State::kComplete;
}

void ArrayDownload::act(size_t index, const DownloadConsumer::Action &action) {
  Part &part = parts_[index];
  if (std::holds_alternative<DownloadConsumer::Request>(action)) {
    ask(index);
  } else if (std::holds_alternative<DownloadConsumer::Consume>(action)) {
    try {
      keep(&part);
      part.consumer.on_consumed(kGoOn);
    } catch (const Failure &failure) {
      fail(failure.status(), failure.what());
    } catch (const std::bad_alloc &) {
      fail(FLARE_OUT_OF_MEMORY, "not enough memory for its arrays");
    }
  } else if (std::holds_alternative<DownloadConsumer::Completed>(action)) {
    part.consumer.on_completed(true);
  } else if (const auto *failed = std::get_if<DownloadConsumer::Failed>(&action)) {
    fail(FLARE_IO, failed->reason);
  } else if (std::holds_alternative<DownloadConsumer::Done>(action)) {
    part.complete = true;
  }
}

// Each item is an archive of one array, which has the item's name.
void ArrayDownload::keep(Part *part) {
  for (const fobs::Object &item : part->reply.items) {
    for (const fobs::NpzMember &member : fobs::read_npz(*item.bytes(), rules_.limits)) {
      if (++items_ > rules_.limits.max_tensors) too_large("the message has more arrays than max_tensors allows");
      bytes_ += static_cast<int64_t>(member.npy.size);
      if (static_cast<uint64_t>(bytes_) > rules_.limits.max_message_bytes) {
        too_large("the arrays of the message have more bytes than max_message_bytes allows");
      }
      downloads_[part->source.dot][member.name] = fobs::array_value(member.npy, part->reply_bytes, rules_);
    }
  }
  part->state = std::move(part->reply.state);
  part->reply = {};
}

}  // namespace flare

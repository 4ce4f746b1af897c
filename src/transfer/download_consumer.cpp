#include "transfer/download_consumer.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace flare {

void DownloadConsumer::begin() { request(std::nullopt); }

void DownloadConsumer::request(std::optional<std::string> state) {
  state_ = std::move(state);
  asked_ = true;
  actions_.emplace_back(Request{state_, options_.confirm_capable});
}

void DownloadConsumer::on_reply(Reply reply) {
  if (!std::exchange(asked_, false)) return;
  retries_ = 0;
  if (consuming_) {
    early_ = std::move(reply);
  } else {
    take(std::move(reply));
  }
}

void DownloadConsumer::take(Reply reply) {
  nonce_ = std::move(reply.nonce);
  switch (reply.what) {
    case Reply::What::kError: confirm(false); return fail("the owner cannot produce the object");
    case Reply::What::kEof:
      completing_ = true;
      actions_.emplace_back(Completed{});
      return;
    case Reply::What::kData: break;
  }
  consuming_ = true;
  if (options_.unchanged_state) {
    promised_ = reply.state;
    request(reply.state);
  }
  actions_.emplace_back(Consume{std::move(reply.state)});
}

void DownloadConsumer::on_timeout(double now) {
  if (!std::exchange(asked_, false)) return;
  if (retries_ >= options_.max_retries) {
    return fail("the owner did not answer " + std::to_string(retries_ + 1) + " times");
  }
  retry_at_ = now + std::min(std::ldexp(options_.first_backoff, retries_), options_.longest_backoff);
  ++retries_;
}

void DownloadConsumer::on_time(double now) {
  if (!retry_at_ || now < *retry_at_) return;
  retry_at_.reset();
  request(std::move(state_));
}

void DownloadConsumer::on_refused(const std::string &reason) {
  if (asked_) fail(reason);
}

void DownloadConsumer::on_consumed(const std::optional<std::string> &next_state) {
  if (!std::exchange(consuming_, false)) return;
  if (!next_state) return fail("the consumer failed");
  if (!options_.unchanged_state) return request(next_state);
  if (*next_state != *promised_) return fail("the consumer changed the state that it promised to keep");
  if (early_) take(*std::exchange(early_, std::nullopt));
}

void DownloadConsumer::on_completed(bool success) {
  if (!std::exchange(completing_, false)) return;
  confirm(success);
  if (!success) return fail("the consumer failed at the end");
  over_ = true;
  actions_.emplace_back(Done{});
}

void DownloadConsumer::abort(const std::string &reason) { fail("aborted: " + reason); }

void DownloadConsumer::confirm(bool success) {
  if (!nonce_) return;
  actions_.emplace_back(Confirm{success ? DownloadStatus::kSuccess : DownloadStatus::kFailed, *nonce_});
}

void DownloadConsumer::fail(const std::string &reason) {
  if (over_) return;
  over_ = true;
  asked_ = consuming_ = completing_ = false;
  retry_at_.reset();
  actions_.emplace_back(Failed{reason});
}

std::vector<DownloadConsumer::Action> DownloadConsumer::take_actions() { return std::exchange(actions_, {}); }

}  // namespace flare

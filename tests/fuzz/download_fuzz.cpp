// Downloads by the rules of NVFlare: their owner, asked anything by anybody, and a receiver, answered anything.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/failure.h"
#include "fuzz_input.h"
#include "transfer/download_consumer.h"
#include "transfer/download_service.h"

namespace flare {
namespace {

Limits small_limits() {
  Limits limits;
  limits.max_transactions = 3;
  limits.max_outcomes = 2;
  limits.max_tombstones = 2;
  limits.max_receivers = 4;
  return limits;
}

std::string named(const char *what, size_t number) { return what + std::to_string(number); }

class OwnerWorld {
 public:
  explicit OwnerWorld(FuzzInput input) : input_(input) {}

  void run() {
    while (!input_.over()) {
      now_ += to_seconds(input_.step());
      event();
      check();
    }
    service_.shutdown(now_);
    check();
    require(service_.sizes().live == 0 && service_.sizes().refs == 0);
  }

 private:
  std::string transaction() { return named("transaction-", input_.below(5)); }
  std::string ref() { return named("ref-", input_.below(5)); }
  std::string receiver() { return named("receiver-", input_.below(8)); }
  std::optional<double> budget() {
    if (input_.flag()) return std::nullopt;
    return 1 + input_.byte();
  }

  void event() {
    switch (input_.below(10)) {
      case 0: return begin();
      case 1:
      case 2: try { service_.add_object(transaction(), ref(), now_);
        } catch (const Failure &failure) {
          require(failure.status() == FLARE_INVALID_ARGUMENT);
        }
        return;
      case 3:
      case 4: {
        const auto pull = service_.pull(ref(), receiver(), now_);
        if (pull.ticket != 0) tickets_.push_back(pull.ticket);
        require(pull.ticket == 0 || pull.reply.served == DownloadService::Served::kNothing);
        return;
      }
      case 5: return served();
      case 6: return confirm();
      case 7: {
        const std::string id = transaction();
        const size_t how = input_.below(3);
        how == 0   ? service_.settle(id, now_)
        : how == 1 ? service_.remove(id, now_)
                   : service_.retire_finished(id, now_);
        return;
      }
      case 8:
        if (const auto deadline = service_.deadline(); deadline && input_.flag()) now_ = std::max(now_, *deadline);
        service_.on_monitor(now_);
        return;
      default:
        service_.outcome(transaction(), now_);
        service_.acquired_receivers(transaction());
        service_.waiter(transaction());
    }
  }

  void begin() {
    DownloadService::TransactionOptions options;
    options.id = transaction();
    options.timeout = 1 + input_.byte();
    options.progress = input_.flag();
    options.progress_interval = input_.byte();
    for (size_t i = input_.below(4); i > 0; --i) options.receivers.push_back(receiver());
    if (input_.flag()) options.receiver_count = static_cast<int64_t>(input_.below(4));
    if (input_.flag()) options.min_receivers = static_cast<int64_t>(input_.below(4));
    options.acquire_timeout = budget();
    options.idle_timeout = budget();
    try {
      service_.new_transaction(options, now_);
    } catch (const Failure &failure) {
      require(failure.status() != FLARE_INTERNAL);
    }
  }

  void served() {
    using What = DownloadService::Produced::What;
    DownloadService::Produced produced;
    produced.what = static_cast<What>(input_.below(4));
    produced.bytes = input_.byte();
    if (input_.flag()) produced.items = input_.byte();
    uint64_t ticket = input_.number();
    if (!tickets_.empty() && input_.flag()) {
      const auto position = tickets_.begin() + static_cast<std::ptrdiff_t>(input_.below(tickets_.size()));
      ticket = *position;
      if (input_.flag()) tickets_.erase(position);  // else it may be told twice
    }
    const auto reply = service_.served(ticket, produced, input_.flag(), now_);
    if (reply.nonce) nonces_.push_back(*reply.nonce);
  }

  void confirm() {
    constexpr std::string_view kStatuses[] = {"success", "failed", "", "SUCCESS"};
    std::optional<std::string> nonce;
    if (!nonces_.empty() && input_.flag()) nonce = nonces_[input_.below(nonces_.size())];
    const bool known = nonce.has_value();
    require(!service_.confirm(ref(), receiver(), kStatuses[input_.below(4)], nonce, now_) || known);
  }

  void check() {
    for (const auto &action : service_.take_actions()) {
      if (const auto *done = std::get_if<DownloadService::ObjectDone>(&action)) {
        require(done_.insert(done->object.id).second);
      }
      if (const auto *release = std::get_if<DownloadService::Release>(&action)) {
        require(done_.contains(release->object.id) && released_.insert(release->object.id).second);
      }
      if (const auto *progress = std::get_if<DownloadService::Progress>(&action)) {
        require(progress->sequence > 0 && progress->bytes >= 0);
      }
    }
    const auto sizes = service_.sizes();
    require(sizes.live <= 3 && sizes.tombstones <= 2 && sizes.receipts <= 2);
    for (size_t i = 0; i < 5; ++i) {
      require(service_.acquired_receivers(named("transaction-", i)).size() <= 4 + 3);  // and the declared ones
    }
  }

  FuzzInput input_;
  double now_ = 1000;
  int drawn_ = 0;
  DownloadService service_{{true, [this] { return named("nonce-", static_cast<size_t>(++drawn_)); }, false},
                           small_limits()};
  std::vector<uint64_t> tickets_;
  std::vector<std::string> nonces_;
  std::set<uint64_t> done_, released_;
};

class ReceiverWorld {
 public:
  explicit ReceiverWorld(FuzzInput input) : input_(input), consumer_(options(&input_)) {}

  void run() {
    consumer_.begin();
    check();
    while (!input_.over()) {
      now_ += to_seconds(input_.step());
      event();
      check();
    }
    consumer_.abort("the end");
    check();
    require(ended_);
  }

 private:
  static DownloadConsumer::Options options(FuzzInput *input) {
    DownloadConsumer::Options options;
    options.confirm_capable = input->flag();
    options.unchanged_state = input->flag();
    options.max_retries = static_cast<int>(input->below(3));
    return options;
  }

  std::string state() { return named("state-", input_.below(2)); }

  void event() {
    switch (input_.below(8)) {
      case 0:
      case 1:
      case 2: {
        DownloadConsumer::Reply reply;
        reply.what = static_cast<DownloadConsumer::Reply::What>(input_.below(input_.below(4) == 0 ? 3 : 1));
        reply.state = state();
        if (input_.flag()) reply.nonce = "nonce";
        return consumer_.on_reply(reply);
      }
      case 3: return consumer_.on_timeout(now_);
      case 4:
        if (input_.below(8) == 0) consumer_.on_refused("refused");
        return;
      case 5: return consumer_.on_consumed(input_.below(8) == 0 ? std::nullopt : std::optional(state()));
      case 6: return consumer_.on_completed(input_.flag());
      default:
        if (const auto deadline = consumer_.deadline()) now_ = std::max(now_, *deadline);
        consumer_.on_time(now_);
        require(!consumer_.deadline() || *consumer_.deadline() > now_);
    }
  }

  void check() {
    const auto actions = consumer_.take_actions();
    require(actions.size() <= 4);
    for (const auto &action : actions) {
      require(!ended_);  // nothing follows the end
      if (std::holds_alternative<DownloadConsumer::Failed>(action)) ended_ = true;
      if (std::holds_alternative<DownloadConsumer::Done>(action)) ended_ = true;
    }
    require(consumer_.over() == ended_ && (!ended_ || !consumer_.deadline()));
  }

  FuzzInput input_;
  DownloadConsumer consumer_;
  double now_ = 1000;
  bool ended_ = false;
};

}  // namespace
}  // namespace flare

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  flare::FuzzInput input(bytes, size);
  if (input.flag()) {
    flare::OwnerWorld(input).run();
  } else {
    flare::ReceiverWorld(input).run();
  }
  return 0;
}

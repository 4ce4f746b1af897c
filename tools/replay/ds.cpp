// Kind ds: DownloadService.
#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <variant>

#include "base/failure.h"
#include "kinds.h"
#include "transfer/download_service.h"

namespace flare::replay {

namespace {

constexpr int64_t kListItemBytes = 3;  // the second item of a chunk that is a list

// What a script says of an object: what it produces for each index, and when it does not.
struct Source {
  std::vector<int64_t> chunks;
  std::optional<int64_t> fail_at, throw_at;
  bool as_list = false;

  DownloadService::Produced produce(int64_t index) const {
    using What = DownloadService::Produced::What;
    if (throw_at == index) return {What::kThrew, 0, {}};
    if (fail_at == index) return {What::kError, 0, {}};
    if (index >= static_cast<int64_t>(chunks.size())) return {What::kEof, 0, {}};
    const int64_t bytes = chunks[static_cast<size_t>(index)];
    if (!as_list) return {What::kData, bytes, {}};
    return {What::kData, bytes + kListItemBytes, 2};
  }
};

class DsPlayer {
 public:
  DsPlayer(const Script &script, Report *report)
      : report_(report), now_(script.head().number_of("t")), service_(options_of(script.head()), Limits()) {}

  void play(const Script &script) {
    for (size_t i = 0; i < script.lines.size(); ++i) {
      const Line &line = script.lines[i];
      if (!line.has("op") || line.op() == "new") continue;
      std::vector<const Line *> observed;
      for (size_t k = i + 1; k < script.lines.size() && script.lines[k].has("ev"); ++k) {
        observed.push_back(&script.lines[k]);
      }
      produced_.clear();
      try {
        perform(line, line.op());
        if (line.op() != "end") report_->expect(line, "err", Json());
      } catch (const Failure &) {
        report_->expect(line, "err", "ValueError");
      }
      take_actions();
      compare(line, observed);
      if (line.has("t")) report_->expect(line, "t", now_);
    }
  }

 private:
  DownloadService::Options options_of(const Line &head) {
    return {head.flag("confirm_on"), [this] { return "nonce-" + std::to_string(++nonces_); }, true};
  }

  void perform(const Line &line, const std::string &op) {
    if (op == "newtx") {
      service_.new_transaction(transaction_of(line), now_);
      report_->expect(line, "ok", 1);
    } else if (op == "add") {
      const auto object = service_.add_object(line.text("tx"), line.text("ref"), now_);
      Source &source = sources_[object.id];
      for (const std::string &size : split(line.maybe_text("chunks"))) source.chunks.push_back(std::stoll(size));
      source.fail_at = line.maybe_integer("fail_at");
      source.throw_at = line.maybe_integer("exc_at");
      source.as_list = line.flag("as_list");
      report_->expect(line, "ok", 1);
    } else if (op == "pull") {
      pull(line);
    } else if (op == "confirm") {
      service_.confirm(line.text("ref"), line.text("rcv"), line.text("status"), line.maybe_text("nonce"), now_);
      report_->expect(line, "rc", "ok");
    } else if (op == "tick") {
      service_.on_monitor(now_);
    } else if (op == "del") {
      service_.remove(line.text("tx"), now_);
    } else if (op == "shutdown") {
      service_.shutdown(now_);
    } else if (op == "adv") {
      now_ += line.number_of("dt");
    } else if (op == "outcome") {
      show_outcome(line);
    } else if (op == "waiter") {
      waiters_[line.text("tx")] = service_.waiter(line.text("tx"));
      show_waiter(line);
    } else if (op == "waiterstate") {
      show_waiter(line);
    } else if (op == "end") {
      const DownloadService::Sizes sizes = service_.sizes();
      report_->expect(line, "tx_live", sizes.live);
      report_->expect(line, "ref_live", sizes.refs);
      report_->expect(line, "tombstones", sizes.tombstones);
      report_->expect(line, "receipts", sizes.receipts);
      report_->expect(line, "owners", sizes.owned);
      report_->expect(line, "terminating", sizes.settling);
    }
  }

  static DownloadService::TransactionOptions transaction_of(const Line &line) {
    DownloadService::TransactionOptions options;
    options.id = line.text("tx");
    options.timeout = line.number_of("timeout");
    options.receiver_count = line.integer("num");
    options.receivers = split(line.maybe_text("ids"));
    options.progress = line.flag("prog");
    options.progress_interval = line.number_of("interval");
    options.min_receivers = line.maybe_integer("minr");
    options.acquire_timeout = line.maybe_number("acq");
    options.idle_timeout = line.maybe_number("idle");
    return options;
  }

  void pull(const Line &line) {
    const auto pull = service_.pull(line.text("ref"), line.text("rcv"), now_);
    DownloadService::Reply reply = pull.reply;
    if (pull.ticket != 0) {
      reply =
          service_.served(pull.ticket, sources_.at(pull.object.id).produce(line.integer("i")), line.flag("cap"), now_);
    }
    constexpr std::array<const char *, 3> kCodes = {"ok", "invalid_request", "process_exception"};
    const std::array<Json, 4> statuses = {Json(), "ok", "eof", "error"};
    report_->expect(line, "rc", kCodes[static_cast<size_t>(reply.code)]);
    report_->expect(line, "status", statuses[static_cast<size_t>(reply.served)]);
    report_->expect(line, "nonce", maybe(reply.nonce));
    if (reply.served == DownloadService::Served::kData) report_->expect(line, "next_i", line.integer("i") + 1);
  }

  void show_outcome(const Line &line) {
    const auto outcome = service_.outcome(line.text("tx"), now_);
    report_->expect(line, "known", outcome.has_value());
    std::string acquired;
    for (const std::string &name : service_.acquired_receivers(line.text("tx"))) {
      acquired += (acquired.empty() ? "" : ",") + name;
    }
    report_->expect(line, "acq", acquired);
    if (!outcome) return;
    report_->expect(line, "status", name_of(outcome->state));
    report_->expect(line, "reason", outcome->reason);
    report_->expect(line, "quorum", outcome->quorum_met());
  }

  void show_waiter(const Line &line) {
    const auto &waiter = waiters_.at(line.text("tx"));
    report_->expect(line, "done", waiter->done);
    report_->expect(line, "status", waiter->outcome ? Json(name_of(waiter->outcome->state)) : Json());
  }

  // The driver of the script: it settles at once, and leaves what is finished without a confirmation to the next tick.
  void take_actions() {
    std::deque<DownloadService::Action> actions;
    const auto more = [&] {
      for (auto &action : service_.take_actions()) actions.push_back(std::move(action));
    };
    for (more(); !actions.empty(); more()) {
      const auto action = std::move(actions.front());
      actions.pop_front();
      std::visit([this](const auto &each) { take(each); }, action);
    }
  }

  void take(const DownloadService::Settle &settle) { service_.settle(settle.transaction, now_); }
  void take(const DownloadService::Finishable &) {}
  void take(const DownloadService::Progress &event) {
    produced_.push_back({{"ev", "progress"},
                         {"tx", event.transaction},
                         {"ref", event.ref},
                         {"rcv", event.receiver},
                         {"seq", event.sequence},
                         {"bytes", event.bytes},
                         {"items", maybe(event.items)},
                         {"state", name_of(event.state)},
                         {"ts", event.time}});
  }
  void take(const DownloadService::DownloadedToOne &event) {
    produced_.push_back(
        {{"ev", "one"}, {"obj", event.object.ref}, {"rcv", event.receiver}, {"status", name_of(event.status)}});
  }
  void take(const DownloadService::DownloadedToAll &event) {
    produced_.push_back({{"ev", "all"}, {"obj", event.object.ref}});
  }
  void take(const DownloadService::ObjectDone &event) {
    produced_.push_back({{"ev", "objdone"},
                         {"obj", event.object.ref},
                         {"tx", event.object.transaction},
                         {"status", name_of(event.status)}});
  }
  void take(const DownloadService::TransactionDone &event) {
    produced_.push_back({{"ev", "txdone"},
                         {"tx", event.transaction},
                         {"status", name_of(event.status)},
                         {"nobj", event.objects.size()}});
  }
  void take(const DownloadService::OutcomeKnown &event) {
    const TransferOutcome &outcome = event.outcome;
    produced_.push_back({{"ev", "outcome"},
                         {"tx", outcome.transaction},
                         {"status", name_of(outcome.state)},
                         {"reason", outcome.reason},
                         {"done_status", name_of(outcome.done)},
                         {"quorum", outcome.quorum_met()},
                         {"nrefs", outcome.refs.size()},
                         {"num", outcome.receiver_count}});
  }
  void take(const DownloadService::Release &event) {
    produced_.push_back({{"ev", "release"}, {"obj", event.object.ref}});
  }

  // In order, but for different receivers of one ref that fail their budgets in one tick.
  void compare(const Line &line, const std::vector<const Line *> &observed) {
    std::vector<Json> expected;
    for (const Line *event : observed) expected.push_back(event->fields);
    if (line.op() == "tick") {
      sort_receivers(&expected);
      sort_receivers(&produced_);
    }
    for (size_t i = 0; i < expected.size() || i < produced_.size(); ++i) {
      const Json want = i < expected.size() ? expected[i] : Json();
      const Json got = i < produced_.size() ? produced_[i] : Json();
      if (want != got) report_->differ(line, "event " + std::to_string(i), want.dump(), got.dump());
    }
  }

  // Orders the runs of events about failed receivers of one ref by receiver; "all" comes with the last of them.
  static void sort_receivers(std::vector<Json> *events) {
    const auto ref_of = [](const Json &event) -> std::string {
      const std::string kind = event.at("ev");
      if (kind == "one" || kind == "all") return event.at("obj");
      if (kind == "progress" && event.at("state") == "failed") return event.at("ref");
      return "";
    };
    const auto place = [](const Json &event) {
      const std::string kind = event.at("ev");
      return std::pair<std::string, int>(kind == "all" ? "~" : event.at("rcv").get<std::string>(), kind == "progress");
    };
    for (auto begin = events->begin(); begin != events->end();) {
      auto end = begin + 1;
      if (const std::string ref = ref_of(*begin); !ref.empty()) {
        while (end != events->end() && ref_of(*end) == ref) ++end;
        std::stable_sort(begin, end, [&](const Json &a, const Json &b) { return place(a) < place(b); });
      }
      begin = end;
    }
  }

  Report *report_;
  double now_;
  int64_t nonces_ = 0;
  DownloadService service_;
  std::map<uint64_t, Source> sources_;
  std::map<std::string, std::shared_ptr<const DownloadService::Waiter>> waiters_;
  std::vector<Json> produced_;
};

}  // namespace

void replay_ds(const Script &script, Report *report) { DsPlayer(script, report).play(script); }

}  // namespace flare::replay

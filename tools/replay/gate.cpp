// Kind gate: whole submissions through SubmitGate and LaunchMode, with a scripted peer.
#include <algorithm>
#include <memory>
#include <set>
#include <variant>

#include "agent/launch_mode.h"
#include "agent/submit_gate.h"
#include "kinds.h"
#include "timeline.h"
#include "uploads.h"

namespace flare::replay {

namespace {

constexpr double kSubmitTimeout = 60;

class GatePlayer {
 public:
  GatePlayer(const Script &script, Report *report)
      : head_(script.head()), report_(report), timeline_(head_.number_of("t")), launch_(head_.flag("launch_once")) {
    for (const Line &line : script.lines) {
      if (line.op() == "pair") pairs_.push_back({line.text("ref"), line.maybe_text("rcv")});
      if (line.op() == "after") after_.push_back(&line);
    }
    for (const auto &pair : pairs_) {
      if (!pair.receiver || std::find(receivers_.begin(), receivers_.end(), *pair.receiver) != receivers_.end())
        continue;
      receivers_.push_back(*pair.receiver);
    }
  }

  // The lines of one submission: what is observed, then its result.
  void submit(const std::vector<const Line *> &observed, const Line &result) {
    produced_.clear();
    Json returned = false;
    if (!result.flag("bad_result")) returned = run();
    compare(observed, result);
    report_->expect(result, "i", submission_++);
    report_->expect(result, "ret", returned);
    report_->expect(result, "t", timeline_.now());
    report_->expect(result, "cur_cleared", true);  // whatever came of it (AG-13)
    report_->expect(result, "stopped", flags_.count(SubmitGate::Abandon::kAgentStopped) > 0);
    report_->expect(result, "ctx_cb", !watching_);
  }

 private:
  Json run() {
    if (launch_.arrange_cleanup()) {
      produce({{"ev", "watcher"}});
      produce({{"ev", "atexit"}});
    }
    SubmitGate::Options options;
    options.gated = head_.flag("pass_through");
    options.idle_timeout = head_.maybe_number("idle");
    options.download_complete_timeout = head_.number_of("dl_timeout");
    options.look_interval = head_.number_of("poll");
    gate_ = std::make_unique<SubmitGate>(options);
    for (const auto flag : flags_) gate_->on_abandon(flag, timeline_.now());
    timeline_.clear();
    for (const Line *line : after_) {
      timeline_.at(timeline_.now() + line->number_of("dt"), [this, line] { act(*line); });
    }
    gate_->begin();
    std::optional<bool> success = perform();
    while (!success && timeline_.step(gate_->deadline())) {
      gate_->on_time(timeline_.now());
      success = perform();
    }
    launch_.submitted(options.gated, success.value_or(false));
    if (!launch_.should_exit()) return success.value_or(false);
    produce({{"ev", "exit"}, {"code", 0}});
    return {};
  }

  void act(const Line &line) {
    const std::string what = line.text("do");
    if (what == "prog") {
      deliver_progress(progress_event(line, transaction_), timeline_.now(), gate_.get());
    } else if (what == "cb") {
      gate_->on_completed(line.maybe_text("status"), timeline_.now());
    } else if (const auto abandon = abandon_of(what)) {
      flags_.insert(*abandon);
      gate_->on_abandon(*abandon, timeline_.now());
    }
  }

  // Does what the gate asks for; the result when it has finished.
  std::optional<bool> perform() {
    std::optional<bool> success;
    bool send = false;
    std::optional<double> ttl;
    for (const auto &action : gate_->take_actions()) {
      if (const auto *watch = std::get_if<SubmitGate::Watch>(&action)) {
        watching_ = true;
        const char *progress = watch->progress ? "set" : "null";
        produce({{"ev", "ctx"},
                 {"cb", "set"},
                 {"prog", progress},
                 {"rids", receivers_.empty() ? "null" : "set"},
                 {"pctx", progress},
                 {"txcb", progress}});
      } else if (const auto *sending = std::get_if<SubmitGate::Send>(&action)) {
        send = true;
        ttl = sending->download_ttl;
      } else if (std::holds_alternative<SubmitGate::Unwatch>(action)) {
        watching_ = false;
        produce({{"ev", "ctx"},
                 {"cb", "prev-cb"},
                 {"prog", "prev-progress"},
                 {"rids", "null"},
                 {"pctx", "null"},
                 {"txcb", "null"}});
      } else if (const auto *gone = std::get_if<SubmitGate::Delete>(&action)) {
        produce({{"ev", "delete"}, {"tx", gone->transaction}});
      } else if (std::holds_alternative<SubmitGate::CleanUp>(action)) {
        if (launch_.begin_cleanup()) clean_up();
      } else if (const auto *finished = std::get_if<SubmitGate::Finished>(&action)) {
        success = finished->success;
      }
    }
    if (!send) return success;
    this->send(ttl);
    return perform();
  }

  void clean_up() {
    flags_.insert(SubmitGate::Abandon::kAgentStopped);
    flags_.insert(SubmitGate::Abandon::kHandlerStopped);
    produce({{"ev", "hstop"}, {"close", true}});
  }

  // The scripted peer.
  void send(std::optional<double> ttl) {
    if (flags_.count(SubmitGate::Abandon::kHandlerStopped) > 0) {
      produce({{"ev", "send_refused"}});
      gate_->on_sent(SubmitGate::Sent::kRefused, false, {}, timeline_.now());
      return;
    }
    std::string receivers;
    for (const auto &receiver : receivers_) receivers += (receivers.empty() ? "" : ",") + receiver;
    produce({{"ev", "send"},
             {"topic", "train"},
             {"timeout", kSubmitTimeout},
             {"ttl", maybe(ttl)},
             {"rids", ttl && !receivers.empty() ? Json(receivers) : Json()}});
    transaction_ = "tx-" + std::to_string(++sends_);
    const std::string track = head_.text("track");
    std::vector<SubmitGate::Transaction> listed;
    if (track == "cb" || track == "tls") listed.push_back({transaction_, pairs_, timeline_.now()});
    if (track == "cb" && gate_->tracker()) gate_->on_transaction(listed.front());
    if (const double duration = head_.number_of("send_dur"); duration > 0) {
      timeline_.run_until(timeline_.now() + duration);
    }
    const std::string outcome = head_.text("send");
    gate_->on_sent(outcome == "ok"   ? SubmitGate::Sent::kAccepted
                   : outcome == "no" ? SubmitGate::Sent::kRefused
                                     : SubmitGate::Sent::kRaised,
                   track != "none", listed, timeline_.now());
  }

  void produce(Json event) {
    event["t"] = timeline_.now();
    produced_.push_back(std::move(event));
  }

  void compare(const std::vector<const Line *> &observed, const Line &result) {
    for (size_t i = 0; i < observed.size() || i < produced_.size(); ++i) {
      const Json expected = i < observed.size() ? observed[i]->fields : Json();
      const Json got = i < produced_.size() ? produced_[i] : Json();
      if (expected != got) report_->differ(result, "event " + std::to_string(i), expected.dump(), got.dump());
    }
  }

  const Line &head_;
  Report *report_;
  Timeline timeline_;
  LaunchMode launch_;
  std::vector<ResultUploadTracker::Pair> pairs_;
  std::vector<const Line *> after_;
  std::vector<std::string> receivers_;
  std::set<SubmitGate::Abandon> flags_;  // they stay when the next submission begins
  std::unique_ptr<SubmitGate> gate_;
  std::string transaction_;
  bool watching_ = false;
  int64_t submission_ = 0;
  int64_t sends_ = 0;  // that reached the peer: they number the transactions
  std::vector<Json> produced_;
};

}  // namespace

void replay_gate(const Script &script, Report *report) {
  GatePlayer player(script, report);
  std::vector<const Line *> observed;
  for (const Line &line : script.lines) {
    if (line.has("ev")) observed.push_back(&line);
    if (line.op() != "result") continue;
    player.submit(observed, line);
    observed.clear();
  }
}

}  // namespace flare::replay

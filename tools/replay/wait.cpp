// Kind wait: the progress wait of SubmitGate.
#include <variant>

#include "agent/submit_gate.h"
#include "digest.h"
#include "kinds.h"
#include "timeline.h"
#include "uploads.h"

namespace flare::replay {

namespace {

class WaitPlayer {
 public:
  WaitPlayer(const Script &script, Report *report)
      : timeline_(script.head().number_of("t")), gate_(options_of(script.head())), report_(report) {
    gate_.begin();
  }

  void play(const Line &line) {
    const std::string op = line.op();
    if (op == "pair") {
      gate_.on_transaction({line.text("tx"),
                            {{line.text("ref"), line.maybe_text("rcv")}},
                            line.maybe_number("created").value_or(timeline_.now())});
    } else if (op == "at") {
      timeline_.at(line.number_of("at"), [this, line] { act(line); });
    } else if (op == "result") {
      run();
      show(line);
    } else if (op == "end") {
      report_->expect(line, "canon", canonical(*gate_.tracker()));
    }
  }

 private:
  static SubmitGate::Options options_of(const Line &head) {
    SubmitGate::Options options;
    options.idle_timeout = head.number_of("idle");
    options.look_interval = head.number_of("poll");
    return options;
  }

  void act(const Line &line) {
    const std::string what = line.text("do");
    if (what == "prog") {
      deliver_progress(progress_event(line, line.maybe_text("tx")), timeline_.now(), &gate_);
    } else if (what == "cb") {
      gate_.on_completed(line.maybe_text("status"), timeline_.now());
    } else if (const auto abandon = abandon_of(what)) {
      gate_.on_abandon(*abandon, timeline_.now());
    }
  }

  void run() {
    timeline_.run_until(timeline_.now());
    gate_.on_sent(SubmitGate::Sent::kAccepted, true, {}, timeline_.now());
    while (!gate_.finished() && timeline_.step(gate_.deadline())) gate_.on_time(timeline_.now());
  }

  void show(const Line &line) {
    bool success = false;
    std::string deleted;
    for (const auto &action : gate_.take_actions()) {
      if (const auto *gone = std::get_if<SubmitGate::Delete>(&action)) {
        deleted += (deleted.empty() ? "" : ",") + gone->transaction;
      } else if (const auto *finished = std::get_if<SubmitGate::Finished>(&action)) {
        success = finished->success;
      }
    }
    if (!gate_.finished()) report_->differ(line, "the wait", "an end", "a wait for ever");
    report_->expect(line, "ret", success);
    report_->expect(line, "t", timeline_.now());
    report_->expect(line, "reason", gate_.last_decision().reason);
    report_->expect(line, "success", gate_.last_decision().success);
    report_->expect(line, "abandoned", gate_.seen_abandon().has_value());
    report_->expect(line, "deleted", deleted);
    report_->expect(line, "nwait", gate_.wait().number);
    const bool waited = gate_.wait().what != SubmitGate::WaitFor::kNothing;
    const bool for_progress = gate_.wait().what == SubmitGate::WaitFor::kProgress;
    report_->expect(line, "last_wait", waited ? Json(for_progress ? "progress" : "done") : Json());
    report_->expect(line, "last_wait_timeout", maybe(gate_.wait().timeout));
    report_->expect(line, "dg", digest(canonical(*gate_.tracker())));
  }

  Timeline timeline_;
  SubmitGate gate_;
  Report *report_;
};

}  // namespace

void replay_wait(const Script &script, Report *report) {
  WaitPlayer player(script, report);
  for (const Line &line : script.lines) player.play(line);
}

}  // namespace flare::replay

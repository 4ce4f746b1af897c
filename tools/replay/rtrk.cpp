// Kind rtrk: ResultUploadTracker.
#include "base/failure.h"
#include "digest.h"
#include "kinds.h"
#include "transfer/result_upload_tracker.h"

namespace flare::replay {

namespace {

std::vector<ResultUploadTracker::Pair> pairs_of(const Line &line) {
  std::vector<ResultUploadTracker::Pair> pairs;
  for (int64_t i = 0; i < line.integer("n"); ++i) {
    const std::string number = std::to_string(i);
    pairs.push_back({line.text(("ref" + number).c_str()), line.maybe_text(("rcv" + number).c_str())});
  }
  return pairs;
}

void update(const Line &line, double now, ResultUploadTracker *tracker, Report *report) {
  const auto tx = line.maybe_text("tx"), receiver = line.maybe_text("rcv"), state = line.maybe_text("state");
  const auto job = line.maybe_text("job"), task = line.maybe_text("task");
  const std::string ref = line.text("ref");
  ResultUploadTracker::Progress progress;
  progress.transaction = tx;
  progress.ref = ref;
  progress.receiver = receiver;
  progress.sequence = line.integer("seq");
  progress.bytes = line.integer("bytes");
  progress.items = line.maybe_integer("items");
  progress.state = state_from_alias(state);
  progress.job = job;
  progress.task = task;
  try {
    const auto verdict = tracker->update(progress, line.maybe_number("ts").value_or(now));
    report->expect(line, "err", Json());
    report->expect(line, "acc", verdict.accepted);
    report->expect(line, "reason", verdict.reason);
    if (line.has("warn") && !verdict.resolved.ambiguous) report->differ(line, "warning", "one", "none");
  } catch (const Failure &) {
    report->expect(line, "err", "ValueError");
  }
}

}  // namespace

void replay_rtrk(const Script &script, Report *report) {
  if (script.head().flag("quirks")) return report->skip();
  ResultUploadTracker tracker(script.head().number_of("idle"));
  double now = script.head().number_of("t");
  for (const Line &line : script.lines) {
    const std::string op = line.op();
    if (op == "reg") {
      tracker.register_pairs(line.text("tx"), pairs_of(line), line.maybe_number("created").value_or(now));
    } else if (op == "upd") {
      update(line, now, &tracker, report);
    } else if (op == "dec") {
      const auto status = line.maybe_text("status");
      const auto decision = tracker.decide(line.flag("fired"), status, now);
      report->expect(line, "done", decision.done);
      report->expect(line, "success", decision.success);
      report->expect(line, "reason", decision.reason);
    } else if (op == "aban") {
      report->expect(line, "ret", tracker.mark_abandoned(line.maybe_number("ts").value_or(now)));
    } else if (op == "res") {
      const auto tx = line.maybe_text("tx"), receiver = line.maybe_text("rcv");
      const auto resolved = tracker.resolve(tx, line.text("ref"), receiver);
      report->expect(line, "ret", resolved.transaction ? Json(*resolved.transaction) : Json());
      if (line.has("warn") && !resolved.ambiguous) report->differ(line, "warning", "one", "none");
    } else if (op == "grace") {
      report->expect(line, "ret", maybe(tracker.grace_remaining(now)));
    } else if (op == "adv") {
      now += line.number_of("dt");
    } else if (op == "end") {
      report->expect(line, "canon", canonical(tracker));
    }
    if (line.has("t") && op != "new") report->expect(line, "t", now);
    if (line.has("dg")) report->expect(line, "dg", digest(canonical(tracker)));
  }
}

}  // namespace flare::replay

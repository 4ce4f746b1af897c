// Kind tpt: TransferProgressTracker, and the resolver of the timeouts.
#include <cmath>
#include <limits>

#include "base/failure.h"
#include "digest.h"
#include "kinds.h"
#include "transfer/streaming_timeouts.h"
#include "transfer/transfer_progress_tracker.h"

namespace flare::replay {

namespace {

// Owns the texts of the line that a key or a filter looks at.
struct Texts {
  explicit Texts(const Line &line)
      : job(line.maybe_text("job").value_or("")),
        task(line.maybe_text("task").value_or("")),
        transfer(line.maybe_text("xfer").value_or("")),
        direction(line.maybe_text("dir").value_or("")),
        receiver(line.maybe_text("rcv")),
        kind(line.maybe_text("xkind")),
        filter_job(line.maybe_text("f_job")),
        filter_task(line.maybe_text("f_task")),
        filter_direction(line.maybe_text("f_dir")),
        filter_receiver(line.maybe_text("f_rcv")) {}

  TransferKey key() const { return {job, task, transfer, direction_of(direction), receiver}; }
  std::optional<TransferDirection> wanted_direction() const {
    return filter_direction ? std::optional(direction_of(*filter_direction)) : std::nullopt;
  }
  TransferProgressTracker::Filter filter(const Line &line) const {
    TransferProgressTracker::Filter filter{filter_job, filter_task, wanted_direction(), {}};
    if (line.has("f_rcv")) filter.receiver.emplace(filter_receiver);
    return filter;
  }

  std::string job, task, transfer, direction;
  std::optional<std::string> receiver, kind;
  std::optional<std::string> filter_job, filter_task, filter_direction, filter_receiver;
};

class TptPlayer {
 public:
  TptPlayer(const Script &script, Report *report)
      : tracker_(script.head().number_of("idle")), now_(script.head().number_of("t")), report_(report) {}

  void play(const Line &line) {
    // A call that no typed language can make.
    if (!line.has("typed")) {
      try {
        perform(line, line.op());
        report_->expect(line, "err", Json());
      } catch (const Failure &) {
        report_->expect(line, "err", "ValueError");
      }
    }
    if (line.has("t") && line.op() != "new") report_->expect(line, "t", now_);
    if (line.has("dg")) report_->expect(line, "dg", digest(canonical(tracker_)));
  }

 private:
  void perform(const Line &line, const std::string &op) {
    const Texts texts(line);
    if (op == "upd") {
      const TransferKey key = texts.key();
      TransferProgressTracker::Update update;
      update.sequence = line.integer("seq");
      update.bytes = line.integer("bytes");
      update.items = line.maybe_integer("items");
      update.kind = texts.kind;
      update.state = state_of(line.text("state"));
      show(line, tracker_.update(key, update, line.maybe_number("ts").value_or(now_)));
    } else if (op == "mark") {
      show(line, tracker_.mark_terminal(texts.key(), state_of(line.text("state")), line.maybe_integer("seq"),
                                        line.maybe_number("ts").value_or(now_)));
    } else if (op == "stalled") {
      const TransferRecord *record = tracker_.find(texts.key());
      report_->expect(line, "ret", record && tracker_.stalled(*record, line.maybe_number("now").value_or(now_)));
    } else if (op == "recs") {
      list(line, tracker_.records(texts.filter(line)));
    } else if (op == "stalledrecs") {
      list(line, tracker_.stalled_records(texts.filter(line), line.maybe_number("now").value_or(now_)));
    } else if (op == "prune") {
      report_->expect(
          line, "ret",
          tracker_.prune(line.maybe_number("before").value_or(now_), line.flag("active"), texts.wanted_direction()));
    } else if (op == "rm") {
      report_->expect(line, "ret", tracker_.remove(texts.key()));
    } else if (op == "clear") {
      tracker_.clear();
    } else if (op == "setidle") {
      tracker_.set_idle_timeout(line.number_of("v"));
      report_->expect(line, "ret", tracker_.idle_timeout());
    } else if (op == "setidle_nonfinite") {
      constexpr double kInfinity = std::numeric_limits<double>::infinity();
      const std::string which = line.text("which");
      tracker_.set_idle_timeout(which == "nan" ? std::nan("") : which == "inf" ? kInfinity : -kInfinity);
    } else if (op == "cfg") {
      const StreamingTimeouts resolved = resolve_timeouts({line.maybe_number("kw_idle"), line.maybe_number("kw_sil")},
                                                          {line.maybe_number("cf_idle"), line.maybe_number("cf_sil")});
      report_->expect(line, "r_idle", resolved.idle);
      report_->expect(line, "r_sil", resolved.max_silence);
    } else if (op == "adv") {
      now_ += line.number_of("dt");
    } else if (op == "end") {
      report_->expect(line, "canon", canonical(tracker_));
    }
  }

  void show(const Line &line, const TransferProgressTracker::Verdict &verdict) {
    report_->expect(line, "acc", verdict.accepted);
    report_->expect(line, "prog", verdict.progressed);
    report_->expect(line, "reason", verdict.reason);
    const TransferRecord &record = *verdict.record;
    report_->expect(line, "r_seq", record.sequence);
    report_->expect(line, "r_bytes", record.bytes);
    report_->expect(line, "r_items", maybe(record.items));
    report_->expect(line, "r_state", name_of(record.state));
    report_->expect(line, "r_start", record.started);
    report_->expect(line, "r_last", record.last_progress);
    report_->expect(line, "r_kind", maybe(record.kind));
    report_->expect(line, "r_term", terminal(record.state));
    report_->expect(line, "r_rcv", maybe(record.receiver));
  }

  void list(const Line &line, const std::vector<const TransferRecord *> &records) {
    report_->expect(line, "n", records.size());
    report_->expect(line, "ldg", digest(canonical(records)));
  }

  TransferProgressTracker tracker_;
  double now_;
  Report *report_;
};

}  // namespace

void replay_tpt(const Script &script, Report *report) {
  TptPlayer player(script, report);
  for (const Line &line : script.lines) player.play(line);
}

}  // namespace flare::replay

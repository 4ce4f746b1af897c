#include "schedule.h"

#include <algorithm>
#include <cmath>
#include <sstream>

namespace flare_world {

namespace {

using std::chrono::seconds;

std::vector<int64_t> draw_floats(Draw *draw) {
  std::vector<int64_t> floats(static_cast<size_t>(draw->below(4)));
  // One message in two is inlined; others have up to 8 chunks in each tensor.
  const double most = draw->one_in(2) ? 4 : 11;
  for (int64_t &count : floats) count = static_cast<int64_t>(std::exp2(draw->fraction() * most));
  return floats;
}

PlannedTask draw_task(Draw *draw, bool mild) {
  PlannedTask task;
  task.task_floats = draw_floats(draw);
  task.result_floats = draw_floats(draw);
  const int64_t kind = draw->below(12);
  if (kind == 0) task.answer = PlannedTask::Answer::kFail;
  if (kind == 1) task.answer = PlannedTask::Answer::kRelease;
  if (kind == 2 && !mild) task.answer = PlannedTask::Answer::kCancel;
  task.hold = milliseconds(draw->one_in(2) ? 0 : draw->between(0, 100));
  task.metrics = draw->one_in(2) ? 0 : draw->between(1, 20);
  task.lent_task = draw->one_in(2);
  task.lent_result = draw->one_in(2);
  task.receivers = draw->one_in(4) ? draw->between(1, 3) : 0;
  task.others_agree = mild || !draw->one_in(4);
  task.others_take = milliseconds(draw->one_in(2) ? 0 : draw->between(0, 3000));
  return task;
}

flare::Settings draw_settings(Draw *draw, bool mild) {
  flare::Settings settings;
  const auto from = [&](int64_t low, int64_t high) { return seconds(draw->between(low, high)); };
  settings.url = "memory://campaign";
  settings.job_id = "job";
  settings.site = "site-1";
  settings.log_level = "off";
  settings.heartbeat_interval = from(1, 5);
  settings.heartbeat_timeout = settings.heartbeat_interval * 2 + from(mild ? 10 : 1, 20);
  settings.resend_interval = milliseconds(draw->between(500, 3000));
  settings.submit_result_timeout = from(mild ? 3 : 1, 10);
  settings.streaming_idle_timeout = from(mild ? 40 : 5, 60);
  settings.download_complete_timeout = from(mild ? 100 : 20, 200);
  settings.peer_read_timeout = from(30, 60);
  settings.close_timeout = from(mild ? 10 : 1, 10);
  settings.connect_timeout = from(20, 60);
  settings.max_resends = mild ? 3 : draw->below(5);
  if (draw->one_in(6)) settings.heartbeat_timeout.reset();
  if (draw->one_in(5)) settings.streaming_idle_timeout.reset();
  if (draw->one_in(3)) settings.peer_read_timeout.reset();
  if (draw->one_in(4)) settings.connect_timeout.reset();
  if (draw->one_in(6)) settings.max_resends.reset();
  settings.limits.inline_bytes = 256;
  settings.limits.chunk_bytes = 1024;
  settings.limits.chunk_window = static_cast<size_t>(draw->between(1, 8));
  settings.limits.metrics_per_batch = 4;
  return settings;
}

Mishaps draw_mishaps(Draw *draw, bool mild) {
  Mishaps mishaps;
  const auto rate = [&] { return draw->one_in(2) ? 0.03 + draw->fraction() * 0.3 : 0; };
  mishaps.drop = rate();
  mishaps.duplicate = rate();
  mishaps.reorder = rate();
  mishaps.flip_envelope = rate();
  mishaps.flip_payload = rate();
  if (draw->one_in(3)) mishaps.longest_delay = milliseconds(draw->between(1, 60));
  if (mild || draw->one_in(3)) mishaps.at_most = draw->between(1, 3);
  return mishaps;
}

Event draw_event(Draw *draw, const Schedule &schedule, int64_t time) {
  const bool mild = schedule.mild;
  using Kind = Event::Kind;
  Event event;
  event.at = milliseconds(draw->one_in(4) ? draw->below(20) : draw->below(time));
  event.way = draw->one_in(2) ? Way::kUp : Way::kDown;
  event.lanes = draw->one_in(2) ? Lanes::kBoth : draw->one_in(2) ? Lanes::kControl : Lanes::kBulk;
  const int64_t kind = draw->below(mild ? 10 : 24);
  if (kind < 2) {
    event.kind = Kind::kCut;
  } else if (kind < 3) {
    event.kind = Kind::kCutUnseen;
  } else if (kind < 4) {
    event.kind = Kind::kHalfClose;
  } else if (kind < 6) {
    event.kind = Kind::kStall;
    event.lasts = milliseconds(draw->between(20, mild ? 500 : 9000));
  } else if (kind < 10) {
    event.kind = Kind::kBefall;
    event.lasts = milliseconds(draw->between(50, mild ? 500 : 9000));
    event.mishaps = draw_mishaps(draw, mild);
  } else if (kind < 12) {
    event.kind = Kind::kAbortRequest;
    event.value = draw->below(static_cast<int64_t>(schedule.tasks.size()));
  } else if (kind < 13) {
    // Without a heartbeat_timeout, an agent that dies after the end is to be waited for.
    event.kind = draw->one_in(2) || !schedule.settings.heartbeat_timeout ? Kind::kAbortJob : Kind::kEndJob;
  } else if (kind < 15) {
    event.kind = draw->one_in(3) ? Kind::kStopTrainer : draw->one_in(2) ? Kind::kRingTrainer : Kind::kCloseTrainer;
  } else if (kind < 18) {
    event.kind = Kind::kKillTrainer;
  } else if (kind < 21) {
    event.kind = Kind::kKillSite;
    event.lasts = milliseconds(draw->between(10, draw->one_in(4) ? 9000 : 300));
  } else if (kind < 23) {
    event.kind = draw->one_in(2) ? Kind::kFreezeTrainer : Kind::kFreezeSite;
    event.lasts = milliseconds(draw->between(20, draw->one_in(4) ? 40'000 : 3000));
  } else {
    event.kind = Kind::kDeafen;
    // Without a heartbeat_timeout, silence on the control connection is to be waited for.
    if (!schedule.settings.heartbeat_timeout) event.lanes = Lanes::kBulk;
  }
  return event;
}

// ---- In words ------------------------------------------------------------------------------------------------

std::string text(const std::vector<int64_t> &floats) {
  std::string text;
  for (const int64_t count : floats) text += (text.empty() ? "" : "+") + std::to_string(count);
  return text.empty() ? "none" : text;
}

std::string text(PlannedTask::Answer answer) {
  switch (answer) {
    case PlannedTask::Answer::kResult: return "result";
    case PlannedTask::Answer::kFail: return "fail";
    case PlannedTask::Answer::kRelease: return "release";
    case PlannedTask::Answer::kCancel: return "cancel";
  }
  return "";
}

std::string text(const std::optional<Duration> &duration) {
  return duration ? std::to_string(flare::to_seconds(*duration)) : "none";
}

std::string text(const Mishaps &mishaps) {
  std::ostringstream out;
  const std::pair<const char *, double> named[] = {{"drop", mishaps.drop},
                                                   {"duplicate", mishaps.duplicate},
                                                   {"reorder", mishaps.reorder},
                                                   {"envelope", mishaps.flip_envelope},
                                                   {"payload", mishaps.flip_payload},
                                                   {"delay", flare::to_seconds(mishaps.longest_delay)}};
  for (const auto &[name, value] : named) {
    if (value > 0) out << " " << name << "=" << value;
  }
  if (mishaps.at_most >= 0) out << " for " << mishaps.at_most << " messages";
  return out.str();
}

std::string text(const Event &event) {
  using Kind = Event::Kind;
  const std::string lasts = " for " + std::to_string(event.lasts.count()) + " ms";
  const std::string where = std::string(event.lanes == Lanes::kBoth   ? ""
                                        : event.lanes == Lanes::kBulk ? " bulk"
                                                                      : " control");
  const std::string way = where + (event.way == Way::kUp ? " up" : " down");
  switch (event.kind) {
    case Kind::kAbortRequest: return "abort request " + std::to_string(event.value);
    case Kind::kAbortJob: return "abort the job";
    case Kind::kEndJob: return "end the job";
    case Kind::kStopTrainer: return "stop the trainer";
    case Kind::kRingTrainer: return "ring the trainer's bell";
    case Kind::kCloseTrainer: return "close the trainer";
    case Kind::kKillTrainer: return "kill the trainer";
    case Kind::kKillSite: return "kill the site" + lasts;
    case Kind::kFreezeTrainer: return "freeze the trainer" + lasts;
    case Kind::kFreezeSite: return "freeze the site" + lasts;
    case Kind::kCut: return "cut" + where;
    case Kind::kCutUnseen: return "cut unseen" + where;
    case Kind::kHalfClose: return "half-close" + way;
    case Kind::kStall: return "stall" + way + lasts;
    case Kind::kBefall: return "befall" + way + text(event.mishaps) + lasts;
    case Kind::kDeafen: return "deafen" + way;
  }
  return "";
}

}  // namespace

Schedule draw_schedule(uint64_t seed) {
  Draw draw(seed);
  Schedule schedule;
  schedule.seed = seed;
  schedule.mild = draw.one_in(5);
  schedule.ahead = draw.one_in(3);
  schedule.all_at_once = draw.one_in(2);
  schedule.settings = draw_settings(&draw, schedule.mild);
  const auto tasks = static_cast<size_t>(draw.between(1, 5));
  for (size_t i = 0; i < tasks; ++i) schedule.tasks.push_back(draw_task(&draw, schedule.mild));
  int64_t time = 20;
  for (const PlannedTask &task : schedule.tasks) time += task.hold.count() + 10;
  const int64_t events = schedule.mild ? draw.below(4) : draw.between(1, 8);
  for (int64_t i = 0; i < events; ++i) schedule.events.push_back(draw_event(&draw, schedule, time));
  std::stable_sort(schedule.events.begin(), schedule.events.end(),
                   [](const Event &a, const Event &b) { return a.at < b.at; });
  return schedule;
}

std::string describe(const Schedule &schedule) {
  const flare::Settings &settings = schedule.settings;
  std::ostringstream out;
  out << "seed " << schedule.seed << (schedule.mild ? ", mild" : "") << (schedule.ahead ? ", ahead" : "")
      << (schedule.all_at_once ? ", all at once" : "") << "\n";
  out << "  heartbeats " << text(settings.heartbeat_interval) << " timeout " << text(settings.heartbeat_timeout)
      << ", resends each " << text(settings.resend_interval) << " at most "
      << (settings.max_resends ? std::to_string(*settings.max_resends) : "unlimited") << ", send timeout "
      << text(settings.submit_result_timeout) << ", idle " << text(settings.streaming_idle_timeout) << ", complete "
      << text(settings.download_complete_timeout) << ", read " << text(settings.peer_read_timeout) << ", connect "
      << text(settings.connect_timeout) << ", close " << text(settings.close_timeout) << ", window "
      << settings.limits.chunk_window << "\n";
  for (size_t i = 0; i < schedule.tasks.size(); ++i) {
    const PlannedTask &task = schedule.tasks[i];
    out << "  task " << i << ": " << text(task.task_floats) << " floats" << (task.lent_task ? ", lent" : "") << "; "
        << text(task.answer) << " of " << text(task.result_floats) << (task.lent_result ? ", lent" : "") << " after "
        << task.hold.count() << " ms, " << task.metrics << " metrics";
    if (task.receivers > 0) {
      out << ", " << task.receivers << " receivers" << (task.others_agree ? "" : " who disagree") << " after "
          << task.others_take.count() << " ms";
    }
    out << "\n";
  }
  for (const Event &event : schedule.events) out << "  at " << event.at.count() << " ms: " << text(event) << "\n";
  return out.str();
}

}  // namespace flare_world

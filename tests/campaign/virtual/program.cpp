#include "program.h"

#include <exception>
#include <utility>

namespace flare_world {

int Recorder::begin(Role role) {
  history_.lives.push_back({role});
  return static_cast<int>(history_.lives.size()) - 1;
}

void Recorder::write(Entry entry) {
  entry.at = flare::to_seconds(World::here().now() - begin_);
  history_.entries.push_back(std::move(entry));
}

Program::Program(Role role, Recorder *recorder) : recorder_(recorder), life_(recorder->begin(role)) {
  world_.join(this, process_);
  due_ = world_.now();
}

Program::~Program() { world_.leave(this); }

void Program::doing(std::function<void()> work) {
  world_.as(process_, [&] {
    try {
      work();
    } catch (const std::exception &failure) {
      defect(failure.what());
    }
  });
}

bool Program::ready(TimePoint now) const { return !busy_ && !closed_ && (process_->raised || (due_ && now >= *due_)); }

std::optional<TimePoint> Program::due() const { return busy_ || closed_ ? std::nullopt : due_; }

void Program::run() {
  process_->raised = false;
  due_.reset();
  busy_ = true;
  try {
    look();
  } catch (const std::exception &failure) {
    defect(failure.what());
  }
  busy_ = false;
}

void Program::write(Entry entry) {
  if (process_->dead) return;  // nobody hears it any more
  entry.life = life_;
  recorder_->write(std::move(entry));
}

void Program::over(flare_status status) {
  if (over_) return;
  over_ = status;
  Entry entry;
  entry.what = Entry::What::kOver;
  entry.status = status;
  write(entry);
}

void Program::defect(const std::string &what) {
  Entry entry;
  entry.code = what;
  write(entry);
}

void Program::closed_in_order() {
  closed_ = true;
  if (!world_.hurried()) recorder_->history().lives[static_cast<size_t>(life_)].closed = true;
}

}  // namespace flare_world

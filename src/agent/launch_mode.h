// What ends with a submission: upstream's launch modes as questions and decisions (AG-43, AG-50..AG-55). The library
// never exits the process and installs no exit hook by itself; a program asks whether it should end, and its language's
// usual hook calls for the clean-up.
#pragma once

namespace flare {

class LaunchMode {
 public:
  explicit LaunchMode(bool launch_once) : launch_once_(launch_once) {}

  bool launch_once() const { return launch_once_; }
  // At the beginning of each submission: whether clean-up at the end of the process has to be arranged now (AG-50).
  bool arrange_cleanup();
  // After a failed submission, or at the end of the process: whether the caller has to clean up (AG-52: only once).
  bool begin_cleanup();
  // One task per process (AG-43): the first submission that succeeded on the gated path has ended it.
  void submitted(bool gated, bool success);
  bool should_exit() const { return should_exit_; }

 private:
  bool launch_once_;
  bool arranged_ = false;
  bool cleaned_up_ = false;
  bool should_exit_ = false;
};

}  // namespace flare

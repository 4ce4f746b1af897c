// What the kinds wait and gate have in common: what happens to a submission from outside.
#pragma once

#include "agent/submit_gate.h"
#include "script.h"

namespace flare::replay {

// The progress event of a script's line, as the owner of a transfer would send it.
Map progress_event(const Line &line, const std::optional<std::string> &transaction);
// Delivers one to the gate, as the agent does (AG-42).
void deliver_progress(const Map &event, double now, SubmitGate *gate);
// nullopt: the line is no abandon.
std::optional<SubmitGate::Abandon> abandon_of(const std::string &what);

}  // namespace flare::replay

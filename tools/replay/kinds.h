// One player per kind of script: it drives the project's classes with the inputs of a script, in the script's time,
// and reports what came out differently.
#pragma once

#include "script.h"

namespace flare::replay {

void replay_rtrk(const Script &script, Report *report);
void replay_tpt(const Script &script, Report *report);
void replay_wait(const Script &script, Report *report);
void replay_gate(const Script &script, Report *report);
void replay_ds(const Script &script, Report *report);
void replay_ph(const Script &script, Report *report);
void replay_agent(const Script &script, Report *report);

}  // namespace flare::replay

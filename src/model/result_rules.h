// What NVFlare expects of a result, whichever way it is sent: the headers it carries back, tensors where the task has
// them, a trained model that fits the model of its task, and differences where they are asked for. No threads, no I/O.
#pragma once

#include "model/shareable.h"

namespace flare {

// A result says about which round and model it is: what the trainer did not say is taken from the task.
void carry_headers(const Shareable &task, Shareable *result);

// What the trainer wrote under the joined name of a tensor inside nested maps of the task goes to the same place. Other
// names stay as they are, and so do all that begin as an entry of the result itself does.
void nest_tensors(const Shareable &task, Shareable *result);

// A result with return code OK whose kind is one of weights.
bool is_model(const Shareable &result);

// Throws Failure(FLARE_INVALID_ARGUMENT) that names the first ten tensors of the task which are missing in the result,
// have another shape there, or have NaN or infinite elements. Nothing is expected when the task has no tensors.
void check_model(const Shareable &task, const Shareable &result);

// Makes WEIGHT_DIFF of WEIGHTS: each tensor becomes its difference from the task's, in new memory and of its own type.
// Throws Failure(FLARE_INVALID_ARGUMENT) that names what has no difference; the result is then as it was.
void subtract_model(const Shareable &task, Shareable *result);

}  // namespace flare

// Models as tasks and as results.
#pragma once

#include "cases.h"

namespace flare::bench {

int flare_model(const ModelCase &options);

}  // namespace flare::bench

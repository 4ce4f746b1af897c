// What a model's bytes cost without this library.
#pragma once

#include "cases.h"
#include "ends.h"

namespace flare::bench {

int memcpy_model(const ModelCase &options);
int unix_model(const ModelCase &options);
int frames_model(const ModelCase &options);
int one_frame_model(const ModelCase &options);

}  // namespace flare::bench

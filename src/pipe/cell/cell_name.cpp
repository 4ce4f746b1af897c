#include "pipe/cell/cell_name.h"

#include <algorithm>
#include <set>

#include "base/failure.h"

namespace flare {

namespace {

constexpr std::string_view kServer = "server";

bool may_stand_in_names(char letter) {
  return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') || (letter >= '0' && letter <= '9') ||
         letter == '_' || letter == '-' || letter == '~';
}

std::string below(const std::string &parent, const std::string &leaf) {
  return parent == kServer ? leaf : parent + "." + leaf;
}

std::string_view mode_of(PipeEnd end) { return end == PipeEnd::kActive ? "active" : "passive"; }

std::string flat_name(const PipeName &name, PipeEnd end) {
  return below(name.parent, name.site + "_" + name.token + "_" + std::string(mode_of(end)));
}

// Below the site itself the site need not be named again, be it connected to its own parent process or to the server.
std::string tagged_name(const PipeName &name, PipeEnd end) {
  const std::string tail = name.token + "~" + std::string(mode_of(end));
  const bool of_site = name.parent == kServer || name.parent == name.site || name.parent.ends_with("." + name.site);
  if (!of_site) return name.parent + ".cellpipe~alias~" + name.site + "~" + tail;
  return (name.parent == kServer ? name.site : name.parent) + ".cellpipe~plain~" + tail;
}

}  // namespace

bool is_cell_name(std::string_view name) {
  std::set<std::string_view> segments;
  for (;;) {
    const size_t dot = name.find('.');
    const std::string_view segment = name.substr(0, dot);
    if (segment.empty() || !std::all_of(segment.begin(), segment.end(), may_stand_in_names)) return false;
    if (!segments.insert(segment).second) return false;
    if (dot == std::string_view::npos) return true;
    name.remove_prefix(dot + 1);
  }
}

std::string pipe_cell_name(CellNaming naming, const PipeName &name, PipeEnd end) {
  if (naming == CellNaming::kTagged && name.token.find_first_of("~.") != std::string::npos) {
    throw Failure(FLARE_INVALID_ARGUMENT, "the agent id '" + name.token +
                                              "' has a '~' or a dot, which stand for "
                                              "something else in names of cells: choose another");
  }
  const bool tilde =
      naming == CellNaming::kFlat && (name.parent + name.site + name.token).find('~') != std::string::npos;
  std::string cell = naming == CellNaming::kFlat ? flat_name(name, end) : tagged_name(name, end);
  if (is_cell_name(cell) && !tilde) return cell;
  throw Failure(FLARE_INVALID_ARGUMENT, "NVFlare takes no cell named '" + cell + "', which site '" + name.site +
                                            "' and agent id '" + name.token +
                                            "' make: use letters, digits, '_' and '-', " + "and no name twice");
}

}  // namespace flare

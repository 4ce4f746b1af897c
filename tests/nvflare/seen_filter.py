"""A filter of a site that says what it finds in the place of arrays."""
from nvflare.apis.dxo import from_shareable
from nvflare.apis.filter import Filter


class SeenFilter(Filter):
    def __init__(self, where):
        super().__init__()
        self.where = where

    def process(self, shareable, fl_ctx):
        kinds = {type(value).__name__ for value in from_shareable(shareable).data.values()}
        self.log_info(fl_ctx, f"{self.where}: seen {' '.join(sorted(kinds))}")
        return shareable

"""A component for the server: writes the metrics that trainers log to metrics.jsonl in the server's run folder."""
import json
import os

from nvflare.apis.analytix import TrackConst
from nvflare.apis.dxo import from_shareable
from nvflare.app_common.widgets.streaming import AnalyticsReceiver


class MetricsFile(AnalyticsReceiver):
    def __init__(self):
        super().__init__()
        self._file = None

    def initialize(self, fl_ctx):
        folder = fl_ctx.get_engine().get_workspace().get_run_dir(fl_ctx.get_job_id())
        self._file = open(os.path.join(folder, "metrics.jsonl"), "w")

    def save(self, fl_ctx, shareable, record_origin):
        data = from_shareable(shareable).data
        names = {"name": TrackConst.TRACK_KEY, "value": TrackConst.TRACK_VALUE, "step": TrackConst.GLOBAL_STEP_KEY}
        line = {"site": record_origin, **{name: data.get(key) for name, key in names.items()}}
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()

    def finalize(self, fl_ctx):
        self._file.close()

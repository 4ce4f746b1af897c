"""A component for the server: writes the kind of each result that sites send to results.jsonl in the server's run folder."""
import json
import os

from nvflare.apis.dxo import from_shareable
from nvflare.apis.event_type import EventType
from nvflare.apis.fl_component import FLComponent
from nvflare.apis.fl_constant import FLContextKey
from nvflare.apis.shareable import ReservedHeaderKey


class ResultsFile(FLComponent):
    def handle_event(self, event_type, fl_ctx):
        if event_type != EventType.BEFORE_PROCESS_SUBMISSION:
            return
        result = fl_ctx.get_prop(FLContextKey.TASK_RESULT)
        line = {
            "site": fl_ctx.get_peer_context().get_identity_name(),
            "task": fl_ctx.get_prop(FLContextKey.TASK_NAME),
            "kind": from_shareable(result).data_kind if result.get_header(ReservedHeaderKey.CONTENT_TYPE) else None,
        }
        folder = fl_ctx.get_engine().get_workspace().get_run_dir(fl_ctx.get_job_id())
        with open(os.path.join(folder, "results.jsonl"), "a") as file:
            file.write(json.dumps(line) + "\n")

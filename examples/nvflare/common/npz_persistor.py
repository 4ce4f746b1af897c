"""A component for the server: keeps a model of several arrays in an .npz file (NPModelPersistor keeps one array)."""
import os

import numpy as np
from nvflare.app_common.abstract.model import ModelLearnableKey, make_model_learnable
from nvflare.app_common.abstract.model_persistor import ModelPersistor


class NpzPersistor(ModelPersistor):
    def __init__(self, start: str):
        """Starts with the arrays of the file `start`, and saves to models/server.npz in the server's run folder."""
        super().__init__()
        self.start = start

    def load_model(self, fl_ctx):
        with np.load(self.start) as file:
            return make_model_learnable({name: file[name] for name in file.files}, {})

    def save_model(self, model, fl_ctx):
        folder = os.path.join(fl_ctx.get_workspace().get_run_dir(fl_ctx.get_job_id()), "models")
        os.makedirs(folder, exist_ok=True)
        np.savez(os.path.join(folder, "server.npz"), **model[ModelLearnableKey.WEIGHTS])

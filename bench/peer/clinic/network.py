"""The five members by ONNX Runtime, from the graph that bench/inference makes of the same weights."""

import json
import sys
from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime
from django.conf import settings

from .features import VISITS


@cache
def session():
    # Building a graph takes the package onnx, which is not needed afterwards.
    sys.path.append(str(Path(__file__).parents[2] / "inference"))
    from graphs import Network, stacked

    options = onnxruntime.SessionOptions()
    # Each process of the worker is one of as many as there are cores.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    graph = stacked(Network(Path(settings.MODEL_DIR), VISITS)).SerializeToString()
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


@cache
def calibration():
    return json.loads((Path(settings.MODEL_DIR) / "config.json").read_text())["calibration"]


def forecast(visits, facts):
    """Calibrated risks, as model/src/calibration.rs makes them; its intervals are left out."""
    members = session().run(["incidences"], {"visits": visits, "facts": facts})[0][:, 0]
    scale = np.log(-np.log1p(-np.clip(members.astype(float), 1e-9, 1 - 1e-9)))
    own = calibration()
    risks = -np.expm1(-np.exp(own["shift"] + own["factor"] * scale.mean(axis=0)))
    return [{"year": year, "probability": float(risk)} for year, risk in enumerate(risks, 1)]

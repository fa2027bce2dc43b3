"""The five members by ONNX Runtime, from the graph that bench/inference makes of the same weights."""

import json
import sys
from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime
from django.conf import settings

from .features import VISITS

SHARED_SPREAD = 0.3


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
    """Calibrated risks with their intervals, as model/src/calibration.rs makes them."""
    members = session().run(["incidences"], {"visits": visits, "facts": facts})[0][:, 0]
    scale = np.log(-np.log1p(-np.clip(members.astype(float), 1e-9, 1 - 1e-9)))
    spread = np.sqrt(scale.var(axis=0) + SHARED_SPREAD**2)
    own = calibration()
    share = np.clip(np.arange(5.0), 0, 3) / 3
    half = own["half_width_2y"] + share * (own["half_width_5y"] - own["half_width_2y"])
    centre = own["shift"] + own["factor"] * scale.mean(axis=0)
    risk = lambda at: -np.expm1(-np.exp(at))
    years = zip(risk(centre), risk(centre - half * spread), risk(centre + half * spread))
    return [
        {"year": year, "probability": float(p), "lower": float(low), "upper": float(high)}
        for year, (p, low, high) in enumerate(years, 1)
    ]

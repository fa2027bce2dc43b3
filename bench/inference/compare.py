"""Our forward pass beside ONNX Runtime's, by turns in one run. See `run`."""

import argparse
import json
import os
import subprocess
import time
from pathlib import Path
from statistics import median

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

from graphs import FORMS, YEARS, Network

BATCHES = (1, 64, 4096)
LARGEST = max(BATCHES)
TOLERANCE = 1e-5
GEMM = 1024


class Ours:
    """The Rust program, which measures itself when it is asked to."""

    def __init__(self, program: Path, model: Path, out: Path):
        command = [program, "--model", model, "--out", out]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        ready = self.process.stdout.readline().split()
        if ready[:1] != ["ready"]:
            raise SystemExit("the program did not start")
        self.flops = int(ready[1])

    def ask(self, *words) -> float:
        print(*words, file=self.process.stdin, flush=True)
        return float(self.process.stdout.readline())

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


class Runtime:
    """An ONNX Runtime session, its inputs and outputs bound once for each batch."""

    def __init__(self, model, threads: int):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        self.session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self.bound = {}

    def bind(self, key, inputs: dict, output: str, shape) -> np.ndarray:
        binding = self.session.io_binding()
        out = np.zeros(shape, np.float32)
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(value) for value in inputs.values()]
        for name, value in zip(inputs, values):
            binding.bind_ortvalue_input(name, value)
        out_value = onnxruntime.OrtValue.ortvalue_from_numpy(out)
        binding.bind_ortvalue_output(output, out_value)
        self.bound[key] = (binding, values, out_value)
        self.session.run_with_iobinding(binding)
        return out_value.numpy()

    def time(self, key, seconds: float) -> float:
        binding = self.bound[key][0]
        times, end = [], time.perf_counter() + seconds
        while not times or time.perf_counter() < end:
            begun = time.perf_counter()
            self.session.run_with_iobinding(binding)
            times.append(time.perf_counter() - begun)
        return median(times)


def tensors(out: Path, name: str, network: Network):
    read = lambda what: np.fromfile(out / f"{name}.{what}.f32", np.float32)
    visits = read("visits").reshape(-1, network.visits, network.visit_width)
    facts = read("facts").reshape(-1, network.facts_width)
    return visits, facts, read("incidences").reshape(network.members, -1, YEARS)


def prepare(network: Network, sets: dict, threads: int) -> dict:
    """A session for each form, after checking that it says what we say."""
    sessions = {}
    for form, build in FORMS.items():
        runtime = sessions[form] = Runtime(build(network), threads)
        for name, (visits, facts, ours) in sets.items():
            for patients in BATCHES:
                inputs = {"visits": visits[:patients], "facts": facts[:patients]}
                shape = (network.members, patients, YEARS)
                theirs = runtime.bind((name, patients), inputs, "incidences", shape)
                distance = np.abs(theirs - ours[:, :patients]).max()
                if not distance <= TOLERANCE:
                    raise SystemExit(f"{form}, {name}, {patients} patients: {distance} apart")
    print(f"every form says what we say, to {TOLERANCE:g}")
    return sessions


def identity(threads: int) -> Runtime:
    """What a call costs that computes nothing."""
    value = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [1])
    node = helper.make_node("Identity", ["x"], ["y"])
    graph = helper.make_graph([node], "nothing", [value("x")], [value("y")])
    runtime = Runtime(helper.make_model(graph, ir_version=10), threads)
    runtime.bind("nothing", {"x": np.zeros(1, np.float32)}, "y", (1,))
    return runtime


def product(threads: int) -> Runtime:
    """A large matrix product."""
    value = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [GEMM, GEMM])
    node = helper.make_node("MatMul", ["a", "b"], ["c"])
    graph = helper.make_graph([node], "gemm", [value("a"), value("b")], [value("c")])
    runtime = Runtime(helper.make_model(graph, ir_version=10), threads)
    matrix = np.random.default_rng(1).random((GEMM, GEMM), np.float32)
    runtime.bind("gemm", {"a": matrix, "b": matrix}, "c", (GEMM, GEMM))
    return runtime


def measure(ours: Ours, sessions: dict, peak: Runtime, nothing: Runtime, rounds: int, seconds: float):
    """Times by what was measured, one for each round."""
    times = {}

    def note(key, value):
        times.setdefault(key, []).append(value)
        # The other side's threads look for work for a while before they sleep.
        time.sleep(0.03)

    for turn in range(rounds):
        for name in ("full", "mixed"):
            for patients in BATCHES:
                sides = [("ours", lambda: ours.ask("risks", name, patients, seconds))]
                sides += [
                    (form, lambda runtime=runtime: runtime.time((name, patients), seconds))
                    for form, runtime in sessions.items()
                ]
                for side, call in sides[:: -1 if turn % 2 else 1]:
                    note((side, name, patients), call())
        for what in ("inputs", "predict"):
            for patients in BATCHES:
                note((what, "mixed", patients), ours.ask(what, "mixed", patients, seconds))
        note("nothing", nothing.time("nothing", 0.1))
        note("our gemm", ours.ask("gemm", seconds))
        note("their gemm", 2 * GEMM**3 / peak.time("gemm", seconds))
        print(f"round {turn + 1} of {rounds}", flush=True)
    return times


def row(*cells):
    print("|", " | ".join(str(cell) for cell in cells), "|")


def rate(patients: int, times: list) -> str:
    return f"{patients / median(times):,.0f}"


def compared(times: dict, name: str, said: str):
    print(f"\n{said}: tensors in, ours to calibrated risks, ONNX Runtime to the members' incidences")
    row("patients", "ours, µs", "ours, patients/s", "ONNX Runtime, patients/s", "its best form",
        "ratio", "lowest and highest ratio of a round")
    row(*["---"] * 7)
    for patients in BATCHES:
        ours = times["ours", name, patients]
        form = min(FORMS, key=lambda form: median(times[form, name, patients]))
        theirs = times[form, name, patients]
        ratios = [b / a for a, b in zip(ours, theirs)]
        row(patients, f"{median(ours) * 1e6:,.1f}", rate(patients, ours), rate(patients, theirs),
            form, f"{median(ratios):.2f}", f"{min(ratios):.2f} to {max(ratios):.2f}")


def report(times: dict, flops: int, threads: int):
    compared(times, "full", "Full courses of 16 visits")
    compared(times, "mixed", "Simulated patients as they come")
    print("\nours, from frozen inputs (simulated patients as they come)")
    row("patients", "risks, patients/s", "with contributions, patients/s")
    row(*["---"] * 3)
    for patients in BATCHES:
        row(patients, *(rate(patients, times[what, "mixed", patients]) for what in ("inputs", "predict")))
    peaks = {"candle": median(times["our gemm"]), "ONNX Runtime": median(times["their gemm"])}
    best = max(peaks, key=peaks.get)
    floor = peaks[best] / flops
    reached = LARGEST / median(times["ours", "full", LARGEST])
    print(f"\nan empty call of ONNX Runtime: {median(times['nothing']) * 1e6:.1f} µs")
    print(f"{GEMM} × {GEMM} matrix product, {threads} threads: "
          + ", ".join(f"{name} {peak / 1e9:.0f} GFLOP/s" for name, peak in peaks.items()))
    print(f"floor: {flops:,} FLOP a patient with a full course at {best}'s rate are {floor:,.0f} "
          f"patients/s; reached: {reached:,.0f}, {reached / floor:.0%} of it")


def speed(times: dict) -> dict:
    """What the model card shows, of full courses."""
    best = min(median(times[form, "full", LARGEST]) for form in FORMS)
    return {
        "single_ms": median(times["ours", "full", 1]) * 1e3,
        "patients_per_second": LARGEST / median(times["ours", "full", LARGEST]),
        "onnx_patients_per_second": LARGEST / best,
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.25)
    parser.add_argument("--speed", type=Path, help="where to write what `model card` reads")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    threads = len(os.sched_getaffinity(0))
    ours = Ours(arguments.program, arguments.model, arguments.out)
    network = Network(arguments.model, visits=16)
    sets = {name: tensors(arguments.out, name, network) for name in ("full", "mixed")}
    sessions = prepare(network, sets, threads)
    times = measure(
        ours, sessions, product(threads), identity(threads), arguments.rounds, arguments.seconds
    )
    ours.stop()
    print(f"\n{threads} threads, {arguments.rounds} rounds, onnxruntime {onnxruntime.__version__}")
    report(times, ours.flops, threads)
    if arguments.speed:
        arguments.speed.write_text(json.dumps(speed(times)) + "\n")


if __name__ == "__main__":
    main()
